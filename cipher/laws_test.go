package cipher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// lawCase is a plain file, and how it is sealed.
type lawCase struct {
	format string
	source []byte
	opts   cipher.SealOptions
}

// errRefused is what the laws give for a file that cannot be sealed, if it is
// refused in a typed way.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return "refused: " + e.err.Error() }

// refusal checks that err is of the kinds that Seal may return for a plain file.
func refusal(err error) error {
	var format *formats.Error
	for _, ok := range []error{cipher.ErrNothingSelected, cipher.ErrAlreadySealed, cipher.ErrMarker, cipher.ErrAliasLeak, cipher.ErrSelector} {
		if errors.Is(err, ok) {
			return &refusedError{err}
		}
	}
	if errors.As(err, &format) {
		return &refusedError{err}
	}
	return fmt.Errorf("sealing failed in an untyped way: %w", err)
}

// check returns nil if all laws hold.
func (c lawCase) check(tb testing.TB) error {
	tb.Helper()
	f := format(tb, c.format)
	c.opts.Recipients, c.opts.Now = recipients(tb, aliceKey), now
	held := bytes.Clone(c.source)
	s, err := cipher.Seal(context.Background(), f, c.source, c.opts)
	if err != nil {
		return refusal(err)
	}
	if !bytes.Equal(held, c.source) {
		return errors.New("the source was written to")
	}
	if err := s.Check(bytes.Clone(s.Bytes)); err != nil {
		return fmt.Errorf("Check: %w\nsealed:\n%s", err, clip(s.Bytes))
	}
	o, err := tryOpen(tb, c.format, s.Bytes, cipher.OpenOptions{RequireSeal: true, Context: c.opts.Context})
	if err != nil {
		return fmt.Errorf("opening: %w\nsealed:\n%s", err, clip(s.Bytes))
	}
	if !bytes.Equal(o.PlaintextBytes(), c.source) {
		return fmt.Errorf("unsealed is not the plain file:\n%q\nsealed:\n%s", clip(o.PlaintextBytes()), clip(s.Bytes))
	}
	for _, law := range []func(testing.TB, *cipher.Sealed, *cipher.Opened) error{
		c.sealsWhatIsSelected, c.changesNothingElse, c.isStable, c.keepsKeyForMore,
	} {
		if err := law(tb, s, o); err != nil {
			return fmt.Errorf("%w\nsealed:\n%s", err, clip(s.Bytes))
		}
	}
	return nil
}

var wellFormed = regexp.MustCompile(`^ENC\[AES256_GCM,data:[A-Za-z0-9+/]+=*,iv:[A-Za-z0-9+/]{43}=,tag:[A-Za-z0-9+/]{22}==,type:(str|int|float|bool|time|comment)\]\n?$`)

