package cipher

import "github.com/gitseal/gitseal/formats"

// maxPathBytes bounds the keys on the way to all values of a file together, in
// bytes: a value is authenticated with its whole path, so long keys above many
// values would cost time and memory without end.
const maxPathBytes = 256 << 20

// checkPaths refuses a document that exceeds maxPathBytes.
func checkPaths(d *formats.Document) error {
	total, above := 0, 0
	var parent *formats.Path
	for i := range d.Leaves {
		p := d.Leaves[i].Path
		if p.Parent != parent {
			parent, above = p.Parent, pathSize(p.Parent)
		}
		if total += above + len(p.Key) + 1; total > maxPathBytes {
			return &formats.Error{Cause: formats.ErrLimit, Path: p, Msg: "keys too long for so many values below them"}
		}
	}
	return nil
}

func pathSize(p *formats.Path) int {
	n := 0
	for ; p != nil; p = p.Parent {
		n += len(p.Key) + 1
	}
	return n
}
