package main

import (
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

// hintName returns a file's name as a hint has it: so that a shell reads it as one word,
// and no program takes it for a flag.
func hintName(name string) string {
	if strings.HasPrefix(name, "-") && name != stdinArg {
		name = "./" + name
	}
	return gitsetup.Command(name)
}
