package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/age"
)

// TestEditsDoNotTakeOverASelector: while somebody edits a file that has no rule,
// somebody else, who needs no key for it, puts one with another selector in its place.
// What is edited must not be stored by that selector. (No script: the file changes
// though the call fails.)
func TestEditsDoNotTakeOverASelector(t *testing.T) {
	bin, dir := buildProgram(t), t.TempDir()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		cmd := exec.Command(bin, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "SOPS_AGE_KEY_FILE=" + filepath.Join(dir, "key"), "GITSEAL_DOORS=open",
			"EDITOR=sh meanwhile.sh"}
		_ = cmd.Run() // its exit code tells
		return cmd.ProcessState.ExitCode(), out.String()
	}
	write("key", id.SecretText()+"\n")
	write("mine.yaml", "password: hidden-one\nport: 1\n")
	write("fake.yaml", "password: fake\nport: 1\nz: 1\n")
	write("meanwhile.sh", "cp "+filepath.Join(dir, "fake.yaml")+" "+filepath.Join(dir, "app.yaml")+"\necho 'new: hidden-two' >> \"$1\"\n")
	for _, args := range [][]string{{"seal", "mine.yaml"}, {"seal", "--encrypted-regex", "^z$", "fake.yaml"}} {
		if code, out := run(args...); code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, out)
		}
	}
	for _, args := range [][]string{{"edit", "app.yaml"}, {"edit", "--redacted", "app.yaml"}} {
		mine, err := os.ReadFile(filepath.Join(dir, "mine.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		write("app.yaml", string(mine))
		code, out := run(args...)
		if code != 3 || !strings.Contains(out, "somebody else has changed meanwhile what of it is sealed (encrypted_regex: ^z$, before unencrypted_suffix: _unencrypted)") {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
		if now, err := os.ReadFile(filepath.Join(dir, "app.yaml")); err != nil || bytes.Contains(now, []byte("hidden")) {
			t.Errorf("%q: %v; what was edited is plain in the file", args, err)
		}
	}
}
