package lsp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/lsp"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// canary is in everything that is secret here.
const canary = "canary-lsp"

// world is a folder with rules, and what makes sealed texts in it.
type world struct {
	t   testing.TB
	dir string
	id  age.Identity
	// made is what the sealer makes, calls what it was asked for; ages are the answers of
	// the history, which takes its time.
	made    string
	makeErr error
	ages    map[string]lsp.Age
	delay   time.Duration

	mu    sync.Mutex // guards calls
	calls []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	if w.id, err = age.Generate(false); err != nil {
		t.Fatal(err)
	}
	w.rule(w.id.Recipient().String())
	return w
}

// rule writes rules for a recipient.
func (w *world) rule(recipient string) {
	w.write(check.ConfigName, "creation_rules:\n  - path_regex: ^secrets/\n    age: "+recipient+"\ngitseal:\n  names:\n    alice: "+w.id.Recipient().String()+"\n")
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) seal(plain string) string {
	w.t.Helper()
	s, err := cipher.Seal(w.t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{w.id.Recipient()}})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(s.Bytes)
}

func (w *world) uri(name string) string {
	return "file://" + filepath.ToSlash(filepath.Join(w.dir, name))
}

// Expect implements lsp.Rules.
func (w *world) Expect(path string) (check.Expected, error) {
	config, err := rules.Load(filepath.Join(w.dir, check.ConfigName))
	if err != nil {
		return check.Expected{}, err
	}
	return check.Expect(config, check.ConfigName, path), nil
}

func (w *world) called(what string, f lsp.File) (lsp.Made, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, what+" "+f.Name)
	return lsp.Made{Text: []byte(w.made), Note: "done"}, w.makeErr
}

// Seal implements lsp.Sealer.
func (w *world) Seal(_ context.Context, f lsp.File) (lsp.Made, error) { return w.called("seal", f) }

// Sync implements lsp.Sealer.
func (w *world) Sync(_ context.Context, f lsp.File) (lsp.Made, error) { return w.called("sync", f) }

// Generate implements lsp.Sealer.
func (w *world) Generate(_ context.Context, f lsp.File, key *formats.Path, kind string) (lsp.Made, error) {
	return w.called("generate "+kind+" "+key.Text(), f)
}

// Ages implements lsp.History.
func (w *world) Ages(ctx context.Context, _ lsp.File) (map[string]lsp.Age, error) {
	select {
	case <-time.After(w.delay):
	case <-ctx.Done():
	}
	return w.ages, ctx.Err()
}

// client is an editor.
type client struct {
	*jsonrpc2.Conn
	t    testing.TB
	done chan error
	// refuse: edits are not applied.
	refuse bool

	mu       sync.Mutex // guards what follows
	received strings.Builder
	diags    map[string][]published
	edits    []json.RawMessage
	messages []string
	arrived  chan struct{}
}

type published struct {
	Version     int          `json:"version"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Range struct {
		Start, End struct{ Line, Character int }
	}
	Severity              int
	Code, Source, Message string
}

// pipes joins two pipes to what a connection wants.
type pipes struct {
	io.Reader
	io.WriteCloser
}

const modern = `{"capabilities": {"workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}},
	"textDocument": {"codeAction": {"codeActionLiteralSupport": {}}}}, "initializationOptions": {"clientCommands": ["gitseal.set"]}`

// connect starts a server and a client, which is initialized unless params is empty.
func (w *world) connect(params string) *client {
	w.t.Helper()
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	c := &client{t: w.t, done: make(chan error, 1), diags: map[string][]published{}, arrived: make(chan struct{}, 1)}
	go func() {
		c.done <- lsp.Serve(w.t.Context(), lsp.Options{
			In: serverIn, Out: serverOut, Version: "1", Rules: w, Sealer: w, History: w, Generators: []string{"password"}, Pause: time.Millisecond,
		})
		_, _ = serverIn.Close(), serverOut.Close()
	}()
	tee := io.TeeReader(clientIn, &lockedWriter{c})
	c.Conn = jsonrpc2.NewConn(w.t.Context(), jsonrpc2.NewBufferedStream(pipes{tee, clientOut}, jsonrpc2.VSCodeObjectCodec{}), jsonrpc2.AsyncHandler(c))
	w.t.Cleanup(func() { _ = c.Close() })
	if params != "" {
		c.call("initialize", json.RawMessage(params+`, "rootUri": "`+w.uri("")+`"}`), nil)
		c.note("initialized", struct{}{})
	}
	return c
}

type lockedWriter struct{ c *client }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.c.received.Write(p)
}

// Handle takes what the server sends.
func (c *client) Handle(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch req.Method {
	case "textDocument/publishDiagnostics":
		var p struct {
			URI string `json:"uri"`
			published
		}
		if err := json.Unmarshal(*req.Params, &p); err != nil {
			c.t.Error(err)
		}
		c.diags[p.URI] = append(c.diags[p.URI], p.published)
	case "workspace/applyEdit":
		c.edits = append(c.edits, *req.Params)
		_ = conn.Reply(ctx, req.ID, map[string]any{"applied": !c.refuse, "failureReason": "no"})
	case "window/showMessage":
		c.messages = append(c.messages, string(*req.Params))
	default:
		c.messages = append(c.messages, req.Method+" "+string(*req.Params))
		_ = conn.Reply(ctx, req.ID, nil)
	}
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

func (c *client) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received.String()
}

func (c *client) request(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	return c.Call(ctx, method, params, result)
}

func (c *client) call(method string, params, result any) {
	c.t.Helper()
	if err := c.request(method, params, result); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) note(method string, params any) {
	c.t.Helper()
	if err := c.Notify(c.t.Context(), method, params); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

type object = map[string]any

func (c *client) open(uri, text string) {
	c.t.Helper()
	c.note("textDocument/didOpen", object{"textDocument": object{"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
}

func (c *client) change(uri string, version int, text string) {
	c.t.Helper()
	c.note("textDocument/didChange", object{"textDocument": object{"uri": uri, "version": version}, "contentChanges": []object{{"text": text}}})
}

// diagnosed waits for the n-th diagnostics of a text, counted from 1.
func (c *client) diagnosed(uri string, version int) []diagnostic {
	c.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		list := c.diags[uri]
		c.mu.Unlock()
		if n := len(list); n > 0 && list[n-1].Version == version {
			return list[n-1].Diagnostics
		}
		select {
		case <-c.arrived:
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			c.t.Fatalf("no diagnostics of version %d: %v", version, list)
		}
	}
}

func codeOf(t testing.TB, err error) int64 {
	t.Helper()
	var e *jsonrpc2.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error of the server", err)
	}
	return e.Code
}
