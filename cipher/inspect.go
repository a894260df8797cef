package cipher

import (
	"github.com/gitseal/gitseal/formats"
)

// State is what can be said of a value without a key.
type State string

// The states.
const (
	// StateSealed: the value is sealed.
	StateSealed State = "sealed"
	// StatePlain: the selector leaves the value plain, and it is.
	StatePlain State = "plain"
	// StateEmpty: the selector selects the value, but there is nothing to seal.
	StateEmpty State = "empty"
	// StateExposed: the selector wants the value sealed, and it is plain.
	StateExposed State = "exposed"
	// StateMalformed: the value begins as a sealed one and is not well-formed.
	StateMalformed State = "malformed"
)

// ValueInfo is what can be said of a value or comment without a key.
type ValueInfo struct {
	Path  *formats.Path
	State State
	// Kind is what the file says the value is; nothing vouches for it until the
	// file is opened.
	Kind formats.Kind
}

// Report is what can be said of a sealed file without a key.
type Report struct {
	Metadata  *Metadata
	Documents int
	Values    []ValueInfo
	Comments  []ValueInfo
}

// Inspect describes a sealed file without opening it. Its error is or wraps a
// [formats.Error], [ErrNotSealed], a [TamperedError], or [ErrSelector].
func Inspect(f formats.Format, src []byte) (*Report, error) {
	doc, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	m, err := ParseMetadata(doc)
	if err != nil {
		return nil, err
	}
	r := &Report{Metadata: m, Documents: max(1, doc.Documents)}
	for _, info := range InspectLeaves(m, doc) {
		if info.Kind == formats.Comment {
			r.Comments = append(r.Comments, info)
			continue
		}
		r.Values = append(r.Values, info)
	}
	return r, nil
}

// InspectLeaves describes the leaves of a sealed document, in their order, without
// opening it.
func InspectLeaves(m *Metadata, doc *formats.Document) []ValueInfo {
	out := make([]ValueInfo, len(doc.Leaves))
	selected := m.Selector.Select(doc)
	for i := range doc.Leaves {
		out[i] = inspectLeaf(&doc.Leaves[i], selected[i])
	}
	return out
}

func inspectLeaf(l *formats.Leaf, selected bool) ValueInfo {
	info := ValueInfo{Path: l.Path, State: StatePlain, Kind: l.Kind}
	switch {
	case !selected:
	case l.Kind.Empty() || l.Text == "":
		info.State = StateEmpty
	case !looksSealed(l.Text):
		info.State = StateExposed
	default:
		v, ok := parseValue(l.Text)
		kind, known := kindOf(v.typ)
		if !ok || !known {
			info.State = StateMalformed
			break
		}
		info.State, info.Kind = StateSealed, kind
	}
	return info
}
