// Package history tells what happened to the values and readers of sealed files, as
// far as the commits of their git repository show it.
//
// No key is needed: a value has changed if its ciphertext has. Only where the data
// key was changed, which gives every value a new ciphertext, a caller who can open
// files knows more than one who cannot (see [Opener]).
package history

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// Side is a file in one commit. A file that is not there has no blob.
type Side struct {
	Path, Blob string
}

// Step is a commit that changed a file, or what is not committed yet.
type Step struct {
	// Commit is nil if the change is not committed.
	Commit *gitrepo.Commit
	Is     Side
	// Was is the file in each parent; there is none in a first commit.
	Was []Side
	// Shallow: the history of a shallow clone ends here, though not the file's.
	Shallow bool
}

// File is the history of one file.
type File struct {
	// Path is that of the file as it is now, relative to the repository's root.
	Path string
	// Now is the newest version: that of the work tree, if it was given.
	Now Side
	// Steps are in topological order: none before one that builds on it.
	Steps []Step
	// Shallow: the history ends early, for the clone is a shallow one.
	Shallow bool

	// names are all that the file ever had.
	names []string
}

// Repo reads the histories of files in one work tree.
type Repo struct {
	git *gitrepo.Repo
	// renamed returns what files in the index were in HEAD, by their names.
	renamed func() (map[string]string, error)
	// shallow are the commits at which a shallow clone's history ends.
	shallow map[string]bool
	load    *loader
	all     bool
	// tips are the branches other than the one that is checked out.
	tips func() ([]gitrepo.Branch, error)
}

// Options are the choices of Open.
type Options struct {
	// Root is the topmost folder of the work tree, links resolved.
	Root string
	// Format returns the format of a file by its path, relative to the root.
	Format func(path string) formats.Format
	// Open opens sealed versions; nil if nobody can.
	Open Opener
	// All follows all branches and tags, not only the one that is checked out.
	All bool
	// Key is that of the hashes that stand for values. Repos whose values are to be
	// compared have the same; nil is one of its own.
	Key Key
}

// Open prepares reading. The caller closes the Repo; the end of ctx stops it.
func Open(ctx context.Context, o Options) (*Repo, error) {
	git, err := gitrepo.Open(ctx, o.Root, formats.MaxSealed)
	if err != nil {
		return nil, err
	}
	shallow, err := gitrepo.Shallow(ctx, o.Root)
	if err != nil {
		return nil, errors.Join(err, git.Close())
	}
	r := &Repo{git: git, shallow: shallow, all: o.All}
	r.renamed = sync.OnceValues(func() (map[string]string, error) { return stagedRenames(ctx, o.Root) })
	r.tips = sync.OnceValues(func() ([]gitrepo.Branch, error) { return gitrepo.OtherBranches(ctx, o.Root) })
	if o.Key == nil {
		o.Key = NewKey()
	}
	r.load = newLoader(ctx, git, o)
	return r, nil
}

// Shallow reports whether the clone is a shallow one, so that any file may have been
// something else before its history begins.
func (r *Repo) Shallow() bool { return len(r.shallow) > 0 }

// Close ends reading.
func (r *Repo) Close() error { return r.git.Close() }

// maxRenames bounds how often a file's name is followed back.
const maxRenames = 64

