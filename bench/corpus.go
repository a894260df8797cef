package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// tally counts what became of the files of a corpus.
type tally struct {
	// files are those that sops at all can seal: plain files of its formats.
	files int
	// ours and sops count those that came back to the byte after sealing and
	// unsealing, sops with its default settings and with an indent of two.
	ours, sops, sops2 int
	// opened counts the files sealed by gitseal that sops opens with equal data.
	opened int
	// refused are files that sops seals and gitseal does not.
	refused []string
	// wrong are files that gitseal sealed and that did not come back, or that
	// sops does not open.
	wrong []string
}

// runCorpus seals and unseals every file below a folder with both tools, and
// counts those that come back unchanged.
func (b *bench) runCorpus(ctx context.Context, root string) (tally, error) {
	var t tally
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || formatByName(path) == "" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := b.corpusFile(ctx, &t, path, src); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if t.files%50 == 0 {
			fmt.Fprintf(b.log, "%d files\n", t.files)
		}
		return ctx.Err()
	})
	return t, err
}

func (b *bench) corpusFile(ctx context.Context, t *tally, path string, src []byte) error {
	name := "file" + strings.ToLower(filepath.Ext(path))
	sealedBySops := b.sops.Encrypt(ctx, name, src)
	if sealedBySops.Err() != nil {
		return nil // not a file for either
	}
	t.files++
	t.sops += b.sopsReturns(ctx, name, src, b.sops)
	narrow := b.sops
	narrow.Config = []byte("stores:\n    yaml:\n        indent: 2\n    json:\n        indent: 2\n")
	t.sops2 += b.sopsReturns(ctx, name, src, narrow)
	in := []file{{name: name, data: src}}
	_, sealed, err := b.apply(ctx, verbSeal, b.ours, in)
	if err != nil {
		t.refused = append(t.refused, fmt.Sprintf("%s: %v", path, err))
		return nil
	}
	_, plain, err := b.apply(ctx, verbUnseal, b.ours, sealed)
	if err != nil || !bytes.Equal(plain[0].data, src) {
		t.wrong = append(t.wrong, path+": does not come back")
		return nil
	}
	t.ours++
	opened := b.sops.Decrypt(ctx, name, sealed[0].data)
	own := b.sops.Decrypt(ctx, name, sealedBySops.Stdout)
	if opened.Err() != nil || sopstest.EqualData(formatByName(path), own.Stdout, opened.Stdout) != nil {
		t.wrong = append(t.wrong, path+": sops does not open it with the data that it makes of the file itself")
		return nil
	}
	t.opened++
	return nil
}

// sopsReturns is 1 if sops gives a file back to the byte.
func (b *bench) sopsReturns(ctx context.Context, name string, src []byte, s sopstest.Sops) int {
	sealed := s.Encrypt(ctx, name, src)
	if sealed.Err() != nil {
		return 0
	}
	plain := s.Decrypt(ctx, name, sealed.Stdout)
	if plain.Err() == nil && bytes.Equal(plain.Stdout, src) {
		return 1
	}
	return 0
}

func formatByName(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	case ".env":
		return "dotenv"
	case ".ini":
		return "ini"
	}
	return ""
}

func (t tally) print(w io.Writer) {
	fmt.Fprintf(w, "| of %d files that sops seals | gitseal | sops | sops, indent 2 |\n|---|---|---|---|\n", t.files)
	fmt.Fprintf(w, "| come back to the byte | %d | %d | %d |\n", t.ours, t.sops, t.sops2)
	fmt.Fprintf(w, "| sealed by gitseal, opened by sops with equal data | %d | | |\n", t.opened)
	for _, r := range t.refused {
		fmt.Fprintln(w, "refused:", r)
	}
	for _, r := range t.wrong {
		fmt.Fprintln(w, "wrong:", r)
	}
}
