package formatstest

import (
	"testing"

	"github.com/gitseal/gitseal/formats"
)

// PatchText changes src at a path with a format that can. value is JSON, or empty
// to remove what is there.
func PatchText(t *testing.T, format formats.Format, src, path, value string) (string, error) {
	t.Helper()
	p, err := formats.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	c := formats.Change{Path: p, Remove: value == ""}
	if value != "" {
		if c.Value, err = formats.NodeFromJSON([]byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := format.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	out, err := format.(formats.Patcher).Patch(d, c)
	return string(out), err
}
