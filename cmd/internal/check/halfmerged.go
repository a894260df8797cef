package check

import (
	"context"
	"errors"

	"github.com/gitseal/gitseal/cipher"
)

// excuseHalfMerged makes half-merged files warnings while the merge that made them is
// being committed by somebody who cannot reseal them.
func (r *runner) excuseHalfMerged(ctx context.Context, in Input, list []Finding) {
	if !r.options.Merging {
		return
	}
	for i := range list {
		if f := &list[i]; f.ID == IDHalfMerged && f.Level == Error && r.lacksKey(ctx, in) {
			f.Level = Warning
		}
	}
}

// lacksKey reports whether no identity opens a file, or what a SealedManifest holds.
func (r *runner) lacksKey(ctx context.Context, in Input) bool {
	format, data := in.inside()
	doc, err := format.Parse(data)
	if err != nil {
		return false
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return false
	}
	err = cipher.HasKey(ctx, m, cipher.OpenOptions{Identities: r.options.Identities, Timeout: r.options.Timeout})
	return errors.As(err, new(*cipher.NoIdentityError))
}
