package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/age"
)

// story is the life of a repository: every call in it, what was said, and all
// secrets that there were.
type story struct {
	*workbench
	// records are the calls; those of doors without their standard output.
	records []record
	found   *evidence
	// nobody are the variables of somebody without a key.
	nobody []string
}

const storyName = "story"

// storyFile is the file whose life it is. Values are secrets, and one comment is.
const storyFile = `# canary-comment-first
db:
    host: canary-host
    # canary-comment-inner
    password: canary-password-first
    replicas:
        - canary-replica-1
        - canary-replica-2
cache: canary-cache
token: 'canary-token "quoted" \ back'
pem: |
    canary-pem-line-one
    canary-pem-line-two
region_unencrypted: eu
`

func newStory(t *testing.T, bin string) *story {
	t.Helper()
	needProgram(t, "git")
	w := newWorkbench(t, bin, "seal")
	base := filepath.Dir(w.dir)
	w.memory()
	temp := filepath.Join(base, "tmp")
	if err := errors.Join(os.Mkdir(temp, 0o700), os.RemoveAll(w.dir), os.Mkdir(w.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	w.env = slices.DeleteFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	w.env = append(w.env, "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"), "TMPDIR="+temp, "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true", "LANG=C.UTF-8",
		"GIT_AUTHOR_NAME=Tester", "GIT_AUTHOR_EMAIL=tester@example.invalid", "GIT_COMMITTER_NAME=Tester", "GIT_COMMITTER_EMAIL=tester@example.invalid")
	s := &story{workbench: w, found: &evidence{secrets: map[string][]string{}, litter: map[string][]string{}}}
	s.nobody = slices.DeleteFunc(slices.Clone(w.env), func(v string) bool { return strings.HasPrefix(v, "SOPS_AGE_KEY") })
	s.secret(storyFile, w.id.SecretText())
	return s
}

// secret notes what must not get out.
func (s *story) secret(texts ...string) {
	for _, text := range texts {
		s.found.secrets[storyName] = append(s.found.secrets[storyName], secretsIn([]byte(text))...)
	}
}

// as runs a command with some variables, in the repository, and returns what it
// printed. It must end with the exit code.
func (s *story) as(env []string, code int, stdin string, args ...string) string {
	s.t.Helper()
	s.secret(stdin)
	cmd := exec.Command(args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.dir, env, strings.NewReader(stdin), &stdout, &stderr
	if cmd.Args[0] == "gitseal" {
		cmd.Path, cmd.Err = s.bin, nil
	}
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("%q: exit code %d, want %d: %s", args, got, code, &stderr)
	}
	r := record{Args: args, Stderr: stderr.String()}
	if args[0] == "git" || !printsPlaintext(args) && !slices.Contains(args, "exec") {
		r.Stdout = stdout.String()
	}
	s.records = append(s.records, r)
	return stdout.String()
}

// do runs a command as somebody who has the key, and may fail not.
func (s *story) do(args ...string) string { s.t.Helper(); return s.as(s.env, 0, "", args...) }

// set sets a value.
func (s *story) set(key, value string) {
	s.t.Helper()
	s.as(s.env, 0, value, "gitseal", "set", "app.yaml", key)
}

func (s *story) commit(message string) { s.t.Helper(); s.do("git", "commit", "-qam", message) }

// edit edits with sed, in an editor.
func (s *story) edit(code int, expr string, flags ...string) {
	s.t.Helper()
	s.secret(expr)
	// The expression is in a file, as an editor's arguments are for all to see.
	script := s.editorScript("editor", `sed -i -f "`+filepath.Join(filepath.Dir(s.dir), "expr")+`" "$1"; exit `+fmt.Sprint(code))
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.dir), "expr"), []byte(expr), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.as(s.env, code, "", append(append([]string{"gitseal", "edit", "--editor", script}, flags...), "app.yaml")...)
}

// TestNothingIsLeftBehind lives through all that people do with a sealed file in
// git, and then looks for its secrets, in all their forms, in the repository with all
// objects, the temporary folders and the home folder, and in what was said.
func TestNothingIsLeftBehind(t *testing.T) {
	skipUnderRace(t)
	s := newStory(t, buildProgram(t))
	chapters := []struct {
		name string
		tell func(*story)
	}{
		{"beginning", (*story).beginning}, {"editing", (*story).editing}, {"real editor", (*story).realEditor}, {"merging", (*story).merging},
		{"conflicts", (*story).conflicts}, {"moving commits", (*story).movingCommits}, {"looking", (*story).looking}, {"redacted", (*story).redacted},
		{"readers", (*story).readers}, {"failures", (*story).failures},
	}
	for _, c := range chapters {
		if !t.Run(c.name, func(t *testing.T) {
			defer func(outer *testing.T) { s.t = outer }(s.t)
			s.t = t
			c.tell(s)
		}) {
			return
		}
	}
	for _, leak := range s.found.leaks(storyName, s.records) {
		t.Error("said: ", leak)
	}
	for _, leak := range s.sweep() {
		t.Error("left: ", leak)
	}
	t.Logf("%d calls, %d secrets, %d objects of git", len(s.records), len(s.found.secrets[storyName]), s.objects())
}

