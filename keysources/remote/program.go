package remote

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/gitseal/gitseal/keysources"
)

const (
	// Program is the name of the program that a [Service] starts.
	Program = "gitseal-keyservice"
	// ProgramEnv names it if it does not lie beside the running program: an
	// absolute path.
	ProgramEnv = "GITSEAL_KEYSERVICE_PROGRAM"
	// installHint says how to get it.
	installHint = "install it with: go install github.com/gitseal/gitseal/cmd/" + Program +
		"@latest, or in a clone: go install ./cmd/" + Program
)

// Find returns the absolute path of the program: beside the running program
// (whose links are resolved first), else as [ProgramEnv] says, else in the PATH.
// The error is a [keysources.Error] with the reason Unavailable.
func Find(env func(string) string) (string, error) {
	name := Program
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	for _, dir := range ownFolders() {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path, nil
		}
	}
	if path := env(ProgramEnv); path != "" {
		if filepath.IsAbs(path) && isProgram(path) {
			return path, nil
		}
		return "", unavailable(ProgramEnv + " is not the absolute path of a program; " + installHint)
	}
	// What lies in the current folder was perhaps checked out: it is never run.
	if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
		return path, nil
	}
	return "", unavailable(Program + " is not installed; " + installHint)
}

func unavailable(detail string) error {
	return &keysources.Error{Reader: Program, Reason: keysources.Unavailable, Detail: detail}
}

func ownFolders() []string {
	exe, err := os.Executable()
	if err != nil {
		return nil
	}
	dirs := []string{filepath.Dir(exe)}
	if resolved, err := filepath.EvalSymlinks(exe); err == nil && filepath.Dir(resolved) != dirs[0] {
		dirs = append([]string{filepath.Dir(resolved)}, dirs...)
	}
	return dirs
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	return runtime.GOOS == "windows" || info.Mode().Perm()&0o111 != 0
}
