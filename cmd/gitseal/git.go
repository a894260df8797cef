package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

func gitCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "git",
		Usage:     "teach git to show and merge sealed files, and to check commits",
		UsageText: "gitseal git COMMAND [FLAGS]",
		Description: `git reads three things: which files are meant from .gitattributes, which is committed; what
to do with them from the configuration of each clone, which is not; and a hook. So every
clone needs gitseal git install once, or every person gitseal git install --global.

There is no clean or smudge filter: files in the work tree are sealed, as they are in git.`,
		Subcommands: []*cli.Command{gitInstallCommand(s, u), gitCheckCommand(s, u), gitUninstallCommand(s, u)},
	}
}

// gitScope is where git is told about gitseal: in one repository, or for one person.
type gitScope struct {
	c   *cli.Context
	std std
	ui  *ui
	// root is the topmost folder of the work tree; with global it is just the
	// current folder, and need not be in any.
	root   string
	global bool
	// attributes is the file of attributes; hooks are those that there should be.
	attributes string
	hooks      []gitHook
	// program is how git calls this program, "" if it will not be there any more.
	program string
}

func newGitScope(ctx context.Context, c *cli.Context, s std, u *ui) (*gitScope, error) {
	u.quiet = c.Bool("quiet")
	if c.NArg() > 0 {
		return nil, usageError("this command takes no arguments", "it is about the repository of the current folder")
	}
	g := &gitScope{c: c, std: s, ui: u, global: c.Bool("global"), program: ownProgram()}
	var err error
	if g.global {
		return g, g.findGlobal(ctx)
	}
	if g.root, err = repository(); err != nil {
		if out, gitErr := gitrepo.Git(ctx, ".", "rev-parse", "--is-bare-repository"); gitErr == nil && strings.TrimSpace(string(out)) == "true" {
			return nil, failure("this is a bare repository: no files are edited or committed here", "run gitseal git install in the clones, or check pushes in a hook or in CI: gitseal check --range A..B")
		}
		return nil, failure("this is not the work tree of a git repository", "change to one, or use --global")
	}
	g.attributes = filepath.Join(g.root, ".gitattributes")
	return g, g.findHooks(ctx)
}

func (g *gitScope) findGlobal(ctx context.Context) error {
	g.root = "."
	out, err := g.git(ctx, "config", "--global", "--type=path", "--get", "core.attributesFile")
	if err != nil && !isUnset(err) {
		return err
	}
	g.attributes = strings.TrimSuffix(out, "\n")
	if g.attributes != "" {
		return nil
	}
	base := g.std.getenv("XDG_CONFIG_HOME")
	if base == "" {
		home := g.std.getenv("HOME")
		if home == "" {
			return failure("there is no home folder", "set HOME, or leave out --global")
		}
		base = filepath.Join(home, ".config")
	}
	g.attributes = filepath.Join(base, "git", "attributes")
	return nil
}

// git runs git and explains what went wrong.
func (g *gitScope) git(ctx context.Context, args ...string) (string, error) {
	out, err := gitrepo.Git(ctx, g.root, args...)
	if err != nil {
		return string(out), &gitFailure{code: gitrepo.ExitCode(err), err: noGit(err)}
	}
	return string(out), nil
}

// gitFailure keeps git's exit code with the error that explains it.
type gitFailure struct {
	code int
	err  error
}

func (e *gitFailure) Error() string { return e.err.Error() }
func (e *gitFailure) Unwrap() error { return e.err }

// isUnset reports whether git config said that there is no such entry.
func isUnset(err error) bool {
	var f *gitFailure
	return errors.As(err, &f) && f.code == 1
}

// scopeFlag is that of git config.
func (g *gitScope) scopeFlag() string {
	if g.global {
		return "--global"
	}
	return "--local"
}

// settings returns the configuration of the scope.
func (g *gitScope) settings(ctx context.Context) ([]gitsetup.Setting, error) {
	out, err := g.git(ctx, "config", g.scopeFlag(), "--list", "-z")
	if err != nil && g.global {
		return nil, nil // there is no such file yet
	}
	return gitsetup.ParseList(out), err
}

// ownProgram returns how a shell calls this program: by its name if that is it, else
// by its path. It is "" for a program that go run made and takes away again.
func ownProgram() string {
	own, err := os.Executable()
	if err != nil {
		return ""
	}
	if sameProgram("gitseal", own) {
		return "gitseal"
	}
	if strings.Contains(filepath.ToSlash(own), "/go-build") {
		return ""
	}
	return gitsetup.Command(filepath.ToSlash(own))
}

// sameProgram reports whether a name leads to the program at a path.
func sameProgram(name, path string) bool {
	found, err := exec.LookPath(name)
	if err != nil {
		return false
	}
	a, errA := os.Stat(found)
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// readOptional returns a file's content, nil if there is no such file.
func readOptional(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &fileError{name: path, err: plainPathError(err)}
	}
	return data, nil
}

// found reports whether there is a program of a name or path.
func found(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
