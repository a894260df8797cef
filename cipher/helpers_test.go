package cipher_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// Keys made for these tests; they protect nothing.
const (
	aliceKey = "AGE-SECRET-KEY-1A93RFMDLYL4TL6QUY5UYWGNR4MX4QQQKC9U5VWRWJQJVPUJ3707SRD6DKZ"
	bobKey   = "AGE-SECRET-KEY-1THY76M3PZ0D0TNY4NJJM58F27X4JDPTQMXGXFU0J5U8C30NVASSQ0QXPK7"
	carolKey = "AGE-SECRET-KEY-1Z89T2MG7UGZMHL7QL4DAMZE99V9RE73C2ZUM9E6JPPQURZNVHVCQJ5DJWT"
	davePQ   = "AGE-SECRET-KEY-PQ-1MRUU0JEXF2JQW7MUKSGX3R74KCE24YQS3DSZCWS8GKQTHYY44D8QLK0FEY"
)

// now is when the tests seal.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func identityOf(tb testing.TB, key string) age.Identity {
	tb.Helper()
	id, err := age.ParseIdentity(key)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func identities(tb testing.TB, keys ...string) []keysources.Identity {
	tb.Helper()
	var out []keysources.Identity
	for _, k := range keys {
		out = append(out, identityOf(tb, k))
	}
	return out
}

func recipients(tb testing.TB, keys ...string) []keysources.Recipient {
	tb.Helper()
	var out []keysources.Recipient
	for _, k := range keys {
		out = append(out, identityOf(tb, k).Recipient())
	}
	return out
}

func format(tb testing.TB, name string) formats.Format {
	tb.Helper()
	f, ok := all.ByName(name)
	if !ok {
		tb.Fatalf("no format %q", name)
	}
	return f
}

func parse(tb testing.TB, name string, src []byte) *formats.Document {
	tb.Helper()
	d, err := format(tb, name).Parse(src)
	if err != nil {
		tb.Fatalf("parsing as %s: %v\n%s", name, err, clip(src))
	}
	return d
}

func selector(tb testing.TB, kind cipher.SelectorKind, pattern string) cipher.Selector {
	tb.Helper()
	s, err := cipher.NewSelector(kind, pattern)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// mustSeal seals for alice unless opts says otherwise, and checks the result as a
// caller would.
func mustSeal(tb testing.TB, name string, src []byte, opts cipher.SealOptions) *cipher.Sealed {
	tb.Helper()
	s, err := trySeal(tb, name, src, opts)
	if err != nil {
		tb.Fatalf("sealing %s: %v\n%s", name, err, clip(src))
	}
	return s
}

func trySeal(tb testing.TB, name string, src []byte, opts cipher.SealOptions) (*cipher.Sealed, error) {
	tb.Helper()
	if opts.Recipients == nil && opts.Groups == nil {
		opts.Recipients = recipients(tb, aliceKey)
	}
	if opts.Now.IsZero() {
		opts.Now = now
	}
	s, err := cipher.Seal(context.Background(), format(tb, name), src, opts)
	if err != nil {
		return nil, err
	}
	if err := s.Check(bytes.Clone(s.Bytes)); err != nil {
		tb.Fatalf("checking sealed %s: %v\nplain:\n%s\nsealed:\n%s", name, err, clip(src), clip(s.Bytes))
	}
	return s, nil
}

func mustOpen(tb testing.TB, name string, sealed []byte) *cipher.Opened {
	tb.Helper()
	o, err := tryOpen(tb, name, sealed, cipher.OpenOptions{})
	if err != nil {
		tb.Fatalf("opening %s: %v\n%s", name, err, clip(sealed))
	}
	return o
}

// tryOpen opens with alice's identity unless opts says otherwise.
func tryOpen(tb testing.TB, name string, sealed []byte, opts cipher.OpenOptions) (*cipher.Opened, error) {
	tb.Helper()
	if opts.Identities == nil {
		opts.Identities = identities(tb, aliceKey)
	}
	return cipher.Open(context.Background(), format(tb, name), sealed, opts)
}

// outcome names the way an error of Open goes: the reason of a TamperedError, or
// the name of the sentinel that it wraps; "ok" for nil.
func outcome(err error) string {
	var tampered *cipher.TamperedError
	var noID *cipher.NoIdentityError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &tampered):
		return string(tampered.Reason)
	case errors.As(err, &noID):
		return "no-identity"
	}
	for _, s := range []struct {
		err  error
		name string
	}{
		{cipher.ErrNotSealed, "not-sealed"}, {cipher.ErrHalfMerged, "half-merged"}, {cipher.ErrSelector, "selector"}, {cipher.ErrUnsupported, "unsupported"},
		{cipher.ErrIntegrity, "no-seal"}, {cipher.ErrContext, "context"},
		{formats.ErrSyntax, "syntax"}, {formats.ErrNotSealable, "not-sealable"}, {formats.ErrDuplicate, "duplicate"},
		{formats.ErrLimit, "limit"}, {formats.ErrMetadata, "block"},
	} {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return "other: " + err.Error()
}

// leaf is a value or comment as data: where it stands and what it means.
type leaf struct{ Path, Kind, Text string }

// dataOf returns the data of a plain file: values and comments in order.
func dataOf(d *formats.Document) []leaf {
	var out []leaf
	for _, l := range d.Leaves {
		out = append(out, leaf{l.Path.String(), l.Kind.String(), l.Text})
	}
	return out
}

func sameData(a, b *formats.Document) bool {
	return max(1, a.Documents) == max(1, b.Documents) && slices.Equal(dataOf(a), dataOf(b))
}

func clip(b []byte) string {
	const most = 3000
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}

// withoutSeal drops the sops.seal entry of a sealed file, as sops does when it
// writes one.
func withoutSeal(tb testing.TB, name string, sealed []byte) []byte {
	tb.Helper()
	return changeMeta(tb, name, sealed, func(m *formats.Meta) {
		m.Items = slices.DeleteFunc(m.Items, func(it formats.Meta) bool { return it.Key == "seal" })
	})
}

// changeMeta rewrites the metadata block of a sealed file.
func changeMeta(tb testing.TB, name string, sealed []byte, change func(*formats.Meta)) []byte {
	tb.Helper()
	d := parse(tb, name, sealed)
	if d.Meta == nil {
		tb.Fatalf("no metadata block in\n%s", clip(sealed))
	}
	m := cloneMeta(*d.Meta)
	change(&m)
	out, err := format(tb, name).Rewrite(d, formats.Edit{Meta: formats.MetaEdit{Set: &m}})
	if err != nil {
		tb.Fatalf("changing the metadata of a %s file: %v", name, err)
	}
	return out
}

func cloneMeta(m formats.Meta) formats.Meta {
	m.Items = slices.Clone(m.Items)
	for i := range m.Items {
		m.Items[i] = cloneMeta(m.Items[i])
	}
	return m
}

// lines returns the lines of b with their line feeds.
func lines(b []byte) []string { return strings.SplitAfter(string(b), "\n") }

// corpus returns the folder of real files to try, "" if there is none.
func corpus() string { return os.Getenv("GITSEAL_CORPUS") }
