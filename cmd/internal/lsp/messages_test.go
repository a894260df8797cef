package lsp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/lsp"
)

func TestLifecycle(t *testing.T) {
	w := newWorld(t)
	c := w.connect("")
	if code := codeOf(t, c.request("textDocument/hover", object{}, nil)); code != -32002 {
		t.Errorf("before initialize: %d", code)
	}
	c.call("initialize", json.RawMessage(modern+"}"), nil)
	for method, want := range map[string]int64{"initialize": -32600, "no/such": -32601, "textDocument/hover": -32602, "workspace/executeCommand": -32602} {
		if code := codeOf(t, c.request(method, []int{1}, nil)); code != want {
			t.Errorf("%s: got %d, want %d", method, code, want)
		}
	}
	c.note("textDocument/didOpen", []string{"nonsense"})
	c.note("$/unknown", nil)
	c.call("shutdown", nil, nil)
	if code := codeOf(t, c.request("textDocument/hover", object{}, nil)); code != -32600 {
		t.Errorf("after shutdown: %d", code)
	}
	c.note("exit", nil)
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	c = w.connect(modern)
	c.open(w.uri("secrets/a.yaml"), plain)
	c.note("exit", nil)
	if err := <-c.done; !errors.Is(err, lsp.ErrNoShutdown) {
		t.Errorf("exit without shutdown: %v", err)
	}
	c = w.connect(modern)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-c.done; !errors.Is(err, lsp.ErrNoShutdown) {
		t.Errorf("the end of the input: %v", err)
	}
}

// TestMessagesThatAreNone: they are answered, or end the server, and what follows one
// that was passed over is read.
func TestMessagesThatAreNone(t *testing.T) {
	w := newWorld(t)
	frame := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s) }
	const ask = `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}`
	for _, tt := range []struct{ name, in, out, err string }{
		{"no JSON", frame("{"+canary) + frame(ask), "-32700", ""},
		{"no message", frame(`{"id":1}`) + frame(ask), "-32600", ""},
		{"both", frame(`{"id":1,"method":"x","result":1}`) + frame(ask), "-32600", ""},
		{"a batch", frame("["+ask+"]") + frame(ask), "-32600", ""},
		{"an empty one", frame("") + frame(ask), "-32700", ""},
		{"an answer to nothing", frame(`{"id":99,"result":{}}`) + frame(ask), `"id":7`, ""},
		{"headers in other letters", "content-type: x\r\nCONTENT-LENGTH:" + fmt.Sprint(len(ask)) + "\r\n\r\n" + ask, `"id":7`, ""},
		{"too long", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", lsp.MaxMessage+1, strings.Repeat(" ", lsp.MaxMessage+1)) + frame(ask), "-32600", ""},
		{"far too long", "Content-Length: 9223372036854775807\r\n\r\nx", "", "EOF"},
		{"a length that is none", "Content-Length: -1\r\n\r\n", "", "header is malformed"},
		{"no length", "X: 1\r\n\r\n", "", "header is malformed"},
		{"no header", strings.Repeat("x", 1<<20), "", "header is malformed"},
		{"endless headers", strings.Repeat("X: 1\r\n", 1<<10), "", "header is malformed"},
		{"cut off", "Content-Length: 10\r\n\r\n{", "", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			err := lsp.Serve(t.Context(), lsp.Options{In: strings.NewReader(tt.in), Out: &out, Rules: w, Sealer: w})
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) || tt.err == "" && !errors.Is(err, lsp.ErrNoShutdown) {
				t.Errorf("got error %v", err)
			}
			if !strings.Contains(out.String(), tt.out) || tt.err == "" && !strings.Contains(out.String(), `"id":7`) || strings.Contains(out.String(), canary) {
				t.Errorf("got %q", out.String())
			}
		})
	}
}

// FuzzMessages: whatever a client sends, the server neither panics nor hangs, and what
// it answers is JSON.
func FuzzMessages(f *testing.F) {
	w := newWorld(f)
	sealed := w.seal(plain)
	quoted, err := json.Marshal(sealed)
	if err != nil {
		f.Fatal(err)
	}
	uri := w.uri("secrets/app.yaml")
	for _, s := range []string{
		`{"textDocument":{"uri":"` + uri + `"},"position":{"line":2,"character":9}}`, `{"command":"gitseal.resolve","arguments":[{"uri":"` + uri + `","side":"ours"}]}`,
		`{"textDocument":{"uri":"` + uri + `","version":2},"contentChanges":[{"text":"<<<<<<< a\nsops: ENC[AES256_GCM,\n=======\n>>>>>>> b\n"}]}`,
		`[]`, `null`, `{"position":{"line":-1,"character":1e9}}`, `{"textDocument":{"uri":"` + uri + `"},"range":{"start":{"line":1,"character":1},"end":{}}}`,
	} {
		f.Add("textDocument/hover", s)
		f.Add("textDocument/codeAction", s)
		f.Add("workspace/executeCommand", s)
		f.Add("textDocument/didChange", s)
	}
	f.Fuzz(func(t *testing.T, method, params string) {
		name, err := json.Marshal(method)
		if err != nil {
			t.Skip()
		}
		var in strings.Builder
		for _, m := range []string{
			`"id":1,"method":"initialize","params":{"capabilities":{"textDocument":{"codeAction":{"codeActionLiteralSupport":{}}}}}`,
			`"method":"textDocument/didOpen","params":{"textDocument":{"uri":"` + uri + `","version":1,"text":` + string(quoted) + `}}`,
			`"method":` + string(name) + `,"params":` + params,
			`"id":2,"method":` + string(name) + `,"params":` + params,
			`"id":3,"method":"textDocument/codeAction","params":{"textDocument":{"uri":"` + uri + `"}}`,
			`"id":4,"method":"shutdown"`, `"method":"exit"`,
		} {
			m = `{"jsonrpc":"2.0",` + m + `}`
			fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(m), m)
		}
		var out strings.Builder
		hung := time.AfterFunc(time.Minute, func() { panic("it hangs") })
		_ = lsp.Serve(t.Context(), lsp.Options{In: strings.NewReader(in.String()), Out: &out, Rules: w, Sealer: w, Generators: []string{"password"}, Pause: time.Microsecond})
		hung.Stop()
		for rest := out.String(); rest != ""; {
			var n int
			if _, err := fmt.Sscanf(rest, "Content-Length: %d\r\n\r\n", &n); err != nil {
				t.Fatalf("%v: %q", err, rest)
			}
			_, rest, _ = strings.Cut(rest, "\r\n\r\n")
			if !json.Valid([]byte(rest[:n])) || strings.Contains(rest[:n], "-32603") {
				t.Fatalf("it answered %q", rest[:n])
			}
			rest = rest[n:]
		}
	})
}

// BenchmarkDiagnostics checks a file of 5,000 sealed values, as it is typed in.
func BenchmarkDiagnostics(b *testing.B) {
	w := newWorld(b)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "key%d: value %d\n", i, i)
	}
	sealed := w.seal(text.String())
	b.SetBytes(int64(len(sealed)))
	c := w.connect(modern)
	uri := w.uri(filepath.Join("secrets", "big.yaml"))
	c.open(uri, sealed)
	c.diagnosed(uri, 1)
	version := 1
	for b.Loop() {
		version++
		c.change(uri, version, sealed)
		c.diagnosed(uri, version)
	}
}
