package check

import (
	"context"
	"errors"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// inside returns what of a file is sealed, or would be, with its format: what a SealedManifest
// holds in spec.document, else the file.
func (in Input) inside() (formats.Format, []byte) {
	name := in.Expected.Applied.Format
	if name == "" {
		name = all.NameForFile(in.Name)
	}
	format, _ := all.ByName(name)
	return manifest.Inside(format, in.Data)
}

// open opens a sealed file, which checks its MACs. What was inside is forgotten.
func (r *runner) open(ctx context.Context, in Input) (opened bool, list []Finding) {
	format, data := in.inside()
	_, err := cipher.Open(ctx, format, data, cipher.OpenOptions{Identities: r.options.Identities, Timeout: r.options.Timeout, PlainOnly: true})
	f := Finding{File: in.Name}
	tampered := (*cipher.TamperedError)(nil)
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &tampered):
		f.ID, f.Message = IDTampered, err.Error()
		f.Hint = "compare it with the last good version (git log -p " + in.Name + ") and restore it"
		if tampered.Path != nil {
			f.Path = tampered.Path.Text()
		}
	case !r.options.Opened:
		return false, nil
	default:
		f.ID, f.Message = IDCannotOpen, "its MACs were not checked: "+err.Error()
	}
	f.Level = level(f.ID)
	if in.Expected.ignores(f) {
		return false, nil
	}
	return false, []Finding{f}
}
