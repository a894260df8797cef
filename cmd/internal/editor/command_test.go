package editor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/editor"
)

// TestArguments: the editor is found behind what runs it, gets its switches once,
// and the file last.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"code", []string{"code", "--wait", "--new-window", "--disable-extensions", "--disable-workspace-trust", "--user-data-dir=S/code", "F"}},
		{"code --wait", []string{"code", "--wait", "--new-window", "--disable-extensions", "--disable-workspace-trust", "--user-data-dir=S/code", "F"}},
		{"code -w -r --user-data-dir=/mine", []string{"code", "-w", "-r", "--user-data-dir=/mine", "--disable-extensions", "--disable-workspace-trust", "F"}},
		{"/opt/my\\ apps/codium --user-data-dir /mine -w", []string{"/opt/my apps/codium", "--user-data-dir", "/mine", "-w", "--new-window", "--disable-extensions", "--disable-workspace-trust", "F"}},
		{"env LANG=C nice -n 10 subl", []string{"env", "LANG=C", "nice", "-n", "10", "subl", "--wait", "--new-window", "F"}},
		{"subl -n -- ", []string{"subl", "-n", "--wait", "--", "F"}},
		{"zed", []string{"zed", "--wait", "--user-data-dir", "S/zed", "F"}},
		{"goland64", []string{"goland64", "--wait", "F"}},
		{"hx", []string{"hx", "F"}},
		{"kak -n", []string{"kak", "-n", "F"}},
		{"kate -b", []string{"kate", "-b", "F"}},
		{"micro -backup true", []string{"micro", "-backup", "true", "-permbackup", "false", "-savecursor", "false", "-savehistory", "false", "-saveundo", "false", "-eofnewline", "false", "F"}},
		{"nothing-like-it 'a b'", []string{"nothing-like-it", "a b", "F"}},
		{"$HOME/bin/code", []string{"sh", "-c", `$HOME/bin/code "$@"`, "$HOME/bin/code", "--wait", "--new-window", "--disable-extensions", "--disable-workspace-trust", "--user-data-dir=S/code", "F"}},
		{"~/bin/hx", []string{"sh", "-c", `~/bin/hx "$@"`, "~/bin/hx", "F"}},
		{"sleep 1; code", []string{"sh", "-c", `sleep 1; code "$@"`, "sleep 1; code", "F"}},
		{"X=1 code -w", []string{"sh", "-c", `X=1 code -w "$@"`, "X=1 code -w", "--new-window", "--disable-extensions", "--disable-workspace-trust", "--user-data-dir=S/code", "F"}},
	} {
		c, err := editor.Parse(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if diff := cmp.Diff(tt.want, editor.Argv(c, "F", "S")); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
}

// TestNames: an editor is known by the program that a name leads to.
func TestNames(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	for link, target := range map[string]string{"editor": "vim.basic", "vi": "nvi", "view": "vim.tiny", "nano": "pico", "emacs": "emacs-nox"} {
		if err := os.WriteFile(filepath.Join(bin, target), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(bin, link)); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]bool{
		"editor": true, "vi": false, "view": true, "nano": false, "emacs": true, "vim": true, "nvim -p": true,
		"ed.sh": false, "sh -c vim": false, "Code.exe": true, `'C:\Tools\notepad.exe' /A`: true,
	} {
		c, err := editor.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if c.Known() != want {
			t.Errorf("%s: known: %v", line, c.Known())
		}
	}
	c, err := editor.Usual()
	if err != nil || c.Name() != "nano" {
		t.Errorf("the usual one: %v, %v", c, err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := editor.Usual(); err != editor.ErrNone {
		t.Errorf("without any: %v", err)
	}
	for _, line := range []string{"", "  ", "# none"} {
		if _, err := editor.Parse(line); err == nil {
			t.Errorf("%q is no editor", line)
		}
	}
	if _, err := editor.Parse("vim 'a"); err == nil || !strings.Contains(err.Error(), "quotes") {
		t.Errorf("a quote that is not closed: %v", err)
	}
}

// TestWarnings: of editors that keep something in spite of all, people are told.
func TestWarnings(t *testing.T) {
	for line, want := range map[string]bool{"cursor": true, "idea": true, "subl": true, "code": false, "hx": false, "emacsclient": true, "joe": true, "/usr/bin/jmacs": true, "ed": true, "nano": false} {
		c, err := editor.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Keeps() != ""; got != want {
			t.Errorf("%s: %q", line, c.Keeps())
		}
	}
}

// TestServer: what is told to a running emacs goes to the server that is meant.
func TestServer(t *testing.T) {
	c, err := editor.Parse("emacsclient -c -s mine --alternate-editor= +5")
	if err != nil {
		t.Fatal(err)
	}
	got := editor.Before(c)
	if i := slices.Index(got, "--eval"); i < 0 || cmp.Diff([]string{"emacsclient", "-s", "mine", "--alternate-editor="}, got[:i]) != "" {
		t.Errorf("got %q", got)
	}
}
