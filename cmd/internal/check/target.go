package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// Set is files to check, as they are at one place: a work tree, an index, a commit.
// It is made by [WorkTree], [Staged] or [Range].
type Set struct {
	targets []target
	// repos are open while the set is in use.
	repos []*gitrepo.Repo
	// indexes are those that parts of a work tree are read from, by its topmost folder.
	indexes map[string]*gitTree
	// explicit takes the place of all configurations.
	explicit *rules.Config
}

// Len is the number of files.
func (s *Set) Len() int { return len(s.targets) }

// Close ends what reading from git needs.
func (s *Set) Close() error {
	var errs []error
	for _, r := range s.repos {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// target is one file. tree says where it is read from.
type target struct {
	// name is what it is called, path where it is: absolute, links resolved.
	name, path string
	tree       tree
	// id is the object that holds its content, "" on the disk.
	id string
	// commit is set for findings to name it.
	commit string
	// rulesOnly: the file itself has not changed, but its rules have.
	rulesOnly bool
	// past is what has gone with the change that is checked, nil if none is; was is the
	// file before it, or what git takes for it.
	past *past
	was  gitrepo.Side
}

// tree is a state of the files of a repository.
type tree interface {
	// read returns a target's content, and beside that of another file of the tree; the
	// error is fs.ErrNotExist if there is none.
	read(t *target) ([]byte, error)
	beside(path string) ([]byte, error)
	// config returns the configuration for a file, nil if there is none, and its name.
	config(path string) (*rules.Config, string, error)
}

// Options are how the files of a set are found.
type Options struct {
	// Config, if not nil, is used in place of all configurations.
	Config *rules.Config
}

// shown returns a path as people want to see it: from where they are, if that is short.
func shown(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(wd); err == nil {
		wd = real
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || strings.Count(rel, "..") > 3 {
		return path
	}
	return rel
}

// maxBlob bounds what is read of one file.
const maxBlob = 64 << 20

// Staged returns the files that the next commit would add or change, as they are in the
// index. If it changes a configuration, all files of the index that it applies to are
// among them.
func Staged(ctx context.Context, root string, o Options) (*Set, error) {
	list, err := gitrepo.Compare(ctx, root, gitrepo.CompareOptions{Staged: true})
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, root, o)
	if err != nil {
		return nil, err
	}
	t := newGitTree(ctx, s.repos[0], root, "", o.Config)
	s.addChanged(root, t, "", list)
	return s, s.addRuled(root, t, list, func() ([]gitrepo.Side, error) { return gitrepo.Indexed(ctx, root) })
}

func open(ctx context.Context, root string, o Options) (*Set, error) {
	repo, err := gitrepo.Open(ctx, root, maxBlob)
	if err != nil {
		return nil, err
	}
	return &Set{repos: []*gitrepo.Repo{repo}, explicit: o.Config}, nil
}

// isThere reports whether a difference leaves a regular file.
func isThere(d gitrepo.Difference) bool {
	return d.Status != 'U' && d.Status != 'D' && d.New.Regular
}

func (s *Set) add(root string, t *gitTree, commit string, files []gitrepo.Side) {
	t.targets += len(files)
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		s.targets = append(s.targets, target{name: shown(path), path: path, tree: t, id: f.ID, commit: commit})
	}
}

// addChanged adds the files that there are now, with what they were before.
func (s *Set) addChanged(root string, t *gitTree, commit string, list []gitrepo.Difference) {
	past := newPast(t, list)
	for _, d := range list {
		if !isThere(d) {
			continue
		}
		s.add(root, t, commit, []gitrepo.Side{d.New})
		last := &s.targets[len(s.targets)-1]
		last.past = past
		if d.Old.Regular {
			last.was = d.Old
		}
	}
}

// addRuled adds the files whose configuration has changed, although they have not.
func (s *Set) addRuled(root string, t *gitTree, list []gitrepo.Difference, all func() ([]gitrepo.Side, error)) error {
	var folders []string
	for _, d := range list {
		for _, name := range []string{d.Old.Path, d.New.Path} {
			if folder, ok := strings.CutSuffix("/"+name, "/"+ConfigName); ok && !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	if len(folders) == 0 || s.explicit != nil {
		return nil
	}
	files, err := all()
	if err != nil {
		return err
	}
	changed := map[string]bool{}
	for _, d := range list {
		changed[d.New.Path] = isThere(d)
	}
	for _, f := range files {
		below := func(folder string) bool { return strings.HasPrefix("/"+f.Path, folder+"/") }
		if !slices.ContainsFunc(folders, below) || changed[f.Path] {
			continue
		}
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		s.targets = append(s.targets, target{name: shown(path), path: path, tree: t, id: f.ID, rulesOnly: true})
	}
	return nil
}

// RangeOptions say which commits are meant.
type RangeOptions struct {
	Options
	// From and To are revisions; From may be empty or all zeros: everything up to To. To
	// all zeros, as hooks call a branch that is deleted, is nothing at all.
	From, To string
	// Each: each commit is looked at, and not only what has become of its files at To.
	Each bool
}

// Range returns the files that the commits which To has and From has not have added or
// changed. The repository may be bare. The error is [gitrepo.ErrNone] if there is no such revision.
func Range(ctx context.Context, root string, o RangeOptions) (*Set, error) {
	if o.To != "" && strings.Trim(o.To, "0") == "" {
		return &Set{}, nil
	}
	from, err := revision(ctx, root, o.From)
	if err != nil {
		return nil, err
	}
	to, err := revision(ctx, root, o.To)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, root, o.Options)
	if err != nil {
		return nil, err
	}
	if o.Each {
		return s, s.addCommits(ctx, root, from, to)
	}
	t := newGitTree(ctx, s.repos[0], root, to, o.Config)
	inTree := func() ([]gitrepo.Side, error) { return gitrepo.InTree(ctx, root, to) }
	if from == "" {
		files, err := inTree()
		s.add(root, t, "", files)
		return s, err
	}
	// What others have committed meanwhile is not this range's.
	if base, err := gitrepo.MergeBase(ctx, root, from, to); err == nil {
		from = base
	} else if !errors.Is(err, gitrepo.ErrNone) {
		return s, err
	}
	list, err := gitrepo.Compare(ctx, root, gitrepo.CompareOptions{Commits: []string{from, to}})
	if err != nil {
		return s, err
	}
	s.addChanged(root, t, "", list)
	return s, s.addRuled(root, t, list, inTree)
}

// revision returns the commit that a revision means, "" for none.
func revision(ctx context.Context, root, text string) (string, error) {
	if strings.Trim(text, "0") == "" {
		return "", nil
	}
	id, err := gitrepo.Resolve(ctx, root, text+"^{commit}")
	if errors.Is(err, gitrepo.ErrNone) {
		return "", fmt.Errorf("there is no commit %q: %w", text, err)
	}
	return id, err
}

// addCommits adds what each commit added or changed; what a later commit has again is
// not repeated.
func (s *Set) addCommits(ctx context.Context, root, from, to string) error {
	commits, err := gitrepo.CommitsBetween(ctx, root, from, to)
	if err != nil {
		return err
	}
	type version struct{ path, id string }
	seen := map[version]bool{}
	for _, c := range commits {
		t := newGitTree(ctx, s.repos[0], root, c.Commit, s.explicit)
		s.addChanged(root, t, c.Commit, slices.DeleteFunc(c.Files, func(d gitrepo.Difference) bool {
			v := version{d.New.Path, d.New.ID}
			again := isThere(d) && seen[v]
			seen[v] = true
			return again
		}))
	}
	return nil
}

var errNotThere = fs.ErrNotExist

// Only leaves the files that arguments name, or that lie in folders that they name. They
// need not be in the work tree.
func (s *Set) Only(args []string) {
	var kept []string
	for _, a := range args {
		abs, err := filepath.Abs(a)
		if err != nil {
			continue
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(dir, filepath.Base(abs))
		}
		kept = append(kept, abs)
	}
	s.targets = slices.DeleteFunc(s.targets, func(t target) bool {
		return !slices.ContainsFunc(kept, func(k string) bool {
			return t.path == k || strings.HasPrefix(t.path, strings.TrimSuffix(k, string(filepath.Separator))+string(filepath.Separator))
		})
	})
}
