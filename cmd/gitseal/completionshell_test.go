//go:build unix

package main_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gitseal/gitseal/keysources/age"
)

// typist is somebody at a shell in a terminal.
type typist struct {
	t        *testing.T
	terminal *os.File
	// shown is where the shell notes its line down, whenever ^G is typed.
	shown string
}

// The start-up files note the line down, so that nothing has to be read off the
// screen.
var shellSetUp = map[string]struct {
	args     []string
	file, rc string
}{
	"bash": {[]string{"--noprofile", "--rcfile", "rc", "-i"}, "rc", `PS1='$ '
bind 'set enable-bracketed-paste off'
show() { printf '<%s>\n' "$READLINE_LINE" >>"$SHOWN"; }
bind -x '"\C-g": show'
source <(gitseal completion bash)
printf 'ready\n' >>"$SHOWN"
`},
	"zsh": {[]string{"-i"}, ".zshrc", `PS1='$ '
autoload -Uz compinit && compinit -u -D
source <(gitseal completion zsh)
show() { print -r -- "<$BUFFER>" >>"$SHOWN" }
zle -N show
bindkey -e
bindkey '^G' show
bindkey '^U' kill-whole-line
zle-line-init() { [[ -n "$begun" ]] || print ready >>"$SHOWN"; begun=1 }
zle -N zle-line-init
`},
	"fish": {nil, "config/fish/config.fish", `function fish_greeting; end
function fish_prompt; echo -n '$ '; end
gitseal completion fish | source
bind \cg 'echo "<"(commandline)">" >>"$SHOWN"'
bind \cu 'commandline ""'
echo ready >>"$SHOWN"
`},
}

// newTypist starts a shell in a folder, which is its home, too.
func newTypist(t *testing.T, shell, dir string, env []string) *typist {
	t.Helper()
	program, err := exec.LookPath(shell)
	if err != nil {
		if os.Getenv(noSkipEnv) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	set := shellSetUp[shell]
	home := t.TempDir()
	rc := filepath.Join(home, set.file)
	if err := os.MkdirAll(filepath.Dir(rc), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rc, []byte(set.rc), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string(nil), set.args...)
	for i := range args {
		if args[i] == set.file {
			args[i] = rc
		}
	}
	y := &typist{t: t, shown: filepath.Join(home, "shown")}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(env, "SHOWN="+y.shown, "ZDOTDIR="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"XDG_DATA_HOME="+home, "TERM=xterm", "LC_ALL=C.UTF-8", "HISTFILE=")
	if y.terminal, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, y.terminal) }() // ends with the shell
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = y.terminal.Close()
	})
	y.wait("ready\n")
	return y
}

// wait waits until the shell has noted something down, and returns that.
func (y *typist) wait(suffix string) string {
	y.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if data, err := os.ReadFile(y.shown); err == nil && strings.HasSuffix(string(data), suffix) {
			if err := os.Remove(y.shown); err != nil {
				y.t.Fatal(err)
			}
			return strings.TrimSuffix(string(data), suffix)
		}
	}
	y.t.Fatal("the shell does not answer")
	return ""
}

// complete types a line and presses the tabulator, and returns what it becomes.
func (y *typist) complete(line string) string {
	y.t.Helper()
	if _, err := io.WriteString(y.terminal, "\x15"+line+"\t\x07"); err != nil {
		y.t.Fatal(err)
	}
	return strings.TrimPrefix(y.wait(">\n"), "<")
}

