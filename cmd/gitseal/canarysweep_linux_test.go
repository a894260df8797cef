package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// sweep returns where a secret of the story is, in any form: in a file of the work
// tree, of git's folder, of the home folder or a temporary one, or in an object of
// git. What the test itself has written there is left out.
func (s *story) sweep() []string {
	s.t.Helper()
	base := filepath.Dir(s.dir)
	mine := []string{"key", "expr"}
	var out []string
	places := s.objectsByName()
	for _, dir := range []string{base, s.runtimeFolder()} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || filepath.Dir(path) == base && slices.Contains(mine, d.Name()) {
				return err
			}
			data, err := os.ReadFile(path)
			places[path] = data
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	secrets := slices.Clone(s.found.secrets[storyName])
	slices.Sort(secrets)
	for i, secret := range slices.Compact(secrets) {
		for _, form := range forms(secret) {
			for place, data := range places {
				if bytes.Contains(data, []byte(form)) {
					out = append(out, fmt.Sprintf("%s: secret %d, in a form of %d bytes", place, i, len(form)))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// runtimeFolder is where gitseal edit has its workspaces.
func (s *story) runtimeFolder() string {
	for _, v := range s.env {
		if dir, ok := strings.CutPrefix(v, "XDG_RUNTIME_DIR="); ok {
			return dir
		}
	}
	s.t.Fatal("no folder for workspaces")
	return ""
}

// objectsByName returns what git keeps, inflated: all objects, whether or not
// anything refers to them.
func (s *story) objectsByName() map[string][]byte {
	s.t.Helper()
	git := func(stdin []byte, args ...string) []byte {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env, cmd.Stdin = s.dir, s.env, bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			s.t.Fatalf("git %q: %v", args, err)
		}
		return out
	}
	list := git(nil, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered")
	rest := git(list, "cat-file", "--batch")
	out := map[string][]byte{}
	for len(rest) > 0 {
		head, after, ok := bytes.Cut(rest, []byte("\n"))
		var name, kind string
		var size int
		if n, err := fmt.Sscan(string(head), &name, &kind, &size); !ok || n != 3 || err != nil || size+1 > len(after) {
			s.t.Fatalf("git cat-file printed %q", head)
		}
		out["git "+kind+" "+name], rest = after[:size], after[size+1:]
	}
	return out
}

func (s *story) objects() int { s.t.Helper(); return len(s.objectsByName()) }

// TestSweepFindsLeaks is the control: the leaks of sops as a textconv driver whose
// output git keeps, and of files here and there, are found.
func TestSweepFindsLeaks(t *testing.T) {
	skipUnderRace(t)
	sops := sopstest.Binary(t, sopstest.Versions[0])
	s := newStory(t, buildProgram(t))
	s.beginning()
	if leaks := s.sweep(); len(leaks) > 0 {
		t.Fatalf("too early: %q", leaks)
	}
	s.do("git", "config", "diff.gitseal.textconv", sops+" decrypt")
	s.do("git", "show", "HEAD")
	leaks := s.sweep()
	if !slices.ContainsFunc(leaks, func(l string) bool { return strings.HasPrefix(l, "git blob ") }) {
		t.Errorf("what git keeps of the driver's output was not found: %q", leaks)
	}
	if len(s.found.leaks(storyName, s.records)) == 0 {
		t.Error("what git shows was not found")
	}
	s = newStory(t, s.bin)
	s.beginning()
	dangling := s.as(s.env, 0, "x: canary-dangling\n", "git", "hash-object", "-w", "--stdin")
	base := filepath.Dir(s.dir)
	planted := map[string]string{
		filepath.Join(base, "tmp", "left"):              "canary-password-first",
		filepath.Join(base, ".local", "state", "undo"):  "xxY2FuYXJ5LXBhc3N3b3JkLWZpcnN0",
		filepath.Join(s.dir, ".app.yaml.swp"):           "63616e6172792d70617373776f72642d6669727374",
		filepath.Join(s.dir, ".git", "COMMIT_EDITMSG~"): "canary-comment-inner",
		filepath.Join(s.runtimeFolder(), "workspace"):   "canary-pem-line-two",
	}
	for name, text := range planted {
		err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	leaks = s.sweep()
	if !slices.ContainsFunc(leaks, func(l string) bool { return strings.HasPrefix(l, "git blob "+strings.TrimSpace(dangling)) }) {
		t.Error("a blob that nothing refers to was not found")
	}
	for name := range planted {
		if !slices.ContainsFunc(leaks, func(l string) bool { return strings.HasPrefix(l, name+": ") }) {
			t.Errorf("%s was not found", name)
		}
	}
}
