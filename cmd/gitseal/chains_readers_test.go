//go:build unix

package main_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/age"
)

// inBothStates runs a test on a sealed file with and without its sops.seal entry.
// refusal is the exit code with which a file that differs from its rule is refused:
// as tampered with, or, where only sops's own MAC is left, as unlike its rule.
func (h *house) inBothStates(sealed string, test func(h *house, sealed string, refusal int)) {
	for state, text := range states(h.t, sealed) {
		h.t.Run(state, func(t *testing.T) {
			h := *h
			h.t = t
			refusal := 5
			if state == withoutSeal {
				refusal = 3
			}
			test(&h, text, refusal)
		})
	}
}

const selectorFile = "host: db.internal\npassword: canary-chain-secret\ntoken: canary-chain-token\n"

// weakenedSelectors: who makes the selector leave a value plain gets no value
// written in plain by the next one who sets it.
func weakenedSelectors(t *testing.T, h *house) {
	const pattern, strict, weak = `encrypted_regex: .*`, "encrypted_regex: ^(password|token)$", "encrypted_regex: ^password$"
	h.rules([]age.Identity{h.alice}, strict)
	sealed := h.sealed("a.yaml", selectorFile)
	setToken := errand{as: "alice", args: []string{"set", "a.yaml", "token"}, stdin: plantedMark + "token"}
	if r := h.do(setToken); r.code != 0 || !strings.Contains(h.must("get", "a.yaml", "token").stdout, plantedMark) {
		t.Fatalf("control: setting the value of an unchanged file: %d: %s", r.code, r.stderr)
	}
	h.nothingPlain()
	for _, tt := range []struct{ name, inFile, inRule string }{
		{"in the file", weak, strict},
		{"in the file, as another kind", "unencrypted_regex: ^(host|token)$", strict},
		{"in the file, dropped", "unencrypted_suffix: _unencrypted", strict},
		{"in the rule", strict, weak},
		{"in both", weak, weak},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := *h
			h.t = t
			h.rules([]age.Identity{h.alice}, tt.inRule)
			h.inBothStates(replaced(t, sealed, pattern, tt.inFile), func(h *house, changed string, refusal int) {
				if tt.inFile == strict {
					refusal = 3
				}
				codes := []int{refusal}
				if refusal == 3 {
					codes = append(codes, 5) // sealed values that the selector leaves plain
				}
				h.write("a.yaml", changed)
				h.refused(h.do(setToken), "a.yaml", changed, append(codes, 1)...)
				if tt.inFile != tt.inRule {
					h.refused(h.run("rotate", "a.yaml"), "a.yaml", changed, codes...)
				}
				h.refused(h.run("keys", "sync", "a.yaml"), "a.yaml", changed, append(codes, 1)...)
			})
		})
	}
}

// entryOf matches the entry of a reader in a sealed YAML file.
func entryOf(id age.Identity) string {
	return `(?m)^        - enc: \|\n(?:            .*\n)+          recipient: ` + regexp.QuoteMeta(id.Recipient().String()) + `\n`
}

// withReader adds an entry for a reader to a sealed file: what alice's holds, under
// another name, as who has no key cannot make a better one.
func withReader(t *testing.T, sealed string, alice, reader age.Identity) string {
	t.Helper()
	entry := regexp.MustCompile(entryOf(alice)).FindString(sealed)
	added := strings.Replace(entry, alice.Recipient().String(), reader.Recipient().String(), 1)
	return replaced(t, sealed, `(?m)^    lastmodified:`, added+"    lastmodified:")
}

// addedReaders: a reader who was written into the file gets no data key by any
// command.
func addedReaders(t *testing.T, h *house) {
	h.rules([]age.Identity{h.alice})
	changed := withReader(t, h.sealed("a.yaml", selectorFile), h.alice, h.mallory)
	bob := h.bob.Recipient().String()
	set := errand{as: "alice", args: []string{"set", "a.yaml", "token"}, stdin: plantedMark + "token"}
	h.inBothStates(changed, func(h *house, changed string, refusal int) {
		for _, c := range []errand{
			{as: "alice", args: []string{"rotate", "a.yaml"}}, {as: "alice", args: []string{"keys", "add", "--age", bob, "a.yaml"}},
			{as: "alice", args: []string{"unset", "a.yaml", "token"}}, set,
		} {
			h.write("a.yaml", changed)
			h.refused(h.do(c), "a.yaml", changed, refusal)
		}
		h.write("a.yaml", changed)
		r := h.run("keys", "sync", "a.yaml")
		if refusal == 5 {
			h.refused(r, "a.yaml", changed, refusal)
		} else if r.code != 0 || strings.Contains(h.read("a.yaml"), h.mallory.Recipient().String()) {
			h.t.Errorf("keys sync: exit code %d, or the reader stays: %s", r.code, r.stderr)
		}
		h.cannotOpen("mallory", "a.yaml")
	})
	t.Run("without a rule", func(t *testing.T) {
		h := *h
		h.t = t
		if err := os.Remove(h.path(".sops.yaml")); err != nil {
			t.Fatal(err)
		}
		changed := states(t, changed)[withoutSeal]
		h.write("a.yaml", changed)
		h.refused(h.run("rotate", "a.yaml"), "a.yaml", changed, 1)
		if r := h.do(set); r.code == 0 {
			h.cannotOpen("mallory", "a.yaml")
		}
	})
	// The control: who is made a reader by the rule opens the file.
	h.rules([]age.Identity{h.alice, h.mallory})
	h.sealed("b.yaml", selectorFile)
	if r := h.as("mallory", "unseal", "b.yaml"); r.code != 0 {
		t.Errorf("control: a reader cannot open the file: %s", r.stderr)
	}
}

