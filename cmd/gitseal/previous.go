package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// previousVersions finds the earlier sealed version of files, so that sealing
// them again changes no more than it has to.
type previousVersions struct {
	// given is the content of --previous, nil if there was none.
	given []byte
	// repos reads from git. :: topmost folder → repository
	repos  map[string]*gitrepo.Repo
	places map[string]earlierPlace // by the path of the input, "" for standard input
	ui     *ui
	once   sync.Once
}

// earlierPlace is where an earlier version of a file is looked for, and what of it is wanted.
type earlierPlace struct {
	root, path string
	// reuses: data key and ciphertext; keeps: readers, as nothing else names them.
	reuses, keeps bool
}

// previousVersion is the earlier sealed version of a file, if there is one.
type previousVersion struct {
	// sealed: there is one, whether or not it opens.
	sealed bool
	// opened is nil if it does not open, for the reason why, or if nothing of it is wanted.
	opened *cipher.Opened
	why    error
	// reuses: its data key and ciphertext are wanted.
	reuses bool
	// object is what it says about its object, if it is a SealedManifest.
	object manifest.Object
	// formatName is that of what was opened: a SealedManifest may hold any.
	formatName string
}

// inside reports whether what was opened stands in spec.document.
func (v previousVersion) inside() bool { return v.object.HasDocument }

