// Package editors_test runs the plugins in the real editors, on a terminal, with
// everything switched on by which editors leave text behind.
package editors_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// program is gitseal as it is released, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gitseal-editors")
	if err == nil {
		program = filepath.Join(dir, "gitseal")
		cmd := exec.Command("go", "build", "-o", program, "../cmd/gitseal")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		err = cmd.Run()
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "building gitseal:", err)
	}
	_ = os.RemoveAll(dir) // it is temporary
	os.Exit(code)
}

// need returns the path of an editor or another program that a test cannot do without.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		toolcache.Unavailable(t, err)
	}
	return path
}

// canary is a part of all that is secret here, and of nothing else.
const canary = "Wk3xPq7LmZ"

const plainYAML = `# the shop's database
db:
    host: db-1.internal
    password: canary-` + canary + `-before
    note: |
        first canary-` + canary + `-note
        second
list: [one, two]
`

// sandbox is a home, temporary folder and work tree of its own.
type sandbox struct {
	t *testing.T
	// root holds all that the editor can be expected to write.
	root, home, work, file string
	env                    []string
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{t: t, root: root, home: filepath.Join(root, "home"), work: filepath.Join(root, "work")}
	s.file = filepath.Join(s.work, "app.yaml")
	for _, dir := range []string{s.home, s.work, s.path("tmp"), s.path("state/undo"), s.path("state/backup"), s.path("state/swap")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// A person sits here, whoever runs the tests.
	s.env = []string{"HOME=" + s.home, "TMPDIR=" + s.path("tmp"), "PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"),
		"TERM=linux", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "SHELL=/bin/sh", "STATE=" + s.path("state"), "PROBE=" + s.path("probe"),
		"XDG_STATE_HOME=" + s.path("state"), "GITSEAL_DOORS=open"}
	s.seal("app.yaml", plainYAML)
	return s
}

func (s *sandbox) path(name string) string { return filepath.Join(s.root, name) }

// seal makes a sealed file in the work tree.
func (s *sandbox) seal(name, plain string) {
	s.t.Helper()
	path := filepath.Join(s.work, name)
	cmd := s.command(program, "seal", "--path", path, "--if-unchanged", "none", "-")
	cmd.Stdin = strings.NewReader(plain)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("sealing: %v\n%s", err, out)
	}
}

func (s *sandbox) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = s.env, s.work
	return cmd
}

// unsealed returns the plain form of a sealed file.
func (s *sandbox) unsealed(path string) string {
	s.t.Helper()
	out, err := s.command(program, "unseal", path).Output()
	if err != nil {
		s.t.Fatalf("unsealing %s: %v", path, err)
	}
	return string(out)
}

func (s *sandbox) read(path string) string {
	s.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// write puts a file below the root, such as a script for the editor.
func (s *sandbox) write(name, text string) string {
	s.t.Helper()
	path := s.path(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// forget takes the identity away, so that nothing opens.
func (s *sandbox) forget() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.home, ".config")); err != nil {
		s.t.Fatal(err)
	}
}

// guises are what the canary looks like, as it is and within something that is
// encoded.
func guises() [][]byte {
	out := [][]byte{[]byte(canary), []byte(fmt.Sprintf("%x", canary))}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), canary...))
		out = append(out, []byte(text[[]int{0, 2, 3}[shift]:len(text)-2]))
	}
	var wide bytes.Buffer
	for _, b := range []byte(canary) {
		wide.Write([]byte{b, 0})
	}
	return append(out, wide.Bytes())
}

// leaks lists the files below a folder that hold the canary.
func leaks(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, g := range guises() {
			if bytes.Contains(data, g) {
				found = append(found, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkDiff checks that a sealed file differs from what it was in the line of one
// value, and in what goes with every change.
func checkDiff(t *testing.T, before, after, key string) {
	t.Helper()
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(old) != len(now) {
		t.Fatalf("%d lines became %d", len(old), len(now))
	}
	changed := false
	for i := range old {
		if old[i] == now[i] {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(now[i]), ":")
		switch name {
		case key:
			changed = true
		case "mac", "lastmodified", "comments", "spelling":
		default:
			t.Errorf("line %d has changed, too: %s", i+1, now[i])
		}
	}
	if !changed {
		t.Errorf("the line of %s is as it was", key)
	}
}
