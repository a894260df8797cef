package rules_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

// tree makes files below a folder without links in its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, dir, src string) *rules.Config {
	t.Helper()
	c, err := rules.Parse(filepath.Join(dir, ".sops.yaml"), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFirstRuleThatMatchesCounts(t *testing.T) {
	dir := tree(t, map[string]string{"prod/db.yaml": "", "other/x": "", "real/prod.yaml": ""})
	c := load(t, dir, `creation_rules:
- {path_regex: ^prod/, age: a}
- {path_regex: prod.yaml, age: b}
- {path_regex: '\.yaml$', age: c}
- {path_regex: '^/', age: outside}
`)
	if err := os.Symlink("../prod/db.yaml", filepath.Join(dir, "other/link.yaml")); err != nil {
		t.Skip(err)
	}
	for file, want := range map[string]int{
		"prod/db.yaml":         1,
		"prod/new/sub":         1,
		"not-prodXyaml.txt":    2, // unanchored, as in sops
		"a.yaml":               3,
		"sub/../prod/db.yaml":  1,
		"other/link.yaml":      1, // the target counts, not the name of the link
		"other/x":              0,
		"a.json":               0,
		"prod":                 0,
		"..hidden/a.yaml":      3,
		"../elsewhere/db.json": 4, // the whole path, as in sops
	} {
		r, err := c.RuleFor(filepath.Join(dir, file))
		var none *rules.NoRuleError
		switch {
		case want == 0 && !errors.As(err, &none):
			t.Errorf("%s: got %+v, %v, want a NoRuleError", file, r, err)
		case want != 0 && (err != nil || r.Number != want):
			t.Errorf("%s: got %+v, %v, want rule %d", file, r, err, want)
		}
	}
	_, err := c.RuleFor(filepath.Join(dir, "x.json"))
	if want := "no creation rule of " + c.Path + " matches x.json"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The configuration may be reached through a link; files are compared with where
// it really is.
func TestConfigThroughALinkedFolder(t *testing.T) {
	dir := tree(t, map[string]string{"real/.sops.yaml": "creation_rules: [{path_regex: ^a/, age: x}]", "real/a/f": ""})
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	c, err := rules.Load(filepath.Join(dir, "link/.sops.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"link/a/f", "real/a/f"} {
		if _, err := c.RuleFor(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestMatchesInFolders(t *testing.T) {
	structured := func(file string) bool { return strings.HasSuffix(file, ".yaml") }
	dir := t.TempDir()
	for _, tt := range []struct {
		rules, file string
		want        bool
	}{
		{"{path_regex: ^a/, age: k}", "a/x.bin", true},
		{"{path_regex: ^a/, age: k}", "b/x.yaml", false},
		{"{age: k}", "x.yaml", true},
		{"{age: k}", "x.go", false},
		{"{age: k}", "x.conf", true}, // given a format
		{"{age: k}", ".sops.yaml", false},
		{"{age: k}", "sub/.sops.yaml", false},
		{"{path_regex: '.*', age: k}", "x.go", false},
		{"{path_regex: '.+', age: k}", "x.go", false},
		{"{path_regex: '', age: k}", "x.yaml", true},
		{"{path_regex: '.*', age: k}, {path_regex: go$, age: k}", "x.go", false}, // the first rule counts
		{"{path_regex: go$, age: k}, {age: k}", "x.go", true},
	} {
		c := load(t, dir, "creation_rules: ["+tt.rules+"]\ngitseal: {formats: [{path_regex: conf$, format: ini}]}")
		if got := c.Matches(filepath.Join(dir, tt.file), structured); got != tt.want {
			t.Errorf("%s: %s: got %v", tt.rules, tt.file, got)
		}
	}
}

func TestFormat(t *testing.T) {
	dir := t.TempDir()
	c := load(t, dir, `gitseal: {formats: [{path_regex: '^a/.*\.env', format: dotenv}, {path_regex: ^a/, format: binary}]}`)
	for file, want := range map[string]string{"a/x.env": "dotenv", "a/x": "binary", "b/x.env": ""} {
		if got := c.Format(filepath.Join(dir, file)); got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := tree(t, map[string]string{
		".sops.yaml":               "",
		"repo/.git/HEAD":           "",
		"repo/none/f":              "",
		"repo/has/.sops.yaml":      "",
		"repo/has/.sops.yml":       "",
		"repo/has/sub/f":           "",
		"repo/has/module/.git":     "gitdir: x",
		"repo/has/module/f":        "",
		"repo/wrong/.sops.yml":     "",
		"repo/has/wrong/x/f":       "",
		"repo/has/wrong/.sops.yml": "",
		"plain/a/b/f":              "",
		"folder/.sops.yaml/x":      "",
	})
	if err := os.Symlink("../has/sub/f", filepath.Join(dir, "repo/none/link")); err != nil {
		t.Skip(err)
	}
	wrong := errors.New("a configuration file must be called .sops.yaml")
	for _, tt := range []struct {
		file, want string
		err        error
	}{
		{"repo/has/sub/f", "repo/has/.sops.yaml", nil},
		{"repo/has/sub", "repo/has/.sops.yaml", nil},
		{"repo/has/f", "repo/has/.sops.yaml", nil},
		{"repo/has/new/folder/f", "repo/has/.sops.yaml", nil},
		{"repo/none/link", "repo/has/.sops.yaml", nil},
		{"repo/none/f", "", rules.ErrNotFound}, // the one above the repository is not ours
		{"repo/has/module/f", "", rules.ErrNotFound},
		{"repo/wrong/f", "", wrong},
		{"repo/has/wrong/x/f", "", wrong},
		{"plain/a/b/f", ".sops.yaml", nil},
		{"folder/f", "", errors.New("not a regular file")},
	} {
		got, err := rules.Find(filepath.Join(dir, tt.file))
		if tt.err != nil {
			if err == nil || !strings.Contains(err.Error(), tt.err.Error()) {
				t.Errorf("%s: got %s, %v, want error %v", tt.file, got, err, tt.err)
			}
			continue
		}
		if err != nil || got != filepath.Join(dir, tt.want) {
			t.Errorf("%s: got %s, %v, want %s", tt.file, got, err, tt.want)
		}
	}
}

func TestFindTrusts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no owners")
	}
	const mallory, alice = 54321, 54322
	for _, tt := range []struct {
		name                string
		mode                os.FileMode
		configUID, fileUID  int
		trusted, onlyAsRoot bool
	}{
		{"ours", 0o644, -1, -1, true, false},
		{"ours, writable by the group", 0o664, -1, -1, true, false},
		{"writable by all", 0o646, -1, -1, false, false},
		{"somebody else's", 0o644, mallory, -1, false, true},
		{"the file owner's", 0o644, alice, alice, true, true},
		{"another's than the file owner's", 0o644, mallory, alice, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.onlyAsRoot && os.Geteuid() != 0 {
				t.Skip("giving files away needs root")
			}
			dir := tree(t, map[string]string{".git/HEAD": "", ".sops.yaml": "", "f": ""})
			config := filepath.Join(dir, ".sops.yaml")
			if err := os.Chmod(config, tt.mode); err != nil {
				t.Fatal(err)
			}
			for path, uid := range map[string]int{config: tt.configUID, filepath.Join(dir, "f"): tt.fileUID} {
				if err := os.Chown(path, uid, -1); err != nil {
					t.Fatal(err)
				}
			}
			_, err := rules.Find(filepath.Join(dir, "f"))
			var e *rules.ConfigError
			if tt.trusted && err != nil || !tt.trusted && !errors.As(err, &e) {
				t.Errorf("got %v", err)
			}
		})
	}
}
