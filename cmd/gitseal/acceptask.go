package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker asks questions on a terminal.
type asker struct {
	in  *bufio.Reader
	out io.Writer
	// all is the answer to all further questions, "" if there is none yet.
	all string
}

// newAsker returns nil if there is nobody to ask.
func newAsker(s std) *asker {
	in, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(s.err) {
		return nil
	}
	return &asker{in: bufio.NewReader(in), out: s.err}
}

// answer asks until one of the letters, or its word, is typed, and returns it.
func (a *asker) answer(ctx context.Context, question, letters string) (string, error) {
	for {
		fmt.Fprint(a.out, "gitseal: "+question+" ")
		line, err := awaitLine(ctx, func() (string, error) { return a.in.ReadString('\n') })
		if err != nil {
			fmt.Fprintln(a.out)
		}
		if errors.Is(err, io.EOF) {
			return "q", nil
		}
		if err != nil {
			return "", err
		}
		text := strings.ToLower(strings.TrimSpace(line))
		for _, word := range []string{"yes", "no", "drop", "reveal", "quit"} {
			if strings.Contains(letters, word[:1]) && (text == word || text == word[:1]) {
				return word[:1], nil
			}
		}
	}
}

// chooseAsking asks what is to become of a proposal.
func (r *acceptRun) chooseAsking(ctx context.Context, j *acceptJob, o *offer) error {
	const leave, quit = "n", "q"
	if r.ask.all == quit {
		return nil
	}
	question, letters := "accept it? [y]es, [n]o, [d]rop it, [r]eveal it, [q]uit:", "yndrq"
	if o.err != nil || r.c.Bool("drop") {
		question, letters = "drop it? [d]rop it, [n]o, [q]uit:", "dnq"
	}
	if o.err != nil && o.known {
		question, letters = "drop it? [d]rop it, [n]o, [r]eveal it, [q]uit:", "dnrq"
	}
	fmt.Fprintln(r.ask.out, "gitseal: "+oneLine(j.in.name)+"  "+r.introduction(o))
	for {
		answer, err := r.ask.answer(ctx, question, letters)
		if err != nil {
			return err
		}
		switch answer {
		case "y":
			o.action = offerAccepted
		case "d":
			o.action = offerDropped
		case "r":
			if err := r.openDoor(j.in); err != nil {
				fmt.Fprintln(r.ask.out, "gitseal:   "+oneLine(err.Error()))
				continue
			}
			fmt.Fprintln(r.ask.out, "gitseal:   "+o.revealed())
			continue
		case quit, leave:
			r.ask.all = strings.TrimPrefix(answer, leave)
		}
		return nil
	}
}

// introduction tells what is proposed; what is only to be turned down was not
// opened.
func (r *acceptRun) introduction(o *offer) string {
	if r.c.Bool("drop") {
		return o.proposal.ID() + "  " + oneLine(o.proposal.Path.String()+", by "+byText(o.proposal.By))
	}
	text := o.text()
	if r.c.Bool("reveal") && o.known {
		text += ": " + o.revealed()
	}
	return text
}
