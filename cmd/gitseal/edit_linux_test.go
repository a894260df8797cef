package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// editRoundsEnv is how often sessions are ended by each signal, and how often two
	// people edit at the same time.
	editRoundsEnv     = "GITSEAL_TEST_EDIT_ROUNDS"
	defaultEditRounds = 10
	shortEditRounds   = 2
)

func editRounds(t *testing.T) int {
	t.Helper()
	if text := os.Getenv(editRoundsEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return shortEditRounds
	}
	return defaultEditRounds
}

// editorScript writes a script that stands for an editor, under a name, and
// returns its path.
func (w *workbench) editorScript(name, text string) string {
	w.t.Helper()
	path := filepath.Join(filepath.Dir(w.dir), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// value returns the value of a key in the target.
func (w *workbench) value(key string) string {
	w.t.Helper()
	c := w.call(w.bin, "get", w.target, key)
	if c.code != 0 {
		w.t.Errorf("%s: %s", key, c.stderr)
	}
	return c.stdout
}

// memory makes a folder in memory for the workspaces of a test.
func (w *workbench) memory() string {
	w.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "test-of-gitseal-")
	if err != nil {
		w.t.Skip(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.env = append(w.env, "XDG_RUNTIME_DIR="+dir)
	return dir
}

// TestEdit runs the real program with editors of all kinds.
func TestEdit(t *testing.T) {
	bin := buildProgram(t)
	for name, test := range map[string]func(*testing.T, string){
		"again": editAgain, "again without comments": editAgainWithoutComments, "again in vim": editInVimAgain,
		"detached": editDetached, "conflict": editConflict, "signals": editSignals, "two editors": twoEditors,
		"terminal after a signal": editLeavesTerminal, "nano ended": editNanoEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
}

// editAgain: what is wrong is said on top of the text, and the editor opens
// again; nothing of that is left.
func editAgain(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	seen := w.dir + ".seen"
	script := w.editorScript("editor", `
if [ -e "`+seen+`" ]; then cp "$1" "`+seen+`"; sed -i '/^broken/d' "$1"; exit; fi
touch "`+seen+`"; echo 'broken: [' >> "$1"; sed -i s/canary-workbench-1$/canary-again/ "$1"; sleep 0.1
`)
	s := onOwnTerminal(w, w.bin, "edit", "--editor", script, w.target)
	if code := s.end(); code != 0 || !strings.Contains(s.text(), "saved, with 1 value sealed anew") {
		t.Fatalf("exit code %d, shown: %q", code, s.text())
	}
	got, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(got, []byte("\n"))
	if !strings.HasPrefix(string(first), "#~ gitseal: not saved: line ") || strings.Contains(string(first), "canary") || !bytes.Contains(got, []byte("canary-again")) {
		t.Errorf("the second time it showed %q", first)
	}
	if got := w.value("key1"); got != "canary-again" {
		t.Errorf("got %q", got)
	}
	// Left as it is, it is kept.
	script = w.editorScript("vim", `for file; do :; done; grep -q broken "$file" || echo 'broken: [' >> "$file"`)
	s = onOwnTerminal(w, w.bin, "edit", "--editor", script, w.target)
	if code := s.end(); code != 1 || !strings.Contains(s.text(), "edit --resume") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
}

// editAgainWithoutComments: a format without comments has it said on the
// terminal.
func editAgainWithoutComments(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	target := filepath.Join(w.dir, "secret.json")
	if err := os.WriteFile(target, []byte(`{"a": "canary-json"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := w.run(w.bin, "seal", target); code != 0 {
		t.Fatal(stderr)
	}
	script := w.editorScript("editor", `if grep -q ,, "$1"; then sed -i s/,,//\;s/canary-json/canary-good/ "$1"; else sed -i s/}/,,}/ "$1"; fi`)
	s := onOwnTerminal(w, w.bin, "edit", "--editor", script, target)
	s.answer("press Enter to edit the text again, or type q to give up: ", "\n")
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if c := w.call(w.bin, "get", target, "a"); c.stdout != "canary-good" {
		t.Errorf("got %q, %s", c.stdout, c.stderr)
	}
	s = onOwnTerminal(w, w.bin, "edit", "--editor", "printf {,} >", target)
	s.answer("type q to give up: ", "q\n")
	if code := s.end(); code != 1 || !strings.Contains(s.text(), "edit --resume") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
}

// editInVimAgain: a real vim, with a text that is not good at first.
func editInVimAgain(t *testing.T, bin string) {
	needProgram(t, "vim")
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	s := onScreen(w, w.bin, "edit", "--editor", "vim", w.target)
	s.types("canary-workbench-9", []string{":1s/canary/[canary/\r", ":wq\r"})
	s.types("gitseal: not saved: line ", []string{"/^key0\r", ":s/\\[canary-workbench-0/canary-in-vim/\r", ":wq\r"})
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if got := w.value("key0"); got != "canary-in-vim" {
		t.Errorf("got %q", got)
	}
	// :cq means: no.
	before, err := os.ReadFile(w.target)
	if err != nil {
		t.Fatal(err)
	}
	s = onScreen(w, w.bin, "edit", "--editor", "vim", w.target)
	s.types("canary-workbench-9", []string{"dd", ":cq\r"})
	if code := s.end(); code != 1 || strings.Contains(s.text(), "--resume") {
		t.Errorf("exit code %d, shown: %q", code, s.text())
	}
	if after, err := os.ReadFile(w.target); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
}

// editDetached: an editor that goes on in a window is waited for.
func editDetached(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	for i, name := range []string{"code", "unknown-editor"} {
		begin, edited := w.dir+".begin", w.dir+".edited"
		// It begins when gitseal has seen that nothing was changed.
		script := w.editorScript(name, `
for file; do :; done
(for i in $(seq 1000); do [ -e "`+begin+`" ] && break; sleep 0.01; done; sed -i "s/^key`+strconv.Itoa(i)+`: .*/key`+strconv.Itoa(i)+`: canary-window/" "$file"; touch "`+edited+`") >/dev/null 2>&1 &
`)
		editsInWindow := func() {
			t.Helper()
			if err := os.WriteFile(begin, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w.waitFor(edited)
			if err := errors.Join(os.Remove(begin), os.Remove(edited)); err != nil {
				t.Fatal(err)
			}
		}
		if c := w.call(w.bin, "edit", "--editor", script, w.target); c.code != 1 || !strings.Contains(c.stderr, "returned at once") {
			t.Errorf("%s without a terminal: exit code %d, %s", name, c.code, c.stderr)
		}
		editsInWindow() // too late
		s := onOwnTerminal(w, w.bin, "edit", "--editor", script, w.target)
		s.answer("press Enter when you are done: ", "")
		editsInWindow()
		s.answer("", "\n")
		if code := s.end(); code != 0 || !strings.Contains(s.text(), "saved, with 1 value") {
			t.Errorf("%s: exit code %d, shown: %q", name, code, s.text())
		}
		if got := w.value("key" + strconv.Itoa(i)); got != "canary-window" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// waitFor waits until there is a file.
func (w *workbench) waitFor(path string) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("there is no %s", path)
		}
	}
}

// editConflict: what contradicts each other is shown in the editor, and
// settled there.
func editConflict(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	seen, theirs := w.dir+".seen", w.dir+".theirs"
	if err := os.WriteFile(theirs, []byte("canary-theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := w.editorScript("editor", `
if [ -e "`+seen+`" ]; then cp "$1" "`+seen+`"; sed -i '/^<<<<<<</d;/^=======/,/^>>>>>>>/d' "$1"; sleep 0.1; exit; fi
SOPS_AGE_KEY_FILE="`+filepath.Join(filepath.Dir(w.dir), "key")+`" "`+w.bin+`" set --file "`+theirs+`" "`+w.target+`" key3 || exit 9
SOPS_AGE_KEY_FILE="`+filepath.Join(filepath.Dir(w.dir), "key")+`" "`+w.bin+`" set --file "`+theirs+`" "`+w.target+`" key30 || exit 9
touch "`+seen+`"; sed -i 's/canary-workbench-3$/canary-ours/;s/canary-workbench-20$/canary-ours/' "$1"; sleep 0.1
`)
	s := onOwnTerminal(w, w.bin, "edit", "--editor", script, w.target)
	if code := s.end(); code != 0 {
		t.Fatalf("exit code %d, shown: %q", code, s.text())
	}
	got, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"#~ gitseal:    key3\n", "<<<<<<< your edit\nkey3: canary-ours\n=======\nkey3: canary-theirs\n>>>>>>> the file as it is now\n"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	for key, want := range map[string]string{"key3": "canary-ours", "key20": "canary-ours", "key30": "canary-theirs", "key4": "canary-workbench-4"} {
		if got := w.value(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

// editSignals: whatever ends gitseal, and at whatever moment, no plaintext is
// left; what was saved in the editor is kept, sealed, unless gitseal was killed.
func editSignals(t *testing.T, bin string) {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t, bin, "unseal")
			w.reset()
			memory := w.memory()
			started := w.dir + ".started"
			patience := "60"
			if sig == syscall.SIGPIPE {
				patience = "0.02" // which does not end it
			}
			script := w.editorScript("editor", `
sed -i s/canary-workbench-1$/canary-signal/ "$1"; touch "`+started+`"; exec sleep `+patience+"\n")
			for i := range editRounds(t) {
				w.endBySignal(sig, script, started, i%2 == 1)
				left := filesWithCanaries(t, memory, filepath.Dir(w.dir))
				if len(left) > 0 && !(len(left) == 1 && left[0] == script) {
					t.Fatalf("round %d: left: %q", i, left)
				}
			}
			kept, err := filepath.Glob(filepath.Join(filepath.Dir(w.dir), ".local/state/gitseal/rescue/*.json"))
			if wanted := sig != syscall.SIGPIPE && sig != syscall.SIGKILL; err != nil || wanted != (len(kept) > 0) {
				t.Errorf("%d edits were kept, %v", len(kept), err)
			}
		})
	}
}

// endBySignal ends a session by a signal: when the editor has saved something, or
// at any moment.
func (w *workbench) endBySignal(sig syscall.Signal, script, started string, anytime bool) {
	w.t.Helper()
	w.reset()
	if err := os.RemoveAll(started); err != nil {
		w.t.Fatal(err)
	}
	cmd, _ := w.command(w.bin, "edit", "--editor", script, w.target)
	cmd.Stderr = nil // or an editor that lives on would hold it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !anytime && time.Now().Before(deadline) {
		if _, err := os.Stat(started); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if anytime {
		time.Sleep(rand.N(40 * time.Millisecond))
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Fatal(err)
	}
	hung := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // that it ends is all
	if !hung.Stop() {
		w.t.Errorf("%v did not end it", sig)
	}
	// The guard of a session that was killed may need a moment.
	for deadline = time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(w.env[len(w.env)-1][len("XDG_RUNTIME_DIR="):], "gitseal-edit-*"))
		if err != nil || len(left) == 0 {
			break
		}
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // an editor that outlived it
}

// twoEditors: of two people who edit at the same time nobody's change is lost
// without a word.
func twoEditors(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	script := w.editorScript("editor", `sleep 0.0$((RANDOM_DIGIT)); sed -i "s/^$1: .*/$1: $2/" "$3"`)
	rescues := filepath.Join(filepath.Dir(w.dir), ".local/state/gitseal/rescue")
	for i := range editRounds(t) {
		w.reset()
		if err := os.RemoveAll(rescues); err != nil {
			t.Fatal(err)
		}
		same := i%2 == 1
		keys := [2]string{"key1", "key2"}
		if same {
			keys[1] = "key1"
		}
		var codes [2]int
		var said [2]bytes.Buffer
		var wg sync.WaitGroup
		for n := range 2 {
			cmd, _ := w.command(bin, "edit", "--editor", fmt.Sprintf("%s %s canary-by-%d", script, keys[n], n), w.target)
			cmd.Env = append(cmd.Env, "RANDOM_DIGIT="+strconv.Itoa(rand.N(3)))
			cmd.Stderr = &said[n]
			wg.Go(func() {
				if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
					t.Error(err)
				}
				codes[n] = cmd.ProcessState.ExitCode()
			})
		}
		wg.Wait()
		kept, err := os.ReadDir(rescues)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		got := [2]string{w.value("key1"), w.value("key2")}
		switch {
		case !same && (got != [2]string{"canary-by-0", "canary-by-1"} || codes != [2]int{}):
			t.Fatalf("round %d: %q, exit codes %d, %s%s", i, got, codes, &said[0], &said[1])
		case same && codes[0]+codes[1] == 1 && len(kept) == 1 && got[0] == fmt.Sprintf("canary-by-%d", codes[0]):
			// The one who failed knows it, and has the text.
		case same && codes == [2]int{} && len(kept) == 0:
			// One after the other.
		case same:
			t.Fatalf("round %d: %q, exit codes %d, %d kept, %s%s", i, got, codes, len(kept), &said[0], &said[1])
		}
	}
}
