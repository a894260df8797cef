package lsp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/lsp"
)

const plain = "db:\n    note: öß\n    password: " + canary + "-1\nlist: [" + canary + "-2, 😀, " + canary + "-3]\n"

// codesAt lists diagnostics as CODE@LINE:FROM-TO.
func codesAt(list []diagnostic) []string {
	out := []string{}
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s@%d:%d-%d", d.Code, d.Range.Start.Line, d.Range.Start.Character, d.Range.End.Character))
	}
	return out
}

// exposed replaces the value of the password by a plain one.
func exposed(sealed string) string {
	lines := strings.Split(sealed, "\n")
	lines[2] = "    password: \"😀" + canary + "\" # ü"
	return strings.Join(lines, "\n")
}

func TestDiagnostics(t *testing.T) {
	w := newWorld(t)
	sealed := w.seal(plain)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, sealed)
	if got := c.diagnosed(uri, 1); len(got) > 0 {
		t.Errorf("a sound file: got %+v", got)
	}
	c.change(uri, 2, exposed(sealed))
	got := c.diagnosed(uri, 2)
	if diff := cmp.Diff([]string{fmt.Sprintf("plain-value@2:14-%d", 14+2+2+len(canary))}, codesAt(got)); diff != "" || got[0].Severity != 1 || got[0].Source != "gitseal" {
		t.Errorf("%s; %+v", diff, got)
	}
	c.change(uri, 3, plain)
	if diff := cmp.Diff([]string{"not-sealed@0:0-3", fmt.Sprintf("secret@2:14-%d", 14+len(canary)+2)}, codesAt(c.diagnosed(uri, 3))); diff != "" {
		t.Error(diff)
	}
	c.change(uri, 4, "<<<<<<< ours\n"+sealed+"=======\n"+sealed+">>>>>>> theirs\n")
	if diff := cmp.Diff([]string{"conflict-markers@0:0-12"}, codesAt(c.diagnosed(uri, 4))); diff != "" {
		t.Error(diff)
	}
	c.change(uri, 5, "a: 1\na: 2\n"+sealed)
	if diff := cmp.Diff([]string{"duplicate-key@1:0-4"}, codesAt(c.diagnosed(uri, 5))); diff != "" {
		t.Error(diff)
	}
	c.note("textDocument/didClose", object{"textDocument": object{"uri": uri}})
	if got := c.diagnosed(uri, 0); len(got) > 0 {
		t.Errorf("of a closed file: %v", got)
	}
	if strings.Contains(c.all(), canary) {
		t.Error("a value in what the server said")
	}
}

func TestReadersAreComparedAgainWhenTheRuleChanges(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri, config := w.uri("secrets/app.yaml"), w.uri(".sops.yaml")
	c.open(uri, w.seal(plain))
	c.diagnosed(uri, 1)
	other := newWorld(t).id.Recipient().String()
	w.rule(other)
	c.open(config, "creation_rules: [")
	if got := c.diagnosed(config, 1); len(got) != 1 || got[0].Code != "config" {
		t.Errorf("a broken configuration: %+v", got)
	}
	c.note("textDocument/didSave", object{"textDocument": object{"uri": config}})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		got := c.diagnosed(uri, 1)
		if len(got) == 2 && got[0].Code == "readers-missing" && got[1].Code == "readers-stale" && strings.Contains(got[1].Message, "alice") && got[0].Range.Start.Line > 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", got)
		}
	}
	w.made = w.seal(plain)
	actions := c.actions(uri, 0, 0)
	if len(actions) < 1 || actions[0].Title != "Bring the readers to the rule" {
		t.Fatalf("got %+v", actions)
	}
	c.call("workspace/executeCommand", actions[0].Command, nil)
	if diff := cmp.Diff([]string{"sync secrets/app.yaml"}, w.calls); diff != "" {
		t.Error(diff)
	}
	w.write(".sops.yaml", "creation_rules: {}\n")
	c.note("workspace/didChangeWatchedFiles", object{"changes": []object{}})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if got := c.diagnosed(uri, 1); len(got) == 1 && got[0].Code == "config" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", c.diagnosed(uri, 1))
		}
	}
}

// TestPlainTextOfSealedFiles: a plugin that seals on saving shows the plain text of a
// file that is sealed on the disk.
func TestPlainTextOfSealedFiles(t *testing.T) {
	w := newWorld(t)
	path := w.write("secrets/app.yaml", w.seal(plain))
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, plain)
	if got := c.diagnosed(uri, 1); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	if got := c.actions(uri, 0, 0); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	if err := os.WriteFile(path, []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	c.note("textDocument/didSave", object{"textDocument": object{"uri": uri}})
	for deadline := time.Now().Add(20 * time.Second); len(c.diagnosed(uri, 1)) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("saved plain, and nothing is said")
		}
	}
}

type hoverResult struct {
	Contents struct{ Kind, Value string }
}

