package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's flags in front of its other arguments, where the
// command line library looks for them: people write them in any order. What
// follows "--" is left alone, and "-" (standard input) is not a flag.
func flagsFirst(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	at, cmd := commandOf(app, args)
	if cmd == nil || cmd.SkipFlagParsing {
		return args, nil
	}
	if len(cmd.Subcommands) > 0 && at+1 < len(args) && !strings.HasPrefix(args[at+1], "-") {
		// What is wrong is the name; nobody knows its flags.
		return slices.Concat(args[:at+1], []string{"--", args[at+1]}), nil
	}
	var flags, rest []string
	for i := at + 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			if cmd.Name == "exec" || cmd.Name == "diff" {
				i-- // it separates the files from the command, or from revisions
			}
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		if a == "--help" || a == "-h" {
			// With a file the library would look for help on that.
			return append(slices.Clone(args[:at+1]), a), nil
		}
		flags = append(flags, a)
		if takesNext(cmd, a) {
			if i++; i == len(args) {
				return nil, usageError("the flag "+a+" needs a value", "see gitseal "+cmd.Name+" --help")
			}
			flags = append(flags, args[i])
		}
	}
	out := append([]string{}, args[:at+1]...)
	out = append(out, flags...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out, nil
}

// commandOf finds the command's name among the arguments: the first that is not
// a flag of the program itself, none of which takes a value, and the names of its
// subcommands that follow at once.
func commandOf(app *cli.App, args []string) (int, *cli.Command) {
	at := 1 + slices.IndexFunc(args[1:], func(a string) bool { return !strings.HasPrefix(a, "-") })
	if at == 0 {
		return 0, nil
	}
	cmd := app.Command(args[at])
	for cmd != nil && at+1 < len(args) {
		sub := cmd.Command(args[at+1])
		if sub == nil {
			break
		}
		at, cmd = at+1, sub
	}
	return at, cmd
}

// takesNext reports whether flag a of cmd takes the next argument as its value.
func takesNext(cmd *cli.Command, a string) bool {
	name := strings.TrimLeft(a, "-")
	if strings.Contains(name, "=") {
		return false
	}
	takes, known := takesValue(cmd, name)
	if !known && !strings.HasPrefix(a, "--") {
		// Several one-letter flags in one word: only the last can have a value.
		takes, _ = takesValue(cmd, name[len(name)-1:])
	}
	return takes
}

// takesValue reports whether the flag of a name takes a value, and whether there
// is such a flag.
func takesValue(cmd *cli.Command, name string) (takes, known bool) {
	for _, f := range cmd.Flags {
		if d, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) {
			return d.TakesValue(), true
		}
	}
	return false, false
}
