//go:build linux

package editor_test

import (
	stdcontext "context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/editor"
)

func context() stdcontext.Context { return stdcontext.Background() }

// options are those of a session in a place, with the test's program as the guard.
func options(c *editor.Command, place string) editor.Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return editor.Options{
		Command: c, Name: "text.yaml", Comment: "#", Places: editor.Places{RuntimeDir: place, TempDir: place},
		Guard: []string{self, guardPart}, Environ: os.Environ(), MaxSize: 1000,
		Tell: func(string) {}, Warn: func(string) {},
	}
}

// place makes a folder in memory for workspaces.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "test-of-editor-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func session(t *testing.T, line string, change func(*editor.Options)) (*editor.Session, string) {
	t.Helper()
	c, err := editor.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	dir := place(t)
	o := options(c, dir)
	if change != nil {
		change(&o)
	}
	s, err := editor.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestEdit: the text comes back changed, and nothing stays.
func TestEdit(t *testing.T) {
	s, dir := session(t, `sh -c 'cp "$1" "$TMPDIR/copy"; sed s/old/new/ "$TMPDIR/copy" > "$1"' sh`, nil)
	if s.OnDisk() {
		t.Error("the folder is not in memory")
	}
	got, err := s.Edit([]byte("a: old\n"))
	if err != nil || string(got) != "a: new\n" || string(s.Last()) != "a: new\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := s.Close(); err != nil || len(entries(t, dir)) != 0 {
		t.Errorf("left: %q, %v", entries(t, dir), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestEditErrors: what went wrong is told apart.
func TestEditErrors(t *testing.T) {
	for line, want := range map[string]error{
		"rm":                          editor.ErrNoText,
		"sh -c 'rm $1; mkdir $1' sh":  editor.ErrNotRegular,
		"sh -c 'rm $1; mkfifo $1' sh": editor.ErrNotRegular,
		"sh -c 'mv $1 $1.moved; ln -s $1.moved $1' sh":            editor.ErrNotRegular,
		`sh -c 'dd if=/dev/zero count=10 status=none of="$1"' sh`: editor.ErrTooLarge,
		"no-such-editor-here":                                     exec.ErrNotFound,
	} {
		s, _ := session(t, line, nil)
		if _, err := s.Edit([]byte("a: 1\n")); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", line, err, want)
		}
		if errors.Is(want, editor.ErrNotRegular) && s.Last() != nil {
			t.Errorf("%s: %q is to be kept", line, s.Last())
		}
	}
	s, _ := session(t, "sh -c 'echo b >> $1; exit 3' sh", nil)
	var exit *editor.ExitError
	if got, err := s.Edit([]byte("a\n")); !errors.As(err, &exit) || exit.Code != 3 || string(got) != "a\nb\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "/"} {
		c, err := editor.Parse("true")
		if err != nil {
			t.Fatal(err)
		}
		o := options(c, place(t))
		o.Name = name
		if _, err := editor.Open(t.Context(), o); err == nil {
			t.Errorf("%q is no name of a file", name)
		}
	}
}

// TestEmergency: what an editor saves beside the file when it is ended is the text, and
// nothing if it ends well.
func TestEmergency(t *testing.T) {
	for code, want := range map[string]string{"1": "a: unsaved\n", "0": "a: 1\n"} {
		s, _ := session(t, `sh -c 'echo "a: unsaved" > "$1.save"; exit `+code+`' sh`, nil)
		_, err := s.Edit([]byte("a: 1\n"))
		if got := string(s.Last()); got != want {
			t.Errorf("exit code %s: got %q, %v", code, got, err)
		}
	}
}

// TestGuardWithoutTempDir: the guard starts wherever the temporary files are to be.
func TestGuardWithoutTempDir(t *testing.T) {
	for _, dir := range []string{"/no/such/folder", "relative"} {
		t.Setenv("TMPDIR", dir)
		s, place := session(t, "sh -c 'echo b >> $1' sh", nil)
		if got, err := s.Edit([]byte("a\n")); err != nil || string(got) != "a\nb\n" {
			t.Errorf("%s: got %q, %v", dir, got, err)
		}
		if err := s.Close(); err != nil || len(entries(t, place)) != 0 {
			t.Errorf("%s: left: %q, %v", dir, entries(t, place), err)
		}
	}
}

