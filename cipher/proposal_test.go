package cipher_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

const proposed = `"canary-proposed"`

func pathOf(tb testing.TB, text string) *formats.Path {
	tb.Helper()
	p, err := formats.ParsePath(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func tryPropose(tb testing.TB, name string, sealed []byte, opts cipher.ProposeOptions) ([]byte, error) {
	tb.Helper()
	if opts.Recipients == nil && opts.Groups == nil {
		opts.Recipients = recipients(tb, aliceKey)
	}
	if opts.Content == nil {
		opts.Content = []byte(proposed)
	}
	if opts.Now.IsZero() {
		opts.Now = now
	}
	return cipher.Propose(context.Background(), format(tb, name), sealed, opts)
}

func mustPropose(tb testing.TB, name string, sealed []byte, path string, by string) []byte {
	tb.Helper()
	out, err := tryPropose(tb, name, sealed, cipher.ProposeOptions{Path: pathOf(tb, path), By: by})
	if err != nil {
		tb.Fatalf("proposing to %s: %v", name, err)
	}
	return out
}

// proposalsIn returns the proposals of a file that opens, and its metadata.
func proposalsIn(tb testing.TB, name string, sealed []byte) ([]cipher.Proposal, *cipher.Metadata) {
	tb.Helper()
	o := mustOpen(tb, name, sealed)
	list, malformed := o.Metadata.Proposals()
	if malformed > 0 {
		tb.Errorf("%d malformed proposals in\n%s", malformed, clip(sealed))
	}
	return list, o.Metadata
}

func openProposal(tb testing.TB, p cipher.Proposal, m *cipher.Metadata, keys ...string) ([]byte, error) {
	tb.Helper()
	if keys == nil {
		keys = []string{aliceKey}
	}
	return p.Open(context.Background(), m, cipher.OpenOptions{Identities: identities(tb, keys...)})
}

// TestProposalChangesNothing is the law of all formats: with proposals in it, a
// file opens to the same bytes, a proposal gives back what was proposed, and without
// them the file is what it was.
func TestProposalChangesNothing(t *testing.T) {
	const by = "O'Brien; <ob@example.invalid> # \"x\" `y` = \\ ü"
	for _, name := range all.Names() {
		for _, s := range samples(name) {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				result, err := trySeal(t, name, []byte(s.source), cipher.SealOptions{})
				if err != nil {
					t.Skip("not sealable: ", err)
				}
				sealed := result.Bytes
				with := mustPropose(t, name, sealed, `db."odd key\n"[0]`, by)
				with = mustPropose(t, name, with, ".", "")
				if got := mustOpen(t, name, with).PlaintextBytes(); string(got) != s.source {
					t.Fatalf("got\n%s\nwant\n%s", clip(got), s.source)
				}
				list, m := proposalsIn(t, name, with)
				if len(list) != 2 || list[0].By != by || !list[0].At.Equal(now) || list[0].Path.Text() != `db."odd key\n"[0]` || list[0].ID() == list[1].ID() {
					t.Fatalf("got %v", list)
				}
				for _, p := range list {
					if got, err := openProposal(t, p, m); err != nil || string(got) != proposed {
						t.Errorf("%v: %d bytes, %v", p, len(got), err)
					}
				}
				without, err := cipher.DropProposals(format(t, name), with, func(cipher.Proposal) bool { return true })
				if err != nil || !bytes.Equal(without, sealed) {
					t.Errorf("dropped: %v, got\n%s\nwant\n%s", err, clip(without), clip(sealed))
				}
			})
		}
	}
}

// TestProposalOfAnyBytes: what is proposed comes back whatever it holds.
func TestProposalOfAnyBytes(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	for _, content := range []string{"x", "\x00\xff\n", strings.Repeat("ü", 1<<16)} {
		with, err := tryPropose(t, "yaml", sealed, cipher.ProposeOptions{Path: pathOf(t, "a"), Content: []byte(content)})
		if err != nil {
			t.Fatal(err)
		}
		list, m := proposalsIn(t, "yaml", with)
		if got, err := openProposal(t, list[0], m); err != nil || string(got) != content {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
		}
	}
}