// findPrevious prepares reading from the repositories of the inputs. They are
// closed at the end of ctx.
func (r *sealRun) findPrevious(ctx context.Context, in []input) (*previousVersions, error) {
	p := &previousVersions{repos: map[string]*gitrepo.Repo{}, places: map[string]earlierPlace{}, ui: r.ui}
	if name := r.c.String("previous"); name != "" {
		data, err := readFile(name)
		if err != nil {
			return nil, &fileError{name: name, err: err}
		}
		p.given = data
		return p, nil
	}
	for _, f := range in {
		if bytes.Contains(f.data, []byte(cipher.SealedPrefix)) {
			continue // sealed already
		}
		at, err := r.placeOf(f)
		if err != nil {
			return nil, &fileError{name: f.name, err: err}
		}
		if r.c.Bool("no-reuse") && !at.keeps {
			continue
		}
		p.places[f.path] = at
		if at.root != "" && p.repos[at.root] == nil {
			if p.repos[at.root], err = gitrepo.Open(ctx, at.root, formats.MaxSealed); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// placeOf returns where a file's earlier version is; that of standard input is the file that
// --path names.
func (r *sealRun) placeOf(in input) (earlierPlace, error) {
	at := earlierPlace{path: in.path}
	config, err := r.book.config(in.rulePath)
	if err != nil {
		return at, err
	}
	at.reuses = !r.c.Bool("no-reuse") && (config == nil || !config.NoReuse)
	at.keeps = config == nil && r.flags != nil && len(r.flags.readers.groups) == 0
	if in.path == "" {
		folder, err := filepath.EvalSymlinks(filepath.Dir(in.rulePath))
		if err != nil {
			return at, nil // there is no such folder yet
		}
		at.path = filepath.Join(folder, filepath.Base(in.rulePath))
	}
	at.root, _ = gitrepo.Root(filepath.Dir(at.path))
	return at, nil
}

func (p *previousVersions) close() {
	for _, r := range p.repos {
		r.Close()
	}
}

// versions are the earlier versions of a file, the newest first. That of the path which
// standard input was given stands there, unless the shell has emptied the file already, to
// put the result there. Where readers are wanted, a file that is in conflict has none: what
// git has of it besides is older.
func (p *previousVersions) versions(in input) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		at, ok := p.places[in.path]
		if !ok {
			return
		}
		if in.path == "" {
			if data, err := readRegular(at.path); err == nil && !yield(data, nil) {
				return
			}
		}
		if at.root == "" {
			return
		}
		if err := p.settled(at); err != nil {
			yield(nil, err)
			return
		}
		for data, err := range p.repos[at.root].Versions(at.path) {
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

// settled returns an error if the readers of a file are wanted, and git has sealed versions of
// it between which nobody has decided.
func (p *previousVersions) settled(at earlierPlace) error {
	if !at.keeps {
		return nil
	}
	for _, stage := range []int{gitrepo.StageBase, gitrepo.StageOurs, gitrepo.StageTheirs} {
		data, err := p.repos[at.root].Stage(at.path, stage)
		switch {
		case errors.Is(err, gitrepo.ErrNone):
		case err != nil:
			return fmt.Errorf("reading the versions in conflict from git: %w", err)
		case bytes.Contains(data, []byte(cipher.SealedPrefix)):
			return errReadersInConflict
		}
	}
	return nil
}

// readRegular is readFile for a file that is only looked at: reading a pipe or a device
// could take forever.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = atomicfile.ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	return readFile(name)
}

// open returns the earlier version of a file, opened if the identities open it. If its readers
// are wanted, that is the newest sealed one or none: readers may have been removed since an
// older one. Otherwise any will do.
func (p *previousVersions) open(ctx context.Context, in input, ids *identities) (previousVersion, error) {
	if p.given != nil {
		o, err := cipher.Open(ctx, in.format, p.given, ids.openOptions())
		if err != nil {
			return previousVersion{}, fmt.Errorf("--previous: %w", err)
		}
		return previousVersion{sealed: true, opened: o, reuses: true, formatName: in.formatName}, nil
	}
	at := p.places[in.path]
	v := previousVersion{reuses: at.reuses, formatName: in.formatName}
	for data, err := range p.versions(in) {
		if errors.Is(err, errReadersInConflict) {
			return v, err
		}
		if err != nil {
			return v, fmt.Errorf("reading the previous version from git: %w", err)
		}
		if !bytes.Contains(data, []byte(cipher.SealedPrefix)) {
			continue
		}
		if !v.sealed {
			v.sealed, v.object = true, objectIn(in.format, data)
		}
		if !at.reuses && !at.keeps {
			return v, nil
		}
		if v.why = p.opens(ctx, &v, in, data, ids); v.why == nil || at.keeps {
			return v, ctx.Err()
		}
	}
	return v, nil
}

// opens opens one version, or says why it does not.
func (p *previousVersions) opens(ctx context.Context, v *previousVersion, in input, data []byte, ids *identities) error {
	inside := input{data: data, format: in.format, formatName: in.formatName}
	if err := inside.enter(); err != nil {
		return err
	}
	if (inside.around != nil) != v.inside() {
		return cipher.ErrNotSealed
	}
	o, err := cipher.Open(ctx, inside.format, inside.data, ids.openOptions())
	if own := all.NameForFile(p.places[in.path].path); err != nil && p.places[in.path].keeps && own != inside.formatName {
		// The text is to be sealed in another format than the file had.
		if other, e := cipher.Open(ctx, formatNamed(own), data, ids.openOptions()); e == nil {
			o, err, inside.formatName, v.reuses = other, nil, own, false
		}
	}
	if errors.As(err, new(*cipher.NoIdentityError)) && !p.places[in.path].keeps {
		where := " in git"
		if in.path == "" {
			where = ""
		}
		p.once.Do(func() {
			p.ui.note("no identity opens the previous version" + where + ": values that have not changed get new ciphertext, too")
		})
	}
	if err == nil {
		v.opened, v.formatName = o, inside.formatName
	}
	return err
}

// objectIn returns what a version says about its object, if that is a SealedManifest.
func objectIn(f formats.Format, data []byte) manifest.Object {
	if !manifest.MayBe(data) {
		return manifest.Object{}
	}
	doc, err := f.Parse(data)
	if err != nil {
		return manifest.Object{}
	}
	if o := manifest.Of(doc); o.IsSealedManifest() {
		return o
	}
	return manifest.Object{}
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
