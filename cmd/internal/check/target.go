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
	"github.com/gitseal/gitseal/cmd/internal/workset"
)

// Set is files to check, as they are at one place: a work tree, an index, a commit.
// It is made by [WorkTree], [Staged] or [Range].
type Set struct {
	targets []target
	// repo is open while the set is in use, nil for a work tree.
	repo *gitrepo.Repo
	// explicit takes the place of all configurations.
	explicit *rules.Config
}

// Len is the number of files.
func (s *Set) Len() int { return len(s.targets) }

// Close ends what reading from git needs.
func (s *Set) Close() error {
	if s.repo == nil {
		return nil
	}
	return s.repo.Close()
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

// WorkTree returns the files that arguments name, and of folders those that git tracks or
// would add; outside of a repository, all that are not another project's.
func WorkTree(ctx context.Context, args []string, o Options) (*Set, error) {
	s := &Set{explicit: o.Config}
	t := newWorkTree(o.Config)
	seen := map[string]bool{}
	for _, arg := range args {
		files, err := workFiles(ctx, arg)
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			if !seen[path] {
				seen[path] = true
				s.targets = append(s.targets, target{name: shown(path), path: path, tree: t})
			}
		}
	}
	return s, nil
}

// workFiles returns the files that one argument means, absolute and free of links.
func workFiles(ctx context.Context, arg string) ([]string, error) {
	if info, err := os.Stat(arg); err != nil || !info.IsDir() {
		return collect(arg)
	}
	folder, err := filepath.Abs(arg)
	if err == nil {
		folder, err = filepath.EvalSymlinks(folder)
	}
	if err != nil {
		return nil, err
	}
	root, found := gitrepo.Root(folder)
	if !found {
		return collect(arg)
	}
	names, err := gitrepo.Listed(ctx, root, folder)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return collect(arg) // without git, or with something that only looks like a repository
	}
	var files []string
	for _, n := range names {
		path := filepath.Join(root, filepath.FromSlash(n))
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	return files, nil
}

func collect(arg string) ([]string, error) {
	files, err := workset.Collect([]string{arg}, workset.Options{Match: func(string) bool { return true }})
	if none := (*workset.NoMatchError)(nil); errors.As(err, &none) {
		return nil, nil // an empty folder
	}
	var out []string
	for _, f := range files {
		out = append(out, f.Path)
	}
	return out, err
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
	t := newGitTree(ctx, s.repo, root, "", o.Config)
	changed := differing(list)
	s.add(root, t, "", changed)
	return s, s.addRuled(root, t, list, changed, func() ([]gitrepo.Side, error) { return gitrepo.Indexed(ctx, root) })
}

func open(ctx context.Context, root string, o Options) (*Set, error) {
	repo, err := gitrepo.Open(ctx, root, maxBlob)
	return &Set{repo: repo, explicit: o.Config}, err
}

// differing returns the regular files that there are now.
func differing(list []gitrepo.Difference) []gitrepo.Side {
	var out []gitrepo.Side
	for _, d := range list {
		if d.Status != 'U' && d.Status != 'D' && d.New.Regular {
			out = append(out, d.New)
		}
	}
	return out
}

func (s *Set) add(root string, t *gitTree, commit string, files []gitrepo.Side) {
	t.targets += len(files)
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		s.targets = append(s.targets, target{name: shown(path), path: path, tree: t, id: f.ID, commit: commit})
	}
}

// addRuled adds the files whose configuration has changed, although they have not.
func (s *Set) addRuled(root string, t *gitTree, list []gitrepo.Difference, changed []gitrepo.Side, all func() ([]gitrepo.Side, error)) error {
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
	for _, f := range files {
		below := func(folder string) bool { return strings.HasPrefix("/"+f.Path, folder+"/") }
		same := func(c gitrepo.Side) bool { return c.Path == f.Path }
		if !slices.ContainsFunc(folders, below) || slices.ContainsFunc(changed, same) {
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
	// From and To are revisions; From may be empty or all zeros: everything up to To.
	From, To string
	// Each: each commit is looked at, and not only what has become of its files at To.
	Each bool
}

// Range returns the files that the commits which To has and From has not have added or
// changed. The error is [gitrepo.ErrNone] if there is no such revision.
func Range(ctx context.Context, root string, o RangeOptions) (*Set, error) {
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
	t := newGitTree(ctx, s.repo, root, to, o.Config)
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
	changed := differing(list)
	s.add(root, t, "", changed)
	return s, s.addRuled(root, t, list, changed, inTree)
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
		t := newGitTree(ctx, s.repo, root, c.Commit, s.explicit)
		for _, f := range c.Files {
			if v := (version{f.Path, f.ID}); !seen[v] {
				seen[v] = true
				s.add(root, t, c.Commit, []gitrepo.Side{f})
			}
		}
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
