package cipher_test

import (
	"context"
	"crypto/aes"
	stdcipher "crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getsops/sops/v3/shamir"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// specified writes the byte strings of docs/FORMAT.md anew, from its text.
type specified struct{ b []byte }

func (s *specified) u(n int)       { s.b = binary.AppendUvarint(s.b, uint64(n)) }
func (s *specified) s(text string) { s.u(len(text)); s.b = append(s.b, text...) }

// fields writes a stanza's fields, or its context.
func (s *specified) fields(list map[string]string) {
	s.u(len(list))
	var names []string
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s.s(name)
		s.s(list[name])
	}
}

// readers writes who can read a file that has groups of age stanzas.
func (s *specified) readers(needed int, groups ...*formats.Meta) {
	s.u(needed)
	s.u(len(groups))
	for _, group := range groups {
		s.u(len(group.Items))
		for i := range group.Items {
			s.s("age")
			s.fields(map[string]string{"enc": group.Items[i].Get("enc").Text, "recipient": group.Items[i].Get("recipient").Text})
			s.fields(nil)
		}
	}
}

var sealedValue = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.*),iv:(.*),tag:(.*),type:str\]$`)

// decrypt opens a sealed value.
func decrypt(tb testing.TB, key []byte, value string, aad []byte) (string, error) {
	tb.Helper()
	var parts [][]byte
	for _, text := range sealedValue.FindStringSubmatch(value)[1:] {
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, b)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := stdcipher.NewGCMWithNonceSize(block, len(parts[1]))
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := gcm.Open(nil, parts[1], append(parts[0], parts[2]...), aad)
	return string(plain), err
}

// TestProposalIsAsSpecified opens a proposal with nothing but the specification, in
// a file with two readers and in one with key groups.
func TestProposalIsAsSpecified(t *testing.T) {
	alice, bob := recipients(t, aliceKey), recipients(t, bobKey)
	groups := [][]keysources.Recipient{alice, bob}
	for name, opts := range map[string]cipher.SealOptions{
		"two readers": {Recipients: append(alice[:1:1], bob...)},
		"key groups":  {Groups: groups},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := mustSeal(t, "yaml", []byte("a: b\n"), opts).Bytes
			with, err := tryPropose(t, "yaml", sealed, cipher.ProposeOptions{
				Path: pathOf(t, `2:["tls.crt"][1].x`), By: "me", Recipients: opts.Recipients, Groups: opts.Groups,
			})
			if err != nil {
				t.Fatal(err)
			}
			meta := parse(t, "yaml", with).Meta
			entry := &meta.Get("seal").Get("proposals").Items[0]
			var readers, aad specified
			var key []byte
			if opts.Groups == nil {
				readers.readers(1, meta.Get("age"))
				key = unwrapFor(t, entry.Get("age").Items[0], aliceKey)
			} else {
				list := meta.Get("key_groups").Items
				readers.readers(2, list[0].Get("age"), list[1].Get("age"))
				key = joined(t, entry)
			}
			sum := sha256.Sum256(readers.b)
			aad.s("gitseal/proposal/v1")
			aad.b = append(aad.b, sum[:]...)
			aad.s(`document 2: "tls.crt"[1].x`)
			aad.s("me")
			aad.s("2026-01-02T03:04:05Z")
			aad.s(entry.Get("base").Text)
			if got, err := decrypt(t, key, entry.Get("value").Text, aad.b); err != nil || got != proposed {
				t.Errorf("got %q, %v", got, err)
			}
			if entry.Get("path").Text != `document 2: "tls.crt"[1].x` || entry.Get("by").Text != "me" || entry.Get("at").Text != "2026-01-02T03:04:05Z" {
				t.Errorf("the entry says %s", strings.Join([]string{entry.Get("path").Text, entry.Get("by").Text, entry.Get("at").Text}, ", "))
			}
		})
	}
}

func unwrapFor(tb testing.TB, stanza formats.Meta, key string) []byte {
	tb.Helper()
	s := keysources.Stanza{Type: keysources.TypeAge}
	for _, it := range stanza.Items {
		s.Fields = append(s.Fields, keysources.Field{Name: it.Key, Value: it.Text})
	}
	out, err := identityOf(tb, key).Unwrap(context.Background(), s)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// joined puts the data key of a proposal together from the shares of its two groups.
func joined(tb testing.TB, entry *formats.Meta) []byte {
	tb.Helper()
	if entry.Get("shamir_threshold").Text != "2" {
		tb.Errorf("threshold %s, want 2", entry.Get("shamir_threshold").Text)
	}
	list := entry.Get("key_groups").Items
	var shares [][]byte
	for i, key := range []string{aliceKey, bobKey} {
		shares = append(shares, unwrapFor(tb, list[i].Get("age").Items[0], key))
	}
	out, err := shamir.Combine(shares)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
