package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// editLeavesTerminal: an editor that a signal ends leaves the terminal raw, which
// gitseal does not.
func editLeavesTerminal(t *testing.T, bin string) {
	w := newWorkbench(t, bin, "unseal")
	w.reset()
	w.memory()
	ready := w.dir + ".raw"
	script := w.editorScript("editor", `stty raw -echo; touch "`+ready+`"; exec sleep 60`+"\n")
	s := onOwnTerminal(w, w.bin, "edit", "--editor", script, w.target)
	// The state can be asked for as long as somebody has the terminal open.
	w.waitFor(ready)
	if s.echoes() {
		t.Fatal("the editor did not make it raw")
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.end()
	if !s.echoes() {
		t.Error("the terminal does not show what is typed")
	}
}

// editNanoEnded: what nano saves beside the file when a signal, or the loss of its
// terminal, ends it is kept, sealed.
func editNanoEnded(t *testing.T, bin string) {
	needProgram(t, "nano")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		w := newWorkbench(t, bin, "unseal")
		w.reset()
		memory := w.memory()
		s := onScreen(w, w.bin, "edit", "--editor", "nano", w.target)
		s.types("canary-workbench-5", []string{"\x0bkey0: canary-unsaved\r"})
		s.settles()
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		s.end()
		if !strings.Contains(s.text(), "kept, sealed: gitseal edit --resume") {
			t.Errorf("%v: shown: %q", sig, s.text())
		}
		time.Sleep(100 * time.Millisecond) // for what writes on
		if left := filesWithCanaries(t, memory); len(left) > 0 {
			t.Errorf("%v: left: %q", sig, left)
		}
		kept, err := filepath.Glob(filepath.Join(filepath.Dir(w.dir), ".local/state/gitseal/rescue/*.json"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("%v: kept: %q, %v", sig, kept, err)
		}
		id := strings.TrimSuffix(filepath.Base(kept[0]), ".json")
		c := w.call(w.bin, "edit", "--editor", "true", "--resume", id)
		if got := w.value("key0"); c.code != 0 || got != "canary-unsaved" {
			t.Errorf("%v: got %q, exit code %d, %s", sig, got, c.code, c.stderr)
		}
		_ = os.RemoveAll(memory)
	}
}
