package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestManySetOneDocument: what TestManySetOneFile holds for files holds for the file inside
// of a SealedManifest: values that are set, proposed and rotated at the same time are all
// there, and the manifest around is as it was.
func TestManySetOneDocument(t *testing.T) {
	sets, proposals := 50, 10
	if testing.Short() {
		sets, proposals = 15, 3
	}
	w := newWorkbench(t, buildProgram(t), "seal")
	w.reset()
	value, file := filepath.Join(filepath.Dir(w.dir), "value"), filepath.Join(w.dir, "manifest.yaml")
	if err := os.WriteFile(value, []byte("canary-set\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := w.call(w.bin, "seal", "--manifest", "--document", "--name", "a", "--namespace", "b", "--key", "k", "-o", file, w.target); c.code != 0 {
		t.Fatal(c.stderr)
	}
	outside := append([]string{"SOPS_AGE_KEY_FILE=/dev/null"}, w.env[0], w.env[2])
	before := manifestAround(t, file)
	var wg sync.WaitGroup
	for i := range sets {
		wg.Go(func() {
			if c := w.call(w.bin, "set", "-q", "--file", value, file, fmt.Sprintf("set.key%d", i)); c.code != 0 {
				t.Errorf("exit code %d: %s", c.code, c.stderr)
			}
		})
	}
	for i := range proposals {
		wg.Go(func() {
			cmd, stderr := w.command(w.bin, "set", "-q", "--file", value, file, fmt.Sprintf("proposed.key%d", i))
			cmd.Env = outside
			if err := cmd.Run(); err != nil {
				t.Errorf("proposing: %v: %s", err, stderr)
			}
		})
	}
	wg.Wait()
	plain := w.call(w.bin, "unseal", "--manifest", file)
	if n := strings.Count(plain.stdout, ": canary-set\n"); n != sets || plain.code != 0 || !strings.HasPrefix(plain.stdout, string(w.plain)) {
		t.Errorf("%d of %d values are there: %s", n, sets, plain.stderr)
	}
	list := w.call(w.bin, "accept", "--list", file)
	if n := strings.Count(list.stdout, "proposed.key"); n != proposals {
		t.Errorf("%d of %d proposals are there: %s", n, proposals, list.stderr)
	}
	if after := manifestAround(t, file); after != before {
		t.Errorf("the manifest around was changed:\n%s", after)
	}
}

// manifestAround returns a SealedManifest up to the document that it holds.
func manifestAround(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), "  document: |\n")
	if !ok {
		t.Fatal("no spec.document")
	}
	return head
}
