package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/gitseal/gitseal/formats"
)

// newValue is where set takes the new value from. It is read or made when it is
// first needed, and then kept: by then the file was opened.
type newValue struct {
	std std
	ui  *ui
	// Where the value comes from, in this order: nowhere (null), a generator, a
	// file, a terminal, standard input.
	null       bool
	generator  *generator
	file       string
	stdin      bool // even if it is a terminal
	once       bool // ask once
	raw        bool
	allowEmpty bool

	known  bool
	text   string
	public string
}

func newValueFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file", Usage: "take the value from `FILE`"},
		&cli.BoolFlag{Name: "raw", Usage: "take what is read as it is, the line break at the end of a single line, too"},
		&cli.BoolFlag{Name: "allow-empty", Usage: "set an empty value if nothing is read; there is nothing to seal in one"},
		&cli.BoolFlag{Name: "once", Usage: "on a terminal, ask for the value only once"},
		&cli.StringFlag{Name: "generate", Usage: "make a new secret of a `KIND`: " + strings.Join(generatorKinds(), ", ")},
		&cli.IntFlag{Name: "length", Usage: "make `N` characters (password) or random bytes (hex, base64)"},
	}
}

// newValueFrom reads the flags.
func newValueFrom(c *cli.Context, s std, u *ui, stdin bool) (*newValue, error) {
	v := &newValue{
		std: s, ui: u, null: c.String("type") == typeNull, file: c.String("file"), stdin: stdin,
		once: c.Bool("once"), raw: c.Bool("raw"), allowEmpty: c.Bool("allow-empty"),
	}
	ways := 0
	for _, way := range []bool{v.null, c.IsSet("generate"), c.IsSet("file"), stdin} {
		if way {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, usageError("a value comes from one place: --file, --generate, - (standard input) or --type null", "leave out all but one")
	case c.IsSet("length") && !c.IsSet("generate"):
		return nil, usageError("--length goes with --generate", "--generate password --length 40")
	case c.IsSet("generate"):
		if typ := c.String("type"); typ != typeAuto && typ != typeString {
			return nil, usageError("what is generated is a string", "leave out --type")
		}
		g, err := findGenerator(c.String("generate"), c.Int("length"), c.IsSet("length"))
		if err != nil {
			return nil, err
		}
		v.generator = &g
	}
	if c.IsSet("public-to") && !v.hasPublic() {
		return nil, usageError("--public-to goes with --generate ssh-ed25519 or age", "leave it out: there is no public part")
	}
	return v, nil
}

// hasPublic reports whether a public part goes with the value.
func (v *newValue) hasPublic() bool {
	return v.generator != nil && (v.generator.kind == "ssh-ed25519" || v.generator.kind == "age")
}

// get returns the value as text.
func (v *newValue) get(ctx context.Context) (string, error) {
	if v.known || v.null {
		return v.text, nil
	}
	if v.generator != nil {
		made, err := v.generator.make(v.generator.length)
		v.text, v.public, v.known = made.secret, made.public, err == nil
		return v.text, err
	}
	text, asked, err := v.read(ctx)
	if err != nil {
		return "", err
	}
	if !v.raw && !asked {
		text = withoutLineBreak(text)
	}
	if text == "" && !v.allowEmpty {
		return "", failure("the new value is empty", "give it on standard input or with --file; --allow-empty sets an empty value")
	}
	v.text, v.known = text, true
	return text, nil
}

// withoutLineBreak takes away the line break behind a single line: it belongs to
// the way of writing it (echo, editors), and not to the value. A text of several
// lines, such as a key in PEM, is taken as it is.
func withoutLineBreak(text string) string {
	line, ok := strings.CutSuffix(text, "\n")
	if !ok || strings.Contains(line, "\n") {
		return text
	}
	return strings.TrimSuffix(line, "\r")
}

func (v *newValue) read(ctx context.Context) (text string, asked bool, err error) {
	if v.file != "" {
		return v.readFile()
	}
	if in, ok := v.std.in.(*os.File); ok && !v.stdin && term.IsTerminal(int(in.Fd())) {
		text, err = v.ask(ctx, in)
		return text, true, err
	}
	data, err := readValue(v.std.in)
	if err != nil {
		return "", false, fmt.Errorf("reading the value from standard input: %w", err)
	}
	return string(data), false, nil
}

func (v *newValue) readFile() (string, bool, error) {
	f, err := os.Open(v.file)
	if err != nil {
		return "", false, &fileError{name: v.file, err: plainPathError(err)}
	}
	defer f.Close()
	data, err := readValue(f)
	if err != nil {
		return "", false, &fileError{name: v.file, err: err}
	}
	return string(data), false, nil
}

// maxNewValue is the longest value that any format holds: a whole binary file.
const maxNewValue = 64 << 20

func readValue(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxNewValue+1))
	if err == nil && len(data) > maxNewValue {
		err = &formats.Error{Cause: formats.ErrLimit, Msg: "value too long"}
	}
	return data, plainPathError(err)
}

// ask asks for the value without showing it.
func (v *newValue) ask(ctx context.Context, in *os.File) (string, error) {
	first, err := askSecret(ctx, v.std, in, "new value (not shown): ")
	if err != nil || v.once {
		return first, err
	}
	second, err := askSecret(ctx, v.std, in, "once more: ")
	if err == nil && first != second {
		err = failure("the two values are not the same", "try again; --once asks only once")
	}
	return first, err
}

// awaitLine waits for a line, but not longer than ctx lasts.
func awaitLine(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := read()
		done <- answer{text, err}
	}()
	select {
	case a := <-done:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
