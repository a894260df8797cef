package main_test

import (
	"strings"
	"testing"
)

// TestKeysAskOnATerminal: what would make values plain is asked about, and no is the
// default.
func TestKeysAskOnATerminal(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	rule := "age: " + w.id.Recipient().String()
	w.withRule(rule)
	sealed := w.read("secret.yaml")
	w.write(".sops.yaml", "creation_rules:\n    - path_regex: secret\n      "+rule+"\n      encrypted_regex: ^key1$\n")
	for _, tt := range []struct {
		answer string
		code   int
		plain  bool
	}{{"\n", 1, false}, {"n\n", 1, false}, {"y\n", 0, true}} {
		s := onOwnTerminal(w, w.bin, "keys", "sync", w.target)
		s.answer("go on [y/N]: ", tt.answer)
		code := s.end()
		<-s.done
		if code != tt.code || !strings.Contains(s.text(), "the rule leaves plain what is sealed now") || strings.Contains(s.text(), "canary") {
			t.Errorf("answer %q: exit code %d, shown: %q", tt.answer, code, s.text())
		}
		now := w.read("secret.yaml")
		if plain := strings.Contains(now, "key0: canary"); plain != tt.plain || !plain && now != sealed {
			t.Errorf("answer %q: the value is plain: %v", tt.answer, plain)
		}
	}
	// Who answers nothing because they remove nobody and reveal nothing is not asked.
	s := onOwnTerminal(w, w.bin, "rotate", w.target)
	if code := s.end(); code != 0 {
		t.Errorf("rotate: exit code %d, shown: %q", code, s.text())
	}
}

// TestGroupsAskOnATerminal: that fewer key groups would suffice is asked about, and no
// is the default.
func TestGroupsAskOnATerminal(t *testing.T) {
	w := newWorkbench(t, buildProgram(t), "unseal")
	me := w.id.Recipient().String()
	w.withRule("key_groups: [{age: [" + me + "]}, {age: [" + me + "]}]")
	sealed := w.read("secret.yaml")
	for _, tt := range []struct {
		answer string
		code   int
	}{{"\n", 1}, {"y\n", 0}} {
		s := onOwnTerminal(w, w.bin, "groups", "remove", "--group", "2", w.target)
		s.answer("go on [y/N]: ", tt.answer)
		code := s.end()
		<-s.done
		if code != tt.code || !strings.Contains(s.text(), "any one reader opens it alone") {
			t.Errorf("answer %q: exit code %d, shown: %q", tt.answer, code, s.text())
		}
		if same := w.read("secret.yaml") == sealed; same != (tt.code != 0) {
			t.Errorf("answer %q: the file stayed: %v", tt.answer, same)
		}
	}
}
