package history

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/keysources"
)

// branches finds the other branches on which those who cannot read the newest version
// can read the file, if the history is that of all branches.
func (t *tracer) branches(f *File) error {
	if !t.all || !slices.ContainsFunc(t.out.Readers, func(r *Reader) bool { return !r.Current }) {
		return nil
	}
	tips, err := t.tips()
	if err != nil {
		return err
	}
	known := map[[sha256.Size]byte][]keysources.Stanza{}
	for _, tip := range tips {
		if err := t.load.ctx.Err(); err != nil {
			return err
		}
		for _, name := range f.names {
			data, err := t.git.At(tip.Commit, name)
			if errors.Is(err, gitrepo.ErrNone) || errors.Is(err, gitrepo.ErrTooLarge) {
				continue
			}
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			list, ok := known[sum]
			if !ok {
				list = t.readersOf(name, data)
				known[sum] = list
			}
			t.on(tip.Name, list)
		}
	}
	return nil
}

// readersOf lists the readers of a version, none if it cannot be read or is plain.
func (t *tracer) readersOf(name string, data []byte) []keysources.Stanza {
	v, err := changes.Parse(t.load.format(name), data)
	if err != nil || v.Metadata == nil {
		return nil
	}
	return slices.Concat(v.Metadata.Groups...)
}

// on notes who is a reader on a branch.
func (t *tracer) on(branch string, list []keysources.Stanza) {
	for _, r := range t.out.Readers {
		if r.Current || slices.Contains(r.Branches, branch) {
			continue
		}
		if slices.ContainsFunc(list, func(s keysources.Stanza) bool { return t.who.reader(s) == r }) {
			r.Branches = append(r.Branches, branch)
		}
	}
}
