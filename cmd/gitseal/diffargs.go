package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
)

// repository returns the topmost folder, links resolved, of the work tree that the
// current folder lies in.
func repository() (string, error) {
	here, err := filepath.Abs(".")
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return "", err
	}
	root, ok := gitrepo.Root(here)
	if !ok {
		return "", failure("this is not the work tree of a git repository", "change to one; gitseal diff --no-index OLD NEW compares two files anywhere")
	}
	return root, nil
}

// noGit explains an error of running git.
func noGit(err error) error {
	var git *gitrepo.Error
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return failure("git is not installed", "install git; gitseal diff --no-index OLD NEW works without it")
	case errors.As(err, &git):
		return failure("git: "+git.Text, "see whether git status works here")
	}
	return err
}

// diffArguments tell what the arguments of diff compare.
type diffArguments struct {
	root    string
	commits []string // names of objects
	paths   []string // from the root, with slashes
}

// parseDiff tells revisions from files as git does: what stands before "--" and
// names an object is a revision, unless there is a file of that name, too.
func parseDiff(ctx context.Context, root string, args []string) (diffArguments, error) {
	d := diffArguments{root: root}
	at := slices.Index(args, "--")
	before, files := args, []string(nil)
	if at >= 0 {
		before, files = args[:at], args[at+1:]
	}
	for i, a := range before {
		isFile := at < 0 && exists(a)
		isRev, err := d.revision(ctx, a, isFile)
		if err != nil {
			return d, err
		}
		if isRev {
			continue
		}
		if at >= 0 || !isFile {
			return d, failure(quoted(a)+" is neither a revision nor a file", "for a file that is gone, put -- before it: gitseal diff -- "+a)
		}
		files = before[i:]
		break
	}
	if len(d.commits) > 2 {
		return d, usageError("more than two revisions", "gitseal diff REV REV")
	}
	for _, f := range files {
		p, err := d.path(f)
		if err != nil {
			return d, err
		}
		if p == "." {
			d.paths = nil // the whole work tree
			return d, nil
		}
		d.paths = append(d.paths, p)
	}
	return d, nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// revision takes an argument for one or two revisions, if it names such.
func (d *diffArguments) revision(ctx context.Context, arg string, isFile bool) (bool, error) {
	sides, base := []string{arg}, false
	if a, b, ok := strings.Cut(arg, "..."); ok {
		sides, base = []string{a, b}, true
	} else if a, b, ok := strings.Cut(arg, ".."); ok {
		sides = []string{a, b}
	}
	var ids []string
	for _, s := range sides {
		if s == "" && len(sides) == 2 {
			s = "HEAD"
		}
		id, err := gitrepo.Resolve(ctx, d.root, s)
		if errors.Is(err, gitrepo.ErrNone) {
			return false, nil
		}
		if err != nil {
			return false, noGit(err)
		}
		ids = append(ids, id)
	}
	if isFile {
		return false, usageError(quoted(arg)+" is both a revision and a file", "put -- behind revisions and before files")
	}
	if base {
		id, err := gitrepo.MergeBase(ctx, d.root, ids[0], ids[1])
		if errors.Is(err, gitrepo.ErrNone) {
			return false, failure(quoted(arg)+": the two have no common ancestor", "compare them directly: A..B")
		}
		if err != nil {
			return false, noGit(err)
		}
		ids[0] = id
	}
	d.commits = append(d.commits, ids...)
	return true, nil
}

// path returns a file's place in the work tree; the file need not exist.
func (d *diffArguments) path(name string) (string, error) {
	abs, err := atomicfile.Resolve(name)
	if err != nil {
		return "", &fileError{name: name, err: plainPathError(err)}
	}
	rel, err := filepath.Rel(d.root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", usageError(name+" lies outside of this repository", "change to its repository; --no-index compares two files anywhere")
	}
	return filepath.ToSlash(rel), nil
}
