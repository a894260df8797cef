package cipher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

func TestSealRefuses(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{})
	oneValue := fromDocument(parse(t, "yaml", sealed.Bytes))
	only := selector(t, cipher.EncryptedRegex, "^a$")
	for _, tt := range []struct {
		name, format, src string
		opts              cipher.SealOptions
		want              error
		path              string
	}{
		{"sealed file", "yaml", string(sealed.Bytes), cipher.SealOptions{}, cipher.ErrAlreadySealed, ""},
		{"sealed value without metadata", "yaml", string(emit("yaml", oneValue)), cipher.SealOptions{}, cipher.ErrMarker, "a"},
		{"marker in the text of a value", "json", `{"x": ["ENC[AES256_GCM,"]}`, cipher.SealOptions{}, cipher.ErrMarker, "x[0]"},
		{"nothing selected", "yaml", "b: c\n", cipher.SealOptions{Selector: only}, cipher.ErrNothingSelected, ""},
		{"nothing selected but a comment", "yaml", "# x\nb_unencrypted: c\n", cipher.SealOptions{}, cipher.ErrNothingSelected, ""},
		{"no recipients", "yaml", "a: b\n", cipher.SealOptions{Recipients: []keysources.Recipient{}}, cipher.ErrNoRecipients, ""},
		{"alias of a sealed value", "yaml", "a: &x secret\nb: *x\n", cipher.SealOptions{Selector: only}, cipher.ErrAliasLeak, "b"},
		{"alias of a map with a sealed value", "yaml", "m: &x {a: secret, c: d}\nn: *x\nb: {o: *x}\n",
			cipher.SealOptions{Selector: selector(t, cipher.EncryptedRegex, "^m$")}, cipher.ErrAliasLeak, "n.a"},
		{"not a file of the format", "json", "a: b\n", cipher.SealOptions{}, formats.ErrSyntax, ""},
		{"key twice", "json", `{"a": 1, "a": 2}`, cipher.SealOptions{}, formats.ErrDuplicate, ""},
		{"list at the top", "yaml", "- a\n", cipher.SealOptions{}, formats.ErrNotSealable, ""},
		{"empty binary file", "binary", "", cipher.SealOptions{}, formats.ErrNotSealable, ""},
		{"too large", "json", `{"a": "` + strings.Repeat("x", formats.MaxSource) + `"}`, cipher.SealOptions{}, formats.ErrLimit, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := trySeal(t, tt.format, []byte(tt.src), tt.opts)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			var at *cipher.PathError
			if errors.As(err, &at) != (tt.path != "") || tt.path != "" && at.Path.String() != tt.path {
				t.Errorf("got %v, want it at %q", err, tt.path)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ENC[") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

// TestAliasesThatDoNotLeak are sealed where they stand, or left as they are.
func TestAliasesThatDoNotLeak(t *testing.T) {
	for _, src := range []string{
		"a: &x secret\nl: {a: *x}\n",    // both selected
		"b: &x plain\nc: *x\na: sealed", // neither
		"b: &x plain\na: *x\n",          // only the alias
		"b: &x {k: plain}\na: *x\nc: *x\n",
	} {
		sealed := mustSeal(t, "yaml", []byte(src), cipher.SealOptions{Selector: selector(t, cipher.EncryptedRegex, "^a$")})
		if got := mustOpen(t, "yaml", sealed.Bytes).PlaintextBytes(); string(got) != src {
			t.Errorf("got %q, want %q", got, src)
		}
	}
}

// TestLargestBinaryFile: binary files may be larger than others.
func TestBinaryFilesMayBeLarger(t *testing.T) {
	src := make([]byte, formats.MaxSource+1)
	if got := mustOpen(t, "binary", mustSeal(t, "binary", src, cipher.SealOptions{}).Bytes).PlaintextBytes(); len(got) != len(src) {
		t.Errorf("got %d bytes, want %d", len(got), len(src))
	}
}

// brokenRecipient fails to wrap.
type brokenRecipient struct{}

func (brokenRecipient) Wrap(context.Context, []byte) (keysources.Stanza, error) {
	return keysources.Stanza{}, errors.New("the service is down")
}
func (brokenRecipient) String() string { return "broken" }

func TestSealFailsIfOneRecipientFails(t *testing.T) {
	_, err := trySeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: append(recipients(t, aliceKey), brokenRecipient{})})
	if err == nil || !strings.Contains(err.Error(), "broken: the service is down") {
		t.Errorf("got %v, want an error that names the recipient and the cause", err)
	}
}

func TestRecipientsNamedTwiceGetOneStanza(t *testing.T) {
	s := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey, aliceKey)})
	if got := mustOpen(t, "yaml", s.Bytes).Metadata.Readers(); len(got) != 2 {
		t.Errorf("got readers %v, want two", got)
	}
}

// TestCheckFindsOtherBytes: Check is for what was read back from where the file is
// stored.
func TestCheckFindsOtherBytes(t *testing.T) {
	s := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{})
	bad := append([]byte{}, s.Bytes...)
	bad[len(bad)/2] ^= 1
	for name, b := range map[string][]byte{"changed": bad, "cut": s.Bytes[:len(s.Bytes)-1], "empty": nil} {
		if err := s.Check(b); !errors.Is(err, cipher.ErrVerify) {
			t.Errorf("%s: got %v, want ErrVerify", name, err)
		}
	}
}

// TestNothingPrintsTheContent tries every verb on what holds secrets.
func TestNothingPrintsTheContent(t *testing.T) {
	s := mustSeal(t, "yaml", []byte("a: hunter2-canary\n"), cipher.SealOptions{})
	o := mustOpen(t, "yaml", s.Bytes)
	for _, v := range []any{s, *s, o, *o, []*cipher.Opened{o}, parse(t, "yaml", []byte("a: hunter2-canary\n")).Leaves[0].Scalar} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") || strings.Contains(got, "104 117 110") {
				t.Errorf("%s of %T prints the content", verb, v)
			}
		}
	}
}

// TestSealedFileHoldsNoPlaintext looks for canaries in every format.
func TestSealedFileHoldsNoPlaintext(t *testing.T) {
	for _, name := range all.Names() {
		src := []byte("hunter2-canary \xc5\xbe\n")
		if name != "binary" {
			src = emit(name, tamperDocument(name, "current"))
		}
		s := mustSeal(t, name, src, cipher.SealOptions{Selector: cipher.DefaultSelector()})
		for _, l := range parse(t, name, src).Leaves {
			if len(l.Text) > 4 && strings.Contains(string(s.Bytes), strings.TrimSpace(l.Text)) {
				t.Errorf("%s: the sealed file holds the value of %s", name, l.Path)
			}
		}
	}
}
