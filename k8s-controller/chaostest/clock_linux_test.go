package chaostest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program is built with a package time whose wall clock can be set wrong. As with a
// machine's, the monotonic clock goes on, and so do timers.
const (
	nowBegins = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	nowIsOff  = nowBegins + "\tsec += WrongBy.Load()\n"

	wrongBy = `package time

import "sync/atomic"

// WrongBy is how many seconds are added to the wall clock.
var WrongBy atomic.Int64
`
	// readClock takes over what the file says, before anything else and from then on.
	readClock = `package main

import (
	"os"
	"strconv"
	"time"
)

func init() {
	read := func() {
		text, err := os.ReadFile(os.Getenv("HOME") + "/clock")
		if seconds, parsed := strconv.ParseInt(string(text), 10, 64); err == nil && parsed == nil {
			time.WrongBy.Store(seconds)
		}
	}
	read()
	go func() {
		for {
			time.Sleep(20 * time.Millisecond)
			read()
		}
	}()
}
`
)

// overlay writes what go build -overlay takes, so that the wall clock of what is built
// can be set wrong.
func overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time")
	source, err := os.ReadFile(filepath.Join(root, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(source), nowBegins) != 1 {
		t.Fatal("package time is another one than this test knows: change nowBegins")
	}
	program, err := filepath.Abs("../../cmd/gitseal-controller/readclock.go")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for path, text := range map[string]string{
		filepath.Join(root, "time.go"):    strings.Replace(string(source), nowBegins, nowIsOff, 1),
		filepath.Join(root, "wrongby.go"): wrongBy,
		program:                           readClock,
	} {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// setClock sets a replica's wall clock wrong by some hours. It stays so.
func (r *replica) setClock(hours int) error {
	path := filepath.Join(filepath.Dir(r.log), "clock")
	if err := os.WriteFile(path+".new", []byte(fmt.Sprint(3600*hours)), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// jumpClocks sets clocks an hour forward or back, or right again: that of the leader, and
// perhaps the other's.
func (l *lane) jumpClocks() error {
	leads, stands := l.leader()
	hit := []*replica{leads}
	if l.dice.IntN(2) == 0 {
		hit = append(hit, stands)
	}
	for _, r := range hit {
		hours := l.dice.IntN(3) - 1
		if err := r.setClock(hours); err != nil {
			return err
		}
		l.count(fmt.Sprintf("clock set wrong by %+d h", hours))
	}
	l.brief(2)
	return nil
}
