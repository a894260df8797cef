package main_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
	"github.com/gitseal/gitseal/cmd/internal/doors"
	"github.com/gitseal/gitseal/keysources/age"
)

// doorCanary is the secret that must not come out.
const doorCanary = "canary-behind-doors"

// doorWalk calls the program in all the ways that it knows of, each in a new copy of
// a repository that holds secrets only sealed.
type doorWalk struct {
	t        *testing.T
	bin      string
	template string
	env      []string
}

func newDoorWalk(t *testing.T) *doorWalk {
	t.Helper()
	w := &doorWalk{t: t, bin: buildProgram(t), template: t.TempDir()}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	key := filepath.Join(home, "key")
	files := map[string]string{
		key:                                     id.SecretText() + "\n",
		filepath.Join(w.template, ".sops.yaml"): "creation_rules:\n  - age: " + id.Recipient().String() + "\n",
		filepath.Join(w.template, "left.yaml"):  "password: " + doorCanary + "\nport: 5432\n",
		filepath.Join(w.template, "app.yaml"):   "db:\n  password: " + doorCanary + "\n  port: 5432\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.env = []string{
		"HOME=" + home, "SOPS_AGE_KEY_FILE=" + key, "PATH=" + os.Getenv("PATH"), "EDITOR=cat", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x",
	}
	for _, args := range [][]string{
		{w.bin, "seal", "app.yaml", "left.yaml"}, {"git", "init", "-q", "--template=", "."}, {"git", "add", "."}, {"git", "commit", "-qm", "one"},
		{w.bin, "set", "app.yaml", "db.password"}, {"git", "commit", "-qam", "two"},
		{w.bin, "set", "app.yaml", "db.other"}, {w.bin, "set", "--propose", "app.yaml", "db.password"},
		{w.bin, "set", "--propose", "--plain", "app.yaml", "x_unencrypted"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdin = w.template, append(slices.Clone(w.env), "GITSEAL_DOORS=open"), strings.NewReader(doorCanary+"-2\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	// One file is not sealed as its rule says any more: that would leave it plain.
	rules := "creation_rules:\n  - path_regex: left\n    age: " + id.Recipient().String() + "\n    encrypted_regex: port\n  - age: " + id.Recipient().String() + "\n"
	if err := os.WriteFile(filepath.Join(w.template, ".sops.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// doorCall is what came of a call.
type doorCall struct {
	args []string
	code int
	out  string
	// where is the first place where the secret was seen, "" if it was not.
	where string
}

// call runs the program in a copy of the repository.
func (w *doorWalk) call(env []string, args ...string) (doorCall, error) {
	c := doorCall{args: args, code: -1}
	dir, err := os.MkdirTemp("", "doors")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(w.template)); err != nil {
		return c, err
	}
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, args...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, append(slices.Clone(w.env), env...), strings.NewReader("new\n"), &out, &out
	_ = cmd.Run() // its exit code tells
	c.code, c.out = cmd.ProcessState.ExitCode(), out.String()
	if strings.Contains(c.out, doorCanary) {
		c.where = "its output"
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || c.where != "" {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(doorCanary)) {
			c.where = d.Name()
		}
		return err
	})
	return c, err
}

// leaves are the commands that do something themselves (those without subcommands, and
// those with flags of their own), by the words that call them.
func leaves(prefix []string, commands []*cli.Command) map[string]*cli.Command {
	out := map[string]*cli.Command{}
	for _, c := range commands {
		words := append(slices.Clone(prefix), c.Name)
		if c.Hidden {
			continue
		}
		if len(c.Subcommands) == 0 || len(c.Flags) > 0 {
			out[strings.Join(words, " ")] = c
		}
		for name, sub := range leaves(words, c.Subcommands) {
			out[name] = sub
		}
	}
	return out
}

// ways are the calls to try of a command: with the arguments that most commands take,
// and with each of its switches.
func ways(name string, c *cli.Command) [][]string {
	words := strings.Fields(name)
	var out [][]string
	for _, args := range [][]string{{}, {"app.yaml"}, {"left.yaml"}, {"."}, {"app.yaml", "db.password"}, {"app.yaml", "--", "env"}} {
		out = append(out, slices.Concat(words, args))
		if len(args) == 0 || args[0] == "." {
			continue
		}
		for _, f := range c.Flags {
			switch f.(type) {
			case *cli.BoolFlag:
				out = append(out, slices.Concat(words, []string{"--" + f.Names()[0]}, args))
				for _, with := range []string{"list", "yes"} {
					if len(args) == 1 && hasFlag(c, with) {
						out = append(out, slices.Concat(words, []string{"--" + with, "--" + f.Names()[0]}, args))
					}
				}
			case *cli.StringFlag:
				if f.Names()[0] == "mode" {
					out = append(out, slices.Concat(words, []string{"--mode", "plain"}, args))
				}
				if f.Names()[0] == "output" {
					out = append(out, slices.Concat(words, []string{"--output", "out"}, args), slices.Concat(words, []string{"--output", "-"}, args))
				}
			}
		}
	}
	return out
}

func hasFlag(c *cli.Command, name string) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
}

// walk makes all calls and returns them.
func (w *doorWalk) walk(env ...string) []doorCall {
	w.t.Helper()
	var mu sync.Mutex
	var calls []doorCall
	var group sync.WaitGroup
	const atOnce = 4
	slots := make(chan struct{}, atOnce)
	for name, c := range leaves(nil, gitseal.Commands()) {
		if name == doors.Keyservice && slices.Contains(env, "GITSEAL_DOORS=open") {
			continue // it would serve for ever
		}
		for _, args := range ways(name, c) {
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				call, err := w.call(env, args...)
				if err != nil {
					w.t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, call)
			})
		}
	}
	group.Wait()
	const least = 300
	if len(calls) < least {
		w.t.Errorf("only %d calls", len(calls))
	}
	return calls
}

// doorOf returns the door that a call goes through, "" if it is none.
func doorOf(args []string) string {
	if args[0] == "keys" && args[1] == "sync" {
		return doors.Exposing
	}
	for _, name := range doors.Names() {
		words := strings.Fields(name)
		if args[0] == words[0] && (len(words) == 1 || slices.Contains(args, words[1])) {
			return name
		}
	}
	return ""
}

// TestDoorsAreAll: with the doors open, plaintext comes out of those that are on the
// list, and of nothing else; with the doors closed, of nothing at all.
func TestDoorsAreAll(t *testing.T) {
	if testing.Short() {
		t.Skip("makes about a thousand calls")
	}
	w := newDoorWalk(t)
	t.Run("open", func(t *testing.T) {
		seen := map[string]bool{}
		for _, c := range w.walk("GITSEAL_DOORS=open") {
			if c.where == "" {
				continue
			}
			door := doorOf(c.args)
			if seen[door] = true; door == "" {
				t.Errorf("%q is no door, but there is plaintext in %s", c.args, c.where)
			}
		}
		for _, name := range []string{doors.Unseal, doors.Get, doors.Edit, doors.Diff, doors.Accept, doors.AcceptPlain, doors.Exposing, doors.HelmGet} {
			if !seen[name] {
				t.Errorf("no plaintext came through %s: the walk would not see a leak", name)
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		refused := map[string]bool{}
		for _, c := range w.walk("CLAUDECODE=1") {
			if c.where != "" {
				t.Errorf("%q: plaintext in %s", c.args, c.where)
			}
			if c.code == 6 {
				refused[doorOf(c.args)] = true
			}
		}
		for _, name := range doors.Names() {
			if !refused[name] {
				t.Errorf("%s was not refused", name)
			}
		}
		if refused[""] {
			t.Error("something was refused that is no door")
		}
	})
}

// TestTwinsWork: what a closed door names instead works for an agent.
func TestTwinsWork(t *testing.T) {
	w := newDoorWalk(t)
	for _, d := range doors.All() {
		found := 0
		for _, twin := range [][]string{
			{"view", "app.yaml"}, {"view", "app.yaml", "db.password"}, {"edit", "--redacted", "--print", "app.yaml"},
			{"set", "app.yaml", "db.password"}, {"diff"}, {"accept", "--list", "app.yaml"}, {"who", "app.yaml"},
			{"keys", "sync", "--dry-run", "app.yaml"},
		} {
			if !strings.Contains(d.Twin, "gitseal "+twin[0]) {
				continue
			}
			found++
			c, err := w.call([]string{"CLAUDECODE=1"}, twin...)
			if err != nil || c.code != 0 || c.where != "" {
				t.Errorf("%s: %q: exit code %d, plaintext in %q: %s", d.Name, twin, c.code, c.where, c.out)
			}
		}
		if found == 0 {
			t.Errorf("%s has no twin that was tried: %s", d.Name, d.Twin)
		}
	}
}
