package chaostest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// jump is a program whose wall clock jumps, while it looks at both clocks.
const jump = `package main

import (
	"fmt"
	"time"
)

func main() {
	began := time.Now()
	time.WrongBy.Store(3600)
	now := time.Now()
	fmt.Println(now.Unix()-began.Unix() >= 3600, now.Sub(began) < time.Minute, now.Round(0).Sub(began.Round(0)) >= time.Hour)
}
`

func TestWallClockJumpsAndTheMonotonicOneDoesNot(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": jump, "go.mod": "module jump\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "go", "run", "-overlay="+overlay(t), ".")
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "true true true" {
		t.Errorf("got %q, %v", out, err)
	}
}