const (
	sshRecipient = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAk79EkqCwQ2efo4Tf51jafhLfkL9RdvXQIOJY1YueZM"
	kmsReader    = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// completionFolder makes a folder with sealed and plain files, and the environment
// in which shells find the program.
func completionFolder(t *testing.T) (dir, recipient string, env []string) {
	t.Helper()
	bin := buildProgram(t)
	dir = t.TempDir()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	recipient = id.Recipient().String()
	env = []string{"HOME=" + dir, "SOPS_AGE_KEY=" + id.SecretText(), "PATH=" + filepath.Dir(bin) + ":" + os.Getenv("PATH"), "GITSEAL_DOORS=open"}
	const plain = "db:\n  host: canary-host\n  password: canary-password\nodd:\n  tls.crt: canary-crt\nlist:\n  - canary-item\n  - name: canary-name\n"
	for name, content := range map[string]string{
		"sealed.yaml": plain, "with space.yaml": plain, "sub/deep.yaml": plain, "star*.yaml": plain,
		"secret-plain.yaml": plain, "star-plain.yaml": plain,
		".sops.yaml": "creation_rules:\n  - age: " + recipient + "\n    path_regex: sealed|space|deep|star\\*\n  - age: " + sshRecipient + "\n    kms: " + kmsReader + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "seal", "sealed.yaml", "with space.yaml", "sub/deep.yaml", "star*.yaml")
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sealing: %v\n%s", err, out)
	}
	return dir, recipient, env
}

// TestCompletionInShells presses the tabulator in the real shells.
func TestCompletionInShells(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts shells")
	}
	dir, recipient, env := completionFolder(t)
	tests := []struct{ line, want string }{
		{"gitseal insp", "gitseal inspect "},
		{"gitseal keys li", "gitseal keys list "},
		{"gitseal unseal --req", "gitseal unseal --require-integrity "},
		{"gitseal completion fi", "gitseal completion fish "},
		{"gitseal unseal se", "gitseal unseal sealed.yaml "},
		{"gitseal unseal -i se", "gitseal unseal -i sealed.yaml "},
		{"gitseal seal se", "gitseal seal secret-plain.yaml "},
		{"gitseal unseal with", `gitseal unseal with\ space.yaml `},
		{"gitseal unseal star", `gitseal unseal star\*.yaml `},
		{"gitseal inspect su", "gitseal inspect sub/"},
		{"gitseal inspect sub/", "gitseal inspect sub/deep.yaml "},
		{"gitseal inspect ~/sea", "gitseal inspect ~/sealed.yaml "},
		{"gitseal get sealed.yaml d", "gitseal get sealed.yaml db."},
		{"gitseal get sealed.yaml db.pa", "gitseal get sealed.yaml db.password "},
		{`gitseal get with\ space.yaml db.h`, `gitseal get with\ space.yaml db.host `},
		{`gitseal get 'with space.yaml' db.h`, `gitseal get 'with space.yaml' db.host `},
		{"gitseal get sealed.yaml 'db.pa", "gitseal get sealed.yaml 'db.password' "},
		{`gitseal get sealed.yaml odd.`, `gitseal get sealed.yaml odd.\"tls.crt\" `},
		{`gitseal get sealed.yaml 'list[1]`, `gitseal get sealed.yaml 'list[1].name' `},
		{"gitseal seal --age age", "gitseal seal --age " + recipient + " "},
		{"gitseal seal --age=age", "gitseal seal --age=" + recipient + " "},
		{"gitseal seal --age " + recipient + ",ssh", "gitseal seal --age " + recipient + "," + strings.ReplaceAll(sshRecipient, " ", `\ `) + " "},
		{"gitseal seal --kms arn:aws:k", "gitseal seal --kms " + kmsReader + " "},
		{"gitseal seal --format js", "gitseal seal --format json "},
		{"gitseal seal --format=js", "gitseal seal --format=json "},
		{"gitseal set --generate uu", "gitseal set --generate uuid "},
		{"gitseal get sealed.yaml nothing", "gitseal get sealed.yaml nothing"},
		{"gitseal nothing s", "gitseal nothing s"},
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			y := newTypist(t, shell, dir, env)
			for _, tt := range tests {
				if got := y.complete(tt.line); got != tt.want {
					t.Errorf("%s: got %q, want %q", tt.line, got, tt.want)
				}
			}
		})
	}
}

// TestFishListsCandidates asks fish for what it would show.
func TestFishListsCandidates(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		if os.Getenv(noSkipEnv) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir, _, env := completionFolder(t)
	cmd := exec.Command(fish, "--no-config", "-c", "gitseal completion fish | source; complete -C 'gitseal get sealed.yaml '")
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	const want = "db.\nlist[0]\tsealed str\nlist[1].\nodd.\n"
	got := strings.ReplaceAll(string(out), "\t\n", "\n")
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
