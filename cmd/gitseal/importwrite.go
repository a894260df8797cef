package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// printed reports whether the result goes to standard output.
func (it *importItem) printed() bool { return it.job.in.path == "" }

// checkTargets refuses results that would get into each other's way, or into that
// of files which are there already.
func (r *importRun) checkTargets(items []*importItem) error {
	seen := map[string]*importItem{}
	for _, it := range items {
		if it.make == nil && r.c.String("output") != "" {
			return usageError("-o does not go with files of plain sops, which get their entry in place", "leave out -o")
		}
		if it.printed() && r.c.Bool("json") {
			return usageError("--json does not go with standard output, which is the sealed file", "name a file with -o")
		}
		if first := seen[it.job.in.rulePath]; first != nil {
			return usageError(fmt.Sprintf("%s would be made twice, of %s and of %s", it.target(), first.source.in.name, it.source.in.name),
				"import one after the other, each with -o FILE")
		}
		seen[it.job.in.rulePath] = it
		if err := r.checkTarget(it); err != nil {
			return err
		}
	}
	return nil
}

func (r *importRun) checkTarget(it *importItem) error {
	if it.make == nil || it.printed() || r.c.Bool("force") {
		return nil
	}
	_, err := os.Lstat(it.job.in.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &fileError{name: it.target(), err: plainPathError(err)}
	case it.replacesSource():
		return failure(it.target()+" is the source itself", "name another file with -o, or replace it with --force")
	}
	return failure(it.target()+" exists already", "name another file with -o, or replace it with --force")
}

// replacesSource reports whether the result goes where the source is.
func (it *importItem) replacesSource() bool {
	a, err := os.Stat(it.job.in.path)
	if err != nil {
		return false
	}
	b, err := os.Stat(it.source.in.path)
	return err == nil && os.SameFile(a, b)
}

// write stores the results, all of them or none, and then removes the sources if
// that was asked for.
func (r *importRun) write(ctx context.Context, sources []*importSource, items []*importItem) error {
	var jobs []atomicfile.Job
	for _, it := range items {
		if it.job.sealed == nil {
			if it.printed() && !r.c.Bool("dry-run") {
				return r.seal.writeStdout(&it.job)
			}
			continue
		}
		if err := it.job.sealed.Check(it.job.sealed.Bytes); err != nil {
			return &fileError{name: it.target(), err: err}
		}
		switch {
		case r.c.Bool("dry-run"):
			continue
		case it.printed():
			return r.seal.writeStdout(&it.job)
		}
		job, err := r.writeJob(it)
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	if err := writeAll(r.ui, jobs); err != nil {
		return err
	}
	if r.c.Bool("dry-run") {
		return nil
	}
	for _, s := range sources {
		if err := r.finish(ctx, s, items); err != nil {
			return &fileError{name: s.in.name, err: err}
		}
	}
	return nil
}

func (r *importRun) writeJob(it *importItem) (atomicfile.Job, error) {
	w := atomicfile.Job{Target: it.job.in.path, Data: it.job.sealed.Bytes}
	w.Perm, w.Verify, w.Root = atomicfile.Umasked(0o666), it.job.sealed.Check, repositoryOf(it.job.in.name)
	if it.make == nil {
		w.Expect = atomicfile.Holding(it.job.in.data)
		return w, nil
	}
	if !r.c.Bool("force") {
		w.Expect = atomicfile.Absent()
		return w, nil
	}
	var err error
	w.Expect, err = expectPresent(it.job.in.path)
	if it.replacesSource() {
		w.Expect = atomicfile.Holding(it.source.in.data)
	}
	return w, err
}

// finish removes a source whose results are stored, or warns of the plaintext that
// it still is.
func (r *importRun) finish(ctx context.Context, s *importSource, items []*importItem) error {
	if s.from == fromSops || s.in.path == "" {
		return nil
	}
	root, inRepository := gitrepo.Root(filepath.Dir(s.in.path))
	if r.c.Bool("remove") {
		if err := s.remove(items); err != nil {
			return err
		}
		if s.from == fromDotenv && inRepository && tracked(ctx, root, s.in.path) {
			r.ui.warn(s.in.name + ": removed, but git's history still holds its values: change them")
		}
		return nil
	}
	if s.from != fromDotenv || !inRepository {
		return nil
	}
	if tracked(ctx, root, s.in.path) {
		r.ui.warn(s.in.name + " is plaintext and tracked by git: git rm --cached it, and change its values, which history keeps")
	} else if ignored, err := gitrepo.Ignored(ctx, root, s.in.path); err == nil && !ignored {
		r.ui.warn(s.in.name + " is plaintext, lies in a git repository and is not ignored there: add it to .gitignore, or --remove it")
	}
	return nil
}

// checkRemovable refuses to remove what a link leads to: the link would stay, and
// lead nowhere.
func (r *importRun) checkRemovable(s *importSource) error {
	if !r.c.Bool("remove") || s.from == fromSops || s.in.path == "" {
		return nil
	}
	if info, err := os.Lstat(s.in.name); err != nil || info.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	return failure("a link, which leads to "+s.in.path, "--remove takes away files, not what a link leads to: name that file, or leave --remove out")
}

// remove takes a source away once all that was made of it is stored and verified.
func (s *importSource) remove(items []*importItem) error {
	for _, it := range items {
		if it.source != s {
			continue
		}
		if it.replacesSource() {
			return nil
		}
		stored, err := readFile(it.job.in.path)
		if err != nil {
			return err
		}
		if err := it.job.sealed.Check(stored); err != nil {
			return err
		}
	}
	now, err := readFile(s.in.path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, s.in.data) {
		return fmt.Errorf("not removed: %w", atomicfile.ErrChanged)
	}
	if err := os.Remove(s.in.path); err != nil {
		return plainPathError(err)
	}
	s.removed = true
	return nil
}

// tracked reports whether the index or the last commit of a repository has a file.
func tracked(ctx context.Context, root, path string) bool {
	repo, err := gitrepo.Open(ctx, root, formats.MaxSealed)
	if err != nil {
		return false
	}
	defer repo.Close()
	for _, err := range repo.Versions(path) {
		return err == nil
	}
	return false
}
