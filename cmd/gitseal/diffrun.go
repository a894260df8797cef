package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// diffRun is one call of diff.
type diffRun struct {
	c    *cli.Context
	std  std
	ui   *ui
	book *ruleBook
	keys *quietKeys
	// root is that of the work tree, "" with --no-index.
	root string
	repo *gitrepo.Repo
}

// diffSide is one version of a file.
type diffSide struct {
	// name is what people call the file, "" if there is none; path is where the
	// file is in the work tree, or would be.
	name, path string
	// id is the object that holds the content; "" if the work tree does.
	id   string
	data []byte
	in   input
	// around is the SealedManifest that holds what is compared, sealed or not; else nil.
	around *around
	// version is nil if it cannot be read, for the reason that err tells.
	version *changes.Version
	err     error
}

// fileDiff is a file that differs.
type fileDiff struct {
	status   byte
	old, new diffSide
	set      *changes.Set // nil if a side cannot be read
	// around is what differs between the SealedManifests around two files that are
	// inside of such.
	around *aroundDiff
	// really says, if the data key was renewed, which values are others, by their
	// paths' Text; nil if nobody can tell.
	really map[string]bool
}

func newDiffRun(c *cli.Context, s std, u *ui) *diffRun {
	return &diffRun{c: c, std: s, ui: u, keys: &quietKeys{c: c, std: s}}
}

func (r *diffRun) run(ctx context.Context) error {
	if r.c.Bool("json") && r.c.Bool("plaintext") {
		return usageError("--json and --plaintext exclude each other", "--json shows no values")
	}
	var err error
	if r.book, err = newRuleBook(r.c.String("config")); err != nil {
		return err
	}
	list, err := r.differences(ctx)
	if err != nil {
		return err
	}
	if r.repo != nil {
		defer r.repo.Close()
	}
	list, err = r.readAll(ctx, list)
	if err != nil {
		return err
	}
	if err := r.show(ctx, list); err != nil {
		return err
	}
	if len(list) > 0 && (r.c.Bool("exit-code") || r.c.Bool("quiet")) {
		return &childStatus{code: exitFailed} // as git does: nothing failed
	}
	return nil
}

func (r *diffRun) show(ctx context.Context, list []*fileDiff) error {
	switch {
	case r.c.Bool("quiet"):
		return nil
	case r.c.Bool("plaintext"):
		return r.showPlaintext(ctx, list)
	case r.c.Bool("json"):
		return r.showJSON(list)
	}
	return r.showText(list)
}

// differences lists the files that differ, before anything of them is read.
func (r *diffRun) differences(ctx context.Context) ([]*fileDiff, error) {
	if r.c.Bool("no-index") {
		return r.twoFiles()
	}
	root, err := repository()
	if err != nil {
		return nil, err
	}
	args, err := parseDiff(ctx, root, r.c.Args().Slice())
	if err != nil {
		return nil, err
	}
	staged := r.c.Bool("staged")
	if staged && len(args.commits) > 1 {
		return nil, usageError("--staged compares the index with one commit", "gitseal diff REV REV compares two commits")
	}
	found, err := gitrepo.Compare(ctx, root, gitrepo.CompareOptions{Staged: staged, Commits: args.commits, Paths: args.paths})
	if err != nil {
		return nil, noGit(err)
	}
	r.root = root
	if r.repo, err = gitrepo.Open(ctx, root, formats.MaxSealed); err != nil {
		return nil, err
	}
	var list []*fileDiff
	for _, d := range found {
		if d.Old.Regular || d.New.Regular {
			list = append(list, &fileDiff{status: d.Status, old: r.side(d.Old), new: r.side(d.New)})
		}
	}
	return list, nil
}

func (r *diffRun) side(s gitrepo.Side) diffSide {
	if !s.Regular {
		return diffSide{}
	}
	return diffSide{name: s.Path, path: filepath.Join(r.root, filepath.FromSlash(s.Path)), id: s.ID}
}

