package age_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// Keys made for these tests; they protect nothing.
const (
	key1       = "AGE-SECRET-KEY-1A93RFMDLYL4TL6QUY5UYWGNR4MX4QQQKC9U5VWRWJQJVPUJ3707SRD6DKZ"
	recipient1 = "age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw"
	key2       = "AGE-SECRET-KEY-1THY76M3PZ0D0TNY4NJJM58F27X4JDPTQMXGXFU0J5U8C30NVASSQ0QXPK7"
	recipient2 = "age1m8klzuhmr88c2hhmzl4snmv0mzx4enm29kdy7fazp8q97twku4es4fcj0j"
	keyPQ      = "AGE-SECRET-KEY-PQ-1MRUU0JEXF2JQW7MUKSGX3R74KCE24YQS3DSZCWS8GKQTHYY44D8QLK0FEY"
)

func identity(tb testing.TB, text string) age.Identity {
	tb.Helper()
	id, err := age.ParseIdentity(text)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// secretsOf returns what must not be shown of an identity.
func secretsOf(text string) []string {
	_, data, _ := strings.Cut(strings.TrimPrefix(text, "AGE-SECRET-KEY-"), "1")
	return []string{text, data, data[:16], data[20:36]}
}

func TestLaws(t *testing.T) {
	for _, pq := range []bool{false, true} {
		t.Run(fmt.Sprintf("postquantum=%v", pq), func(t *testing.T) {
			me, err := age.Generate(pq)
			if err != nil {
				t.Fatal(err)
			}
			stranger, err := age.Generate(pq)
			if err != nil {
				t.Fatal(err)
			}
			keysourcestest.Source{
				Recipient: me.Recipient(), Identity: me, Stranger: stranger, Secrets: secretsOf(me.SecretText()),
			}.Run(t)
		})
	}
}

func TestKeyringLaws(t *testing.T) {
	env := map[string]string{"SOPS_AGE_KEY": key1}
	other := map[string]string{"SOPS_AGE_KEY": key2}
	keysourcestest.Source{
		Recipient: identity(t, key1).Recipient(),
		Identity:  age.NewKeyring(func(k string) string { return env[k] }),
		Stranger:  age.NewKeyring(func(k string) string { return other[k] }),
		Secrets:   secretsOf(key1),
	}.Run(t)
}

func TestIdentitiesRoundTripAsText(t *testing.T) {
	for _, pq := range []bool{false, true} {
		id, err := age.Generate(pq)
		if err != nil {
			t.Fatal(err)
		}
		again := identity(t, id.SecretText())
		if again.SecretText() != id.SecretText() || again.Recipient().String() != id.Recipient().String() {
			t.Error("an identity read back is another one")
		}
		r, err := age.ParseRecipient(" " + id.Recipient().String() + "\n")
		if err != nil || r.String() != id.Recipient().String() || r.PostQuantum() != pq {
			t.Errorf("postquantum %v: recipient read back: post-quantum %v, error %v", pq, r.PostQuantum(), err)
		}
	}
}

func TestRecipientsOfFixedKeys(t *testing.T) {
	for key, want := range map[string]string{key1: recipient1, key2: recipient2} {
		if got := identity(t, key).Recipient().String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if pq := identity(t, keyPQ).Recipient(); !pq.PostQuantum() || !strings.HasPrefix(pq.String(), "age1pq1") {
		t.Error("the hybrid identity has no hybrid recipient")
	}
}

func TestParsingRefusesWithoutEcho(t *testing.T) {
	const ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbCdEfGhIjK me@here"
	tests := []struct {
		name, text  string
		recipient   bool
		unsupported bool
	}{
		{"private key as recipient", key1, true, false},
		{"hybrid private key as recipient", keyPQ, true, false},
		{"damaged recipient", recipient1[:len(recipient1)-1] + "x", true, false},
		{"damaged hybrid recipient", "age1pq1" + strings.Repeat("q", 40), true, false},
		{"ssh recipient", ssh, true, true},
		{"plugin recipient", "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", true, true},
		{"empty recipient", "", true, false},
		{"text as recipient", "hunter2-hunter2", true, false},
		{"damaged key", key1[:len(key1)-1] + "Q", false, false},
		{"key in lower case", strings.ToLower(key1), false, false},
		{"damaged hybrid key", keyPQ[:len(keyPQ)-2], false, false},
		{"recipient as key", recipient1, false, false},
		{"plugin key", "AGE-PLUGIN-YUBIKEY-1QQPQQQYQQQQQQ", false, true},
		{"armored file", "-----BEGIN AGE ENCRYPTED FILE-----", false, true},
		{"empty key", "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			if tt.recipient {
				_, err = age.ParseRecipient(tt.text)
			} else {
				_, err = age.ParseIdentity(tt.text)
			}
			if err == nil || errors.Is(err, age.ErrUnsupported) != tt.unsupported {
				t.Fatalf("got error %v, want one that is ErrUnsupported: %v", err, tt.unsupported)
			}
			const prefixes = "AGE-SECRET-KEY-1 AGE-SECRET-KEY-PQ-1"
			for i := 0; i+12 <= len(tt.text); i++ {
				if part := tt.text[i : i+12]; strings.Contains(err.Error(), part) && !strings.Contains(prefixes, part) {
					t.Errorf("the error %q holds the input's %q", err, part)
				}
			}
		})
	}
}

func TestIdentityListsKeepWhatTheyCanRead(t *testing.T) {
	text := "# created: today\r\n\n  " + key1 + "  \r\nhunter2-hunter2\n" + keyPQ + "\nAGE-PLUGIN-X-1QQ\n" + key2
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if len(ids) != 3 {
		t.Fatalf("got %d identities, want 3", len(ids))
	}
	if err == nil || !strings.Contains(err.Error(), "line 4") || !strings.Contains(err.Error(), "line 6") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v, want the numbers of lines 4 and 6 alone", err)
	}
	if !errors.Is(err, age.ErrUnsupported) {
		t.Errorf("got error %v, want one that wraps ErrUnsupported", err)
	}
	if ids, err := age.ParseIdentities(strings.NewReader("")); len(ids) != 0 || err != nil {
		t.Errorf("an empty list: got %d identities, error %v", len(ids), err)
	}
	if ids, err := age.ParseIdentities(strings.NewReader(strings.Repeat("x", 1<<17))); len(ids) != 0 || err == nil {
		t.Errorf("a line that is too long: got %d identities, error %v", len(ids), err)
	}
}

func FuzzParseIdentities(f *testing.F) {
	f.Add(key1 + "\n# x\n" + keyPQ)
	f.Add("AGE-SECRET-KEY-1\r\n\r\nAGE-PLUGIN-\n-----BEGIN")
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := age.ParseIdentities(strings.NewReader(text))
		for _, id := range ids {
			if !strings.Contains(strings.ToUpper(text), id.SecretText()) {
				t.Errorf("an identity that is not in the text")
			}
		}
		if err != nil && strings.Contains(err.Error(), "AGE-SECRET-KEY-1A93") {
			t.Error("the error shows a key")
		}
		if _, err := age.ParseRecipient(text); err == nil && !strings.HasPrefix(strings.TrimSpace(text), "age1") {
			t.Error("a recipient that is none")
		}
	})
}
