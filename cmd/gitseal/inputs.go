package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// stdinArg is the argument that means standard input.
const stdinArg = "-"

func inputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Usage: "read every file as `FORMAT` (" + formatNames() + ") whatever its name"},
		&cli.StringFlag{Name: "path", Usage: "`PATH` whose name and rule apply to standard input (-)"},
		&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file", EnvVars: []string{"SOPS_CONFIG"}},
	}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print the result as JSON"}
}

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but errors and warnings"}
}

// input is one file that a command works on.
type input struct {
	// name is what people call it, path where it is ("" for standard input), and
	// rulePath what rules and the format go by.
	name, path, rulePath string
	// fromFolder: the file was not named itself but found in a folder.
	fromFolder bool
	// around, if it is not nil: data are what that SealedManifest holds in spec.document.
	around *around
	// undecided: conflict markers are no reason to refuse the file.
	undecided  bool
	data       []byte
	format     formats.Format
	formatName string
}

// readInputs collects the files that a command line names and reads them.
func readInputs(c *cli.Context, s std) ([]input, error) {
	in, _, err := readCounted(c, s)
	return in, err
}

// readCounted is readInputs, and counts the empty files of folders, which are left out.
func readCounted(c *cli.Context, s std) (files []input, empty int, err error) {
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return nil, 0, err
	}
	in, err := collect(c, s, book)
	if err != nil {
		return nil, 0, err
	}
	kept := in[:0]
	for _, f := range in {
		err := f.load(c, s, book)
		if errors.Is(err, errEmptyInput) && f.fromFolder {
			empty++ // a .gitkeep, say
			continue
		}
		if err != nil {
			return nil, 0, &fileError{name: f.name, err: err}
		}
		kept = append(kept, f)
	}
	if len(kept) == 0 {
		return nil, empty, failure("all files found are empty", "there is nothing to seal or unseal in them")
	}
	return kept, empty, nil
}

// errEmptyInput: the file holds nothing.
var errEmptyInput = failure("the input is empty", "there is nothing to seal or unseal in it")

// inConflict reports whether git has left the marks of a merge conflict in a file.
func inConflict(data []byte) bool {
	has := func(mark string) bool {
		return bytes.HasPrefix(data, []byte(mark)) || bytes.Contains(data, []byte("\n"+mark))
	}
	return has("<<<<<<< ") && has("=======\n") && has(">>>>>>> ")
}

// errInConflict says how to go on with a file in conflict.
func errInConflict(name string, sealed bool) error {
	name = hintName(name)
	hint := "settle them, or gitseal resolve " + name + " lists them key by key"
	if sealed {
		hint = "gitseal resolve " + name + " lists them key by key, and settles them"
	}
	return &commandError{code: exitWrongState, text: "the file holds the marks of a merge conflict (<<<<<<<)", hint: hint}
}

func collect(c *cli.Context, s std, book *ruleBook) ([]input, error) {
	args := c.Args().Slice()
	if len(args) == 0 {
		return nil, usageError("name a file, a folder, or - for standard input", c.Command.HelpName+" FILE")
	}
	for _, a := range args {
		if a != stdinArg {
			continue
		}
		if len(args) > 1 {
			return nil, usageError("- (standard input) goes alone", "run the command once for standard input and once for the files")
		}
		return collectStdin(c)
	}
	if c.String("path") != "" {
		return nil, usageError("--path goes with - (standard input) only", "leave it out: the files' own paths apply")
	}
	files, err := workset.Collect(args, workset.Options{Match: book.matches})
	if book.matchErr != nil {
		err = book.matchErr // also if that is why no file matched
	}
	if err != nil {
		return nil, err
	}
	in := make([]input, len(files))
	for i, f := range files {
		in[i] = input{name: f.Arg, path: f.Path, rulePath: f.Path}
		in[i].nameInFolder(f)
	}
	return in, nil
}

// nameInFolder names a file that was found in a folder after that folder.
func (in *input) nameInFolder(f workset.File) {
	folder, err := filepath.EvalSymlinks(f.Arg)
	if err != nil {
		return
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return
	}
	if rel, err := filepath.Rel(folder, f.Path); err == nil && rel != "." && filepath.IsLocal(rel) {
		in.name, in.fromFolder = filepath.Join(f.Arg, rel), true
	}
}

func collectStdin(c *cli.Context) ([]input, error) {
	path := c.String("path")
	if format := c.String("format"); path == "" && format != "" && c.Command.Name == "unseal" {
		path = "stdin." + format // nothing is written, and it needs no rule
	}
	if path == "" {
		return nil, usageError("standard input has no name", "say whose rule and format apply: --path FILE (the file need not exist)")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return []input{{name: path, rulePath: abs}}, nil
}

// load reads the content and settles the format.
func (in *input) load(c *cli.Context, s std, book *ruleBook) error {
	var err error
	if in.path == "" {
		in.data, err = readLimited(s.in)
	} else {
		in.data, err = readFile(in.path)
	}
	if err != nil {
		return err
	}
	if len(in.data) == 0 {
		return errEmptyInput
	}
	if err := in.settleFormat(c.String("format"), book); err != nil {
		return err
	}
	sealed := bytes.Contains(in.data, []byte(cipher.SealedPrefix))
	if !in.undecided && (in.formatName != "binary" || sealed) && inConflict(in.data) {
		return errInConflict(in.name, sealed)
	}
	return nil
}

// settleFormat goes by the flag, then the configuration, then the name.
func (in *input) settleFormat(flag string, book *ruleBook) error {
	in.formatName = flag
	var err error
	if flag == "" {
		if in.formatName, err = book.format(in.rulePath); err != nil {
			return err
		}
	}
	if in.formatName == "" {
		in.formatName = all.NameForFile(in.rulePath)
	}
	f, ok := all.ByName(in.formatName)
	if !ok {
		return usageError("there is no format "+quoted(in.formatName), "the formats are "+formatNames())
	}
	in.format = f
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, plainPathError(err)
	}
	if info.Size() > formats.MaxSealed {
		return nil, errTooLarge()
	}
	if !info.Mode().IsRegular() {
		return readLimited(f)
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, plainPathError(err)
	}
	rest, err := readLimited(f) // it may have grown
	return append(data[:n:n], rest...), err
}

func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, formats.MaxSealed+1))
	if err != nil {
		return nil, plainPathError(err)
	}
	if len(data) > formats.MaxSealed {
		return nil, errTooLarge()
	}
	return data, nil
}

func errTooLarge() error {
	return &formats.Error{Cause: formats.ErrLimit, Msg: fmt.Sprintf("larger than %d MiB", formats.MaxSealed>>20)}
}

// plainPathError drops the operation and the path, which the message has
// already, from an error of package os.
func plainPathError(err error) error {
	var p *os.PathError
	if asError(err, &p) {
		return p.Err
	}
	return err
}

func splitCommas(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}
