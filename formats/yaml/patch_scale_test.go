package yaml_test

import (
	"testing"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// A change to a large file takes linear time, wherever it is.
func TestPatchIsLinear(t *testing.T) {
	const values = 50_000
	src := largeFile(values)
	d, err := yaml.Format{}.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	v := formats.Node{Scalar: formats.Scalar{Kind: formats.String, Text: "x"}}
	root := formats.Root(0)
	for _, c := range []formats.Change{
		{Path: root.At("section001250").At("quoted01"), Value: v},
		{Path: root.At("section002499").At("new"), Value: v},
		{Path: root.At("new"), Value: v},
		{Path: root.At("section000000"), Remove: true},
	} {
		start := time.Now()
		if _, err := (yaml.Format{}).Patch(d, c); err != nil {
			t.Errorf("%s: %v", c.Path, err)
		}
		// A quadratic one takes minutes.
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", c.Path, took)
		}
	}
}
