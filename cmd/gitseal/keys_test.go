package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
)

// withRule gives the workbench a configuration and seals the target for it.
func (w *workbench) withRule(rule string) {
	w.t.Helper()
	w.put(w.plain)
	w.write(".sops.yaml", "creation_rules:\n    - path_regex: secret\n      "+rule+"\n")
	w.must("seal", w.dir)
}

func (w *workbench) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// must runs the program, which has to end with exit code 0, and returns what it
// prints.
func (w *workbench) must(args ...string) call {
	w.t.Helper()
	c := w.call(append([]string{w.bin}, args...)...)
	if c.code != 0 {
		w.t.Fatalf("%q: exit code %d: %s", args, c.code, c.stderr)
	}
	return c
}

// listed returns the readers that keys list shows of the target, and fails if it
// differs from its rule.
func (w *workbench) listed() []string {
	w.t.Helper()
	var list []struct {
		Readers []struct {
			Reader, State string
		}
		Differences []string
	}
	if err := json.Unmarshal([]byte(w.must("keys", "list", "--json", w.target).stdout), &list); err != nil {
		w.t.Fatal(err)
	}
	if len(list[0].Differences) > 0 {
		w.t.Errorf("the file differs from its rule: %q", list[0].Differences)
	}
	var out []string
	for _, r := range list[0].Readers {
		out = append(out, r.Reader)
	}
	return out
}

// TestKeysAddLosesNobody: many add a reader each, to one file and one rule, at the
// same time; all of them are there afterwards, in both.
func TestKeysAddLosesNobody(t *testing.T) {
	const parallel = 12
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.withRule("age: " + w.id.Recipient().String())
	names := make([]string, parallel)
	calls := make([]call, parallel)
	var wg sync.WaitGroup
	for i := range names {
		id, err := age.Generate(false)
		if err != nil {
			t.Fatal(err)
		}
		names[i] = id.Recipient().String()
		wg.Go(func() { calls[i] = w.call(w.bin, "keys", "add", "--age", names[i], w.target) })
	}
	wg.Wait()
	for i, c := range calls {
		if c.code != 0 {
			t.Errorf("call %d: exit code %d: %s", i, c.code, c.stderr)
		}
	}
	rule, readers := w.read(".sops.yaml"), strings.Join(w.listed(), " ")
	for _, name := range names {
		if !strings.Contains(rule, name) || !strings.Contains(readers, name) {
			t.Errorf("%s was lost: in the rule %v, in the file %v", name, strings.Contains(rule, name), strings.Contains(readers, name))
		}
	}
	if got := w.must("unseal", w.target).stdout; got != string(w.plain) {
		t.Error("the plain file is another one")
	}
}

// manyFiles writes and seals files besides the target.
func (w *workbench) manyFiles(n int) {
	w.t.Helper()
	for i := range n {
		w.write(fmt.Sprintf("secret%d.yaml", i), fmt.Sprintf("a: canary-many-%d\nb: [canary-x, 7]\n", i))
	}
	w.must("seal", "--quiet", w.dir)
}

// TestKeysLoadIdentitiesOnce: a command that gives the keys, which may ask somebody,
// runs once in a call however many files there are.
func TestKeysLoadIdentitiesOnce(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.withRule("age: " + w.id.Recipient().String())
	w.manyFiles(100)
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(filepath.Dir(w.dir), "log")
	script := filepath.Join(filepath.Dir(w.dir), "keys.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho x >> "+log+"\ncat "+filepath.Join(filepath.Dir(w.dir), "key")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = []string{"HOME=" + t.TempDir(), "SOPS_AGE_KEY_CMD=" + script, "PATH=" + os.Getenv("PATH"), "GITSEAL_DOORS=open"}
	for i, args := range [][]string{
		{"keys", "sync"}, {"keys", "add", "--age", id.Recipient().String()}, {"keys", "remove", "--age", id.Recipient().String()}, {"rotate"},
	} {
		c := w.must(append(args, w.dir)...)
		if !strings.Contains(c.stderr, "101 files: ") {
			t.Errorf("%q: %s", args, c.stderr)
		}
		runs, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(runs), "x"); n != i+1 {
			t.Errorf("after %d calls the command has run %d times", i+1, n)
		}
	}
}

// buildKeyservice builds the program that holds the libraries of the cloud providers.
func buildKeyservice(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "gitseal-keyservice")
	if out, err := exec.Command("go", "build", "-o", bin, "../gitseal-keyservice").CombinedOutput(); err != nil {
		t.Fatalf("building the key service program: %v\n%s", err, out)
	}
	return bin
}

// TestKeysOverKMS is the life of a reader that is a key in AWS's KMS, in many files,
// with many calls in flight.
func TestKeysOverKMS(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a large program")
	}
	const files, latency = 100, 20 * time.Millisecond
	w := newWorkbench(t, buildProgram(t), "unseal")
	w.withRule("age: " + w.id.Recipient().String())
	w.manyFiles(files - 1)
	kms := awskmstest.New(t, awskmstest.Options{Latency: latency})
	alone := w.env
	w.env = append(append([]string{"GITSEAL_KEYSERVICE_PROGRAM=" + buildKeyservice(t)}, w.env...), kms.Env()...)
	start := time.Now()
	w.must("keys", "add", "--kms", awskmstest.DefaultKey, w.dir)
	t.Logf("adding a KMS key to %d files: %v, %d calls, at most %d at a time", files, time.Since(start), kms.Calls("Encrypt"), kms.MostAtOnce())
	if kms.Calls("Encrypt") != files || kms.MostAtOnce() < 8 || kms.MostAtOnce() > 64 {
		t.Errorf("%d calls, want %d; at most %d at a time, want 8 to 64", kms.Calls("Encrypt"), files, kms.MostAtOnce())
	}
	if !strings.Contains(w.read(".sops.yaml"), "kms: "+awskmstest.DefaultKey) {
		t.Errorf("the rule: %s", w.read(".sops.yaml"))
	}
	if list := w.must("keys", "list", w.target).stdout; !strings.Contains(list, awskmstest.DefaultKey+"  since 20") {
		t.Errorf("list: %s", list)
	}
	w.must("rotate", w.dir)
	// From now on the KMS alone opens them.
	if c := w.must("keys", "remove", "--age", w.id.Recipient().String(), w.dir); strings.Contains(c.stderr, "could not open") {
		t.Errorf("KMS does open it: %s", c.stderr)
	}
	if got := w.must("unseal", w.target).stdout; got != string(w.plain) {
		t.Error("the plain file is another one")
	}
	before := w.read("secret.yaml")
	w.env = alone
	for _, args := range [][]string{{"rotate"}, {"keys", "sync"}, {"keys", "add", "--age", w.id.Recipient().String()}} {
		if c := w.call(append(append([]string{w.bin}, args...), w.dir)...); c.code != 4 {
			t.Errorf("%q without the KMS: exit code %d: %s", args, c.code, c.stderr)
		}
	}
	if w.read("secret.yaml") != before {
		t.Error("the file was changed")
	}
}
