package gitsetup_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

// globCases are the path patterns of rules, as people write them. wider: git's
// patterns cover more than the regular expression matches.
var globCases = []struct {
	folder, regex string
	want          []string
	wider         bool
}{
	{"", `\.enc\.yaml$`, []string{"*.enc.yaml"}, false},
	{"", `.*\.enc\.yaml$`, []string{"*.enc.yaml"}, false},
	{"", `^.*\.enc\.(yaml|json)$`, []string{"*.enc.yaml", "*.enc.json"}, false},
	{"", `\.ya?ml$`, []string{"*.yaml", "*.yml"}, false},
	{"", `^secrets/.*\.yaml$`, []string{"/secrets/**/*.yaml"}, false},
	{"", `^secrets/`, []string{"/secrets/**"}, false},
	{"", `(^|/)secrets/`, []string{"/**/secrets/**"}, false},
	{"", `secrets/`, []string{"/**/*secrets/**"}, false},
	{"", `(^|/)prod\.env$`, []string{"prod.env"}, false},
	{"", `/prod\.env$`, []string{"prod.env"}, true},
	{"", `^envs/(dev|prod)/[^/]+\.env$`, []string{"/envs/dev/?*.env", "/envs/prod/?*.env"}, false},
	{"", `^[a-c]/x[0-9]\.yaml$`, []string{"/[a-c]/x[0-9].yaml"}, false},
	{"", `^[a-z0-9-]+/x\.yaml$`, []string{`/[\-0-9a-z]*/x.yaml`}, true},
	{"", `(?i)secret\.yaml$`, nil, false},
	{"", `prod`, []string{"/**/*prod*", "/**/*prod*/**"}, false},
	{"", `^a.*b$`, []string{"/a*b", "/a*/**/*b"}, false},
	{"", `^a/.*/b$`, []string{"/a/**/b"}, true},
	{"", `^a b/x$`, []string{"/a b/x"}, false},
	{"", `^\[x\]\*\?\\!$`, []string{`/\[x\]\*\?\\\!`}, false},
	{"sub dir", `\.yaml$`, []string{"/sub dir/**/*.yaml"}, false},
	{"sub", `^a\.yaml$`, []string{"/sub/a.yaml"}, false},
	{"", `^k8s/.*/secret-.*\.(yaml|yml)$`, nil, true},
	// What gitseal init writes.
	{"", `(?i)(^|/)(secrets/.*|[^/]*secret[^/]*\.(ya?ml|json|env|ini|txt|pem|key|conf|toml|properties)|\.env(\.(dev|development|test|ci|staging|prod|production))?(\.local)?|[^/]+\.env)$`, nil, true},
	{"", `a$|^b/`, []string{"/**/*a", "/b/**"}, false},
	{"", `^(dev|prod|test)/(a|b)/.+$`, nil, true},
}

func TestGlobsSayWhatTheRuleSays(t *testing.T) {
	for _, tt := range globCases {
		got, ok := gitsetup.Globs(tt.folder, tt.regex)
		if !ok {
			t.Errorf("%s: no patterns", tt.regex)
			continue
		}
		want := tt.want
		for i := range want {
			if rest, found := strings.CutPrefix(want[i], "/**/"); found && !strings.Contains(rest, "/") && tt.folder == "" {
				want[i] = rest
			}
		}
		if diff := cmp.Diff(want, got); want != nil && diff != "" {
			t.Errorf("%s: %s", tt.regex, diff)
		}
	}
}

func TestNoGlobsForWhatGitCannotSay(t *testing.T) {
	for _, regex := range []string{``, `.*`, `^`, `.`, `^.+$`, `[^/]+$`, `^(ab)+x/(y|z/)*$`, `\bx\b`, `(?m)^a$`, `^a{40}{9}$(`, `(ab|cd){6}`, `^a` + strings.Repeat(`b.*c`, 40) + `$`, `a^`, "^a\nb$"} {
		if got, ok := gitsetup.Globs("", regex); ok {
			t.Errorf("%q became %q", regex, got)
		}
	}
}