// TestKeep: the last resort leaves the text where it is.
func TestKeep(t *testing.T) {
	s, _ := session(t, "true", nil)
	if _, err := s.Edit([]byte("a: kept\n")); err != nil {
		t.Fatal(err)
	}
	path := s.Keep()
	time.Sleep(50 * time.Millisecond) // for a guard that does not know
	if got, err := os.ReadFile(path); err != nil || string(got) != "a: kept\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLoop: a text is edited until it is good, or left alone.
func TestLoop(t *testing.T) {
	errBad := errors.New("it is bad")
	ask := func(o *editor.Options) {
		o.Ask = func(stdcontext.Context, string) (string, error) { return "", nil }
	}
	judge := func(_ stdcontext.Context, text []byte) error {
		if !strings.Contains(string(text), "good") {
			return &editor.Again{Err: errBad, Notes: []string{"not good"}}
		}
		return nil
	}
	for _, tt := range []struct {
		name, line string
		change     func(*editor.Options)
		want       error
		last       string
	}{
		{"good at once", "sh -c 'echo good >> $1' sh", nil, nil, "a\ngood\n"},
		{"at the second try", `sh -c 'if grep -q "^#~ gitseal: not good$" $1; then sed -i s/bad/good/ $1; else echo bad >> $1; fi' sh`, ask, nil, "a\ngood\n"},
		{"unchanged", "true", ask, editor.ErrUnchanged, "a\n"},
		{"emptied", "sh -c 'echo > $1' sh", nil, editor.ErrEmpty, "\n"},
		{"left bad", "sh -c 'grep -q bad $1 || echo bad >> $1' sh", ask, errBad, "a\nbad\n"},
		{"nobody to ask", "sh -c 'echo bad >> $1' sh", nil, errBad, "a\nbad\n"},
		{"an editor that fails", "sh -c 'exit 1' sh", nil, &editor.ExitError{Code: 1}, "a\n"},
	} {
		s, _ := session(t, tt.line, tt.change)
		err := s.Loop(editor.Job{Text: []byte("a\n"), Base: []byte("a\n"), Accept: judge})
		var exit *editor.ExitError
		if !errors.Is(err, tt.want) && !errors.As(err, &exit) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if gaveUp := errors.As(err, new(*editor.GaveUpError)); gaveUp != (tt.want == errBad) {
			t.Errorf("%s: given up: %v", tt.name, gaveUp)
		}
		if diff := cmp.Diff(tt.last, string(s.Last())); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestDetached: an editor that goes on by itself is noticed.
func TestDetached(t *testing.T) {
	for line, want := range map[string]error{
		"true":                         nil,
		"sh -c 'sleep 5 & true' sh":    editor.ErrDetached,
		"sh -c '(sleep 5 3>&-) &' sh":  nil, // it hides well; with somebody to ask, it would be asked
		"sh -c 'sleep 1.2; sleep 5 &'": nil,
	} {
		s, _ := session(t, line, nil)
		if _, err := s.Edit([]byte("a\n")); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", line, err, want)
		}
	}
	asked := 0
	s, _ := session(t, "true", func(o *editor.Options) {
		o.Ask = func(stdcontext.Context, string) (string, error) { asked++; return "", nil }
	})
	if _, err := s.Edit([]byte("a\n")); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// TestGuard: the folder of a process that was killed goes away, also if the editor
// makes it again; one that is in use stays when others look for what was left.
func TestGuard(t *testing.T) {
	dir := place(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, heldPart, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	waitFor(t, "the editor", func() bool {
		found, err := filepath.Glob(filepath.Join(dir, "*", "file", "started"))
		return err == nil && len(found) == 1
	})
	editor.Sweep(dir)
	work := entries(t, dir)
	if len(work) != 1 {
		t.Fatalf("a workspace in use was swept away: %q", work)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	waitFor(t, "the guard", func() bool { return len(entries(t, dir)) == 0 })
	if err := os.MkdirAll(filepath.Join(work[0], "file"), 0o755); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the guard again", func() bool { return len(entries(t, dir)) == 0 })
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

// TestGuardRefuses: a guard removes nothing but workspaces.
func TestGuardRefuses(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "gitseal-edit-1")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "gitseal-edit-2")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, open, link, "", filepath.Join(dir, "gitseal-edit-3")} {
		if err := exec.CommandContext(t.Context(), self, guardPart, path).Run(); err == nil {
			t.Errorf("%q was taken for a workspace", path)
		}
	}
	if got := entries(t, dir); len(got) != 2 {
		t.Errorf("left: %q", got)
	}
}

// TestSweep: what a process left that was killed together with its guard goes away
// when the next one comes; what is not ours stays.
func TestSweep(t *testing.T) {
	dir := place(t)
	old, used, other := filepath.Join(dir, "gitseal-edit-old"), filepath.Join(dir, "gitseal-edit-used"), filepath.Join(dir, "gitseal-editor")
	for _, path := range []string{old, used, other} {
		if err := os.MkdirAll(filepath.Join(path, "file"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := editor.LockFolder(used)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	editor.Sweep(dir)
	if diff := cmp.Diff([]string{used, other}, entries(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestPlaces: a folder that others can change, or that is on a disk, is not used if
// there is a better one.
func TestPlaces(t *testing.T) {
	open := place(t)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, runtime := range []string{open, t.TempDir(), "relative", ""} {
		c, err := editor.Parse("true")
		if err != nil {
			t.Fatal(err)
		}
		o := options(c, runtime)
		o.Places.TempDir = t.TempDir()
		s, err := editor.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if runtime != "" && strings.HasPrefix(s.Dir(), runtime) {
			t.Errorf("%s was chosen", s.Dir())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
