package main_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// keeper is a real editor whose user has switched on all that keeps copies.
type keeper struct {
	name string
	// args are those that people may have in EDITOR.
	args []string
	// config are the user's files, by their names in the home folder; KEEP is a
	// folder for copies.
	config map[string]string
	// ready is shown when the text is on the screen. keys then change the first line
	// to key0: canary-edited, copy another line about, save and quit.
	ready string
	keys  []string
}

func keepers() []keeper {
	const vimrc = `set backup writebackup backupdir=KEEP// undofile undodir=KEEP swapfile directory=KEEP// updatecount=1 updatetime=100
set history=1000 modeline nocompatible
autocmd BufWritePre * setlocal undofile
autocmd BufReadPost * setlocal swapfile undofile
`
	vimKeys := []string{":1s/canary-workbench-0/canary-edited/\r", "jyyjdd", "u", "/workbench-3\r", ":silent %!cat\r", ":w\r", ":wq\r"}
	return []keeper{
		{"vim", nil, map[string]string{".vimrc": vimrc + "set viminfo='100,<1000,s1000,h,nKEEP/viminfo\n"}, "canary-workbench-5", vimKeys},
		{"nvim", nil, map[string]string{".config/nvim/init.vim": vimrc + "set shada='100,<1000,s1000,h,nKEEP/shada\n"}, "canary-workbench-5", vimKeys},
		{"emacs", []string{"-nw"}, map[string]string{".emacs": `
(setq backup-directory-alist '(("." . "KEEP")) version-control t
      auto-save-file-name-transforms '((".*" "KEEP/" t)) auto-save-interval 20 auto-save-timeout 1
      auto-save-list-file-prefix "KEEP/list-" make-backup-files t vc-make-backup-files t
      savehist-file "KEEP/savehist" savehist-additional-variables '(kill-ring search-ring)
      desktop-dirname "KEEP" desktop-path '("KEEP") desktop-save t desktop-globals-to-save '(kill-ring)
      desktop-load-locked-desktop t recentf-save-file "KEEP/recent" inhibit-startup-screen t)
(setq native-comp-deferred-compilation nil)
(savehist-mode 1)
(recentf-mode 1)
(add-hook 'emacs-startup-hook (lambda () (desktop-save-mode 1)))
(add-hook 'after-init-hook (lambda () (savehist-mode 1)))
`}, "canary-workbench-5", []string{"\x06\x06\x06\x06\x06\x06\x0bcanary-edited\x0e\x01", "\x0b\x0b\x19", "\x18\x13", "\x18\x03"}},
		// As root, nano does not look at HOME.
		{"nano", nil, map[string]string{".config/nano/nanorc": "set backup\nset backupdir KEEP\nset historylog\nset positionlog\nset locking\n"},
			"canary-workbench-5", []string{"\x0bkey0: canary-edited\r", "\x17canary-workbench-3\r", "\x0f", "\r", "\x18"}},
	}
}

// keep is the folder for copies in a workbench.
func (w *workbench) keep() string { return filepath.Join(filepath.Dir(w.dir), "keep") }

// configure writes the files of a keeper's user, who has no text kept yet.
func (w *workbench) configure(k keeper) {
	w.t.Helper()
	err := errors.Join(os.RemoveAll(w.keep()), os.Mkdir(w.keep(), 0o700))
	for name, text := range k.config {
		path := filepath.Join(filepath.Dir(w.dir), name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(strings.ReplaceAll(text, "KEEP", w.keep())), 0o600))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// filesWithCanaries returns the files below folders that hold one.
func filesWithCanaries(t *testing.T, folders ...string) []string {
	t.Helper()
	var out []string
	for _, dir := range folders {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(data), "canary-") {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// types waits until a text is on the screen, and then types, each time when the
// editor has drawn what there was to draw.
func (s *session) types(ready string, keys []string) {
	s.t.Helper()
	s.answer(ready, "")
	for _, k := range keys {
		s.settles()
		if _, err := s.tty.WriteString(k); err != nil {
			s.t.Fatalf("%v; shown: %q", err, s.text())
		}
	}
}

// settles waits until nothing more is drawn for a moment.
func (s *session) settles() {
	const moment, every = 100 * time.Millisecond, 5 * time.Millisecond
	shown, since := len(s.text()), time.Now()
	for time.Since(since) < moment {
		time.Sleep(every)
		if now := len(s.text()); now != shown {
			shown, since = now, time.Now()
		}
	}
}

// onScreen is onOwnTerminal with a screen of a usual size, which it has before the
// program starts: editors that are told of another one meanwhile may show nothing.
func onScreen(w *workbench, args ...string) *session {
	w.env = append(w.env, "TERM=xterm", "LANG=C.UTF-8", "XDG_CONFIG_HOME="+filepath.Join(filepath.Dir(w.dir), ".config"))
	return onOwnTerminal(w, append([]string{"sh", "-c", `stty rows 40 cols 100; exec "$0" "$@"`}, args...)...)
}

// TestEditKeepsNothing: real editors, whose users have switched on everything that
// keeps copies, write the text nowhere but in the workspace.
func TestEditKeepsNothing(t *testing.T) {
	needProgram(t, "strace")
	bin := buildProgram(t)
	for _, k := range keepers() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && slices.Contains([]string{"nvim", "emacs"}, k.name) {
				t.Skip("it takes seconds to start under strace")
			}
			needProgram(t, k.name)
			w := newWorkbench(t, bin, "unseal")
			w.reset()
			w.configure(k)
			memory := w.memory()
			trace := w.dir + ".trace"
			w.env = append(w.env, "EDITOR="+strings.Join(append([]string{k.name}, k.args...), " "))
			s := onScreen(w, "strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=openat,open,creat,rename,renameat,renameat2,link,linkat,execve", bin, "edit", w.target)
			s.types(k.ready, k.keys)
			if code := s.end(); code != 0 || !strings.Contains(s.text(), "saved, with") {
				t.Fatalf("exit code %d, shown: %q", code, s.text())
			}
			if c := w.call(bin, "get", w.target, "key0"); c.stdout != "canary-edited" {
				t.Errorf("got %q, %s", c.stdout, c.stderr)
			}
			if c := w.call(bin, "get", w.target, "key39"); c.stdout != "canary-workbench-39" {
				t.Errorf("got %q, %s", c.stdout, c.stderr)
			}
			for _, path := range filesWithCanaries(t, filepath.Dir(w.dir), memory) {
				if path != trace {
					t.Errorf("the text was left in %s", path)
				}
			}
			data, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), "canary-") {
				t.Error("a value is in an argument or file name")
			}
			for _, path := range w.foreignWrites(string(data)) {
				t.Errorf("opened for writing, or renamed to: %s", path)
			}
		})
	}
}

