package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"
)

// lspCanary is in every secret of these tests.
const lspCanary = "canary-lsp"

const lspPlain = "# the shop\ndb:\n    host: db-1.internal\n    password: " + lspCanary + "-before\n    note: 'ö 😀 " + lspCanary + "-note'\n"

// lspDesk is a repository with a rule and a sealed file in it, and an editor that talks
// to the real program.
type lspDesk struct {
	*workbench
	repo, file string
	conn       *jsonrpc2.Conn
	cmd        *exec.Cmd

	// said is its output, which is complete when it has ended.
	said, errs bytes.Buffer

	mu   sync.Mutex // guards what follows
	edit *string
	text string
}

func newLSPDesk(t *testing.T, bin string) *lspDesk {
	t.Helper()
	d := &lspDesk{workbench: newWorkbench(t, bin, "seal")}
	d.repo = filepath.Join(filepath.Dir(d.dir), "repo")
	d.file = filepath.Join(d.repo, "secrets", "app.yaml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(d.file), 0o700), os.WriteFile(d.file, []byte(lspPlain), 0o600)); err != nil {
		t.Fatal(err)
	}
	d.rule(d.id.Recipient().String())
	d.must(bin, "seal", d.file)
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "one"}} {
		d.must(append([]string{"git", "-C", d.repo}, args...)...)
	}
	return d
}

func (d *lspDesk) rule(recipients string) {
	d.t.Helper()
	text := "creation_rules:\n  - path_regex: ^secrets/\n    age: " + recipients + "\n"
	if err := os.WriteFile(filepath.Join(d.repo, ".sops.yaml"), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *lspDesk) must(args ...string) {
	d.t.Helper()
	if code, stderr := d.run(args...); code != 0 {
		d.t.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
}

func (d *lspDesk) content() string {
	d.t.Helper()
	data, err := os.ReadFile(d.file)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(data)
}

// byHand returns a sealed text in which somebody has written a value.
func (d *lspDesk) byHand(sealed, value string) string {
	lines := strings.Split(sealed, "\n")
	lines[3] = "    password: " + value
	return strings.Join(lines, "\n")
}

type ends struct {
	io.Reader
	io.WriteCloser
}

// connect starts the server. Without identity, it finds none.
func (d *lspDesk) connect(identity bool) {
	d.t.Helper()
	d.cmd = exec.Command(d.bin, "lsp")
	d.cmd.Dir = d.repo
	d.cmd.Env = append(slices.Clone(d.env), "GITSEAL_DOORS=closed") // nothing here is a door
	if !identity {
		d.cmd.Env = append(d.cmd.Env, "SOPS_AGE_KEY_FILE=", "HOME="+d.t.TempDir())
	}
	d.cmd.Stderr = &d.errs
	in, err := d.cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	stream := jsonrpc2.NewBufferedStream(ends{io.TeeReader(out, &d.said), in}, jsonrpc2.VSCodeObjectCodec{})
	d.conn = jsonrpc2.NewConn(d.t.Context(), stream, d)
	d.call("initialize", `{"rootUri": "file://`+d.repo+`", "capabilities": {"workspace": {"applyEdit": true}}}`)
}

// Handle takes edits, of which each replaces whole lines.
func (d *lspDesk) Handle(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request) {
	if req.Method != "workspace/applyEdit" {
		return
	}
	type line struct{ Line int }
	var p struct {
		Edit struct {
			Changes map[string][]struct {
				Range   struct{ Start, End line }
				NewText string
			}
		}
	}
	if err := json.Unmarshal(*req.Params, &p); err != nil {
		d.t.Error(err)
		return
	}
	d.mu.Lock()
	for _, edits := range p.Edit.Changes {
		lines := strings.SplitAfter(d.text, "\n")
		e := edits[0]
		d.edit = new(strings.Join(lines[:e.Range.Start.Line], "") + e.NewText + strings.Join(lines[min(e.Range.End.Line, len(lines)):], ""))
	}
	d.mu.Unlock()
	_ = conn.Reply(ctx, req.ID, map[string]bool{"applied": true})
}

func (d *lspDesk) request(method, params string) error {
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	return d.conn.Call(ctx, method, json.RawMessage(params), nil)
}

func (d *lspDesk) call(method, params string) {
	d.t.Helper()
	if err := d.request(method, params); err != nil {
		d.t.Fatalf("%s: %v", method, err)
	}
}

// execute opens a text, runs a command on it, and returns the text that comes of it.
func (d *lspDesk) execute(text, name, more string) (string, error) {
	d.t.Helper()
	d.mu.Lock()
	d.text, d.edit = text, nil
	d.mu.Unlock()
	uri := `"uri": "file://` + d.file + `"`
	quoted, err := json.Marshal(text)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.conn.Notify(d.t.Context(), "textDocument/didOpen", json.RawMessage(`{"textDocument": {`+uri+`, "version": 1, "text": `+string(quoted)+`}}`)); err != nil {
		d.t.Fatal(err)
	}
	before := d.content()
	err = d.request("workspace/executeCommand", `{"command": "`+name+`", "arguments": [{`+uri+more+`}]}`)
	if d.content() != before {
		d.t.Errorf("%s: the server has written the file", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.edit == nil {
		return "", err
	}
	return *d.edit, err
}

// made is execute for what must not fail; the result is saved.
func (d *lspDesk) made(text, name, more string) string {
	d.t.Helper()
	out, err := d.execute(text, name, more)
	if err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	if err := os.WriteFile(d.file, []byte(out), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// end shuts the server down, which has said nothing secret.
func (d *lspDesk) end() {
	d.t.Helper()
	d.call("shutdown", "null")
	if err := d.conn.Notify(d.t.Context(), "exit", nil); err != nil {
		d.t.Fatal(err)
	}
	<-d.conn.DisconnectNotify()
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the server ended with %v: %s", err, &d.errs)
	}
	if strings.Contains(d.said.String()+d.errs.String(), lspCanary) {
		d.t.Error("a value in what the server said")
	}
}

// opened returns the value of a key in the file.
func (d *lspDesk) opened(key string) string {
	d.t.Helper()
	return d.gitseal("get", d.file, key)
}

// gitseal runs the program and returns what it prints.
func (d *lspDesk) gitseal(args ...string) string {
	d.t.Helper()
	c := d.workbench.call(append([]string{d.bin}, args...)...)
	if c.code != 0 {
		d.t.Errorf("%q: exit code %d: %s", args, c.code, c.stderr)
	}
	return c.stdout
}

// changedLines returns the numbers of the lines that differ, those of the metadata as
// the first of them.
func changedLines(a, b string) []int {
	var out []int
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if strings.HasPrefix(x[i], "sops:") {
			break
		}
		if x[i] != y[i] {
			out = append(out, i)
		}
	}
	return out
}
