//go:build unix

package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/age"
)

// TestChains plays through what somebody can try who may write the repository but
// has no key: each chain begins with a change of a file and hopes for a reader of
// the file to run a command, whose output, exit code, writes and connections are
// looked at. Files are changed as sealed by gitseal, and again without the
// sops.seal entry, which anybody can remove. Every check has a control that shows
// that it would see what must not be.
func TestChains(t *testing.T) {
	bin := buildPrograms(t)
	for _, chain := range []struct {
		name string
		play func(*testing.T, *house)
	}{
		{"a changed type shows no value", changedTypes},
		{"a failed check shows no hash of values", noHashes},
		{"a plain value among sealed ones is not repeated", plainAmongSealed},
		{"a value cannot be blanked by writing its key twice", blankedValues},
		{"a weakened selector writes nothing plain", weakenedSelectors},
		{"a reader who was added to the file gets nothing", addedReaders},
		{"a lowered threshold is not adopted", loweredThresholds},
		{"what only a file names is not contacted", notContacted},
		{"a forged file runs no program", forgedEnvironments},
		{"who was removed opens nothing that is sealed later", removedReaders},
		{"a key service serves nobody else", strangersAtTheKeyService},
	} {
		t.Run(chain.name, func(t *testing.T) {
			t.Parallel()
			chain.play(t, newHouse(t, bin))
		})
	}
}

// buildPrograms builds both programs into one folder and returns the path of
// gitseal.
func buildPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// Others than the owner of the folder run the program in one of the chains.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-o", dir, ".", "../gitseal-keyservice").CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	return filepath.Join(dir, "gitseal")
}

// house is a repository with rules, and the people around it: alice and bob have
// keys and read the files; mallory has a key, may write files, and reads nothing.
type house struct {
	t                   *testing.T
	bin, home, repo     string
	alice, bob, mallory age.Identity
	// env is added to the environment of every call.
	env []string
	// secrets are the texts whose values no output may show.
	secrets []string
}

func newHouse(t *testing.T, bin string) *house {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, bin: bin, home: filepath.Join(base, "home"), repo: filepath.Join(base, "repo")}
	if err := errors.Join(os.Mkdir(h.home, 0o700), os.Mkdir(h.repo, 0o700)); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]*age.Identity{"alice": &h.alice, "bob": &h.bob, "mallory": &h.mallory} {
		if *id, err = age.Generate(false); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.keyFile(name), []byte(id.SecretText()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.write(".git/HEAD", "ref: refs/heads/main\n") // where rules end
	return h
}

func (h *house) keyFile(name string) string { return filepath.Join(h.home, name+".key") }

// in returns the same house for a part of a test, with a folder of its own.
func (h *house) in(t *testing.T) *house {
	t.Helper()
	return newHouse(t, h.bin)
}

// rules writes .sops.yaml for some readers, with more lines in the rule.
func (h *house) rules(readers []age.Identity, lines ...string) {
	h.t.Helper()
	var b strings.Builder
	b.WriteString("creation_rules:\n  - age: " + recipients(readers) + "\n")
	for _, l := range lines {
		b.WriteString("    " + l + "\n")
	}
	h.write(".sops.yaml", b.String())
}

func recipients(readers []age.Identity) string {
	var out []string
	for _, id := range readers {
		out = append(out, id.Recipient().String())
	}
	return strings.Join(out, ",")
}

// errand is one run of the program.
type errand struct {
	// as is whose keys there are, "" for nobody's.
	as, stdin string
	args      []string
}

// reply is what came of an errand.
type reply struct {
	args           []string
	code           int
	stdout, stderr string
}

func (r reply) output() string { return r.stdout + r.stderr }

// run runs gitseal in the repository with alice's keys.
func (h *house) run(args ...string) reply {
	h.t.Helper()
	return h.do(errand{as: "alice", args: args})
}

// as runs gitseal with somebody's keys.
func (h *house) as(who string, args ...string) reply {
	h.t.Helper()
	return h.do(errand{as: who, args: args})
}

func (h *house) do(c errand) reply {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.bin, c.args...)
	cmd.Dir, cmd.Env = h.repo, h.environ(c.as)
	cmd.Stdin = strings.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		h.t.Fatalf("%q: %v", c.args, err)
	}
	r := reply{args: c.args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if strings.Contains(r.stderr, "goroutine ") {
		h.t.Errorf("%q panicked:\n%s", c.args, r.stderr)
	}
	return r
}

