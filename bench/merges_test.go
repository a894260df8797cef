package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// Short histories; go run ./bench -only merges plays a long one.
const (
	mergeRounds   = 16
	controlRounds = 5
)

// mergeReport is what the tests read of a report about merges.
type mergeReport struct {
	Merges struct {
		Rounds int
		Lanes  []struct {
			Name        string
			Merges      int
			BothChanged int `json:"both_changed"`
			Conflicts   int
			SameKey     int `json:"same_key"`
			SameList    int `json:"same_list"`
			Needless    int
			Missed      int
			Unreadable  int
			Wrong       int
		}
	}
}

// runMerges builds the benchmark and the real program, and has a short history
// merged; spoil are lines of shell that run after each call of the program.
func runMerges(t *testing.T, spoil string, args ...string) (r mergeReport, log string, err error) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is called by a script")
	}
	sopstest.Binary(t, "3.13.3")
	dir := t.TempDir()
	for name, pkg := range map[string]string{"bench": ".", "real": "../cmd/gitseal"} {
		if out, err := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v: %s", pkg, err, out)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\n'%s' \"$@\" || exit $?\n%s\n", filepath.Join(dir, "real"), spoil)
	if err := os.WriteFile(filepath.Join(dir, "gitseal"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "bench"), append([]string{
		"-only", "merges", "-json", "-gitseal", filepath.Join(dir, "gitseal")}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if e := json.Unmarshal(stdout.Bytes(), &r); e != nil {
		t.Fatalf("%v: %s", e, &stderr)
	}
	return r, stderr.String(), err
}

// TestMergesLoseNothing: random parallel edits, merged by git with gitseal's driver,
// with and without a key, are all in the merged files, and nothing but what both
// sides have changed is in conflict; git's text merge of sops's files has conflicts.
func TestMergesLoseNothing(t *testing.T) {
	r, log, err := runMerges(t, "", "-rounds", fmt.Sprint(mergeRounds), "-seed", "7")
	if err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	if len(r.Merges.Lanes) != 3 {
		t.Fatalf("%d repositories, want 3", len(r.Merges.Lanes))
	}
	for i, l := range r.Merges.Lanes {
		if l.Merges != mergeRounds || l.Conflicts != l.SameKey+l.SameList+l.Needless {
			t.Errorf("%s: %+v", l.Name, l)
		}
		if i < 2 && l.Missed+l.Unreadable+l.Wrong > 0 {
			t.Errorf("%s: %+v", l.Name, l)
		}
	}
	if ours, sops := r.Merges.Lanes[0], r.Merges.Lanes[2]; ours.Needless > 0 || sops.Needless < mergeRounds/2 {
		t.Errorf("%d conflicts with gitseal and %d with sops where nothing was changed by both sides", ours.Needless, sops.Needless)
	}
}

// TestLostEditsAreFound is the control: with a driver that takes our side without a
// word, the run fails.
func TestLostEditsAreFound(t *testing.T) {
	r, log, err := runMerges(t, `case "$1" in git) git config merge.gitseal.driver true;; esac`, "-rounds", fmt.Sprint(controlRounds))
	if err == nil || !strings.Contains(log, "wrong result") || !strings.Contains(log, "differs from the model at") {
		t.Fatalf("%v: %s", err, log)
	}
	for _, l := range r.Merges.Lanes[:2] {
		if l.Wrong < controlRounds/2 {
			t.Errorf("%s: %+v", l.Name, l)
		}
	}
}
