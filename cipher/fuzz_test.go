package cipher_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// fuzzSealUnseal holds the laws for whatever the format accepts.
func fuzzSealUnseal(f *testing.F, name string) {
	for _, s := range samples(name) {
		if len(s.source) < 5000 {
			f.Add([]byte(s.source), false, false)
		}
	}
	for seed := range uint64(5) {
		f.Add(newGenerator(name, seed).source(), true, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, src []byte, part, only bool) {
		if len(src) > 1<<14 {
			return
		}
		opts := cipher.SealOptions{Selector: cipher.DefaultSelector(), MACOnlyEncrypted: only}
		if d, err := format(t, name).Parse(src); err == nil && part {
			if s, ok := subset(t, d); ok {
				opts.Selector = s
			}
		}
		var refused *refusedError
		if err := (lawCase{name, src, opts}).check(t); err != nil && !errors.As(err, &refused) {
			t.Errorf("%q: %v", src, err)
		}
	})
}

func FuzzSealUnsealYAML(f *testing.F)   { fuzzSealUnseal(f, "yaml") }
func FuzzSealUnsealJSON(f *testing.F)   { fuzzSealUnseal(f, "json") }
func FuzzSealUnsealDotenv(f *testing.F) { fuzzSealUnseal(f, "dotenv") }
func FuzzSealUnsealINI(f *testing.F)    { fuzzSealUnseal(f, "ini") }
func FuzzSealUnsealBinary(f *testing.F) { fuzzSealUnseal(f, "binary") }

// FuzzValue: whatever is taken for a sealed value is written again as it stood,
// and what opens holds a canonical text.
func FuzzValue(f *testing.F) {
	good := cipher.SealValue(formats.Scalar{Kind: formats.String, Text: "x"})
	f.Add(good)
	f.Add(good + "\n")
	f.Add("ENC[AES256_GCM,data:,iv:,tag:,type:]")
	f.Add(strings.Replace(good, "type:str", "type:int", 1))
	f.Fuzz(func(t *testing.T, text string) {
		again, ok := cipher.ParseValue(text)
		if ok && again != strings.TrimSuffix(text, "\n") {
			t.Errorf("%q was read as %q", text, again)
		}
		s, reason, opened := cipher.OpenValue(text)
		switch {
		case opened && (!ok || !cipher.Canonical(s) || s.Text == ""):
			t.Errorf("%q opens as %v %q", text, s, s.Text)
		case !opened && reason == "":
			t.Errorf("%q does not open for no reason", text)
		}
	})
}

// treeOf makes a metadata tree of bytes: each tells the kind of a node, or goes
// up; the keys are those that mean something, mostly.
func treeOf(b []byte) *formats.Meta {
	keys := []string{"age", "enc", "recipient", "mac", "lastmodified", "version", "seal", "v", "comments", "spelling", "context",
		"encrypted_regex", "unencrypted_suffix", "mac_only_encrypted", "shamir_threshold", "key_groups", "kms", "arn", "sigs", "x"}
	texts := []string{"", "1", "-1", "true", "x", "(", "2026-01-02T03:04:05Z", "3.13.3", "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]",
		"99999999999999999999"}
	root := &formats.Meta{Key: "sops"}
	stack := []*formats.Meta{root}
	for i := 0; i+2 < len(b); i += 3 {
		top := stack[len(stack)-1]
		n := formats.Meta{Key: keys[int(b[i+1])%len(keys)], Kind: formats.MetaKind(b[i] % 6)}
		if top.Kind == formats.MetaList {
			n.Key = ""
		}
		if n.Kind > formats.MetaList {
			n.Text = texts[int(b[i+2])%len(texts)]
		}
		top.Items = append(top.Items, n)
		switch {
		case n.Kind <= formats.MetaList && len(stack) < 20:
			stack = append(stack, &top.Items[len(top.Items)-1])
		case b[i] > 128 && len(stack) > 1:
			stack = stack[:len(stack)-1]
		}
	}
	return root
}