func (h *house) environ(who string) []string {
	env := []string{"HOME=" + h.home, "XDG_CONFIG_HOME=" + filepath.Join(h.home, ".config"), "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open", "GIT_CONFIG_NOSYSTEM=1"}
	if who != "" {
		env = append(env, "SOPS_AGE_KEY_FILE="+h.keyFile(who))
	}
	return append(env, h.env...)
}

// must runs gitseal as alice and expects success.
func (h *house) must(args ...string) reply {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("%q: exit code %d: %s", args, r.code, r.stderr)
	}
	return r
}

func (h *house) path(name string) string { return filepath.Join(h.repo, filepath.FromSlash(name)) }

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(h.path(name)), 0o700), os.WriteFile(h.path(name), []byte(text), 0o600)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// sealed writes a plain file and seals it.
func (h *house) sealed(name, plain string, flags ...string) string {
	h.t.Helper()
	h.write(name, plain)
	h.secrets = append(h.secrets, plain)
	h.must(slices.Concat([]string{"seal"}, flags, []string{name})...)
	return h.read(name)
}

// replaced returns text with the one place that matches a pattern replaced.
func replaced(t *testing.T, text, pattern, with string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	if n := len(re.FindAllString(text, -1)); n != 1 {
		t.Fatalf("%q matches %d times, not once, in\n%s", pattern, n, text)
	}
	return re.ReplaceAllString(text, with)
}

// sealEntries matches the sops.seal entry of each format.
var sealEntries = regexp.MustCompile(`(?m)^    seal:\n(?:        .*\n)+|"seal": ?\{[^{}]*\}, ?|^sops_seal__.*\n|^seal__.*\n`)

// The states in which files are changed.
const (
	withSeal    = "with sops.seal"
	withoutSeal = "without sops.seal"
)

// states are the two states in which a file is changed: as gitseal seals it, and as
// anybody can make it, and as sops seals it.
func states(t *testing.T, sealed string) map[string]string {
	t.Helper()
	without := sealEntries.ReplaceAllString(sealed, "")
	if without == sealed || strings.Contains(without, "seal__") || strings.Contains(without, "seal:") {
		t.Fatalf("the sops.seal entry could not be removed from\n%s", sealed)
	}
	return map[string]string{withSeal: sealed, withoutSeal: without}
}

// refused checks that a call failed with one of the exit codes, printed nothing,
// left the file alone, and showed none of the secrets.
func (h *house) refused(r reply, file, before string, codes ...int) {
	h.t.Helper()
	if !slices.Contains(codes, r.code) {
		h.t.Errorf("%q: exit code %d, want one of %v:\n%s", r.args, r.code, codes, r.stderr)
	}
	if r.stdout != "" {
		h.t.Errorf("%q printed %d bytes", r.args, len(r.stdout))
	}
	if !strings.Contains(r.stderr, "hint: ") {
		h.t.Errorf("%q gives no hint:\n%s", r.args, r.stderr)
	}
	if h.read(file) != before {
		h.t.Errorf("%q changed %s", r.args, file)
	}
	h.silent(r, before)
	h.nothingPlain()
}

// silent checks that a call showed none of the secrets, nor a hash of them.
func (h *house) silent(r reply, more ...string) {
	h.t.Helper()
	if shown := shows(r.output(), append(more, h.secrets...)...); shown != "" {
		h.t.Errorf("%q shows %s:\n%s", r.args, shown, r.output())
	}
}

// hashes matches hexadecimal and base64 digests of sixteen bytes and more. In hex
// there are also revisions of git, which no output under test has.
var hashes = regexp.MustCompile(`\b(?:[0-9a-f]{32,}|[0-9A-F]{32,})\b|[A-Za-z0-9+/_-]{22,}={1,2}|[A-Za-z0-9+/]{86}`)

// shows returns what of a secret is in an output, "" if nothing is. Secrets are
// what begins with canaryMark; more may be given.
func shows(output string, more ...string) string {
	if len(secretsIn([]byte(output))) > 0 {
		return "a value or key"
	}
	if hashes.MatchString(output) {
		return "what may be a hash"
	}
	for _, text := range more {
		for _, secret := range secretsIn([]byte(text)) {
			for _, form := range forms(secret) {
				if strings.Contains(output, form) {
					return "a value in disguise"
				}
			}
		}
	}
	return ""
}

// plantedMark begins secrets that must not stand in any file of the repository.
const plantedMark = canaryMark + "never-plain-"

// nothingPlain looks through the repository, temporary files included.
func (h *house) nothingPlain() {
	h.t.Helper()
	err := filepath.WalkDir(h.repo, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(plantedMark)) {
			h.t.Errorf("%s holds a secret in plain", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
