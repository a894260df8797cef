package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// workbench is one file and the real program, built as it is released, that seals
// or unseals the file in place while something goes wrong.
type workbench struct {
	t *testing.T
	// verb is "seal" or "unseal".
	verb   string
	bin    string
	dir    string
	target string
	env    []string
	id     age.Identity
	// plain and sealed are the two contents; sealed is one of many possible.
	plain, sealed []byte
}

// buildProgram builds the program into a folder of the test.
func buildProgram(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "gitseal")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	// As it is installed: without the C library, whose calls come before ours.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return bin
}

func newWorkbench(t *testing.T, bin, verb string) *workbench {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &workbench{t: t, verb: verb, bin: bin, dir: filepath.Join(base, "work")}
	w.target = filepath.Join(w.dir, "secret.yaml")
	if w.id, err = age.Generate(false); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(base, "key")
	if err := os.WriteFile(key, []byte(w.id.SecretText()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = []string{"HOME=" + base, "SOPS_AGE_KEY_FILE=" + key, "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open"}
	var b bytes.Buffer
	for i := range 40 {
		fmt.Fprintf(&b, "key%d: canary-workbench-%d\n", i, i)
	}
	w.plain = b.Bytes()
	w.put(w.plain)
	if code, stderr := w.run(w.bin, "seal", w.target); code != 0 {
		t.Fatalf("sealing without faults: exit code %d: %s", code, stderr)
	}
	if w.sealed, err = os.ReadFile(w.target); err != nil {
		t.Fatal(err)
	}
	return w
}

// foreignID owns the target if the tests run as root, so that the owner has to be
// copied.
const foreignID = 54321

// put makes the folder hold one file of this content and nothing else.
func (w *workbench) put(content []byte) {
	w.t.Helper()
	err := errors.Join(os.RemoveAll(w.dir), os.Mkdir(w.dir, 0o700), os.WriteFile(w.target, content, 0o640), os.Chmod(w.target, 0o640))
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(w.target, foreignID, foreignID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// reset puts the folder into the state before the command.
func (w *workbench) reset() {
	w.t.Helper()
	w.put(map[string][]byte{"seal": w.plain, "unseal": w.sealed}[w.verb])
}

// args is the command under test.
func (w *workbench) args() []string {
	if w.verb == "seal" {
		return []string{w.bin, "seal", w.target}
	}
	return []string{w.bin, "unseal", "-i", w.target}
}

func (w *workbench) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stderr, cmd.Dir = w.env, &stderr, filepath.Dir(w.dir)
	return cmd, &stderr
}

// run returns the exit code, -1 if the program was killed, and its messages.
func (w *workbench) run(args ...string) (int, string) {
	w.t.Helper()
	cmd, stderr := w.command(args...)
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

// opens reports whether content is a sealed file that gives the plain one back.
func (w *workbench) opens(content []byte) bool {
	o, err := cipher.Open(w.t.Context(), yaml.Format{}, content, cipher.OpenOptions{Identities: []keysources.Identity{w.id}})
	return err == nil && bytes.Equal(o.PlaintextBytes(), w.plain)
}

// outcome says what the target is after the command.
type outcome string

const (
	isOld    outcome = "old"
	isNew    outcome = "new"
	isBroken outcome = "neither old nor new"
)

func (w *workbench) outcome() outcome {
	got, err := os.ReadFile(w.target)
	plain := err == nil && bytes.Equal(got, w.plain)
	switch {
	case err != nil:
		return isBroken
	case w.verb == "seal" && plain, w.verb == "unseal" && bytes.Equal(got, w.sealed):
		return isOld
	case w.verb == "seal" && w.opens(got), w.verb == "unseal" && plain:
		return isNew
	}
	return isBroken
}

// problem says what is wrong with the folder after a command that ended with this
// exit code (-1: it was killed) and these messages, "" if nothing is.
func (w *workbench) problem(code int, stderr string) string {
	w.t.Helper()
	got := w.outcome()
	told := strings.Contains(stderr, "new content") || strings.Contains(stderr, "already replaced")
	switch {
	case got == isBroken:
		return string(got)
	case code == 0 && got != isNew:
		return "exit code 0, but the file is " + string(got)
	case code > 0 && got == isNew && !told:
		return fmt.Sprintf("exit code %d, but the file is new: %s", code, stderr)
	case strings.Contains(stderr, "canary-"):
		return "a value in the messages"
	}
	if p := w.litter(code); p != "" {
		return p
	}
	return w.access(got)
}

// litter looks for temporary files: none if the program ended by itself, else at
// most one, which must not be plaintext that others can read, or, in sealing,
// plaintext at all.
func (w *workbench) litter(code int) string {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err.Error()
	}
	if len(entries) == 1 {
		return ""
	}
	if code != -1 || len(entries) != 2 {
		return fmt.Sprintf("exit code %d, and %d files left", code, len(entries))
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(w.target) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(w.dir, e.Name()))
		info, statErr := e.Info()
		switch {
		case err != nil || statErr != nil || !atomicfile.IsTemp(e.Name()):
			return "an unknown file was left: " + e.Name()
		case w.verb == "seal" && bytes.Contains(data, []byte("canary-")):
			return "plaintext was left in a temporary file"
		case w.verb == "unseal" && len(data) > 0 && info.Mode().Perm()&0o077 != 0:
			return fmt.Sprintf("plaintext was left for others to read: mode %o", info.Mode().Perm())
		}
	}
	return ""
}

// access checks the target's mode: sealing keeps it, plaintext is for its owner.
func (w *workbench) access(got outcome) string {
	info, err := os.Stat(w.target)
	if err != nil {
		return err.Error()
	}
	want := os.FileMode(0o640)
	if w.verb == "unseal" && got == isNew {
		want = 0o600
	}
	if info.Mode().Perm() != want {
		return fmt.Sprintf("mode %o, want %o", info.Mode().Perm(), want)
	}
	return ""
}

// eachVerb runs a test for sealing and for unsealing, side by side.
func eachVerb(t *testing.T, bin string, test func(t *testing.T, w *workbench)) {
	for _, verb := range []string{"seal", "unseal"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			test(t, newWorkbench(t, bin, verb))
		})
	}
}
