package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// errTooLarge: a file is larger than anything that is looked at.
var errTooLarge = errors.New("too large")

// errMissing: git names a content that it does not have here.
var errMissing = errors.New("git does not have the content here")

// configEntry is a configuration that was looked for.
type configEntry struct {
	config *rules.Config
	name   string
	err    error
}

// configCache remembers which configuration applies in a folder.
type configCache struct {
	explicit *rules.Config
	find     func(folder string) configEntry

	mu       sync.Mutex // guards byFolder
	byFolder map[string]configEntry
}

func (c *configCache) config(file string) (*rules.Config, string, error) {
	if c.explicit != nil {
		return c.explicit, c.explicit.Path, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	folder := filepath.Dir(file)
	e, ok := c.byFolder[folder]
	if !ok {
		e = c.find(folder)
		c.byFolder[folder] = e
	}
	return e.config, e.name, e.err
}

// gitTree is the files of a commit, or of the index if it has no name.
type gitTree struct {
	configCache
	ctx          context.Context
	repo         *gitrepo.Repo
	root, commit string
	// targets counts the files of the tree that are to be checked. If they are many, all
	// names are listed: git looks for each name anew.
	targets int
	names   func() map[string]bool
}

// manyTargets is from where on listing a tree costs less than looking names up.
const manyTargets = 20

func newGitTree(ctx context.Context, repo *gitrepo.Repo, root, commit string, explicit *rules.Config) *gitTree {
	t := &gitTree{ctx: ctx, repo: repo, root: root, commit: commit}
	t.configCache = configCache{explicit: explicit, byFolder: map[string]configEntry{}, find: t.findConfig}
	t.names = sync.OnceValue(func() map[string]bool {
		list := func() ([]gitrepo.Side, error) { return gitrepo.InTree(ctx, root, commit) }
		if commit == "" {
			list = func() ([]gitrepo.Side, error) { return gitrepo.Indexed(ctx, root) }
		}
		sides, err := list()
		if err != nil {
			return nil // each name is looked up
		}
		names := map[string]bool{}
		for _, side := range sides {
			names[side.Path] = true
		}
		return names
	})
	return t
}

func (t *gitTree) read(f *target) ([]byte, error) {
	if f.id == "" {
		return t.beside(f.path)
	}
	data, err := t.repo.Blob(f.id)
	if errors.Is(err, gitrepo.ErrNone) {
		return nil, errMissing
	}
	return found(data, err)
}

func (t *gitTree) beside(file string) ([]byte, error) {
	name := t.rel(file)
	if t.targets > manyTargets {
		if names := t.names(); names != nil && !names[name] {
			return nil, errNotThere
		}
	}
	return t.readRel(name)
}

// findConfig returns the configuration that the tree itself has for a folder: the
// nearest, up to the top of the repository. It is as trusted as the files beside it.
func (t *gitTree) findConfig(folder string) configEntry {
	for dir := t.rel(folder); ; dir = path.Dir(dir) {
		for _, base := range []string{ConfigName, ".sops.yml"} {
			name := path.Join(dir, base)
			src, err := t.readRel(name)
			if errors.Is(err, errNotThere) {
				continue
			}
			at := filepath.Join(t.root, filepath.FromSlash(name))
			switch {
			case err != nil:
				return configEntry{name: shown(at), err: fmt.Errorf("reading %s from git: %w", name, err)}
			case base != ConfigName:
				return configEntry{name: shown(at), err: &rules.ConfigError{Path: at, Msg: "a configuration file must be called " + ConfigName}}
			}
			if src, err = t.behindLink(name, src); err != nil {
				return configEntry{name: shown(at), err: err}
			}
			c, err := rules.Parse(at, src)
			return configEntry{c, shown(at), err}
		}
		if dir == "." {
			return configEntry{}
		}
	}
}

// maxLinks bounds how many links are followed.
const maxLinks = 8

// behindLink returns the content of the file that a configuration is: what git has of a
// link is where it leads. No text of one line, without an end, is a configuration.
func (t *gitTree) behindLink(name string, src []byte) ([]byte, error) {
	for range maxLinks {
		if len(src) == 0 || bytes.ContainsAny(src, "\n\x00") {
			return src, nil
		}
		if isLink, err := gitrepo.IsLink(t.ctx, t.root, t.commit, name); err != nil || !isLink {
			return src, err
		}
		to := path.Join(path.Dir(name), string(src))
		outside := path.IsAbs(string(src)) || !filepath.IsLocal(filepath.FromSlash(to))
		var err error
		if src, err = t.readRel(to); outside || errors.Is(err, errNotThere) {
			return nil, &rules.ConfigError{Path: filepath.Join(t.root, filepath.FromSlash(name)), Msg: "a link to what git does not have here: the rules have to be in the repository, for all clones and commits"}
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s from git: %w", to, err)
		}
		name = to
	}
	return nil, &rules.ConfigError{Path: filepath.Join(t.root, filepath.FromSlash(name)), Msg: "links that lead to links without end"}
}

// rel returns a path as git has it.
func (t *gitTree) rel(file string) string {
	rel, err := filepath.Rel(t.root, file)
	if err != nil {
		return strings.TrimPrefix(file, t.root)
	}
	return filepath.ToSlash(rel)
}

func (t *gitTree) readRel(name string) ([]byte, error) {
	if t.commit == "" {
		return found(t.repo.Read(filepath.Join(t.root, filepath.FromSlash(name)), gitrepo.Index))
	}
	return found(t.repo.InCommit(t.commit, name))
}

// found gives errors of git the names that they have on the disk.
func found(data []byte, err error) ([]byte, error) {
	switch {
	case errors.Is(err, gitrepo.ErrNone):
		return nil, errNotThere
	case errors.Is(err, gitrepo.ErrTooLarge):
		return nil, errTooLarge
	}
	return data, err
}
