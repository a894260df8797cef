package age_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age/plugin"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

// Keys made for these tests; they protect nothing.
const (
	key1       = "AGE-SECRET-KEY-1A93RFMDLYL4TL6QUY5UYWGNR4MX4QQQKC9U5VWRWJQJVPUJ3707SRD6DKZ"
	recipient1 = "age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw"
	key2       = "AGE-SECRET-KEY-1THY76M3PZ0D0TNY4NJJM58F27X4JDPTQMXGXFU0J5U8C30NVASSQ0QXPK7"
	recipient2 = "age1m8klzuhmr88c2hhmzl4snmv0mzx4enm29kdy7fazp8q97twku4es4fcj0j"
	// Public keys of nobody.
	sshPublic       = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVOZwvVJfI1en/FdZC1lzLs71ANLgHUiorbvSX8qjMn"
	pluginRecipient = "age1yubikey1xqcnyve5x5mrwwpev93xxer9vccrzv3nxs6nvdec89skycmyv4nrquats75"

	keyPQ = "AGE-SECRET-KEY-PQ-1MRUU0JEXF2JQW7MUKSGX3R74KCE24YQS3DSZCWS8GKQTHYY44D8QLK0FEY"
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
		{"damaged ssh recipient", ssh, true, false},
		{"other kind of ssh recipient", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI", true, true},
		{"ssh key on a device", "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5z", true, true},
		{"two ssh recipients", "ssh-rsa x\n" + sshPublic, true, false},
		{"ssh recipient after options", "no-pty " + sshPublic, true, false},
		{"ssh private key as recipient", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", true, false},
		{"plugin key as recipient", "AGE-PLUGIN-YUBIKEY-1QQPQQQYQQQQQQ", true, false},
		{"private key in lower case as recipient", strings.ToLower(key1), true, false},
		{"damaged plugin recipient", pluginRecipient[:len(pluginRecipient)-1] + "q", true, false},
		{"plugin recipient without a name", "age11qwt50d05nh5", true, false},
		{"plugin with a path", "age1../evil1qwt50d05nh5", true, false},
		{"recipient that is too long", "ssh-ed25519 " + strings.Repeat("A", 1<<20), true, false},
		{"empty recipient", "", true, false},
		{"text as recipient", "hunter2-hunter2", true, false},
		{"damaged key", key1[:len(key1)-1] + "Q", false, false},
		{"key in lower case", strings.ToLower(key1), false, false},
		{"damaged hybrid key", keyPQ[:len(keyPQ)-2], false, false},
		{"recipient as key", recipient1, false, false},
		{"damaged plugin key", "AGE-PLUGIN-YUBIKEY-1QQPQQQYQQQQQQ", false, false},
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
			const prefixes = "AGE-SECRET-KEY-1 AGE-SECRET-KEY-PQ-1 ssh-ed25519 and ssh-rsa"
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
	if ids, err := age.ParseIdentities(strings.NewReader("")); len(ids) != 0 || err != nil {
		t.Errorf("an empty list: got %d identities, error %v", len(ids), err)
	}
	if ids, err := age.ParseIdentities(strings.NewReader(strings.Repeat("x", 1<<17))); len(ids) != 0 || err == nil {
		t.Errorf("a line that is too long: got %d identities, error %v", len(ids), err)
	}
}

// TestPluginsAreThoseThatThePolicySees: what a recipient runs is what the user was
// asked about.
func TestPluginsAreThoseThatThePolicySees(t *testing.T) {
	ring := age.NewKeyring(environment{}.get)
	for _, tt := range []struct {
		name, recipient, plugin string
		fails                   bool
	}{
		{"plugin", pluginRecipient, "yubikey", false},
		{"no plugin", recipient1, "", false},
		{"ssh", sshPublic, "", false},
		{"tagged recipient, which only a plugin knows", plugin.EncodeRecipient("tag", make([]byte, 33)), "tag", false},
		{"space in front", " " + pluginRecipient, "", true},
		{"line end behind", pluginRecipient + "\n", "", true},
		{"private key", key1, "", true},
		{"nothing", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: tt.recipient}}}
			r, err := ring.Recipient(key)
			if tt.fails {
				if keysources.ReasonOf(err) != keysources.Malformed || strings.Contains(err.Error(), key1) {
					t.Errorf("got error %v, want the reason malformed, and no key", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.(age.Recipient).Plugin(); got != tt.plugin {
				t.Errorf("got plugin %q, want %q", got, tt.plugin)
			}
			if got, ok := keysources.KeyOf(r); !ok || !keysources.SameKey(got, key) {
				t.Errorf("the recipient says it is made of %v", got)
			}
		})
	}
	if _, err := ring.Recipient(keysources.Stanza{Type: keysources.TypePGP}); keysources.ReasonOf(err) != keysources.Malformed {
		t.Errorf("a PGP key: got error %v", err)
	}
}

func FuzzParseIdentities(f *testing.F) {
	f.Add(key1 + "\n# x\n" + keyPQ)
	f.Add("AGE-SECRET-KEY-1\r\n\r\nAGE-PLUGIN-\n-----BEGIN")
	f.Add("# public key: " + pluginRecipient + "\nAGE-PLUGIN-BATCHPASS-1JCS0Q9")
	f.Add(sshPublic + " me@here")
	f.Add(pluginRecipient)
	ring := age.NewKeyring(environment{}.get)
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
		key := keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{{Name: "recipient", Value: text}}}
		r, err := ring.Recipient(key)
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, "age1") && !strings.HasPrefix(text, "ssh-") || r.String() != text {
			t.Error("a recipient that is none")
		}
		uses := keysources.Uses(key)
		if name := r.(age.Recipient).Plugin(); name != "" && (len(uses) != 1 || uses[0].Value != name) {
			t.Errorf("the plugin %q is run, and the policy sees %v", name, uses)
		}
	})
}

// FuzzKeyFile: whatever stands in a file of keys, reading it says something, and
// does not show it.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n-> scrypt x 18\n"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"))
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----\n"))
	f.Add([]byte(key1))
	f.Fuzz(func(t *testing.T, data []byte) {
		env := environment{"SOPS_AGE_KEY_FILE": write(t, string(data), t.TempDir(), "keys")}
		ring := age.NewKeyring(env.get)
		ids, err := ring.Identities()
		for _, id := range ids {
			if !bytes.Contains(bytes.ToUpper(data), bytes.ToUpper([]byte(id.SecretText()))) {
				t.Error("an identity that is not in the file")
			}
		}
		if err != nil && strings.Contains(err.Error(), "AGE-SECRET-KEY-1A93") {
			t.Error("the error shows a key")
		}
	})
}
