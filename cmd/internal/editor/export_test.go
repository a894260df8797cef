package editor

// For tests.

// Argv is what is run to open a file.
func Argv(c *Command, file, state string) []string { return c.argv(file, state) }

// Before is what is run before that, if anything.
func Before(c *Command) []string { return c.before(c) }

// LockFolder holds a workspace as its process does.
var LockFolder = lockFolder
