package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/dotenv"
)

// The kinds of sources, by the names of --from.
const (
	fromSealedSecret = "sealedsecret"
	fromSops         = "sops"
	fromDotenv       = "dotenv"
)

// importSource is one file to import from.
type importSource struct {
	in   input
	from string
	// manifests is what a file of SealedSecrets holds.
	manifests *sealedsecret.File
	// sealed: the file has a sops.seal entry already.
	sealed  bool
	removed bool
}

// sources reads the files that the command line names and tells what each is.
func (r *importRun) sources(book *ruleBook) ([]*importSource, error) {
	in, err := r.collect(book)
	if err != nil {
		return nil, err
	}
	var out []*importSource
	for _, f := range in {
		err := f.load(r.c, r.std, book)
		if f.fromFolder && errors.Is(err, errEmptyInput) {
			continue
		}
		if err != nil {
			return nil, &fileError{name: f.name, err: err}
		}
		s := &importSource{in: f}
		ok, err := r.detect(s)
		if err != nil {
			return nil, &fileError{name: f.name, err: importError(err)}
		}
		if !ok {
			r.skipped = append(r.skipped, f.name)
			continue
		}
		if err := r.checkRemovable(s); err != nil {
			return nil, &fileError{name: f.name, err: err}
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, &commandError{code: exitWrongState, text: "nothing here was sealed by plain sops or for a controller of SealedSecrets",
			hint: "of folders, dotenv files are not taken: name them"}
	}
	return out, nil
}

// collect lists the files. Of folders it takes what a rule matches and all
// structured files: what was sealed without a rule is to be found, too.
func (r *importRun) collect(book *ruleBook) ([]input, error) {
	args := r.c.Args().Slice()
	if len(args) == 0 || len(args) == 1 && args[0] == stdinArg {
		return collect(r.c, r.std, book)
	}
	if r.c.String("path") != "" {
		return nil, usageError("--path goes with - (standard input) only", "leave it out: the files' own paths apply")
	}
	files, err := workset.Collect(args, workset.Options{Match: func(file string) bool {
		return book.matches(file) || isStructured(file) || isSealedBinary(file)
	}})
	if err == nil {
		err = book.matchErr
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

// isSealedBinary reports whether a file begins as sops begins what it has sealed
// as a whole, whatever the name.
func isSealedBinary(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	const enough = 64
	head := make([]byte, enough)
	n, err := io.ReadFull(f, head)
	return (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) && bytes.HasPrefix(head[:n], []byte("{")) &&
		bytes.Contains(head[:n], []byte(`"data": "`+cipher.SealedPrefix))
}

// detect tells what a file is. ok is false for a file of a folder that import has
// nothing to do with.
func (r *importRun) detect(s *importSource) (ok bool, err error) {
	s.from = r.c.String("from")
	if s.from == "" {
		s.from = r.guess(s.in)
	}
	switch {
	case s.in.fromFolder && (s.from == "" || s.from == fromDotenv):
		return false, nil
	case s.in.fromFolder && s.from == fromSealedSecret && r.keys.Len() == 0:
		r.ui.warn(s.in.name + ": a SealedSecret, skipped: there is no --sealing-key")
		return false, nil
	}
	switch s.from {
	case fromSealedSecret:
		s.manifests, err = sealedsecret.Read(s.in.data)
		return err == nil, err
	case fromSops:
		report, err := cipher.Inspect(s.in.format, s.in.data)
		if err != nil {
			return false, err
		}
		s.sealed = report.Metadata.Seal != nil
		return true, nil
	case fromDotenv:
		return true, nil
	}
	return false, &commandError{code: exitWrongState, text: "neither a SealedSecret, nor sealed by sops, nor a dotenv file",
		hint: "a plain file of another kind is sealed with gitseal seal " + s.in.name + "; --from says what it is if that is wrong"}
}

// guess tells the kind of a file from its content, "" if it is none.
func (r *importRun) guess(in input) string {
	if sealedsecret.Mentioned(in.data) {
		if f, err := sealedsecret.Read(in.data); err != nil || len(f.Manifests) > 0 {
			return fromSealedSecret
		}
	}
	if bytes.Contains(in.data, []byte(cipher.SealedPrefix)) || bytes.Contains(in.data, []byte("sops")) {
		if _, err := cipher.Inspect(in.format, in.data); !isNotSealed(err) {
			return fromSops
		}
	}
	// --as is for dotenv files only, and so says what the file is.
	name := all.NameForFile(in.rulePath)
	if name == "dotenv" || r.c.String("as") != "" || name == "binary" && isDotenv(in.data) {
		return fromDotenv
	}
	return ""
}

// isDotenv reports whether data can be read as dotenv: nothing but comments and
// assignments to names.
func isDotenv(data []byte) bool {
	doc, err := dotenv.Format{}.Parse(data)
	if err != nil {
		return false
	}
	pairs, err := readDotenv(doc, false)
	return err == nil && len(pairs) > 0
}

// target is where the item goes, as people are told.
func (it *importItem) target() string { return it.job.in.name }

// beside returns the name of a file in the folder of the source, "" if the source
// has none.
func (s *importSource) beside(name string) string {
	if s.in.path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(s.in.name), name)
}
