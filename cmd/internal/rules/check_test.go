package rules_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func TestIgnoresOfCheck(t *testing.T) {
	src := "gitseal:\n  check:\n    ignore:\n      - path_regex: ^testdata/\n        id: [secret, not-sealed]\n      - path_regex: \\.md$\n        id: secret:jwt\n"
	c, err := rules.Parse("/x/.sops.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := []rules.Ignore{
		{PathRegex: "^testdata/", IDs: []string{"secret", "not-sealed"}, Line: 4},
		{PathRegex: `\.md$`, IDs: []string{"secret:jwt"}, Line: 6},
	}
	if diff := cmp.Diff(want, c.Ignores, cmpopts.IgnoreUnexported(rules.Ignore{})); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		name string
		ids  []string
		want bool
	}{
		{"testdata/a", []string{"secret", "secret:jwt"}, true}, {"testdata/a", []string{"config"}, false},
		{"x/testdata/a", []string{"secret"}, false}, {"a.md", []string{"secret", "secret:jwt"}, true}, {"a.md", []string{"secret", "secret:age-identity"}, false},
	} {
		got := false
		for _, i := range c.Ignores {
			got = got || i.Covers(tt.name, tt.ids...)
		}
		if got != tt.want {
			t.Errorf("%s %v: %v", tt.name, tt.ids, got)
		}
	}
}

func TestBadIgnoresOfCheck(t *testing.T) {
	for name, tt := range map[string][2]string{
		"no id":            {"- path_regex: x\n", "path_regex and id are both needed"},
		"no path":          {"- id: secret\n", "path_regex and id are both needed"},
		"an empty id":      {"- {path_regex: x, id: ['']}\n", "an item is empty"},
		"a typing mistake": {"- {path_regexp: x, id: secret}\n", `unknown key "path_regexp"`},
		"a bad pattern":    {"- {path_regex: '(', id: secret}\n", "does not compile"},
		"no list":          {"{path_regex: x}\n", "must be a list"},
	} {
		_, err := rules.Parse("/x/.sops.yaml", []byte("gitseal:\n  check:\n    ignore:\n      "+tt[0]))
		if err == nil || !strings.Contains(err.Error(), tt[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAtIsLikeMatches: what is said of a path without looking at the disk is what is
// said of the file there.
func TestAtIsLikeMatches(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{
		"creation_rules:\n  - age: age1a\n", "creation_rules:\n  - path_regex: ^s/\n    age: age1a\n  - path_regex: .*\n    age: age1b\n",
		"creation_rules:\n  - path_regex: nowhere\n    age: age1a\ngitseal:\n  formats:\n    - {path_regex: conf$, format: ini}\n",
		"creation_rules:\n  - age: age1a\ngitseal:\n  formats:\n    - {path_regex: conf$, format: ini}\n", "",
	} {
		c, err := rules.Parse(filepath.Join(dir, ".sops.yaml"), []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		yaml := func(file string) bool { return filepath.Ext(file) == ".yaml" }
		for _, name := range []string{"a.yaml", "s/a.yaml", "s/a.bin", "a.go", "a.conf", ".sops.yaml", "../out.yaml"} {
			file := filepath.Join(dir, name)
			a := c.At(file, yaml)
			rule, _ := c.RuleFor(file)
			if a.Rule != rule || a.Meant != c.Matches(file, yaml) || a.Format != c.Format(file) {
				t.Errorf("%q, %s: %+v", src, name, a)
			}
		}
	}
}
