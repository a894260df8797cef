package yaml_test

import (
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

func TestNodeOfADocument(t *testing.T) {
	const src = "a: &x\n  b: [1, 0x1F, 123456789012345678901234567890, 1.50, 1_0.5] # c\n  d: ~\ne: *x\nf:\n  <<: *x\n  t: 2020-01-02\n  y: yes\ng: {}\n---\nh: \"é\\n\"\n"
	d, err := yaml.Format{}.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	const x = `{"b":[1,31,123456789012345678901234567890,1.50,10.5],"d":null}`
	for _, tt := range []struct{ path, want string }{
		{"a", x},
		{"e", x},
		{"e.b[2]", "123456789012345678901234567890"},
		{"f", `{"<<":` + x + `,"t":"2020-01-02T00:00:00Z","y":"yes"}`},
		{"g", "{}"},
		{"2:.", `{"h":"é\n"}`},
		{"a.b[5]", ""},
		{"a.b.c", ""},
		{"3:.", ""},
		{"z", ""},
	} {
		p, err := formats.ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := d.Node(p)
		if tt.want == "" {
			if ok {
				t.Errorf("%s: got %v, want nothing", tt.path, n)
			}
			continue
		}
		got, err := n.JSON()
		if err != nil || !ok || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, %v, want %s", tt.path, got, ok, err, tt.want)
		}
	}
}
