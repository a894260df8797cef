package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestManySetOneFile: of a hundred processes that set a value each in one file, and
// some that propose one, at the same time, no work is lost.
func TestManySetOneFile(t *testing.T) {
	sets, proposals := 100, 10
	if testing.Short() {
		sets, proposals = 30, 3
	}
	w := newWorkbench(t, buildProgram(t), "unseal")
	value := filepath.Join(filepath.Dir(w.dir), "value")
	if err := os.WriteFile(value, []byte("canary-set\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outside := append([]string{"SOPS_AGE_KEY_FILE=/dev/null"}, w.env[0], w.env[2])
	for name, file := range map[string]string{"one that is there": w.target, "one that is made": filepath.Join(w.dir, "new.yaml")} {
		w.reset()
		var wg sync.WaitGroup
		for i := range sets {
			wg.Go(func() {
				if c := w.call(w.bin, "set", "-q", "--file", value, file, fmt.Sprintf("set.key%d", i)); c.code != 0 {
					t.Errorf("%s: exit code %d: %s", name, c.code, c.stderr)
				}
			})
		}
		asked := 0
		if file == w.target {
			asked = proposals
		}
		for i := range asked {
			wg.Go(func() {
				cmd, stderr := w.command(w.bin, "set", "-q", "--file", value, file, fmt.Sprintf("proposed.key%d", i))
				cmd.Env = outside
				if err := cmd.Run(); err != nil {
					t.Errorf("%s: proposing: %v: %s", name, err, stderr)
				}
			})
		}
		wg.Wait()
		plain := w.call(w.bin, "unseal", file)
		if n := strings.Count(plain.stdout, ": canary-set\n"); n != sets || plain.code != 0 {
			t.Errorf("%s: %d of %d values are there: %s", name, n, sets, plain.stderr)
		}
		list := w.call(w.bin, "accept", "--list", file)
		if n := strings.Count(list.stdout, "proposed.key"); n != asked {
			t.Errorf("%s: %d of %d proposals are there: %s", name, n, asked, list.stderr)
		}
	}
}
