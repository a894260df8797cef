package cipher_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/all"
)

// corpusFiles returns the files below GITSEAL_CORPUS whose format is known.
func corpusFiles(t *testing.T) []string {
	t.Helper()
	if corpus() == "" {
		t.Skip("GITSEAL_CORPUS names no folder of real files")
	}
	var files []string
	err := filepath.WalkDir(corpus(), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && all.NameForFile(path) != "binary" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestCorpusKeepsTheLaws seals real files, whole and in part. What is refused has
// to be refused in a typed way, and be the exception.
func TestCorpusKeepsTheLaws(t *testing.T) {
	files := corpusFiles(t)
	accepted, refused := 0, 0
	for i, path := range files {
		if testing.Short() && i%5 != 0 {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := all.NameForFile(path)
		for n, opts := range variants(t, name, src) {
			err := lawCase{name, src, opts}.check(t)
			var r *refusedError
			switch {
			case errors.As(err, &r) && n == 0:
				refused++
				t.Logf("%s: %v", path, r)
			case errors.As(err, &r):
			case err != nil:
				t.Errorf("%s, %s: %v", path, opts.Selector, err)
			case n == 0:
				accepted++
			}
		}
	}
	t.Logf("%d files accepted, %d refused", accepted, refused)
	if accepted < refused {
		t.Errorf("only %d of %d files were accepted", accepted, accepted+refused)
	}
}

// TestCorpusGoesBothWays exchanges the corpus with the newest sops. Files that
// either of the two refuses are left out, and so are those which sops itself
// cannot read back, and those that hold nothing.
func TestCorpusGoesBothWays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	files := corpusFiles(t)
	p := newPeer(t, sopstest.Versions[0])
	var done, left atomic.Int64
	t.Run("files", func(t *testing.T) {
		for _, path := range files {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				name := all.NameForFile(path)
				opts := cipher.SealOptions{Selector: cipher.DefaultSelector()}
				if _, err := trySeal(t, name, src, opts); err != nil || len(parse(t, name, src).Leaves) == 0 {
					left.Add(1)
					return
				}
				err = p.exchange(t, name, src, opts)
				if err != nil && strings.HasPrefix(err.Error(), "sealed by sops: ") || err != nil && strings.HasPrefix(err.Error(), "sealed and opened by sops") {
					left.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
				}
				done.Add(1)
			})
		}
	})
	t.Logf("%d files exchanged, %d left out", done.Load(), left.Load())
	if done.Load() < left.Load() {
		t.Errorf("only %d files were exchanged", done.Load())
	}
}