func (c *client) hover(uri string, line, character int) string {
	c.t.Helper()
	var h *hoverResult
	c.call("textDocument/hover", object{"textDocument": object{"uri": uri}, "position": object{"line": line, "character": character}}, &h)
	if h == nil {
		return ""
	}
	if h.Contents.Kind != "plaintext" {
		c.t.Errorf("hover is %s", h.Contents.Kind)
	}
	return h.Contents.Value
}

func TestHover(t *testing.T) {
	w := newWorld(t)
	w.ages = map[string]lsp.Age{"db.password": {Since: time.Now().Add(-100 * 24 * time.Hour), Commit: "abcdef", AtLeast: true, Limit: 90 * 24 * time.Hour}}
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	sealed := w.seal(plain)
	c.open(uri, sealed)
	got := c.hover(uri, 2, 5)
	for _, want := range []string{"db.password\nsealed string, ciphertext ", "readers: alice (age1", "selector: unencrypted_suffix", "changed: at least 100 days ago", "(abcdef)", "overdue: its rule says to rotate it after 90 days"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	meta := strings.Count(sealed[:strings.Index(sealed, "sops:")], "\n")
	if got := c.hover(uri, meta, 1); !strings.HasPrefix(got, "5 values sealed, the last change ") || !strings.Contains(got, "rule: .sops.yaml:2") {
		t.Errorf("at the metadata: %q", got)
	}
	if got := c.hover(uri, 0, 1); got != "" {
		t.Errorf("at a map: %q", got)
	}
	c.change(uri, 2, exposed(sealed))
	if got := c.hover(uri, 2, 20); !strings.Contains(got, "PLAIN, and to be sealed") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(c.all(), canary) {
		t.Error("a value in what the server said")
	}
}

// TestHoverDoesNotWaitForGit: a history that takes long is left out, and there the next
// time.
func TestHoverDoesNotWaitForGit(t *testing.T) {
	w := newWorld(t)
	w.ages, w.delay = map[string]lsp.Age{"db.password": {}}, 2*time.Second
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, w.seal(plain))
	start := time.Now()
	if got := c.hover(uri, 2, 5); strings.Contains(got, "changed") || time.Since(start) > w.delay {
		t.Errorf("after %v: %q", time.Since(start), got)
	}
	time.Sleep(time.Until(start.Add(w.delay + 200*time.Millisecond)))
	if got := c.hover(uri, 2, 5); !strings.Contains(got, "changed: not committed yet") {
		t.Errorf("the second time: %q", got)
	}
}

type action struct {
	Title, Kind string
	Diagnostics []diagnostic
	Command     json.RawMessage
}

func (c *client) actions(uri string, line, character int) []action {
	c.t.Helper()
	at := object{"line": line, "character": character}
	var out []action
	c.call("textDocument/codeAction", object{"textDocument": object{"uri": uri}, "range": object{"start": at, "end": at}, "context": object{"diagnostics": []object{}}}, &out)
	return out
}

func titles(list []action) []string {
	out := []string{}
	for _, a := range list {
		out = append(out, a.Title)
	}
	return out
}

func TestActions(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	sealed := w.seal(plain)
	c.open(uri, sealed)
	if diff := cmp.Diff([]string{"Set the value of db.password", "Generate a new password for db.password"}, titles(c.actions(uri, 2, 8))); diff != "" {
		t.Error(diff)
	}
	w.made = sealed + "\n"
	c.call("workspace/executeCommand", c.actions(uri, 2, 8)[1].Command, nil)
	c.change(uri, 2, exposed(sealed))
	actions := c.actions(uri, 0, 0)
	if diff := cmp.Diff([]string{"Seal the value of db.password"}, titles(actions)); diff != "" || len(actions[0].Diagnostics) != 1 {
		t.Fatalf("%s; %+v", diff, actions)
	}
	w.made = sealed
	c.call("workspace/executeCommand", actions[0].Command, nil)
	c.change(uri, 3, plain)
	if diff := cmp.Diff([]string{"Seal this file for the readers of .sops.yaml:2"}, titles(c.actions(uri, 0, 0))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"generate password db.password secrets/app.yaml", "seal secrets/app.yaml"}, w.calls); diff != "" {
		t.Error(diff)
	}
	if len(c.edits) != 2 || !strings.Contains(string(c.edits[1]), `"textDocument":{"uri":"`+uri+`","version":2}`) {
		t.Errorf("edits: %s", c.edits)
	}
	// What was offered for another text is not done.
	if code := codeOf(t, c.request("workspace/executeCommand", actions[0].Command, nil)); code != -32801 {
		t.Errorf("an old version: code %d", code)
	}
	c.refuse = true
	if err := c.request("workspace/executeCommand", c.actions(uri, 0, 0)[0].Command, nil); codeOf(t, err) != -32803 || !strings.Contains(err.Error(), "has not changed the text: no") {
		t.Errorf("an editor that refuses: %v", err)
	}
	w.makeErr = errors.New("no identity")
	if err := c.request("workspace/executeCommand", c.actions(uri, 0, 0)[0].Command, nil); codeOf(t, err) != -32803 || !strings.Contains(err.Error(), "no identity") {
		t.Errorf("a failure: %v", err)
	}
}

