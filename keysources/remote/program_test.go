package remote_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/remote"
)

func TestTheProgramIsFoundByAbsolutePathsOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs have no mode")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, remote.Program)
	plain := filepath.Join(dir, "plain")
	for name, mode := range map[string]os.FileMode{program: 0o755, plain: 0o644} {
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, tt := range []struct{ name, env, path, want string }{
		{"in the PATH", "", dir, program},
		{"named", program, "/nonexistent", program},
		{"named, not absolute", "./" + remote.Program, dir, ""},
		{"named, no program", plain, dir, ""},
		{"named, a folder", dir, dir, ""},
		{"in the current folder", "", ".", ""},
		{"in the current folder, by an empty entry", "", ":", ""},
		{"nowhere", "", "/nonexistent", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			got, err := remote.Find(func(name string) string {
				if name == remote.ProgramEnv {
					return tt.env
				}
				return ""
			})
			if got != tt.want {
				t.Errorf("got %q, want %q (%v)", got, tt.want, err)
			}
			if tt.want != "" {
				return
			}
			if keysources.ReasonOf(err) != keysources.Unavailable || !strings.Contains(err.Error(), "go install github.com/gitseal/gitseal/cmd/gitseal-keyservice") {
				t.Errorf("the error does not say what to install: %v", err)
			}
		})
	}
}

func TestAMissingProgramIsSaidForTheReader(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	s := remote.New(func(string) string { return "" }, remote.Options{})
	_, err := s.Source(keysources.TypeKMS).Unwrap(t.Context(), kms("someone"))
	if keysources.ReasonOf(err) != keysources.Unavailable || !strings.HasPrefix(err.Error(), "someone: ") || !strings.Contains(err.Error(), "go install") {
		t.Errorf("got %v", err)
	}
}
