package kustomize

import (
	"context"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/kustomize/sealedobject"
	"github.com/gitseal/gitseal/formats"
)

// notSealed is ErrNotSealed if a document that could be read has no metadata.
func notSealed(doc *formats.Document) error {
	if doc != nil && doc.Meta == nil {
		return cipher.ErrNotSealed
	}
	return nil
}

// Transform opens the sealed items of a list and returns the list with nothing else
// changed.
func (r *Runner) Transform(ctx context.Context, l *List) ([]byte, []string, error) {
	if r.Opener.Mode == sealedobject.Passthrough {
		return l.src, nil, nil
	}
	opened := make([]*sealedobject.Opened, l.Len())
	err := r.Each(ctx, l.Len(), func(i int) error {
		if !l.MayBeSealed(i) {
			return nil
		}
		n, err := l.Item(i)
		if err != nil {
			return &sealedobject.Error{Msg: "an item that may be sealed cannot be read", Err: err, Hint: "it has to be a map whose keys are strings"}
		}
		opened[i], err = r.Opener.Treat(ctx, &n, l.src)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	by := map[int][]formats.Node{}
	var warnings []string
	for i, o := range opened {
		if o != nil {
			by[i] = o.Objects
			warnings = append(warnings, o.Warnings...)
		}
	}
	out, err := l.Replaced(by)
	return out, warnings, err
}

// IsGeneratorCall reports whether the list is what kustomize gives a generator: nothing
// but a copy of the configuration (kustomize#5502).
func (l *List) IsGeneratorCall() bool {
	if l.Len() != 1 {
		return false
	}
	n, err := l.Item(0)
	return err == nil && sealedobject.Text(&n, "kind") == "Unseal" && sealedobject.Text(&n, "apiVersion") == sealedobject.Text(&l.Config, "apiVersion")
}

// OtherItems reports whether there are items that a generator's answer would lose.
func (l *List) OtherItems() bool { return l.Len() > 0 && !l.IsGeneratorCall() }