// TestProposalIsForTheReaders: each reader opens it, others do not; of key groups,
// as many are needed as the file needs.
func TestProposalIsForTheReaders(t *testing.T) {
	two := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey, davePQ)}).Bytes
	with, err := tryPropose(t, "yaml", two, cipher.ProposeOptions{Path: pathOf(t, "a"), Recipients: recipients(t, davePQ, aliceKey)})
	if err != nil {
		t.Fatal(err)
	}
	list, m := proposalsIn(t, "yaml", with)
	for key, want := range map[string]string{aliceKey: "ok", davePQ: "ok", bobKey: "no-identity"} {
		if _, err := openProposal(t, list[0], m, key); outcome(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	groups := [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, bobKey), recipients(t, carolKey)}
	three := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups, Threshold: 2}).Bytes
	with, err = tryPropose(t, "yaml", three, cipher.ProposeOptions{Path: pathOf(t, "a"), Groups: groups, Threshold: 2})
	if err != nil {
		t.Fatal(err)
	}
	o, err := tryOpen(t, "yaml", with, cipher.OpenOptions{Identities: identities(t, aliceKey, carolKey)})
	if err != nil {
		t.Fatal(err)
	}
	list, _ = o.Metadata.Proposals()
	if got, err := openProposal(t, list[0], o.Metadata, bobKey, carolKey); err != nil || string(got) != proposed {
		t.Errorf("two of three groups: %v", err)
	}
	if _, err := openProposal(t, list[0], o.Metadata, bobKey); outcome(err) != "no-identity" {
		t.Errorf("one of three groups: got %v, want no-identity", err)
	}
}

// TestProposeRefuses: what cannot be a proposal is none, and the file stays.
func TestProposeRefuses(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	groups := [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, bobKey)}
	a := pathOf(t, "a")
	for _, tt := range []struct {
		name string
		src  []byte
		opts cipher.ProposeOptions
		want error
	}{
		{"plain file", []byte("a: b\n"), cipher.ProposeOptions{Path: a}, cipher.ErrNotSealed},
		{"file of sops", withoutSeal(t, "yaml", sealed), cipher.ProposeOptions{Path: a}, cipher.ErrIntegrity},
		{"other reader", sealed, cipher.ProposeOptions{Path: a, Recipients: recipients(t, bobKey)}, cipher.ErrKeyGroups},
		{"one reader more", sealed, cipher.ProposeOptions{Path: a, Recipients: recipients(t, aliceKey, bobKey)}, cipher.ErrKeyGroups},
		{"groups", sealed, cipher.ProposeOptions{Path: a, Groups: groups}, cipher.ErrKeyGroups},
		{"nobody", sealed, cipher.ProposeOptions{Path: a, Groups: [][]keysources.Recipient{}}, cipher.ErrNoRecipients},
		{"no value", sealed, cipher.ProposeOptions{Path: a, Content: []byte{}}, nil},
		{"no place", sealed, cipher.ProposeOptions{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tryPropose(t, "yaml", tt.src, tt.opts)
			if err == nil || out != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v and %d bytes, want %v", err, len(out), tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Error("the error holds the value")
			}
		})
	}
}