// twoFiles is what --no-index compares.
func (r *diffRun) twoFiles() ([]*fileDiff, error) {
	args := withoutSeparator(r.c.Args().Slice())
	if len(args) != 2 || r.c.Bool("staged") {
		return nil, usageError("--no-index compares two files", "gitseal diff --no-index OLD NEW")
	}
	d := &fileDiff{status: 'M'}
	for i, side := range []*diffSide{&d.old, &d.new} {
		abs, err := filepath.Abs(args[i])
		if err != nil {
			return nil, err
		}
		*side = diffSide{name: args[i], path: abs}
		if args[i] == os.DevNull {
			*side = diffSide{}
			continue
		}
		if _, err := os.Stat(abs); err != nil {
			return nil, &fileError{name: args[i], err: plainPathError(err)}
		}
	}
	switch {
	case d.old.name == "":
		d.status = 'A'
	case d.new.name == "":
		d.status = 'D'
	case d.old.name != d.new.name:
		d.status = 'R'
	}
	return []*fileDiff{d}, nil
}

// readAll reads and compares the files, and keeps those that are or were sealed.
func (r *diffRun) readAll(ctx context.Context, list []*fileDiff) ([]*fileDiff, error) {
	keep := make([]bool, len(list))
	err := forAll(ctx, len(list), runtime.GOMAXPROCS(0), func(i int) error {
		var err error
		keep[i], err = r.read(ctx, list[i])
		return err
	})
	i := -1
	return slices.DeleteFunc(list, func(*fileDiff) bool { i++; return !keep[i] }), err
}

func (r *diffRun) read(ctx context.Context, d *fileDiff) (bool, error) {
	for _, s := range []*diffSide{&d.old, &d.new} {
		if err := r.load(s); err != nil {
			return false, &fileError{name: s.name, err: err}
		}
	}
	if bytes.Equal(d.old.data, d.new.data) && (d.status == 'M' || r.root == "") {
		return false, nil // a mode, or line endings that git changes on checkout
	}
	if !mayBeSealed(d.old.data) && !mayBeSealed(d.new.data) {
		return false, nil
	}
	d.old.parse(r)
	d.new.parse(r)
	if d.old.version == nil || d.new.version == nil {
		return true, nil
	}
	if d.old.version.Metadata == nil && d.new.version.Metadata == nil {
		return false, nil
	}
	d.set = changes.Between(d.old.version, d.new.version)
	d.around = newAroundDiff(d.old.around, d.new.around)
	if d.set.NewKey && !r.c.Bool("plaintext") && !r.c.Bool("quiet") {
		d.really = r.keys.whatChanged(ctx, d)
	}
	return true, nil
}

// mayBeSealed reports whether it is worth to look closer at a file.
func mayBeSealed(data []byte) bool {
	return looksSealed(data) || bytes.Contains(data, []byte(cipher.SealedPrefix))
}

// load gets the content of a side.
func (r *diffRun) load(s *diffSide) error {
	var err error
	switch {
	case s.name == "":
	case s.id != "":
		s.data, err = r.repo.Blob(s.id)
	default:
		s.data, err = readFile(s.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // it went while we looked
		}
	}
	return err
}

// parse reads the content; what is wrong with it is kept.
func (s *diffSide) parse(r *diffRun) {
	s.in = input{name: s.name, path: s.path, rulePath: s.path, data: s.data}
	if len(s.data) == 0 {
		s.version, s.err = changes.Parse(nil, nil)
		return
	}
	if err := s.in.settleFormat(r.c.String("format"), r.book); err != nil && r.c.String("format") == "" {
		// Rules that cannot be read are no reason not to show what changed.
		s.err = s.in.settleFormat(all.NameForFile(s.path), r.book)
	} else {
		s.err = err
	}
	if s.err != nil {
		return
	}
	if s.in.formatName != "binary" && inConflict(s.data) {
		s.err = failure("holds the marks of a merge conflict", "gitseal resolve FILE lists what is in conflict")
		return
	}
	s.err = s.in.enter()
	s.around = s.in.around
	if errors.Is(s.err, errPlainInside) {
		s.err = nil
		s.around = plainAround(s.in)
		s.in.format, s.in.data = manifest.Inside(s.in.format, s.in.data)
	}
	if s.err == nil {
		s.version, s.err = changes.Parse(s.in.format, s.in.data)
	}
}
