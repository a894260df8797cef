package main

import (
	"context"
	"fmt"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
)

// showPlaintext prints a line diff of the plain files. It is where plaintext leaves
// the process: everything is opened before a byte is printed.
func (r *diffRun) showPlaintext(ctx context.Context, list []*fileDiff) error {
	var files []input
	for _, d := range list {
		for _, s := range []*diffSide{&d.old, &d.new} {
			if s.name != "" {
				files = append(files, s.in)
			}
		}
	}
	if err := openToCaller(r.std, doorDiff); err != nil {
		return err
	}
	if err := openByRule(r.book, doorDiff, files...); err != nil {
		return err
	}
	ids, err := newIdentities(r.c, r.std, r.ui)
	if err != nil {
		return err
	}
	var out []byte
	for _, d := range list {
		was, err := r.plaintext(ctx, ids, &d.old)
		if err != nil {
			return err
		}
		is, err := r.plaintext(ctx, ids, &d.new)
		if err != nil {
			return err
		}
		out = append(out, diff.Diff(sideName("a/", d.old.name), was, sideName("b/", d.new.name), is)...)
	}
	if _, err := r.std.out.Write(out); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

func (r *diffRun) plaintext(ctx context.Context, ids *identities, s *diffSide) ([]byte, error) {
	if s.err != nil {
		return nil, &fileError{name: s.name, unsealing: true, err: s.err}
	}
	if s.version.Metadata == nil {
		return s.data, nil
	}
	opts := ids.openOptions()
	opts.PlainOnly = true
	required, err := r.book.requiresIntegrity(s.path)
	if err != nil {
		return nil, &fileError{name: s.name, err: err}
	}
	opts.RequireSeal = required
	o, err := cipher.Open(ctx, s.in.format, s.in.data, opts)
	if err != nil {
		return nil, &fileError{name: s.name, unsealing: true, err: err}
	}
	plain := o.PlaintextBytes()
	if s.in.around != nil {
		// What has changed around it is to be seen, too; not all can be written there.
		if file, err := manifest.WithText(s.in.around.format, s.in.around.data, plain); err == nil {
			return file, nil
		}
	}
	return plain, nil
}

func sideName(prefix, name string) string {
	if name == "" {
		return "/dev/null"
	}
	return oneLine(prefix + name)
}