var (
	openedPath  = regexp.MustCompile(`(?:openat|open|creat)\((?:AT_FDCWD<([^>]*)>, )?"([^"]*)"(?:, ([A-Z_|0-9a-z]+))?.*\) = \d`)
	renamedPath = regexp.MustCompile(`(?:rename|renameat|renameat2|link|linkat)\(.*"([^"]*)"[^"]*\) = 0`)
)

// foreignWrites returns the files that a trace shows as written to, but for those
// that are known to hold nothing of the text.
func (w *workbench) foreignWrites(trace string) []string {
	var out []string
	for line := range strings.Lines(trace) {
		path := ""
		if m := openedPath.FindStringSubmatch(line); m != nil && (strings.Contains(m[3], "WR") || strings.Contains(m[3], "O_CREAT") || strings.Contains(line, "creat(")) {
			if path = m[2]; !filepath.IsAbs(path) {
				path = filepath.Join(m[1], path)
			}
		} else if m := renamedPath.FindStringSubmatch(line); m != nil {
			path = m[1]
		}
		if path != "" && !w.harmless(path) {
			out = append(out, path)
		}
	}
	return out
}

func (w *workbench) harmless(path string) bool {
	for _, prefix := range []string{"/dev/shm/test-of-gitseal-", "/dev/tty", "/dev/pts/", "/dev/null", "/dev/ptmx", w.dir + "/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	// The sealed file's own folder is looked through for the text; nvim's log tells
	// of its own state, and emacs compiles its own libraries.
	return strings.HasSuffix(path, "/nvim/log") || strings.Contains(path, "/.emacs.d/eln-cache/")
}

// TestKeepersKeep is the control: left alone, these editors keep copies.
func TestKeepersKeep(t *testing.T) {
	bin := buildProgram(t)
	for _, k := range keepers() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			needProgram(t, k.name)
			w := newWorkbench(t, bin, "unseal")
			w.configure(k)
			dir := t.TempDir()
			path := filepath.Join(dir, "secret.yaml")
			if err := os.WriteFile(path, w.plain, 0o600); err != nil {
				t.Fatal(err)
			}
			s := onScreen(w, append(append([]string{k.name}, k.args...), path)...)
			s.types(k.ready, k.keys)
			if code := s.end(); code != 0 {
				t.Fatalf("exit code %d, shown: %q", code, s.text())
			}
			if len(filesWithCanaries(t, w.keep())) == 0 {
				t.Errorf("nothing was kept; shown: %q", s.text())
			}
		})
	}
}

// TestEditInServer: an emacs that runs already is told to keep nothing of the text.
func TestEditInServer(t *testing.T) {
	if testing.Short() {
		t.Skip("a server takes seconds to start")
	}
	needProgram(t, "emacsclient")
	k := keepers()[2]
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.reset()
	w.configure(k)
	memory := w.memory()
	server, _ := w.command("emacs", "--fg-daemon=test-of-gitseal")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait() // killed
	}()
	client := []string{"emacsclient", "-s", "test-of-gitseal"}
	do := func(expr string) bool {
		cmd, _ := w.command(append(client, "--eval", expr)...)
		out, err := cmd.Output()
		return err == nil && strings.TrimSpace(string(out)) == "t"
	}
	soon := func(what, expr string) {
		for deadline := time.Now().Add(20 * time.Second); !do(expr); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waiting for %s", what)
			}
		}
	}
	soon("the server", "t")
	cmd, stderr := w.command(w.bin, "edit", "--editor", strings.Join(client, " "), w.target)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	soon("the file", `(when (get-buffer "secret.yaml") t)`)
	if !do(`(with-current-buffer "secret.yaml" (goto-char (point-min)) (search-forward "canary-workbench-0") (replace-match "canary-edited") (do-auto-save) (save-buffer) (server-edit) t)`) {
		t.Error("the server did not do it")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	if got := w.value("key0"); got != "canary-edited" {
		t.Errorf("got %q", got)
	}
	for _, path := range filesWithCanaries(t, filepath.Dir(w.dir), memory) {
		t.Errorf("the text was left in %s", path)
	}
}