// Files returns the histories of files by their paths, relative to the root, through
// their renames. current holds the content of those whose work tree is to count as
// the newest version.
func (r *Repo) Files(paths []string, current map[string][]byte) ([]*File, error) {
	w := &walk{Repo: r, names: map[string]bool{}, origins: map[place]Side{}, asked: map[string]bool{}, later: map[string]map[string]bool{}}
	heads := map[string]Side{}
	for _, p := range paths {
		w.names[p] = true
		head, err := r.head(p)
		if err != nil {
			return nil, err
		}
		heads[p] = head
		w.names[head.Path] = true
	}
	for range maxRenames {
		more, err := w.round()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	var out []*File
	for _, p := range paths {
		f, err := w.file(p)
		if err != nil {
			return nil, err
		}
		if head := heads[p]; head.Path != p && len(f.Steps) == 0 {
			if f, err = w.file(head.Path); err != nil {
				return nil, err
			}
			f.Path = p
		}
		f.names = append(f.names, p)
		f.end(r.load, heads[p], current)
		out = append(out, f)
	}
	return out, nil
}

// head returns a file as it is in HEAD, perhaps under the name from which it was
// renamed in the index.
func (r *Repo) head(path string) (Side, error) {
	if side, ok := r.load.at("HEAD", path); ok {
		return side, nil
	}
	renamed, err := r.renamed()
	if err != nil {
		return Side{}, err
	}
	if was, ok := renamed[path]; ok {
		if side, ok := r.load.at("HEAD", was); ok {
			return side, nil
		}
	}
	return Side{Path: path}, nil
}

// stagedRenames returns the names in HEAD of files that are renamed in the index.
func stagedRenames(ctx context.Context, root string) (map[string]string, error) {
	out := map[string]string{}
	if _, err := gitrepo.Resolve(ctx, root, "HEAD"); err != nil {
		return out, nil // there is no commit yet
	}
	list, err := gitrepo.Compare(ctx, root, gitrepo.CompareOptions{Staged: true})
	for _, d := range list {
		if d.Status == 'R' {
			out[d.New.Path] = d.Old.Path
		}
	}
	return out, err
}

// end settles the newest version, and puts what is not committed in front.
func (f *File) end(l *loader, head Side, current map[string][]byte) {
	data, ok := current[f.Path]
	switch {
	case ok:
		f.Now = l.keep(f.Path, data)
	case head.Blob != "":
		f.Now = head
	case len(f.Steps) > 0:
		f.Now = f.Steps[0].Is
	}
	if !ok || head.Path == f.Path && l.equal(head, f.Now) {
		return
	}
	step := Step{Is: f.Now}
	if head.Blob != "" {
		step.Was = []Side{head}
	}
	f.Steps = append([]Step{step}, f.Steps...)
}

// place is a file's path in one commit.
type place struct{ commit, path string }

// walk collects the commits that touch some files under all the names that they had.
type walk struct {
	*Repo
	names   map[string]bool
	touches map[string][]touch // :: path → in the order of the log
	// origins are the files that others were before a commit renamed them.
	origins map[place]Side
	// asked are the commits that were asked for renames.
	asked map[string]bool
	// later are the descendants of commits.
	later map[string]map[string]bool
}

// touch is a touch with its place in the log.
type touch struct {
	gitrepo.Touch
	at int
}

// round reads the log for all names that are known, and reports whether it has
// found further ones.
func (w *walk) round() (more bool, err error) {
	opts := gitrepo.LogOptions{All: w.all}
	opts.Paths = slices.Sorted(maps.Keys(w.names))
	list, err := w.git.Log(opts)
	if err != nil {
		return false, err
	}
	w.touches = map[string][]touch{}
	var added []touch
	var ask []string
	for i, t := range list {
		w.touches[t.Path] = append(w.touches[t.Path], touch{t, i})
		// A merge has its names from its parents.
		if t.Blob == "" || len(t.Was) != 1 || t.Was[0] != "" {
			continue
		}
		if hash := t.Commit.Hash; !w.asked[hash] {
			w.asked[hash] = true
			ask = append(ask, hash)
		}
		added = append(added, touch{t, i})
	}
	moves, err := w.git.Moves(ask)
	if err != nil {
		return false, err
	}
	for _, t := range added {
		key := place{t.Commit.Hash, t.Path}
		if _, known := w.origins[key]; known {
			continue
		}
		from, ok := w.origin(t, moves[t.Commit.Hash])
		if !ok {
			continue
		}
		w.origins[key] = from
		more = more || !w.names[from.Path]
		w.names[from.Path] = true
	}
	return more, nil
}

// origin says what a file was that a commit added: what git takes for the same, or
// one of the same keys that went away, for sealing changes most of a file's bytes.
func (w *walk) origin(t touch, moves []gitrepo.Move) (Side, bool) {
	for _, m := range moves {
		if m.To == t.Path {
			return Side{m.From, m.Blob}, true
		}
	}
	best, most := Side{}, 0.0
	for _, m := range moves {
		if m.To != "" || m.From == t.Path {
			continue
		}
		from := Side{m.From, m.Blob}
		if s := w.load.similarity(from, Side{t.Path, t.Blob}); s > most {
			best, most = from, s
		}
	}
	const enough = 0.5
	return best, most >= enough
}

// file puts the history of one file together.
func (w *walk) file(path string) (*File, error) {
	f := &File{Path: path}
	segment := w.touches[path]
	// names are those the file had before, with the commits that renamed it.
	type name struct {
		path    string
		renamed touch
	}
	todo, seen := []name{}, map[string]bool{path: true}
	var all []touch
	for i := 0; ; i++ {
		for _, t := range segment {
			all = append(all, t)
			from, ok := w.origins[place{t.Commit.Hash, t.Path}]
			if ok && !seen[from.Path] {
				seen[from.Path] = true
				todo = append(todo, name{from.Path, t})
			}
		}
		if i >= len(todo) {
			break
		}
		var err error
		if segment, err = w.before(todo[i].path, todo[i].renamed); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b touch) int { return a.at - b.at })
	for _, t := range all {
		step := w.step(t, seen)
		f.Shallow = f.Shallow || step.Shallow
		f.Steps = append(f.Steps, step)
	}
	f.names = slices.Sorted(maps.Keys(seen))
	return f, nil
}

// before returns the touches of an earlier name: those of commits that do not build
// on the one that renamed it.
func (w *walk) before(path string, renamed touch) ([]touch, error) {
	var out []touch
	hash := renamed.Commit.Hash
	for _, t := range w.touches[path] {
		if t.Commit.Hash == hash {
			continue // the removal that goes with the new name
		}
		if t.at < renamed.at {
			if w.later[hash] == nil {
				var err error
				if w.later[hash], err = w.git.Descendants(hash, w.all); err != nil {
					return nil, err
				}
			}
			if w.later[hash][t.Commit.Hash] {
				continue // another file of that name
			}
		}
		out = append(out, t)
	}
	return out, nil
}

// step is what a touch means. The file may have had one of some names in a parent
// that does not know the present one.
func (w *walk) step(t touch, names map[string]bool) Step {
	s := Step{Commit: t.Commit, Is: Side{t.Path, t.Blob}, Shallow: w.shallow[t.Commit.Hash]}
	for i, blob := range t.Was {
		was := Side{t.Path, blob}
		if blob == "" && len(t.Was) == 1 {
			if from, ok := w.origins[place{t.Commit.Hash, t.Path}]; ok {
				was = from
			}
		}
		if blob == "" && len(t.Was) > 1 && i < len(t.Commit.Parents) {
			for _, name := range slices.Sorted(maps.Keys(names)) {
				if name == t.Path {
					continue
				}
				if side, ok := w.load.at(t.Commit.Parents[i], name); ok {
					was = side
				}
			}
		}
		s.Was = append(s.Was, was)
	}
	return s
}
