package manifest

import (
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// In returns the SealedManifest src with d in place of what it holds: spec.document and,
// where d says another, spec.format, spec.target.key, spec.target.type and
// spec.serviceAccountName. Every other byte is as it was. What is returned was read back.
// The error is a [*Problem] or wraps a [formats.Error].
func (d *Document) In(f formats.Format, src []byte) ([]byte, error) {
	held, err := Held(f, src)
	if err != nil {
		return nil, err
	}
	fields := []struct{ path, is, want string }{
		{"spec.format", held.Format, d.Format},
		{"spec.target.key", held.Key, d.Key},
		{"spec.target.type", held.Type, d.Type},
		{"spec.serviceAccountName", held.ServiceAccount, d.ServiceAccount},
	}
	for _, field := range fields {
		if field.is == field.want {
			continue
		}
		if src, err = withField(f, src, field.path, field.want); err != nil {
			return nil, err
		}
	}
	if src, err = WithText(f, src, d.Text); err != nil {
		return nil, err
	}
	now, err := Held(f, src)
	if err != nil {
		return nil, err
	}
	if now.Format != d.Format || now.Key != d.Key || now.Type != d.Type || now.ServiceAccount != d.ServiceAccount {
		return nil, tied(nil)
	}
	return src, nil
}

func tied(path *formats.Path) *Problem {
	return &Problem{Path: path, Msg: "the value cannot be changed where it stands", Hint: "write it out, without an anchor (&) and an alias (*)"}
}

// withField returns src with a string in a field of spec.
func withField(f formats.Format, src []byte, name, text string) ([]byte, error) {
	d, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	path := formats.Root(0)
	for _, key := range strings.Split(name, ".") {
		path = path.At(key)
	}
	at := slices.IndexFunc(d.Leaves, func(l formats.Leaf) bool { return l.Kind != formats.Comment && l.Path.Equal(path) })
	if slices.ContainsFunc(d.Aliases, func(a formats.Alias) bool { return slices.Contains(a.Target, at) }) {
		return nil, tied(path)
	}
	patcher, ok := f.(formats.Patcher)
	if !ok {
		return nil, &Problem{Path: path, Msg: "cannot be written in a file of this format", Hint: "write it by hand"}
	}
	value := formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: text}}
	return patcher.Patch(d, formats.Change{Path: path, Value: value})
}