// TestProposeKeepsWhatItSays: a name that the format would give back as another is
// refused, because nobody could open the proposal then.
func TestProposeKeepsWhatItSays(t *testing.T) {
	for name, src := range map[string]string{"dotenv": "a=b\n", "ini": "[a]\na = b\n"} {
		sealed := mustSeal(t, name, []byte(src), cipher.SealOptions{}).Bytes
		opts := cipher.ProposeOptions{Path: pathOf(t, "a"), By: `a\nb`}
		if out, err := tryPropose(t, name, sealed, opts); !errors.Is(err, formats.ErrNotSealable) || out != nil {
			t.Errorf("%s: got %v and %d bytes, want ErrNotSealable", name, err, len(out))
		}
		odd := mustPropose(t, name, sealed, `["a\nb\\n\\"].c`, "a")
		list, m := proposalsIn(t, name, odd)
		if len(list) != 1 || list[0].Path.Keys()[0] != "a\nb\\n\\" {
			t.Fatalf("%s: got %v", name, list)
		}
		if _, err := openProposal(t, list[0], m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProposalsAreReplacedAndBounded: who proposes again for the same place takes
// the place of what they said before; a file holds 256.
func TestProposalsAreReplacedAndBounded(t *testing.T) {
	sealed := mustSeal(t, "json", []byte(`{"a": "b"}`), cipher.SealOptions{}).Bytes
	with := mustPropose(t, "json", sealed, "a", "x")
	with = mustPropose(t, "json", with, "a", "y")
	with, err := tryPropose(t, "json", with, cipher.ProposeOptions{Path: pathOf(t, "a"), By: "x", Content: []byte("7")})
	if err != nil {
		t.Fatal(err)
	}
	list, m := proposalsIn(t, "json", with)
	if len(list) != 2 || list[0].By != "y" || list[1].By != "x" {
		t.Fatalf("got %v", list)
	}
	if got, err := openProposal(t, list[1], m); err != nil || string(got) != "7" {
		t.Errorf("got %q, %v", got, err)
	}
	const most = 256
	full := changeProposals(t, "json", with, func(list *formats.Meta) {
		first := list.Items[0]
		for i := len(list.Items); i < most; i++ {
			next := cloneMeta(first)
			next.Get("by").Text = fmt.Sprint(i)
			list.Items = append(list.Items, next)
		}
	})
	if _, err := tryPropose(t, "json", full, cipher.ProposeOptions{Path: pathOf(t, "b")}); !errors.Is(err, formats.ErrLimit) {
		t.Errorf("proposal %d: got %v, want a limit", most+1, err)
	}
	again, err := tryPropose(t, "json", full, cipher.ProposeOptions{Path: pathOf(t, "a"), By: "x"})
	if err != nil {
		t.Errorf("replacing one of %d: %v", most, err)
	}
	if list, _ := proposalsIn(t, "json", again); len(list) != most {
		t.Errorf("%d proposals, want %d", len(list), most)
	}
}

// changeProposals changes the list of a file's proposals, as anybody can who may
// write the file.
func changeProposals(tb testing.TB, name string, sealed []byte, change func(list *formats.Meta)) []byte {
	tb.Helper()
	return changeMeta(tb, name, sealed, func(m *formats.Meta) { change(m.Get("seal").Get("proposals")) })
}

// TestTamperedProposals: whatever somebody does to a proposal, who accepts it does
// not get another value, and the file is the same.
func TestTamperedProposals(t *testing.T) {
	groups := [][]keysources.Recipient{recipients(t, aliceKey), recipients(t, bobKey)}
	sealed := mustSeal(t, "yaml", []byte("a: b\nc: d\n"), cipher.SealOptions{}).Bytes
	with := mustPropose(t, "yaml", sealed, "a", "x")
	other := mustPropose(t, "yaml", mustSeal(t, "yaml", []byte("a: b\nc: d\n"), cipher.SealOptions{}).Bytes, "a", "x")
	twoFile := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)}).Bytes
	two, err := tryPropose(t, "yaml", twoFile, cipher.ProposeOptions{Path: pathOf(t, "a"), By: "x", Recipients: recipients(t, aliceKey, bobKey)})
	if err != nil {
		t.Fatal(err)
	}
	grouped, err := tryPropose(t, "yaml", mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups}).Bytes, cipher.ProposeOptions{Path: pathOf(t, "a"), Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	entryOf := func(src []byte) formats.Meta {
		return cloneMeta(parse(t, "yaml", src).Meta.Get("seal").Get("proposals").Items[0])
	}
	set := func(key, text string) func(*formats.Meta) {
		return func(list *formats.Meta) { list.Items[0].Get(key).Text = text }
	}
	flip := func(s string) string { return strings.Replace(s, "data:", "data:AAAA", 1) }
	valueOf := func(m formats.Meta) string { return m.Get("value").Text }
	baseOf := func(m formats.Meta) string { return m.Get("base").Text }
	for _, tt := range []struct {
		name   string
		change func(list *formats.Meta)
	}{
		{"moved to another key", set("path", "c")},
		{"another name", set("by", "y")},
		{"made against another value", set("base", base64.StdEncoding.EncodeToString(make([]byte, 3*32)))},
		{"what another was made against", func(l *formats.Meta) { l.Items[0].Get("base").Text = baseOf(entryOf(other)) }},
		{"another time", set("at", "2026-01-02T03:04:06Z")},
		{"damaged value", func(l *formats.Meta) { v := l.Items[0].Get("value"); v.Text = flip(v.Text) }},
		{"copied from another file", func(l *formats.Meta) { l.Items[0] = entryOf(other) }},
		{"copied from a file with another reader, too", func(l *formats.Meta) { l.Items[0] = entryOf(two) }},
		{"copied from a file with key groups", func(l *formats.Meta) { l.Items[0] = entryOf(grouped) }},
		{"the value of another proposal", func(l *formats.Meta) { l.Items[0].Get("value").Text = valueOf(entryOf(other)) }},
		{"no name", func(l *formats.Meta) {
			l.Items[0].Items = slices.DeleteFunc(l.Items[0].Items, func(m formats.Meta) bool { return m.Key == "by" })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := changeProposals(t, "yaml", with, tt.change)
			if bytes.Equal(changed, with) {
				t.Fatal("nothing was changed")
			}
			if got := mustOpen(t, "yaml", changed).PlaintextBytes(); string(got) != "a: b\nc: d\n" {
				t.Errorf("the file opens to %q", got)
			}
			list, m := proposalsIn(t, "yaml", changed)
			got, err := openProposal(t, list[0], m)
			if !errors.Is(err, cipher.ErrProposal) || got != nil {
				t.Errorf("got %d bytes and %v, want ErrProposal", len(got), err)
			}
		})
	}
	// The control: untouched, it opens.
	list, m := proposalsIn(t, "yaml", with)
	if _, err := openProposal(t, list[0], m); err != nil {
		t.Error(err)
	}
}

