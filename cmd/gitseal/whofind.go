package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// foundFile is a sealed file with what its metadata says.
type foundFile struct {
	in   input
	meta *cipher.Metadata
}

// find returns the sealed files that the arguments mean.
func (r *whoRun) find(ctx context.Context) ([]foundFile, error) {
	in, err := r.candidates(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]foundFile, len(in))
	failed := make([]error, len(in))
	// Reading waits for the disk, so that more hands than processors help.
	const perProcessor = 4
	tuneCollector(in, 200)
	err = forAll(ctx, len(in), perProcessor*runtime.GOMAXPROCS(0), func(i int) error {
		defer r.ui.step("reading", i+1, len(in))
		meta, err := r.metadata(&in[i])
		if err != nil && !in[i].fromFolder {
			return &fileError{name: in[i].name, unsealing: true, err: err}
		}
		found[i], failed[i] = foundFile{in: in[i], meta: meta}, err
		return nil
	})
	r.ui.stepsDone()
	if err != nil {
		return nil, err
	}
	for i, err := range failed {
		if err != nil {
			r.skipped = append(r.skipped, skippedFile{File: in[i].name, Error: oneLine(err.Error()), path: in[i].path, err: err})
		}
	}
	found = slices.DeleteFunc(found, func(f foundFile) bool { return f.meta == nil })
	return r.dropIgnored(ctx, found), nil
}

// candidates lists the files that are named, and all files of folders.
func (r *whoRun) candidates(ctx context.Context) ([]input, error) {
	if len(r.args) == 1 && r.args[0] == stdinArg {
		return collectStdin(r.c)
	}
	var out []input
	seen := map[string]bool{}
	for _, arg := range r.args {
		files, err := r.collectAll(ctx, arg)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if seen[f.Path] || r.except[f.Path] {
				continue
			}
			seen[f.Path] = true
			in := input{name: f.Arg, path: f.Path, rulePath: f.Path}
			in.nameInFolder(f)
			out = append(out, in)
		}
	}
	return out, nil
}

// metadata reads what a file says about its readers: nil for a file of a folder
// that is not sealed.
func (r *whoRun) metadata(in *input) (*cipher.Metadata, error) {
	defer func() { in.data = nil }() // thousands of files need not stay in memory
	if !in.fromFolder {
		if err := in.load(r.c, r.std, r.book); err != nil {
			return nil, err
		}
		return metadataOf(in)
	}
	var err error
	if in.data, err = readIfSealed(in.path); in.data == nil || err != nil {
		return nil, err
	}
	if err := in.settleFormat(r.c.String("format"), r.book); err != nil {
		return nil, err
	}
	binary := in.formatName == "binary"
	switch {
	case binary && !bytes.HasPrefix(bytes.TrimLeft(in.data, " \t\r\n"), []byte("{")):
		return nil, nil // a text that speaks of sops
	case !binary && inConflict(in.data):
		return nil, failure("it holds the marks of a merge conflict (<<<<<<<)", "")
	}
	m, err := metadataOf(in)
	if isNotSealed(err) || binary && err != nil && !asError(err, new(*cipher.TamperedError)) {
		return nil, nil
	}
	return m, err
}

func metadataOf(in *input) (*cipher.Metadata, error) {
	inner := in.inner()
	doc, err := inner.format.Parse(inner.data)
	if err != nil {
		return nil, err
	}
	return cipher.ParseMetadata(doc)
}

// readIfSealed returns the content of a file that may be a sealed one, nil of
// others: those that are too large for one, hold a zero byte, or lack the words
// that every sealed file has.
func readIfSealed(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > formats.MaxSealed {
		return nil, plainPathError(err)
	}
	const head = 4096 // enough to tell a picture from a text
	data := make([]byte, min(info.Size(), head), info.Size()+1)
	n, err := io.ReadFull(f, data)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, plainPathError(err)
	}
	if data = data[:n]; bytes.IndexByte(data, 0) >= 0 {
		return nil, nil
	}
	if rest := int(info.Size()) - n; rest > 0 {
		more, err := io.ReadFull(f, data[n:n+rest])
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			return nil, plainPathError(err)
		}
		data = data[:n+more]
	}
	if !looksSealed(data) {
		return nil, nil
	}
	return data, nil
}

// looksSealed reports whether data has the words that stand in every sealed file.
func looksSealed(data []byte) bool {
	return bytes.Contains(data, []byte("sops")) && bytes.Contains(data, []byte("lastmodified"))
}
