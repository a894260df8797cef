package cipher_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// mutant is a sealed file taken apart, to be changed and put together again.
type mutant struct {
	format string
	docs   []*node
	meta   formats.Meta
	// older is an earlier version of the same file, other a file with the same keys
	// and another data key.
	older, other *mutant
	// rest changes the finished text.
	rest func([]byte) []byte
}

// tamperDocument is the plain document that is tampered with. Keys that begin with
// s_, list and a are what a selector for a part of it seals.
func tamperDocument(name, version string) []*node {
	values := []*node{
		comment(" a note"),
		str("p_name", "db"), str("p_port", "12"), str("p_next", "3"),
		str("s_password", "hunter2-"+version), str("s_user", "alice-canary"), str("s_digits", "4711"), str("s_empty", ""),
	}
	pair := mapOf("a", str("b", "hoisted-canary"), str("c", "other-canary"))
	switch name {
	case "binary":
		return []*node{mapOf("", str("data", "hunter2-"+version))}
	case "dotenv":
		return []*node{mapOf("", values...)}
	case "ini":
		return []*node{mapOf("", mapOf("one", values...), pair, mapOf("p_two", str("p_name", "x")))}
	}
	more := []*node{
		value(formats.Int, "1234").named("s_pin"), value(formats.Bool, "True").named("s_ok"), value(formats.Float, "1.5").named("s_ratio"),
		value(formats.Null, "").named("s_null"), value(formats.Int, "5").named("p_int"), value(formats.Bool, "True").named("p_ok"),
		mapOf("p_map", str("p_tier", "backend"), str("p_zone", "east")),
		listOf("list", comment(" in the list"), str("", "x-canary"), str("", "y-canary"), str("", "z-canary")), pair,
	}
	return []*node{mapOf("", append(values, more...)...)}
}

// partSelector seals a part of tamperDocument.
func partSelector(tb testing.TB) cipher.Selector {
	return selector(tb, cipher.EncryptedRegex, "^(s_.*|list|a|data)$")
}

func newMutant(tb testing.TB, name string, s cipher.Selector) *mutant {
	tb.Helper()
	opts := cipher.SealOptions{Selector: s, Context: "prod/db", Recipients: recipients(tb, bobKey, aliceKey)}
	src := func(version string) []byte {
		if name == "binary" {
			return []byte("hunter2-" + version)
		}
		return emit(name, tamperDocument(name, version))
	}
	old := mustSeal(tb, name, src("older"), opts)
	other := mustSeal(tb, name, src("other"), opts)
	opts.Previous, opts.Now = mustOpen(tb, name, old.Bytes), now.AddDate(0, 1, 0)
	current := mustSeal(tb, name, src("current"), opts)
	m := takeApart(tb, name, current.Bytes)
	m.older, m.other = takeApart(tb, name, old.Bytes), takeApart(tb, name, other.Bytes)
	return m
}

func takeApart(tb testing.TB, name string, sealed []byte) *mutant {
	tb.Helper()
	d := parse(tb, name, sealed)
	m := &mutant{format: name, docs: fromDocument(d), meta: cloneMeta(*d.Meta)}
	if name == "ini" {
		// There a comment is walked behind what it stands in front of.
		for _, section := range m.docs[0].items {
			for i, n := range section.items {
				if n.kind == formats.Comment && i > 0 {
					section.items[i-1], section.items[i] = n, section.items[i-1]
				}
			}
		}
	}
	return m
}

func (m *mutant) clone() *mutant {
	c := *m
	c.docs = nil
	for _, d := range m.docs {
		c.docs = append(c.docs, d.clone())
	}
	c.meta = cloneMeta(m.meta)
	return &c
}

// bytes puts the file together.
func (m *mutant) bytes(tb testing.TB) ([]byte, error) {
	tb.Helper()
	name := m.format
	if name == "binary" {
		name = "json" // its sealed form
	}
	text := emit(name, m.docs)
	d, err := format(tb, name).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parsing what was emitted: %w", err)
	}
	out, err := format(tb, name).Rewrite(d, formats.Edit{Meta: formats.MetaEdit{Set: &m.meta}})
	if err != nil {
		return nil, fmt.Errorf("adding the metadata: %w", err)
	}
	if m.rest != nil {
		out = m.rest(out)
	}
	return out, nil
}

// root is the first document; main is the map with the keys p_… and s_….
func (m *mutant) root() *node { return m.docs[0] }

func (m *mutant) main() *node {
	if one := m.root().at("one"); one != nil {
		return one
	}
	return m.root()
}

