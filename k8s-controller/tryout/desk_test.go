package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	main "github.com/gitseal/gitseal/k8s-controller/tryout"
)

// programs are built once for all tests. It has to be a variable: tests have nothing
// else in common.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(programs.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// built returns the folder of the project's programs.
func built(t *testing.T) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "tryout-programs-"); programs.err == nil {
			programs.err = main.Build(context.Background(), programs.dir, os.Stderr)
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// desk is a stage, and somebody who works through a page of documentation there.
type desk struct {
	*testing.T
	*main.Stage
}

// newDesk makes one with further programs on the path, by name.
func newDesk(t *testing.T, tools map[string]toolcache.Tool, opts ...kubetest.Option) desk {
	t.Helper()
	toolcache.Kube().Need(t)
	stage, err := main.NewStage(t.Context(), t.TempDir(), built(t), t.Output(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stage.Close()
		if log, err := os.ReadFile(stage.Log); err == nil && t.Failed() {
			t.Logf("the controller's log:\n%s", log)
		}
	})
	for name, tool := range tools {
		if err := stage.Provide(name, toolcache.Program(tool.Need(t), name)); err != nil {
			t.Fatal(err)
		}
	}
	return desk{t, stage}
}

// must runs a command that may not fail.
func (d desk) must(args ...string) string {
	d.Helper()
	out, err := d.Must(d.Context(), "", args...)
	if err != nil {
		d.Fatal(err)
	}
	return out
}

// apply applies text as a person does.
func (d desk) apply(text string) {
	d.Helper()
	if _, err := d.Must(d.Context(), text, "kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		d.Fatal(err)
	}
}

// write writes a file of the work folder.
func (d desk) write(name, text string) {
	d.Helper()
	path := filepath.Join(d.Work, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		d.Fatal(err)
	}
}

// sync has the controller run as its Deployment says.
func (d desk) sync() {
	d.Helper()
	if _, err := d.SyncController(d.Context()); err != nil {
		d.Fatal(err)
	}
}

// install installs the controller with a keyring, as the quick start does.
func (d desk) install() {
	d.Helper()
	d.must("kubectl", "apply", "--server-side", "-k", "k8s-controller/deploy/modes/cluster-wide")
	d.must("kubectl", "wait", "--for=condition=Established", "--timeout=2m", "crd/sealedmanifests.gitseal.dev", "crd/sealkeyrings.gitseal.dev")
	d.write(".sops.yaml", d.must("gitseal-controller", "init", "--recovery-out", "recovery.txt", "--classic"))
	d.sync()
	d.must("kubectl", "wait", "--for=condition=Ready", "--timeout=2m", "sealkeyring/default")
}

// eventually polls for what takes a moment on an idle machine.
func (d desk) eventually(what string, done func() bool) {
	d.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.Fatal("waited in vain until ", what)
		}
	}
}

// secret is what matters of a Secret.
type secret struct {
	Metadata struct {
		UID, ResourceVersion string
		Labels, Annotations  map[string]string
		OwnerReferences      []struct{ Kind, Name string }
	}
	Data map[string][]byte
}

// secret returns one, and whether it is there.
func (d desk) secret(namespace, name string) (s secret, found bool) {
	d.Helper()
	text := d.must("kubectl", "-n", namespace, "get", "secret", name, "--ignore-not-found", "-o", "json")
	if text == "" {
		return s, false
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		d.Fatal(err)
	}
	return s, true
}

// page is a page of documentation, in the order of its blocks.
type page struct {
	name   string
	blocks []block
}

// block is one in a fence: a file to be written if it begins with "# file: NAME",
// commands if its kind is console.
type block struct {
	line       int
	kind, text string
}

// readPage reads a page of the folder docs.
func (d desk) readPage(name string) page {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.Root, "docs", name))
	if err != nil {
		d.Fatal(err)
	}
	p := page{name: name}
	line := 1
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			kind, body, _ := strings.Cut(part, "\n")
			p.blocks = append(p.blocks, block{line, kind, body})
		}
		line += strings.Count(part, "\n")
	}
	return p
}

// follow writes the files of a page and runs its commands, one after another.
func (d desk) follow(name string, before func(command string)) {
	d.Helper()
	files, commands := 0, 0
	for _, b := range d.readPage(name).blocks {
		switch b.kind {
		case "yaml":
			first, rest, _ := strings.Cut(b.text, "\n")
			file, ok := strings.CutPrefix(first, "# file: ")
			if !ok {
				d.Fatalf("%s:%d: a block of yaml has no name", name, b.line)
			}
			d.write(file, rest)
			files++
		case "console":
			for _, command := range d.commands(name, b) {
				commands++
				before(command)
				d.enter(fmt.Sprintf("%s:%d", name, b.line), command)
			}
		case "text", "svg":
		default:
			d.Fatalf("%s:%d: nobody runs a block of the kind %q", name, b.line, b.kind)
		}
	}
	const fewest = 10
	if files == 0 || commands < fewest {
		d.Errorf("%s: only %d files and %d commands were found", name, files, commands)
	}
}

// commands returns those of a block. A line that begins with > continues one.
func (d desk) commands(name string, b block) []string {
	d.Helper()
	var out []string
	for line := range strings.Lines(b.text) {
		line = strings.TrimRight(line, "\n")
		if more, ok := strings.CutPrefix(line, "> "); ok && len(out) > 0 {
			out[len(out)-1] += "\n" + more
			continue
		}
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			d.Fatalf("%s:%d: a line is no command: %q", name, b.line, line)
		}
		out = append(out, command)
	}
	return out
}

// enter runs a command as a person at a shell does.
func (d desk) enter(where, command string) {
	d.Helper()
	said, err := d.Call(d.Context(), "", "sh", "-ec", command)
	d.Logf("$ %s\n%s%s", command, said.Out, said.Err)
	if err != nil || said.Code != 0 {
		d.Fatalf("%s: %s: exit code %d, %v\n%s%s", where, command, said.Code, err, said.Out, said.Err)
	}
}