// TestGitAgrees asks the real git which of many paths the patterns cover: all that
// the rule matches, and no others where the table says so.
func TestGitAgrees(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("GITSEAL_TEST_NO_SKIP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	paths := somePaths()
	for _, tt := range globCases {
		globs, _ := gitsetup.Globs(tt.folder, tt.regex)
		covered := askGit(t, globs, paths)
		re := regexp.MustCompile(tt.regex)
		matches := 0
		for _, p := range paths {
			rel, inFolder := p, true
			if tt.folder != "" {
				rel, inFolder = strings.CutPrefix(p, tt.folder+"/")
			}
			want := inFolder && re.MatchString(rel)
			if want {
				matches++
			}
			if want && !covered[p] || covered[p] && !want && !tt.wider {
				t.Errorf("%s: %q: the rule matches: %v, git's patterns %q: %v", tt.regex, p, want, globs, covered[p])
			}
		}
		if matches == 0 {
			t.Errorf("%s matches none of the paths: nothing was tested", tt.regex)
		}
	}
}

// somePaths returns paths that are likely to match one of the cases, or nearly.
func somePaths() []string {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		"a", "b", "ab", "axb", "secrets", "mysecrets", "secrets.yaml", "x.enc.yaml", ".enc.yaml", "x.enc.json", "x.yaml", "x.yml", "yaml", "prod",
		"prod.env", "xprod.env", "envs", "dev", "test", "a.env", ".env", "c", "x1.yaml", "x.yaml", "SECRET.yaml", "mySecret.yaml", "reprod.txt", "a b", "x",
		`[x]*?\!`, "sub dir", "sub", "a.yaml", "k8s", "secret-1.yml", "secret-.yaml", "q-7", ".env.prod", ".ENV.local", "Secrets",
	}
	seen := map[string]bool{}
	var out []string
	add := func(p string) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	for _, p := range append(parts, "k8s/a/secret-1.yml", "envs/dev/a.env", "envs/prod/.env", "a b/x", "sub dir/a/x.yaml", "dev/a/b/c", "q-7/x.yaml", "b/x1.yaml", "prod/b/c", "sub/a.yaml", "Secrets/x", "sub/My-Secret.YAML") {
		add(p)
	}
	for range 4000 {
		n := 1 + r.IntN(4)
		var steps []string
		for range n {
			steps = append(steps, parts[r.IntN(len(parts))])
		}
		add(strings.Join(steps, "/"))
	}
	return out
}

// askGit returns the paths that git gives our attributes if the patterns are in
// .gitattributes.
func askGit(t *testing.T, globs, paths []string) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	text, err := gitsetup.SetBlock(nil, globs)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitattributes"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	git := func(in string, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	git("", "init", "-q")
	fields := strings.Split(git(strings.Join(paths, "\x00")+"\x00", "check-attr", "-z", "--stdin", "diff"), "\x00")
	out := map[string]bool{}
	for i := 0; i+2 < len(fields); i += 3 {
		out[fields[i]] = fields[i+2] == "gitseal"
	}
	if len(out) != len(paths) {
		t.Fatalf("git answered about %d of %d paths", len(out), len(paths))
	}
	return out
}

func TestFilesWithOddNames(t *testing.T) {
	names := []string{"a.yaml", "a b.yaml", "#x", "!x", `"q"`, "x*y", "[z]", `back\slash`, "tab\there", "sub/ä ö.yaml", "\x01ctl", " lead"}
	var globs []string
	for _, n := range names {
		g, ok := gitsetup.FileGlob(n)
		if !ok {
			t.Fatalf("%q: no pattern", n)
		}
		globs = append(globs, g)
	}
	covered := askGit(t, globs, append(names, "xzy", "z", "a", "deep/a.yaml"))
	for _, n := range names {
		if !covered[n] {
			t.Errorf("%q is not covered by %q", n, globs)
		}
	}
	for _, n := range []string{"xzy", "z", "a", "deep/a.yaml"} {
		if covered[n] {
			t.Errorf("%q is covered", n)
		}
	}
	if _, ok := gitsetup.FileGlob("line\nfeed"); ok {
		t.Error("a name with a line feed has a pattern")
	}
}

// FuzzGlobs: whatever a rule's pattern is, nothing panics, nothing gets long, and no
// pattern ends its line.
func FuzzGlobs(f *testing.F) {
	for _, tt := range globCases {
		f.Add(tt.folder, tt.regex)
	}
	f.Fuzz(func(t *testing.T, folder, regex string) {
		globs, ok := gitsetup.Globs(folder, regex)
		if ok == (len(globs) == 0) {
			t.Fatalf("ok is %v with %d patterns", ok, len(globs))
		}
		text, err := gitsetup.SetBlock(nil, globs)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "\n"); got != len(globs)+4 {
			t.Fatalf("%d lines for %d patterns: %s", got, len(globs), fmt.Sprintf("%q", text))
		}
	})
}