// secret returns the first sealed value of a key of main, or the only one that a
// binary file has.
func (m *mutant) secret(key string) *node {
	if m.format == "binary" {
		key = "data"
	}
	return m.main().at(key)
}

// isPlain reports whether the key's value is there and not sealed.
func (m *mutant) isPlain(key string) bool {
	n := m.main().at(key)
	return n != nil && !strings.HasPrefix(n.text, "ENC[")
}

// replace swaps one text for another in a sealed value.
func (n *node) replace(pattern, with string) bool {
	re := regexp.MustCompile(pattern)
	if n == nil || !re.MatchString(n.text) {
		return false
	}
	n.text = re.ReplaceAllString(n.text, with)
	return true
}

// field returns a metadata field by its names, nil if there is none.
func (m *mutant) field(names ...string) *formats.Meta {
	f := &m.meta
	for _, n := range names {
		if f = f.Get(n); f == nil {
			return nil
		}
	}
	return f
}

// setField sets a string field of the map at the names but the last.
func (m *mutant) setField(text string, names ...string) bool {
	if f := m.field(names...); f != nil {
		changed := f.Text != text
		f.Text = text
		return changed
	}
	parent := m.field(names[:len(names)-1]...)
	parent.Items = append(parent.Items, formats.Meta{Key: names[len(names)-1], Kind: formats.MetaString, Text: text})
	return true
}

func (m *mutant) dropField(names ...string) bool {
	parent := m.field(names[:len(names)-1]...)
	n := len(parent.Items)
	parent.Items = slices.DeleteFunc(parent.Items, func(f formats.Meta) bool { return f.Key == names[len(names)-1] })
	return len(parent.Items) < n
}

// mutation is a way to tamper with a file.
type mutation struct {
	name string
	// change tampers; it returns false if it does not apply to the file.
	change func(m *mutant) bool
	// want is the outcome of opening the file, see outcome.
	want string
	// legacy are the outcomes, separated by |, if the file has no sops.seal entry;
	// "" if the mutation is about that entry. Every file that is accepted then
	// comes with the warning that most of it is not authenticated.
	legacy string
	// in and part name other outcomes: by format, and for a selector that seals a
	// part of the file.
	in   map[string]string
	part string
}

// TestTampering changes sealed files in every way of the table. Nothing is ever
// accepted with other data, and each way gives the error that the table names.
func TestTampering(t *testing.T) {
	t.Parallel()
	kinds, tried := map[string]bool{}, 0
	for _, name := range all.Names() {
		for _, part := range []bool{false, true} {
			s := cipher.DefaultSelector()
			if part {
				s = partSelector(t)
			}
			base := newMutant(t, name, s)
			t.Run(fmt.Sprintf("%s/part=%v", name, part), func(t *testing.T) {
				untouched, err := base.bytes(t)
				if err != nil {
					t.Fatal(err)
				}
				plain := parse(t, name, mustOpen(t, name, untouched).PlaintextBytes())
				for _, mu := range mutations() {
					m := base.clone()
					if !mu.change(m) {
						continue
					}
					kinds[mu.name] = true
					tried++
					t.Run(mu.name, func(t *testing.T) { mu.check(t, m, plain, part) })
				}
			})
		}
	}
	t.Logf("%d kinds of tampering, %d files", len(kinds), tried)
	for _, mu := range mutations() {
		if !kinds[mu.name] {
			t.Errorf("%q applied to no file", mu.name)
		}
	}
	if len(kinds) != len(mutations()) || len(kinds) < 60 {
		t.Errorf("%d kinds of %d rows; want as many, and at least 60", len(kinds), len(mutations()))
	}
}

// outcome is what opening a file of a format must give, of which the selector
// seals a part or all.
func (mu mutation) outcome(format string, part bool) string {
	if other, ok := mu.in[format]; ok {
		return other
	}
	if part && mu.part != "" {
		return mu.part
	}
	return mu.want
}

func (mu mutation) check(t *testing.T, m *mutant, plain *formats.Document, part bool) {
	t.Helper()
	src, err := m.bytes(t)
	if err != nil {
		t.Fatalf("this file cannot be made: %v", err)
	}
	want := mu.outcome(m.format, part)
	o, err := tryOpen(t, m.format, src, cipher.OpenOptions{})
	if got := outcome(err); got != want {
		t.Errorf("got %s (%v), want %s\n%s", got, err, want, clip(src))
	}
	if err == nil {
		got := parse(t, m.format, o.PlaintextBytes())
		if !sameData(got, plain) {
			t.Errorf("accepted with other data")
		}
		return
	}
	if p := newQuietness(plain, src).check(mu.name, err); p != "" {
		t.Error(p)
	}
}

