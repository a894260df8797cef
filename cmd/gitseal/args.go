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
	if cmd == nil {
		return args, nil
	}
	var flags, rest []string
	for i := at + 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
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
// a flag of the program itself, none of which takes a value.
func commandOf(app *cli.App, args []string) (int, *cli.Command) {
	for i, a := range args[1:] {
		if strings.HasPrefix(a, "-") {
			continue
		}
		return i + 1, app.Command(a)
	}
	return 0, nil
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