// FuzzMetadata: any tree is decoded or refused, without panic and in a typed way.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 2, 1, 4, 130, 2, 4, 2, 3, 8, 2, 4, 6, 2, 5, 7, 0, 6, 0, 3, 7, 1, 130, 3, 4})
	f.Add([]byte{0, 6, 0, 3, 7, 1, 130, 3, 4, 2, 11, 5, 2, 12, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &formats.Document{Meta: treeOf(b)}
		m, err := cipher.ParseMetadata(d)
		if err == nil && (m.Version == "" || m.Selector.IsZero() || m.LastModified.IsZero()) {
			t.Errorf("accepted without what every file has")
		}
		if err != nil && strings.HasPrefix(outcome(err), "other") {
			t.Errorf("untyped error %v", err)
		}
		// The MAC takes any tree as well.
		cipher.MACs(d, cipher.DefaultSelector(), false, d.Meta)
	})
}

// FuzzSpelling: any bytes under the right key are an entry or are refused.
func FuzzSpelling(f *testing.F) {
	f.Add([]byte{0, 0, 0})
	f.Add(append([]byte{1, 1}, append(make([]byte, 16), 1, 'x', 0)...))
	f.Add(append([]byte{0, 0, 1}, append(make([]byte, 16), 0, 2, 'k', 1, 'a', 'i', 3, 2, '*', 'x')...))
	f.Fuzz(func(t *testing.T, b []byte) {
		flags, entries, ok := cipher.OpenSpelling(cipher.SealSpellingBytes(b))
		if !ok {
			return
		}
		if again := cipher.SealSpelling(flags, entries); again != "" {
			if _, more, ok := cipher.OpenSpelling(again); !ok || len(more) != len(entries) {
				t.Errorf("%x: %d entries became %d", b, len(entries), len(more))
			}
		}
		if len(entries) > len(b) {
			t.Errorf("%d entries of %d bytes", len(entries), len(b))
		}
	})
}

// FuzzSelector: any pattern compiles or not, and selecting ends.
func FuzzSelector(f *testing.F) {
	f.Add(0, "^a$", "a: b\n# c\nd: [e, {f: g}]\n")
	f.Add(3, "(a|b)*c", "# x\na: # y\n  - b # z\n")
	f.Fuzz(func(t *testing.T, kind int, pattern, src string) {
		kinds := cipher.SelectorKinds()
		s, err := cipher.NewSelector(kinds[(kind%len(kinds)+len(kinds))%len(kinds)], pattern)
		if err != nil {
			if !errors.Is(err, cipher.ErrSelector) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		d, err := format(t, "yaml").Parse([]byte(src))
		if err != nil {
			return
		}
		if got := s.Select(d); len(got) != len(d.Leaves) {
			t.Errorf("%d answers for %d leaves", len(got), len(d.Leaves))
		}
		cipher.SelectorFor(d)
	})
}

// FuzzOpen changes good sealed files: a piece of one is replaced by other bytes or
// by a piece of another place. Nothing may open with other data.
func FuzzOpen(f *testing.F) {
	type target struct {
		name   string
		sealed []byte
		plain  *formats.Document
	}
	var targets []target
	for _, name := range all.Names() {
		m := newMutant(f, name, partSelector(f))
		sealed, err := m.bytes(f)
		if err != nil {
			f.Fatal(err)
		}
		targets = append(targets, target{name, sealed, parse(f, name, mustOpen(f, name, sealed).PlaintextBytes())})
	}
	for i := range targets {
		f.Add(i, uint(10), uint(1), []byte("x"), uint(0), uint(0))
		f.Add(i, uint(50), uint(0), []byte("\n"), uint(80), uint(200))
	}
	f.Fuzz(func(t *testing.T, which int, at, cut uint, with []byte, from, size uint) {
		tg := targets[(which%len(targets)+len(targets))%len(targets)]
		n := uint(len(tg.sealed))
		at, from = at%n, from%n
		cut, size = min(cut, n-at), min(size, n-from)
		bad := append([]byte{}, tg.sealed[:at]...)
		bad = append(bad, with...)
		bad = append(bad, tg.sealed[from:from+size]...)
		bad = append(bad, tg.sealed[at+cut:]...)
		o, err := cipher.Open(context.Background(), format(t, tg.name), bad, cipher.OpenOptions{Identities: identities(t, aliceKey)})
		if err != nil {
			if p := newQuietness(tg.plain, nil).check(tg.name, err); p != "" && !strings.Contains(string(with), "canary") {
				t.Error(p)
			}
			return
		}
		got, err := format(t, tg.name).Parse(o.PlaintextBytes())
		if o.Metadata.Seal != nil && (err != nil || !sameData(got, tg.plain)) {
			t.Errorf("%s: accepted with other data:\n%s", tg.name, clip(bad))
		}
	})
}