// cannotOpen checks that somebody's key does not open a file.
func (h *house) cannotOpen(who, name string) {
	h.t.Helper()
	if r := h.as(who, "unseal", name); r.code != 4 || r.stdout != "" {
		h.t.Errorf("%s unseals %s: exit code %d, %d bytes", who, name, r.code, len(r.stdout))
	}
}

// groupRules writes a rule with a key group for each reader.
func (h *house) groupRules(threshold int, readers ...age.Identity) {
	h.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "creation_rules:\n  - shamir_threshold: %d\n    key_groups:\n", threshold)
	for _, id := range readers {
		fmt.Fprintf(&b, "      - age: [%s]\n", id.Recipient())
	}
	h.write(".sops.yaml", b.String())
}

// together makes a key file of several people's.
func (h *house) together(name string, ids ...age.Identity) {
	h.t.Helper()
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.SecretText() + "\n")
	}
	if err := os.WriteFile(h.keyFile(name), []byte(b.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// loweredThresholds: a threshold that was lowered is not what a file is sealed with
// the next time.
func loweredThresholds(t *testing.T, h *house) {
	carol, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	h.together("alice", h.alice, h.bob, carol)
	h.together("two", h.alice, h.bob)
	h.groupRules(3, h.alice, h.bob, carol)
	three := h.sealed("a.yaml", selectorFile)
	// Parts that were made for three do not fit together as parts for two, so that
	// the file is refused before its rule is looked at.
	h.inBothStates(replaced(t, three, `shamir_threshold: 3`, "shamir_threshold: 2"), func(h *house, changed string, _ int) {
		h.keepsThreshold(changed, 1, 3, 4, 5)
	})
	// This is what the control and the rule are for: a file made for two.
	h.groupRules(2, h.alice, h.bob, carol)
	two := h.sealed("a.yaml", selectorFile)
	if r := h.as("two", "unseal", "a.yaml"); r.code != 0 {
		t.Errorf("control: two of three cannot open a file made for two: %s", r.stderr)
	}
	h.groupRules(3, h.alice, h.bob, carol)
	h.inBothStates(two, func(h *house, sealed string, _ int) {
		h.keepsThreshold(sealed, 3)
		h.must("keys", "sync", "a.yaml")
		if !strings.Contains(h.read("a.yaml"), "shamir_threshold: 3") || h.as("two", "unseal", "a.yaml").code == 0 {
			h.t.Error("keys sync left the threshold lowered")
		}
	})
	t.Run("without a rule", func(t *testing.T) {
		h := *h
		h.t = t
		if err := os.Remove(h.path(".sops.yaml")); err != nil {
			t.Fatal(err)
		}
		sealed := states(t, two)[withoutSeal]
		h.write("a.yaml", sealed)
		h.refused(h.run("rotate", "a.yaml"), "a.yaml", sealed, 1)
	})
}

// keepsThreshold checks that no command seals a file anew with its threshold.
func (h *house) keepsThreshold(sealed string, codes ...int) {
	h.t.Helper()
	for _, c := range []errand{
		{as: "alice", args: []string{"rotate", "a.yaml"}},
		{as: "alice", args: []string{"set", "a.yaml", "token"}, stdin: plantedMark + "token"},
		{as: "alice", args: []string{"keys", "add", "--group", "1", "--age", h.mallory.Recipient().String(), "a.yaml"}},
	} {
		h.write("a.yaml", sealed)
		h.refused(h.do(c), "a.yaml", sealed, codes...)
	}
}

// removedReaders: who was removed opens nothing that is sealed from then on, not
// even with what they have kept of older versions.
func removedReaders(t *testing.T, h *house) {
	h.rules([]age.Identity{h.alice, h.bob})
	kept := regexp.MustCompile(entryOf(h.bob)).FindString(h.sealed("a.yaml", selectorFile))
	transplanted := func(sealed string) string {
		if regexp.MustCompile(entryOf(h.bob)).MatchString(sealed) {
			return replaced(t, sealed, entryOf(h.bob), kept)
		}
		return replaced(t, sealed, `(?m)^    lastmodified:`, kept+"    lastmodified:")
	}
	set := errand{as: "alice", args: []string{"set", "a.yaml", "token"}, stdin: plantedMark + "token"}
	// The control: as long as the data key is the same, what was kept opens later
	// versions.
	h.do(set)
	h.write("a.yaml", transplanted(h.read("a.yaml")))
	if r := h.as("bob", "unseal", "a.yaml"); r.code != 0 {
		t.Fatalf("control: a reader cannot open a later version: %s", r.stderr)
	}
	r := h.must("keys", "remove", "--age", h.bob.Recipient().String(), "a.yaml")
	for _, path := range []string{"password", "token"} {
		if !strings.Contains(r.stderr, path) {
			t.Errorf("that %s should be changed is not said:\n%s", path, r.stderr)
		}
	}
	for _, when := range []string{"at once", "after a change", "after a rotation"} {
		t.Run(when, func(t *testing.T) {
			h := *h
			h.t = t
			switch when {
			case "after a change":
				h.do(set)
			case "after a rotation":
				h.must("rotate", "a.yaml")
			}
			sealed := h.read("a.yaml")
			h.cannotOpen("bob", "a.yaml")
			for state, changed := range states(t, transplanted(sealed)) {
				h.write("a.yaml", changed)
				if r := h.as("bob", "unseal", "a.yaml"); r.code != 4 && r.code != 5 || r.stdout != "" {
					t.Errorf("%s: exit code %d, %d bytes", state, r.code, len(r.stdout))
				}
			}
			h.write("a.yaml", sealed)
			h.must("unseal", "a.yaml")
		})
	}
}