func (s *story) beginning() {
	rule := fmt.Sprintf("creation_rules:\n  - age:\n      - %s\n", s.id.Recipient())
	err := errors.Join(os.WriteFile(filepath.Join(s.dir, "app.yaml"), []byte(storyFile), 0o600), os.WriteFile(filepath.Join(s.dir, ".sops.yaml"), []byte(rule), 0o600))
	if err != nil {
		s.t.Fatal(err)
	}
	s.do("git", "init", "-q", "-b", "main")
	s.do("gitseal", "seal", "app.yaml")
	s.do("gitseal", "git", "install")
	s.do("gitseal", "git", "check")
	s.do("git", "add", ".")
	s.commit("first")
	// Not as it should be, and yet there is nothing in it.
	s.do("git", "config", "diff.gitseal.cachetextconv", "true")
	s.as(s.env, 3, "", "gitseal", "git", "check")
}

func (s *story) editing() {
	s.set("cache", "canary-cache-set")
	s.set("db.user", "canary-user-new")
	s.edit(0, "s/canary-host/canary-host-edited/")
	s.commit("edited")
	s.do("gitseal", "unset", "app.yaml", "db.user")
	s.do("gitseal", "set", "--generate", "password", "app.yaml", "made")
	s.found.secrets[storyName] = append(s.found.secrets[storyName], strings.TrimSpace(s.do("gitseal", "get", "app.yaml", "made")))
	s.commit("made")
	if out := s.do("gitseal", "exec", "--flatten", "app.yaml", "--", "sh", "-c", "echo =$cache="); strings.Contains(out, "canary") || !strings.HasPrefix(out, "=") || len(out) < 4 {
		s.t.Errorf("exec shows %q", out)
	}
	if out := s.do("gitseal", "unseal", "app.yaml"); !strings.Contains(out, "canary-cache-set") {
		s.t.Errorf("unseal shows %q", out)
	}
}

// realEditor is vim, whose user keeps everything.
func (s *story) realEditor() {
	needProgram(s.t, "vim")
	vim := keepers()[0]
	s.configure(vim)
	env := s.env
	defer func() { s.env = env }()
	target := filepath.Join(s.dir, "app.yaml")
	session := onScreen(s.workbench, s.bin, "edit", "--editor", "vim", target)
	session.types("canary-pem-line-two", []string{":%s/canary-cache-set/canary-in-vim/\r", ":wq\r"})
	if code := session.end(); code != 0 {
		s.t.Fatalf("exit code %d", code)
	}
	s.secret("canary-in-vim")
	if got := s.do("gitseal", "get", "app.yaml", "cache"); got != "canary-in-vim" {
		s.t.Errorf("got %q", got)
	}
	s.commit("in vim")
}

// fork gives both branches a commit that sets a value.
func (s *story) fork(key, value, theirKey, theirValue string) {
	s.t.Helper()
	s.do("git", "checkout", "-q", "-B", "side")
	s.set(theirKey, theirValue)
	s.commit("theirs")
	s.do("git", "checkout", "-q", "main")
	s.set(key, value)
	s.commit("ours")
}

