package launch

// PipeOptions are the content of a named pipe and where it may be.
type PipeOptions struct {
	Data []byte
	// RuntimeDir is the user's folder for such things (XDG_RUNTIME_DIR), "" if
	// there is none, and TempDir the one for temporary files.
	RuntimeDir, TempDir string
	// AllowDisk allows a folder that is not in memory. The pipe's content is in no
	// file in any case, but its name is there, until the program ends.
	AllowDisk bool
}