func TestConflictsAreSettledWithoutAKey(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	sealed := w.seal(plain)
	lines := strings.SplitAfter(sealed, "\n")
	marked := lines[0] + "<<<<<<< a\n" + lines[1] + lines[2] + "=======\n" + strings.Replace(lines[1]+lines[2], "data:", "data:AAAA", 2) + ">>>>>>> b\n" + strings.Join(lines[3:], "")
	c.open(uri, marked)
	actions := c.actions(uri, 0, 0)
	want := []string{"Keep ours of all 2 conflicts", "Keep theirs of all 2 conflicts", "Keep ours of db.note", "Keep theirs of db.note", "Keep ours of db.password", "Keep theirs of db.password"}
	if diff := cmp.Diff(want, titles(actions)); diff != "" {
		t.Fatal(diff)
	}
	for i, text := range map[int]string{0: sealed, 1: lines[0] + strings.Replace(lines[1]+lines[2], "data:", "data:AAAA", 2) + strings.Join(lines[3:], "")} {
		c.mu.Lock()
		c.edits = nil
		c.mu.Unlock()
		c.call("workspace/executeCommand", actions[i].Command, nil)
		if got := c.applied(marked); got != text {
			t.Errorf("%s: got %q", actions[i].Title, got)
		}
	}
	c.call("workspace/executeCommand", actions[3].Command, nil)
	if got := c.applied(marked); strings.Count(got, "<<<<<<<") != 1 || strings.Count(got, "data:AAAA") != 2 {
		t.Errorf("one of two: %q", got)
	}
	if len(w.calls) > 0 {
		t.Errorf("keys were used: %q", w.calls)
	}
}

// applied returns a text with the last edit.
func (c *client) applied(text string) string {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var p struct {
		Edit struct {
			DocumentChanges []struct {
				Edits []struct {
					Range   struct{ Start, End struct{ Line, Character int } }
					NewText string
				}
			}
		}
	}
	if len(c.edits) == 0 {
		c.t.Fatal("no edit")
	}
	if err := json.Unmarshal(c.edits[len(c.edits)-1], &p); err != nil {
		c.t.Fatal(err)
	}
	e := p.Edit.DocumentChanges[0].Edits[0]
	return text[:lsp.Offset(text, e.Range.Start.Line, e.Range.Start.Character)] + e.NewText + text[lsp.Offset(text, e.Range.End.Line, e.Range.End.Character):]
}

func TestCodeLens(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, w.seal(plain))
	var lenses []struct{ Command json.RawMessage }
	c.call("textDocument/codeLens", object{"textDocument": object{"uri": uri}}, &lenses)
	if len(lenses) != 1 || !strings.Contains(string(lenses[0].Command), `"sealed for alice"`) {
		t.Fatalf("got %s", lenses)
	}
	c.call("workspace/executeCommand", lenses[0].Command, nil)
	c.diagnosed(uri, 1)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		said := strings.Join(c.messages, "\n")
		c.mu.Unlock()
		if strings.Contains(said, "readers: alice (age1") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("said: %q", said)
		}
	}
}

// TestOldClients: without literal code actions and edits of versions.
func TestOldClients(t *testing.T) {
	w := newWorld(t)
	c := w.connect(`{"capabilities": {"workspace": {"applyEdit": true}}`)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, plain)
	var commands []struct {
		Title, Command string
		Arguments      []json.RawMessage
	}
	at := object{"line": 0, "character": 0}
	c.call("textDocument/codeAction", object{"textDocument": object{"uri": uri}, "range": object{"start": at, "end": at}, "context": object{}}, &commands)
	if len(commands) != 1 || commands[0].Command != "gitseal.seal" {
		t.Fatalf("got %+v", commands)
	}
	w.made = "x: 1\n"
	c.call("workspace/executeCommand", object{"command": commands[0].Command, "arguments": commands[0].Arguments}, nil)
	if len(c.edits) != 1 || !strings.Contains(string(c.edits[0]), `"changes":{"`+uri) {
		t.Errorf("got %s", c.edits)
	}
}

func TestTooLongTexts(t *testing.T) {
	w := newWorld(t)
	c := w.connect(modern)
	uri := w.uri("secrets/app.yaml")
	c.open(uri, strings.Repeat("a", lsp.MaxText+1))
	if got := c.diagnosed(uri, 1); len(got) != 1 || got[0].Code != "not-scanned" {
		t.Errorf("got %+v", got)
	}
	if got := c.actions(uri, 0, 0); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	if code := codeOf(t, c.request("workspace/executeCommand", object{"command": "gitseal.seal", "arguments": []object{{"uri": uri}}}, nil)); code != -32803 {
		t.Errorf("got code %d", code)
	}
}