func (s *story) merging() {
	s.fork("cache", "canary-merge-ours", "db.host", "canary-merge-theirs")
	s.do("git", "merge", "-q", "-m", "merged", "side")
	s.fork("cache", "canary-keyless-ours", "db.host", "canary-keyless-theirs")
	s.as(s.nobody, 0, "", "git", "merge", "-q", "-m", "merged without a key", "side")
	s.as(s.nobody, 3, "", "gitseal", "check", "app.yaml")
	s.do("gitseal", "reseal", "app.yaml")
	s.commit("resealed")
	for key, want := range map[string]string{"cache": "canary-keyless-ours", "db.host": "canary-keyless-theirs"} {
		if got := s.do("gitseal", "get", "app.yaml", key); got != want {
			s.t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func (s *story) conflicts() {
	s.fork("db.password", "canary-conflict-ours", "db.password", "canary-conflict-theirs")
	s.as(s.env, 1, "", "git", "merge", "-q", "side")
	s.do("git", "diff")
	s.as(s.env, 3, "", "gitseal", "resolve", "app.yaml")
	s.as(s.env, 0, "canary-conflict-edited", "gitseal", "resolve", "--edit", "app.yaml", "db.password")
	s.commit("settled")
	s.fork("db.password", "canary-again-ours", "db.password", "canary-again-theirs")
	s.as(s.nobody, 1, "", "git", "merge", "-q", "side")
	s.as(s.nobody, 0, "", "gitseal", "resolve", "--theirs", "app.yaml", "db.password")
	s.as(s.nobody, 0, "", "git", "commit", "-qam", "settled without a key", "--no-verify")
	s.do("gitseal", "reseal")
	s.commit("resealed")
}

func (s *story) movingCommits() {
	s.fork("cache", "canary-rebase-ours", "token", "canary-rebase-theirs")
	s.do("git", "checkout", "-q", "side")
	s.do("git", "rebase", "-q", "main")
	s.do("git", "checkout", "-q", "main")
	s.do("git", "cherry-pick", "side")
	s.set("cache", "canary-stashed")
	s.do("git", "stash", "-q")
	s.set("token", "canary-under-stash")
	s.commit("under the stash")
	s.do("git", "stash", "apply", "-q")
	s.commit("from the stash")
	s.set("cache", "canary-left-in-stash")
	s.do("git", "stash", "-q")
	s.do("git", "revert", "--no-edit", "HEAD")
	s.do("git", "worktree", "add", "-q", filepath.Join(filepath.Dir(s.dir), "tree"), "side")
	s.do("git", "notes", "add", "-m", "a note")
}

func (s *story) looking() {
	s.do("git", "diff", "HEAD~3")
	s.do("git", "log", "-p", "--all", "--cc", "--oneline")
	s.do("git", "show", "HEAD")
	s.do("git", "stash", "show", "-p")
	s.do("git", "blame", "app.yaml")
	s.do("git", "grep", "--textconv", "password")
	if s.do("git", "for-each-ref", "refs/notes/textconv") == "" {
		s.t.Error("git has kept nothing of what the driver prints")
	}
	s.do("gitseal", "diff", "HEAD~3")
	s.do("gitseal", "diff", "--textconv", "app.yaml")
	s.do("gitseal", "diff", "--plaintext", "HEAD~3")
	s.do("gitseal", "log", "app.yaml")
	s.do("gitseal", "log", "--verify", "app.yaml", "db.password")
	s.do("gitseal", "report", "age")
	s.do("gitseal", "report", "exposure")
	s.as(s.nobody, 0, "", "gitseal", "check")
	s.do("gitseal", "check")
	s.do("gitseal", "check", "--history")
	s.do("gitseal", "view", "app.yaml")
	s.do("gitseal", "view", "--describe", "app.yaml")
	s.do("gitseal", "inspect", "--json", "app.yaml")
	s.do("gitseal", "who", "app.yaml")
}

func (s *story) redacted() {
	text := s.as(s.nobody, 0, "", "gitseal", "edit", "--redacted", "--print", "app.yaml")
	at := strings.Index(text, "cache: <sealed string ")
	if at < 0 {
		s.t.Fatal("cache has no token")
	}
	end := at + strings.Index(text[at:], ">") + 1
	s.as(s.nobody, 0, text[:at]+"cache: canary-redacted"+text[end:], "gitseal", "edit", "--redacted", "--from", "-", "app.yaml")
	s.as(s.nobody, 0, "canary-proposed", "gitseal", "set", "--propose", "app.yaml", "db.host")
	s.do("gitseal", "accept", "--list", "app.yaml")
	s.commit("proposed")
	s.do("gitseal", "accept", "--yes", "app.yaml")
	for key, want := range map[string]string{"cache": "canary-redacted", "db.host": "canary-proposed"} {
		if got := s.do("gitseal", "get", "app.yaml", key); got != want {
			s.t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	s.commit("accepted")
}

func (s *story) readers() {
	other, err := age.Generate(false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.secret(other.SecretText())
	s.do("gitseal", "keys", "add", "--age", other.Recipient().String(), "app.yaml")
	s.commit("somebody joined")
	s.set("token", "canary-while-there")
	s.commit("while they were there")
	s.do("gitseal", "keys", "remove", "--age", other.Recipient().String(), "app.yaml")
	s.commit("somebody left")
	s.do("gitseal", "rotate", "app.yaml")
	s.commit("rotated")
	s.as(s.env, 3, "", "gitseal", "report", "exposure")
	s.do("git", "log", "-p")
}

func (s *story) failures() {
	s.edit(1, "s/canary-host/canary-lost/;s/^cache: .*/cache: canary-in-rescue/")
	s.do("gitseal", "edit", "--list-rescues")
	s.edit(1, "1i broken: [canary-broken")
	s.as(s.nobody, 4, "", "gitseal", "unseal", "app.yaml")
	name := filepath.Join(s.dir, "app.yaml")
	sealed, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(sealed, []byte("region_unencrypted: eu"), []byte("region_unencrypted: us"), 1), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.as(s.env, 5, "", "gitseal", "unseal", "app.yaml")
	s.as(s.env, 5, "canary-refused", "gitseal", "set", "app.yaml", "cache")
	s.as(s.env, 3, "", "gitseal", "check", "app.yaml")
	s.do("git", "checkout", "-q", "--", "app.yaml")
	s.do("git", "gc", "-q")
}

// skipUnderRace leaves out what runs a program that has no race detector in it.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled && testing.Short() {
		t.Skip("nothing here is under the race detector; the test without it runs this")
	}
}
