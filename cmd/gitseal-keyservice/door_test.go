package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServingIsADoor: whoever may not see plaintext cannot serve keys either, not
// even around gitseal keyservice.
func TestServingIsADoor(t *testing.T) {
	path := program(t)
	closing := t.TempDir()
	if err := os.WriteFile(filepath.Join(closing, ".sops.yaml"), []byte("gitseal:\n  doors: [keyservice]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse := sparseRepo(t, closing)
	for _, tt := range []struct {
		name, dir, env string
		exit           int
		says           string
	}{
		// What cannot be listened on ends it at once.
		{"a person", t.TempDir(), "GITSEAL_DOORS=open", 1, "listening on http://x"},
		{"an agent", t.TempDir(), "GITSEAL_DOORS=,CLAUDECODE=1", 6, "serving is closed, which hands out data keys, to whoever asks: an AI agent seems to run this: CLAUDECODE is set"},
		{"closed by the variable", t.TempDir(), "GITSEAL_DOORS=closed", 6, "GITSEAL_DOORS is closed"},
		{"a variable that is neither", t.TempDir(), "GITSEAL_DOORS=ajar", 2, "neither open nor closed"},
		{"closed by the configuration", closing, "GITSEAL_DOORS=open", 6, ".sops.yaml closes it (gitseal: doors)"},
		{"closed by one that a sparse checkout leaves out", sparse, "GITSEAL_DOORS=open", 6, ".sops.yaml closes it (gitseal: doors)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := exec.Command(path, "serve", "--listen", "http://x")
			cmd.Dir, cmd.Stderr = tt.dir, &stderr
			cmd.Env = environ(t, strings.Split(tt.env, ",")...)
			_ = cmd.Run() // its exit code tells
			if code := cmd.ProcessState.ExitCode(); code != tt.exit || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, tt.exit, tt.says, stderr.String())
			}
			if tt.exit == 6 && !strings.Contains(stderr.String(), "hint: have a person run it") {
				t.Errorf("no hint:\n%s", stderr.String())
			}
		})
	}
}

// sparseRepo makes a repository with the configuration of another folder, which a sparse
// checkout leaves out.
func sparseRepo(t *testing.T, like string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(like)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	author := []string{"-c", "user.name=t", "-c", "user.email=t@example.invalid"}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, append(author, "commit", "-qm", "x"), {"sparse-checkout", "set", "--no-cone", "/other"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	return dir
}
