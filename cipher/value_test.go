package cipher_test

import (
	"bytes"
	"crypto/aes"
	stdcipher "crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

func TestValuesRoundTrip(t *testing.T) {
	for _, s := range []formats.Scalar{
		{Kind: formats.String, Text: "x"}, {Kind: formats.String, Text: strings.Repeat("long\n\x00\xff", 5000)},
		{Kind: formats.Int, Text: "-9223372036854775808"}, {Kind: formats.Float, Text: "1.5"}, {Kind: formats.Bool, Text: "True"},
		{Kind: formats.Time, Text: "2020-01-02T00:00:00Z"}, {Kind: formats.Comment, Text: " a note"},
	} {
		text := cipher.SealValue(s)
		if !wellFormed.MatchString(text) || text == cipher.SealValue(s) {
			t.Errorf("%v: got %.80s", s, text)
		}
		got, reason, ok := cipher.OpenValue(text)
		if !ok || got != s {
			t.Errorf("%v: got %v, %s", s, got, reason)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), s.Text) && len(s.Text) > 1 {
			t.Errorf("%v prints its text", s)
		}
	}
}

// TestCanonicalTexts: only what sealing writes is accepted for a kind. Other texts
// of the same meaning fail sops's MAC.
func TestCanonicalTexts(t *testing.T) {
	for kind, texts := range map[formats.Kind]struct{ good, bad []string }{
		formats.Int: {
			[]string{"0", "-1", "9223372036854775807", "-9223372036854775808"},
			[]string{"", "-0", "+1", "007", "1.0", "1e3", "0x1F", "1_000", " 1", "1\n", "9223372036854775808", "٣"},
		},
		formats.Float: {
			[]string{"1", "1.5", "-0", "1000000000000000000000", "0.0000001", "+Inf", "-Inf", "NaN", "18446744073709552000"},
			[]string{"", "1.0", "1.50", "1e3", ".5", "Inf", "inf", "nan", "0x1p-2", "1_0", "12345678901234567890123"},
		},
		formats.Bool:   {[]string{"True", "False"}, []string{"", "true", "TRUE", "1", "yes", "True "}},
		formats.Time:   {[]string{"2020-01-02T00:00:00Z", "2001-12-14T21:59:43.1-05:00", "0000-01-01T00:00:00Z"}, []string{"", "2020-01-02", "2020-01-02T00:00:00z", "2020-01-02T00:00:00.10Z", "2020-01-02 00:00:00Z", "2020-01-02T00:00:00+00:00"}},
		formats.String: {[]string{"", "x", "\xff\x00"}, nil},
	} {
		for _, text := range texts.good {
			if !cipher.Canonical(formats.Scalar{Kind: kind, Text: text}) {
				t.Errorf("%s %q is refused", kind, text)
			}
		}
		for _, text := range texts.bad {
			if cipher.Canonical(formats.Scalar{Kind: kind, Text: text}) {
				t.Errorf("%s %q is accepted", kind, text)
			}
		}
	}
}

// TestOldNonces: versions of sops before 2.0 wrote nonces of 12 bytes.
func TestOldNoncesAreRead(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for size, ok := range map[int]bool{12: true, 32: true, 11: false, 16: false, 31: false, 33: false} {
		gcm, err := stdcipher.NewGCMWithNonceSize(block, size)
		if err != nil {
			t.Fatal(err)
		}
		iv := bytes.Repeat([]byte{7}, size)
		out := gcm.Seal(nil, iv, []byte("old"), []byte("a:"))
		b64 := base64.StdEncoding.EncodeToString
		text := "ENC[AES256_GCM,data:" + b64(out[:3]) + ",iv:" + b64(iv) + ",tag:" + b64(out[3:]) + ",type:str]"
		if got, reason, opened := cipher.OpenValue(text); opened != ok || ok && got.Text != "old" {
			t.Errorf("a nonce of %d bytes: opened %v (%s)", size, opened, reason)
		}
	}
}

func TestParsedValuesReadBackAsTheyStood(t *testing.T) {
	good := cipher.SealValue(formats.Scalar{Kind: formats.String, Text: "x"})
	for text, ok := range map[string]bool{
		good: true, good + "\n": true, good + "\n\n": false, good + " ": false, " " + good: false, good + good: false,
		strings.Replace(good, "data:", "data:,", 1): true, // not base64: refused when it is opened
		strings.Replace(good, "type:", "", 1):       false,
		"ENC[AES256_GCM,data:,iv:,tag:,type:]":      true,
		"ENC[]":                                     false, "": false,
	} {
		again, parsed := cipher.ParseValue(text)
		if parsed != ok || parsed && again != strings.TrimSuffix(text, "\n") {
			t.Errorf("%q: parsed %v, again %q", text, parsed, again)
		}
	}
}