// TestTamperingWithoutSeal does the same to files as sops writes them. What sops's
// own MAC and cipher cannot find must at least come with a warning.
func TestTamperingWithoutSeal(t *testing.T) {
	t.Parallel()
	for _, name := range all.Names() {
		base := newMutant(t, name, cipher.DefaultSelector())
		part := newMutant(t, name, partSelector(t))
		for _, mu := range mutations() {
			if mu.legacy == "" {
				continue
			}
			for _, b := range []*mutant{base, part} {
				m := b.clone()
				m.dropField("seal")
				if !mu.change(m) {
					continue
				}
				t.Run(fmt.Sprintf("%s/part=%v/%s", name, b == part, mu.name), func(t *testing.T) { mu.checkLegacy(t, m) })
			}
		}
	}
}

func (mu mutation) checkLegacy(t *testing.T, m *mutant) {
	t.Helper()
	m.dropField("seal")
	src, err := m.bytes(t)
	if err != nil {
		t.Fatalf("this file cannot be made: %v", err)
	}
	o, err := tryOpen(t, m.format, src, cipher.OpenOptions{})
	if got := outcome(err); !slices.Contains(strings.Split(mu.legacy, "|"), got) {
		t.Errorf("got %s (%v), want %s\n%s", got, err, mu.legacy, clip(src))
	}
	if err == nil && (len(o.Warnings) == 0 || !strings.Contains(o.Warnings[0].String(), "not authenticated")) {
		t.Errorf("accepted without a warning")
	}
	if _, err := tryOpen(t, m.format, src, cipher.OpenOptions{RequireSeal: true}); err == nil {
		t.Errorf("accepted although the seal entry is required")
	}
	if err == nil && bytes.Contains(o.PlaintextBytes(), []byte("sops")) {
		t.Errorf("the metadata block was left in")
	}
}

// documentMoves change which document things stand in.
var documentMoves = []struct {
	name   string
	change func(m *mutant)
	legacy string
}{
	{"documents swapped", func(m *mutant) { m.docs[0], m.docs[1] = m.docs[1], m.docs[0] }, "mac"},
	{"equal values swapped", func(m *mutant) {
		a, b := m.docs[0].at("a"), m.docs[1].at("a")
		a.text, b.text = b.text, a.text
	}, "ok"},
	{"value moved to the next document", func(m *mutant) {
		m.docs[2].items = append([]*node{m.docs[1].remove("c")}, m.docs[2].items...)
	}, "ok"},
	{"documents joined", func(m *mutant) {
		m.docs[1].add(m.docs[2].items...)
		m.docs = m.docs[:2]
	}, "ok"},
	{"document split", func(m *mutant) {
		m.docs = append(m.docs[:1:1], mapOf("", m.docs[1].at("a")), mapOf("", m.docs[1].at("c")), m.docs[2])
	}, "ok"},
	{"empty value moved", func(m *mutant) { m.docs[1].add(m.docs[0].remove("b")) }, "ok"},
	{"document deleted", func(m *mutant) { m.docs = m.docs[:2] }, "mac"},
	{"empty document added in front", func(m *mutant) { m.docs = append([]*node{mapOf("")}, m.docs...) }, "ok"},
	{"empty document added at the end", func(m *mutant) { m.docs = append(m.docs, mapOf("")) }, "ok"},
}

// TestTamperingWithDocuments moves things between documents. sops knows only the
// values, one after another, so it takes most of it.
func TestTamperingWithDocuments(t *testing.T) {
	docs := []*node{
		mapOf("", str("a", "one-canary"), str("b", "")),
		mapOf("", str("a", "one-canary"), str("c", "two-canary")),
		mapOf("", str("d", "three-canary")),
	}
	sealed := mustSeal(t, "yaml", emit("yaml", docs), cipher.SealOptions{})
	base := takeApart(t, "yaml", sealed.Bytes)
	for _, tt := range documentMoves {
		t.Run(tt.name, func(t *testing.T) {
			m := base.clone()
			tt.change(m)
			src, err := m.bytes(t)
			if err != nil {
				t.Fatal(err)
			}
			// What is equal in both documents may be swapped: nothing changes then
			// but ciphertext that both may have.
			want := "seal-mac"
			if tt.name == "equal values swapped" {
				want = "ok"
			}
			if _, err := tryOpen(t, "yaml", src, cipher.OpenOptions{}); outcome(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if _, err := tryOpen(t, "yaml", withoutSeal(t, "yaml", src), cipher.OpenOptions{}); outcome(err) != tt.legacy {
				t.Errorf("without seal: got %v, want %s", err, tt.legacy)
			}
		})
	}
}
