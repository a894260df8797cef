package check_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/keysources"
)

// TestRunOverManyFiles: every file once, the configuration's fault once, findings in
// order, whatever the number of workers.
func TestRunOverManyFiles(t *testing.T) {
	w := newWorld(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sealed := w.seal("a.yaml", "one: first\n", cipher.SealOptions{})
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(".sops.yaml", "creation_rules:\n  - path_regex: ^s/\n    age: "+w.alice.Recipient().String()+"\n")
	put("broken/.sops.yaml", "creation_rule: []\n")
	const n = 100
	for i := range n {
		put(fmt.Sprintf("s/f%03d.yaml", i), sealed)
		put(fmt.Sprintf("broken/f%03d.yaml", i), "a: b\n")
	}
	put("s/f050.yaml", "one: first\n")
	put("s/f060.yaml", sealed[:len(sealed)-2]+"4\n") // another version of sops: the keyed MAC covers it
	t.Chdir(dir)
	set, err := check.WorkTree(t.Context(), []string{"."}, check.Options{})
	if err != nil || set.Len() != 2*n+2 {
		t.Fatalf("%d files, %v", set.Len(), err)
	}
	var steps atomic.Int64
	r, err := check.Run(t.Context(), set, check.RunOptions{
		Identities: []keysources.Identity{w.alice}, Step: func(int, int) { steps.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.File+" "+f.ID)
	}
	want := []string{"broken/.sops.yaml config", "s/f050.yaml not-sealed", "s/f060.yaml tampered"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Files != 2*n+2 || r.Sealed != n-1 || r.Opened != n-2 || steps.Load() != 2*n+2 {
		t.Errorf("%d files, %d sealed, %d opened, %d steps", r.Files, r.Sealed, r.Opened, steps.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := check.Run(ctx, set, check.RunOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
