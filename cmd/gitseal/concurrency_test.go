package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// TestConcurrency is about several calls that work on one file at the same time.
func TestConcurrency(t *testing.T) {
	bin := buildProgram(t)
	t.Run("many seal one file", func(t *testing.T) { manySealOneFile(t, newWorkbench(t, bin, "seal")) })
	t.Run("one seals while another unseals", func(t *testing.T) { sealAgainstUnseal(t, newWorkbench(t, bin, "seal")) })
}

// call is how one of many calls ended.
type call struct {
	code           int
	stdout, stderr string
}

func (w *workbench) call(args ...string) call {
	cmd, stderr := w.command(args...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.t.Error(err)
	}
	return call{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// manySealOneFile: one call of fifty seals the file; the others find it sealed, or
// changed under their hands, and say so. Nobody's work is undone.
func manySealOneFile(t *testing.T, w *workbench) {
	const parallel = 50
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		w.reset()
		calls := make([]call, parallel)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { calls[i] = w.call(w.bin, "seal", "--json", w.target) })
		}
		wg.Wait()
		seen := map[string]int{}
		for _, c := range calls {
			seen[w.action(c)]++
		}
		t.Logf("of %d: %v", parallel, seen)
		if seen["sealed"] != 1 || seen["sealed"]+seen["unchanged"]+seen["changed by somebody else"] != parallel {
			t.Errorf("of %d: %v, want 1 sealed", parallel, seen)
		}
		if p := w.problem(0, ""); p != "" {
			t.Error(p)
		}
	}
}

// action says what a call with --json did.
func (w *workbench) action(c call) string {
	var results []struct{ Action string }
	switch {
	case c.code == 0:
		if err := json.Unmarshal([]byte(c.stdout), &results); err != nil || len(results) != 1 {
			w.t.Errorf("output %q: %v", c.stdout, err)
			return "?"
		}
		return results[0].Action
	case c.code == 1 && bytes.Contains([]byte(c.stderr), []byte("changed by somebody else")):
		return "changed by somebody else"
	}
	w.t.Errorf("exit code %d: %s", c.code, c.stderr)
	return "?"
}

// sealAgainstUnseal: whoever looks at the file at whatever time sees the plain file
// or a sealed one that opens.
func sealAgainstUnseal(t *testing.T, w *workbench) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	w.reset()
	var wg sync.WaitGroup
	for _, args := range [][]string{{w.bin, "seal", "-q", w.target}, {w.bin, "unseal", "-q", "-i", w.target}} {
		wg.Go(func() {
			for range rounds {
				// 1: somebody else was faster; 3: there is nothing to unseal.
				if c := w.call(args...); c.code != 0 && c.code != 1 && c.code != 3 {
					t.Errorf("%q: exit code %d: %s", args, c.code, c.stderr)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	plain, sealed := 0, 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Millisecond):
		}
		got, err := os.ReadFile(w.target)
		switch {
		case err != nil:
			t.Fatal(err)
		case bytes.Equal(got, w.plain):
			plain++
		case w.opens(got):
			sealed++
		default:
			t.Fatalf("a file of %d bytes that is neither plain nor opens", len(got))
		}
	}
	t.Logf("seen: %d times plain, %d times sealed", plain, sealed)
	if plain == 0 || sealed == 0 {
		t.Errorf("seen: %d times plain, %d times sealed; want both", plain, sealed)
	}
	if p := w.litter(0); p != "" {
		t.Error(p)
	}
}