// sealsWhatIsSelected compares the leaves of the sealed file with the selection,
// and the counts with both.
func (c lawCase) sealsWhatIsSelected(tb testing.TB, s *cipher.Sealed, _ *cipher.Opened) error {
	plain, sealed := parse(tb, c.format, c.source), parse(tb, c.format, s.Bytes)
	selected := s.Selector.Select(plain)
	if len(sealed.Leaves) != len(plain.Leaves) {
		return fmt.Errorf("%d leaves were sealed as %d", len(plain.Leaves), len(sealed.Leaves))
	}
	var values, empty, left, comments int
	for i, l := range plain.Leaves {
		got := sealed.Leaves[i]
		isSealed := wellFormed.MatchString(got.Text)
		want := selected[i] && l.Text != "" && !l.Kind.Empty()
		switch {
		case isSealed != want:
			return fmt.Errorf("%s: sealed %v, want %v", l.Path, isSealed, want)
		case !want && got.Scalar != l.Scalar:
			return fmt.Errorf("%s: what is not sealed was changed", l.Path)
		case l.Kind == formats.Comment:
			comments += count(want)
			continue
		}
		values += count(want)
		empty += count(selected[i] && !want)
		left += count(!selected[i])
	}
	if got, want := []int{s.Values, s.Empty, s.Plain, s.Comments}, []int{values, empty, left, comments}; !slices.Equal(got, want) {
		return fmt.Errorf("values, empty, plain, comments: counted %v, want %v", got, want)
	}
	return nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// changesNothingElse takes the block and the sealed values out of the sealed
// file, and the same values out of the plain one: what is left must be equal. It
// says nothing of files with aliases, which are written out, and of binary ones.
func (c lawCase) changesNothingElse(tb testing.TB, s *cipher.Sealed, _ *cipher.Opened) error {
	plain, sealed := parse(tb, c.format, c.source), parse(tb, c.format, s.Bytes)
	if len(plain.Aliases) > 0 || c.format == "binary" {
		return nil
	}
	bare, err := format(tb, c.format).Rewrite(sealed, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
	if err != nil {
		return fmt.Errorf("removing the block: %w", err)
	}
	isSealed := make([]bool, len(plain.Leaves))
	for i := range isSealed {
		isSealed[i] = wellFormed.MatchString(sealed.Leaves[i].Text)
	}
	want, got := skeleton(plain, isSealed), skeleton(parse(tb, c.format, bare), isSealed)
	want = strings.TrimPrefix(want, "\ufeff")
	got = strings.TrimPrefix(got, "\ufeff")
	if got != want && strings.TrimSuffix(strings.TrimSuffix(got, "\n"), "\r") != want {
		return fmt.Errorf("bytes outside of the sealed values were changed:\ngot  %q\nwant %q", clip([]byte(got)), clip([]byte(want)))
	}
	return nil
}

// skeleton is a file with a mark in place of the chosen leaves. The leaves' own
// punctuation (quotes, block headers, comment characters) goes with them.
func skeleton(d *formats.Document, chosen []bool) string {
	type span struct{ start, end int }
	var spans []span
	for i, l := range d.Leaves {
		if chosen[i] {
			spans = append(spans, span{l.Start, l.End})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.Write(d.Source[at:s.start])
		b.WriteByte(0)
		at = s.end
	}
	b.Write(d.Source[at:])
	return b.String()
}

// isStable seals the unsealed file again: with the previous version every byte
// stays, without it no ciphertext does.
func (c lawCase) isStable(tb testing.TB, s *cipher.Sealed, o *cipher.Opened) error {
	f := format(tb, c.format)
	opts := c.opts
	opts.Previous, opts.Now = o, now.AddDate(0, 0, 1)
	again, err := cipher.Seal(context.Background(), f, o.PlaintextBytes(), opts)
	if err != nil {
		return fmt.Errorf("sealing again: %w", err)
	}
	if !again.Unchanged || again.NewKey || !bytes.Equal(again.Bytes, s.Bytes) || again.Reused != s.Values {
		return fmt.Errorf("sealing again changed the file (unchanged %v, new key %v, reused %d of %d)",
			again.Unchanged, again.NewKey, again.Reused, s.Values)
	}
	opts.Previous = nil
	fresh, err := cipher.Seal(context.Background(), f, c.source, opts)
	if err != nil {
		return fmt.Errorf("sealing afresh: %w", err)
	}
	for text := range sealedTexts(parse(tb, c.format, s.Bytes)) {
		if bytes.Contains(fresh.Bytes, []byte(text)) {
			return errors.New("two independent seals share a ciphertext")
		}
	}
	return nil
}

// sealedTexts returns the sealed values and comments of a file, each of which must
// stand in it only once.
func sealedTexts(d *formats.Document) map[string]int {
	texts := map[string]int{}
	for _, l := range d.Leaves {
		if wellFormed.MatchString(l.Text) {
			texts[strings.TrimSuffix(l.Text, "\n")]++
		}
	}
	return texts
}

// keepsKeyForMore adds a recipient, which keeps the ciphertexts, and takes it
// away again, which must not.
func (c lawCase) keepsKeyForMore(tb testing.TB, s *cipher.Sealed, o *cipher.Opened) error {
	f := format(tb, c.format)
	opts := c.opts
	opts.Previous, opts.Recipients = o, recipients(tb, bobKey, aliceKey)
	both, err := cipher.Seal(context.Background(), f, c.source, opts)
	if err != nil {
		return fmt.Errorf("adding a recipient: %w", err)
	}
	before, after := sealedTexts(parse(tb, c.format, s.Bytes)), sealedTexts(parse(tb, c.format, both.Bytes))
	if both.NewKey || both.Unchanged || both.Reused != s.Values || fmt.Sprint(before) != fmt.Sprint(after) {
		return fmt.Errorf("a recipient more: new key %v, unchanged %v, reused %d of %d", both.NewKey, both.Unchanged, both.Reused, s.Values)
	}
	withBob, err := cipher.Open(context.Background(), f, both.Bytes, cipher.OpenOptions{Identities: identities(tb, bobKey)})
	if err != nil || !bytes.Equal(withBob.PlaintextBytes(), c.source) {
		return fmt.Errorf("the new recipient cannot open: %v", err)
	}
	opts.Previous, opts.Recipients = withBob, recipients(tb, aliceKey)
	without, err := cipher.Seal(context.Background(), f, c.source, opts)
	if err != nil {
		return fmt.Errorf("removing a recipient: %w", err)
	}
	for text := range sealedTexts(parse(tb, c.format, without.Bytes)) {
		if after[text] > 0 {
			return errors.New("a recipient less: a ciphertext was kept")
		}
	}
	_, err = cipher.Open(context.Background(), f, without.Bytes, cipher.OpenOptions{Identities: identities(tb, bobKey)})
	if !without.NewKey || outcome(err) != "no-identity" {
		return fmt.Errorf("a recipient less: new key %v, who has gone gets %v", without.NewKey, err)
	}
	return nil
}

// variants are the ways in which the laws seal a file: with the default selector
// and with one for a part of it, mac_only_encrypted off and on.
func variants(tb testing.TB, name string, src []byte) []cipher.SealOptions {
	tb.Helper()
	selectors := []cipher.Selector{cipher.DefaultSelector()}
	if d, err := format(tb, name).Parse(src); err == nil {
		if s, ok := subset(tb, d); ok {
			selectors = append(selectors, s)
		}
	}
	var out []cipher.SealOptions
	for _, s := range selectors {
		for _, only := range []bool{false, true} {
			out = append(out, cipher.SealOptions{Selector: s, MACOnlyEncrypted: only, Context: "test"})
		}
	}
	return out
}

// subset returns a selector for what lies under the key of the middle value.
func subset(tb testing.TB, d *formats.Document) (cipher.Selector, bool) {
	var keys []string
	for _, l := range d.Leaves {
		if k := l.Path.Keys(); l.Kind != formats.Comment && len(k) > 0 && strings.ToValidUTF8(k[len(k)-1], "") == k[len(k)-1] {
			keys = append(keys, k[len(k)-1])
		}
	}
	if len(keys) == 0 {
		return cipher.Selector{}, false
	}
	return selector(tb, cipher.EncryptedRegex, "^"+regexp.QuoteMeta(keys[len(keys)/2])+"$"), true
}

// TestLaws checks the laws on every sample of every format. The default selector
// must not refuse any; one for a part of a file may, where a format cannot hold
// the rest as it stands.
func TestLaws(t *testing.T) {
	t.Parallel()
	for _, name := range all.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range samples(name) {
				t.Run(s.name, func(t *testing.T) {
					for i, opts := range variants(t, name, []byte(s.source)) {
						err := lawCase{name, []byte(s.source), opts}.check(t)
						var refused *refusedError
						if errors.As(err, &refused) && (i >= 2) {
							t.Logf("%s: %v", opts.Selector, err)
							continue
						}
						if err != nil {
							t.Errorf("%s, mac_only_encrypted %v: %v", opts.Selector, opts.MACOnlyEncrypted, err)
						}
					}
				})
			}
		})
	}
}
