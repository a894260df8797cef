package main_test

import (
	"os"
	"os/exec"
	"testing"
)

func needProgram(t *testing.T, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	if err != nil && os.Getenv(noSkipEnv) != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
}
