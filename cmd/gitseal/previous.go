package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/formats"
)

// previousVersions finds the earlier sealed version of files, so that sealing
// them again changes no more than it has to.
type previousVersions struct {
	// given is the content of --previous, nil if there was none.
	given []byte
	// repos reads from git. :: topmost folder → repository
	repos map[string]*gitrepo.Repo
	roots map[string]string // :: file → topmost folder
	ui    *ui
	once  sync.Once
}

// findPrevious prepares reading from the repositories of the inputs. They are
// closed at the end of ctx.
func (r *sealRun) findPrevious(ctx context.Context, in []input) (*previousVersions, error) {
	p := &previousVersions{repos: map[string]*gitrepo.Repo{}, roots: map[string]string{}, ui: r.ui}
	if name := r.c.String("previous"); name != "" {
		data, err := readFile(name)
		if err != nil {
			return nil, &fileError{name: name, err: err}
		}
		p.given = data
		return p, nil
	}
	if r.c.Bool("no-reuse") {
		return p, nil
	}
	for _, f := range in {
		if f.path == "" || bytes.Contains(f.data, []byte(cipher.SealedPrefix)) {
			continue // standard input, or sealed already
		}
		reuse, err := r.book.reuses(f.rulePath)
		if err != nil {
			return nil, &fileError{name: f.name, err: err}
		}
		root, ok := gitrepo.Root(filepath.Dir(f.path))
		if !ok || !reuse {
			continue
		}
		p.roots[f.path] = root
		if p.repos[root] == nil {
			if p.repos[root], err = gitrepo.Open(ctx, root, formats.MaxSealed); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *previousVersions) close() {
	for _, r := range p.repos {
		r.Close()
	}
}

// open returns the earlier version of a file, nil if there is none that is
// sealed and that the identities open.
func (p *previousVersions) open(ctx context.Context, in input, ids *identities) (*cipher.Opened, error) {
	opts := ids.openOptions()
	if p.given != nil {
		o, err := cipher.Open(ctx, in.format, p.given, opts)
		if err != nil {
			return nil, fmt.Errorf("--previous: %w", err)
		}
		return o, nil
	}
	root, ok := p.roots[in.path]
	if !ok {
		return nil, nil
	}
	for data, err := range p.repos[root].Versions(in.path) {
		if err != nil {
			return nil, fmt.Errorf("reading the previous version from git: %w", err)
		}
		if !bytes.Contains(data, []byte(cipher.SealedPrefix)) {
			continue
		}
		o, err := cipher.Open(ctx, in.format, data, opts)
		var none *cipher.NoIdentityError
		if errors.As(err, &none) {
			p.once.Do(func() {
				p.ui.note("no identity opens the previous version in git: values that have not changed get new ciphertext, too")
			})
		}
		if err == nil {
			return o, nil
		}
	}
	return nil, nil
}

// repositoryOf returns the topmost folder of the repository that a file lies in by
// the name that people gave it, "" if it lies in none. Writing through a link must
// not lead out of it.
func repositoryOf(name string) string {
	root, _ := gitrepo.Root(filepath.Dir(name))
	return root
}

// writeAll writes files and passes on what is worth knowing.
func writeAll(u *ui, jobs []atomicfile.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	results, err := atomicfile.WriteAll(jobs)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.OtherLinks > 0 {
			u.warn(fmt.Sprintf("%s: %d other hard links still lead to the old content", r.Path, r.OtherLinks))
		}
	}
	return nil
}
