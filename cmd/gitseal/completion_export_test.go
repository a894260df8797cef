package main

import "io"

// CommandLine is what the program has read of a shell's line.
type CommandLine struct {
	Words []string
	Cur   string
	line  commandLine
}

// ReadCommandLine reads what a shell's script passes on.
func ReadCommandLine(args []string) (CommandLine, bool) {
	l, ok := readCommandLine(args)
	return CommandLine{Words: l.words, Cur: l.cur, line: l}, ok
}

// Answer is what the program prints for one candidate.
func (l CommandLine) Answer(text string) string { return l.line.answer([]candidate{{text: text}}) }

// Complete is a whole call, in an empty environment.
func Complete(args []string) string {
	s := std{in: nil, out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }}
	out, _ := complete(newApp(s, newUI(s)), s, append([]string{"gitseal", completeWord}, args...))
	return out
}