// asked counts who asks.
type asked struct {
	keysources.Identity
	calls int
}

func (a *asked) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	a.calls++
	return a.Identity.Unwrap(ctx, s)
}

// TestProposalWithOtherReadersAsksNobody: a proposal cannot make who opens it talk
// to readers that the file does not name.
func TestProposalWithOtherReadersAsksNobody(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	with := changeProposals(t, "yaml", mustPropose(t, "yaml", sealed, "a", ""), func(l *formats.Meta) {
		stanza := cloneMeta(l.Items[0].Get("age").Items[0])
		stanza.Get("recipient").Text = identityOf(t, bobKey).Recipient().String()
		l.Items[0].Get("age").Items = append(l.Items[0].Get("age").Items, stanza)
	})
	list, m := proposalsIn(t, "yaml", with)
	for readers, want := range map[string]int{"others": 0, "the same": 1} {
		p, id := list[0], &asked{Identity: identityOf(t, aliceKey)}
		if readers == "the same" { // the control
			clean, meta := proposalsIn(t, "yaml", mustPropose(t, "yaml", sealed, "a", ""))
			p, m = clean[0], meta
		}
		_, err := p.Open(context.Background(), m, cipher.OpenOptions{Identities: []keysources.Identity{id}})
		if (err == nil) != (want > 0) || id.calls != want {
			t.Errorf("%s: %d calls, %v", readers, id.calls, err)
		}
	}
}
