package main

import (
	"slices"
	"strings"
	"time"

	"github.com/gitseal/gitseal/formats"
)

// checkNames checks the places of the value and of its public part.
func (r *setRun) checkNames(in input) error {
	if err := in.checkName(r.path); err != nil || r.publicTo == nil {
		return err
	}
	return in.checkName(r.publicTo)
}

// checkName refuses places that a format does not have, or has for itself.
func (in input) checkName(path *formats.Path) error {
	keys := path.Keys()
	if len(keys) == 0 {
		return nil
	}
	reserved := keys[0] == "sops"
	if in.formatName == "dotenv" {
		reserved = strings.HasPrefix(keys[0], "sops_")
	}
	switch {
	case in.formatName == "binary":
		return nil
	case reserved:
		return failure(path.String()+": this key is reserved for the metadata of sealed files", "choose another key; gitseal keys changes the readers of a file")
	case in.formatName == "ini" && len(keys) == 1:
		return failure(path.String()+": a key of an INI file stands in a section",
			"write SECTION."+path.String()+", or DEFAULT."+path.String()+" for the part before the first section")
	}
	return nil
}

// setNode returns the source of a plain document with a value set. A date that
// replaces a date stays as short as that was.
func setNode(in input, doc *formats.Document, path *formats.Path, node formats.Node) ([]byte, error) {
	plain, err := applyChange(in, doc, formats.Change{Path: path, Value: node})
	if err != nil || node.Kind != formats.ScalarNode || node.Scalar.Kind != formats.Time {
		return plain, err
	}
	date, ok := strings.CutSuffix(node.Scalar.Text, "T00:00:00Z")
	if old := leafAt(doc, path); !ok || old < 0 || !isDate(doc.Text(old)) || !isDate(date) {
		return plain, nil
	}
	long, err := in.format.Parse(plain)
	if err != nil {
		return nil, err
	}
	at := leafAt(long, path)
	if at < 0 || long.Text(at) != node.Scalar.Text {
		return plain, nil // kept as it was spelled
	}
	short := slices.Replace(slices.Clone(plain), long.Leaves[at].Start, long.Leaves[at].End, []byte(date)...)
	back, err := in.format.Parse(short)
	if err != nil {
		return plain, nil
	}
	if got, ok := back.Node(path); !ok || !got.Equal(&node) {
		return plain, nil
	}
	return short, nil
}

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// leafAt returns the index of the value at a path, -1 if there is none.
func leafAt(doc *formats.Document, path *formats.Path) int {
	return slices.IndexFunc(doc.Leaves, func(l formats.Leaf) bool { return l.Kind != formats.Comment && l.Path.Equal(path) })
}
