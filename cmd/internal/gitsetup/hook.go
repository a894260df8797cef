package gitsetup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// hookMark is in the second line of our hook, and nowhere else.
const hookMark = "# gitseal: gitseal git install wrote this hook, gitseal git uninstall removes it"

// CheckCommand is what a hook runs behind the name of the program.
const CheckCommand = "check --staged"

// HookNames are git's hooks that judge what a commit would hold: git merge does not
// run the one of git commit.
func HookNames() []string { return []string{"pre-commit", "pre-merge-commit"} }

// Hook returns the text of each of these hooks. A colleague's machine may not have the program:
// then the hook fails, and says so, since nobody would notice otherwise.
func Hook(program string) []byte {
	return []byte(`#!/bin/sh
` + hookMark + `
command -v ` + program + ` >/dev/null 2>&1 || {
	echo 'gitseal: error: gitseal is not installed, so nobody can tell whether this commit holds plain secrets' >&2
	echo 'gitseal: hint: install it (https://github.com/gitseal/gitseal), or commit unchecked: git commit --no-verify' >&2
	exit 1
}
exec ` + program + ` ` + CheckCommand + `
`)
}

// IsOurHook reports whether a hook is one that Hook made.
func IsOurHook(src []byte) bool { return bytes.Contains(src, []byte(hookMark+"\n")) }

// CallsCheck reports whether a hook runs gitseal check.
func CallsCheck(src []byte) bool {
	for line := range bytes.Lines(src) {
		text := strings.TrimSpace(string(line))
		if !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "echo ") && strings.Contains(text, "gitseal") && strings.Contains(text, "check") {
			return true
		}
	}
	return false
}

// CallsPreCommit reports whether a hook runs the hook for commits, as the sample that
// comes with git for merges does.
func CallsPreCommit(src []byte) bool {
	for line := range bytes.Lines(src) {
		text := strings.TrimSpace(string(line))
		if !strings.HasPrefix(text, "#") && strings.Contains(text, "pre-commit") {
			return true
		}
	}
	return false
}

// Manager is a program that has the hooks of a repository in its hands.
type Manager struct {
	Name string
	// File is what gave it away.
	File string
	// Add says what to add to which file.
	Add string
}

// FindManager looks for a hook manager in the topmost folder of a work tree.
func FindManager(root string) (Manager, bool) {
	const preCommit = `add to .pre-commit-config.yaml:
  - repo: https://github.com/gitseal/gitseal
    rev: VERSION
    hooks: [{id: gitseal-check}]
and for git merge: pre-commit install --hook-type pre-merge-commit`
	for _, m := range []Manager{
		{"pre-commit", ".pre-commit-config.yaml", preCommit},
		{"husky", ".husky", "add to .husky/pre-commit, and for git merge to .husky/pre-merge-commit: gitseal " + CheckCommand},
		{"lefthook", "lefthook.yml", lefthook("lefthook.yml")},
		{"lefthook", "lefthook.yaml", lefthook("lefthook.yaml")},
		{"lefthook", ".lefthook.yml", lefthook(".lefthook.yml")},
		{"lefthook", ".lefthook.yaml", lefthook(".lefthook.yaml")},
		{"lefthook", "lefthook.toml", "add to lefthook.toml: [pre-commit.commands.gitseal] run = \"gitseal " + CheckCommand + "\", and the same for pre-merge-commit"},
		{"overcommit", ".overcommit.yml", "add a PreCommit hook to .overcommit.yml that runs: gitseal " + CheckCommand + "; it has none for git merge, which CI has to check"},
	} {
		if _, err := os.Lstat(filepath.Join(root, m.File)); err == nil {
			return m, true
		}
	}
	return Manager{}, false
}

func lefthook(file string) string {
	text := "add to " + file + ":"
	for _, name := range HookNames() {
		text += "\n" + name + ":\n  commands:\n    gitseal:\n      run: gitseal " + CheckCommand
	}
	return text
}

// IsUnchangedHook reports whether a hook is one that Hook made, to the byte, whatever
// the program was called.
func IsUnchangedHook(src []byte) bool {
	for line := range strings.Lines(string(src)) {
		if rest, ok := strings.CutPrefix(line, "exec "); ok {
			program, ok := strings.CutSuffix(strings.TrimSuffix(rest, "\n"), " "+CheckCommand)
			return ok && bytes.Equal(src, Hook(program))
		}
	}
	return false
}
