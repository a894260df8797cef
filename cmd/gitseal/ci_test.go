package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ciRepository makes a repository with a rule, a sealed file and, if wanted, a plain
// one; it returns an environment in which gitseal is the program under test.
func ciRepository(t *testing.T, bin string, plain bool) (dir string, env []string) {
	t.Helper()
	tools, home := t.TempDir(), t.TempDir()
	if err := os.Symlink(bin, filepath.Join(tools, "gitseal")); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	env = append(os.Environ(), "PATH="+tools+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+home, "XDG_CONFIG_HOME="+home,
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.invalid",
		"GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.invalid")
	script := `set -e
git init -q -b main .
mkdir secrets
gitseal init --quiet >/dev/null 2>&1 || true
recipient=$(sed -n 's/.*public key: //p' "$XDG_CONFIG_HOME"/sops/age/keys.txt)
printf 'creation_rules:\n  - path_regex: ^secrets/\n    age: %s\n' "$recipient" > .sops.yaml
echo 'a: canary-sealed' > secrets/a.yaml
gitseal seal -q secrets/a.yaml
git add .sops.yaml secrets
git commit -qm one
echo 'plain: text' > readme.yaml
git add readme.yaml
git commit -qm two
`
	if plain {
		script += "echo 'a: canary-plain' > 'secrets/b c.yaml'\ngit add secrets\ngit commit -qm three\n"
	}
	if out, code := ciRun(t, dir, env, script); code != 0 {
		t.Fatalf("preparing: %s", out)
	}
	return dir, env
}

func ciRun(t *testing.T, dir string, env []string, script string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-e", "-o", "pipefail", "-c", script, "ci"}, args...)...)
	cmd.Dir, cmd.Env = dir, env
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// TestPreCommitHooks runs the entries of .pre-commit-hooks.yaml as pre-commit does:
// with names of files behind them.
func TestPreCommitHooks(t *testing.T) {
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct {
		ID, Name, Entry, Language string
		PassFilenames             *bool `yaml:"pass_filenames"`
		RequireSerial             bool  `yaml:"require_serial"`
		Stages                    []string
	}
	if err := yaml.Unmarshal(text, &hooks); err != nil || len(hooks) != 2 {
		t.Fatalf("%d hooks, %v", len(hooks), err)
	}
	bin := buildProgram(t)
	for _, h := range hooks {
		want := map[string]string{"gitseal-check": "golang", "gitseal-check-system": "system"}[h.ID]
		if h.Language != want || h.Name == "" || h.PassFilenames == nil || !*h.PassFilenames || !h.RequireSerial || !slices.Contains(h.Stages, "pre-commit") {
			t.Errorf("%+v", h)
		}
		dir, env := ciRepository(t, bin, true)
		if out, code := ciRun(t, dir, env, h.Entry+` "$@"`, "secrets/a.yaml", "readme.yaml"); code != 0 {
			t.Errorf("%s: sound files: exit code %d: %s", h.ID, code, out)
		}
		out, code := ciRun(t, dir, env, h.Entry+` "$@"`, "readme.yaml", "secrets/b c.yaml", "secrets/a.yaml")
		if code != 3 || !strings.Contains(out, "secrets/b c.yaml") || strings.Contains(out, "canary") {
			t.Errorf("%s: a plain file: exit code %d: %s", h.ID, code, out)
		}
	}
}

// TestGitHubAction runs the last step of action.yml, and looks at the others.
func TestGitHubAction(t *testing.T) {
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs, Outputs map[string]any
		Runs            struct {
			Using string
			Steps []struct {
				Uses, Run, Shell string
				Env              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil || action.Runs.Using != "composite" || len(action.Runs.Steps) < 3 {
		t.Fatalf("%+v, %v", action, err)
	}
	for _, m := range regexp.MustCompile(`inputs\.([\w-]+)`).FindAllStringSubmatch(string(text), -1) {
		if action.Inputs[m[1]] == nil {
			t.Errorf("there is no input %s", m[1])
		}
	}
	for _, s := range action.Runs.Steps {
		if (s.Uses == "") == (s.Run == "") || s.Run != "" && s.Shell != "bash" || strings.Contains(s.Run, "${{") {
			t.Errorf("step %+v", s) // an expression in a script is a way in for whoever names a branch
		}
	}
	bin := buildProgram(t)
	check := action.Runs.Steps[len(action.Runs.Steps)-1].Run
	for _, tt := range []struct {
		name, rng, base string
		plain           bool
		code            int
	}{
		{"a sound push", "", "HEAD~1", false, 0},
		{"a push with a plain file", "", "HEAD~1", true, 3},
		{"commits before it", "HEAD~2..HEAD~1", "", true, 0},
		{"a new branch", "", "0000000000000000000000000000000000000000", true, 3},
		{"no event", "", "", false, 0},
		{"a bad range", "nowhere..HEAD", "", false, 1},
	} {
		dir, env := ciRepository(t, bin, tt.plain)
		sarif := filepath.Join(t.TempDir(), "out.sarif")
		out, code := ciRun(t, dir, append(env, "RANGE="+tt.rng, "BASE="+tt.base, "FAIL_ON=error", "SARIF="+sarif), check)
		if code != tt.code || strings.Contains(out, "canary") {
			t.Errorf("%s: exit code %d, want %d: %s", tt.name, code, tt.code, out)
		}
		if found, err := os.ReadFile(sarif); tt.code != 1 && (err != nil || strings.Contains(string(found), `"ruleId": "not-sealed"`) != tt.plain && tt.rng == "") {
			t.Errorf("%s: SARIF: %v %s", tt.name, err, found)
		}
	}
}
