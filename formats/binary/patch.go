package binary

import (
	"bytes"

	"github.com/gitseal/gitseal/formats"
)

var _ formats.Patcher = Format{}

// Patch implements [formats.Patcher]. The one value is the content as a whole,
// whether it is named by the root or by its key: it can be replaced by another
// text of any bytes, but not by none, and not removed.
func (f Format) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	content := formats.Root(0).At(dataKey)
	fail := func(cause error, msg string) ([]byte, error) {
		return nil, &formats.Error{Cause: cause, Path: c.Path, Msg: msg}
	}
	switch {
	case d.Meta != nil:
		return fail(formats.ErrMetadata, "the document is sealed")
	case c.Path.Parent != nil && !c.Path.Equal(content) || c.Path.Document() != 0:
		return fail(formats.ErrPlace, "a binary file has no keys")
	case c.Remove:
		return fail(formats.ErrPlace, "the content of a file cannot be removed")
	case c.Value.Kind != formats.ScalarNode || c.Value.Scalar.Kind != formats.String:
		return fail(formats.ErrNotSealable, "the content of a file must be a text")
	}
	out := []byte(c.Value.Scalar.Text)
	if bytes.Equal(out, d.Source) {
		return out, nil
	}
	after, err := f.Parse(out)
	if err != nil {
		return nil, err
	}
	return out, formats.CheckPatch(d, after, formats.Change{Path: content, Value: c.Value})
}
