package age_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age/plugin"
	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// agePrograms returns the folder that holds the real age and age-plugin-batchpass.
func agePrograms(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs age")
	}
	return toolcache.Age().Need(t)
}

// run runs a program and returns what it prints.
func run(t *testing.T, stdin []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", filepath.Base(program), args, err, stderr.Bytes())
	}
	return out
}

// keygen makes a key pair with the real ssh-keygen.
func keygen(t *testing.T, phrase string, args ...string) (public, file string) {
	t.Helper()
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		toolcache.Unavailable(t, err)
	}
	file = filepath.Join(t.TempDir(), "key")
	run(t, nil, program, append([]string{"-q", "-N", phrase, "-C", "me@here", "-f", file}, args...)...)
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), file
}

// pair is a recipient and the file that holds its identity.
type pair struct {
	name, recipient, file string
	ssh                   bool
}

// pairs returns one of each kind. The plugin's needs installPlugin.
func pairs(t *testing.T) []pair {
	t.Helper()
	dir := t.TempDir()
	r, id := pluginKey("gitsealtest", "plain", key1)
	out := []pair{
		{name: "X25519", recipient: recipient1, file: write(t, key1+"\n", dir, "x25519")},
		{name: "hybrid", recipient: identity(t, keyPQ).Recipient().String(), file: write(t, keyPQ+"\n", dir, "pq")},
		{name: "plugin", recipient: r, file: write(t, "# public key: "+r+"\n"+id+"\n", dir, "plugin")},
	}
	for _, kind := range []string{"ed25519", "rsa"} {
		public, file := keygen(t, "", "-t", kind)
		out = append(out, pair{name: "ssh " + kind, recipient: public, file: file, ssh: true})
	}
	return out
}

// ring returns a keyring of one file; ask gives the passphrase.
func ring(file string) *age.Keyring {
	k := age.NewKeyring(environment{}.get, file)
	k.UI = (&user{answer: passphrase}).ui()
	return k
}

func encStanza(enc []byte, reader string) keysources.Stanza {
	return keysources.Stanza{Type: keysources.TypeAge, Fields: []keysources.Field{
		{Name: "enc", Value: string(enc)}, {Name: "recipient", Value: reader},
	}}
}

func TestAgeItselfOpensOursAndWeOpenItsOwn(t *testing.T) {
	program := filepath.Join(agePrograms(t), "age")
	installPlugin(t, "gitsealtest")
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			theirs := run(t, dataKey, program, "-a", "-r", p.recipient)
			if key, err := ring(p.file).Unwrap(t.Context(), encStanza(theirs, p.recipient)); err != nil || !bytes.Equal(key, dataKey) {
				t.Errorf("theirs: got %d bytes, error %v", len(key), err)
			}
			ours := wrapped(t, recipient(t, p.recipient))
			if key := run(t, []byte(ours.Get("enc")), program, "-d", "-i", p.file); !bytes.Equal(key, dataKey) {
				t.Errorf("ours: age gave %d bytes", len(key))
			}
		})
	}
}

// TestAgesOwnPlugin: age-plugin-batchpass encrypts with a passphrase from the
// environment, which is also how a file of identities gets one without a terminal.
func TestAgesOwnPlugin(t *testing.T) {
	dir := agePrograms(t)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("AGE_PASSPHRASE", passphrase)
	t.Setenv("AGE_PASSPHRASE_WORK_FACTOR", "10")
	program := filepath.Join(dir, "age")
	theirs := run(t, dataKey, program, "-e", "-a", "-j", "batchpass")
	file := write(t, plugin.EncodeIdentity("batchpass", nil), t.TempDir(), "keys")
	if key, err := ring(file).Unwrap(t.Context(), encStanza(theirs, "passphrase")); err != nil || !bytes.Equal(key, dataKey) {
		t.Errorf("got %d bytes, error %v", len(key), err)
	}
	for _, armored := range []bool{true, false} {
		args := []string{"-e", "-j", "batchpass"}
		if armored {
			args = append(args, "-a")
		}
		locked := write(t, string(run(t, []byte(key1+"\n"), program, args...)), t.TempDir(), "locked")
		if key, err := ring(locked).Unwrap(t.Context(), stanzaFor(t, key1)); err != nil || !bytes.Equal(key, dataKey) {
			t.Errorf("encrypted identities, armored %v: got %d bytes, error %v", armored, len(key), err)
		}
	}
}

func TestKeysOfSSHKeygen(t *testing.T) {
	for _, args := range [][]string{
		{"-t", "ed25519"}, {"-t", "ed25519", "-a", "20", "-Z", "aes256-cbc"}, {"-t", "rsa", "-b", "2048"}, {"-t", "rsa", "-m", "PEM"}, {"-t", "rsa", "-m", "PKCS8"},
	} {
		for _, phrase := range []string{"", passphrase} {
			if phrase != "" && args[len(args)-1] == "PKCS8" {
				continue // see TestKeysThatCannotBeReadSayWhatToDo
			}
			t.Run(strings.Join(args, " ")+" "+phrase, func(t *testing.T) {
				public, file := keygen(t, phrase, args...)
				s := wrapped(t, recipient(t, public))
				if key, err := ring(file).Unwrap(t.Context(), s); err != nil || !bytes.Equal(key, dataKey) {
					t.Errorf("got %d bytes, error %v", len(key), err)
				}
				mine, err := ring(file).Recipients(t.Context())
				if want := strings.TrimSuffix(public, " me@here"); err != nil || len(mine) != 1 || mine[0].String() != want {
					t.Errorf("own recipients: got %v, error %v, want %s", mine, err, want)
				}
			})
		}
	}
}

// TestKeysThatCannotBeReadSayWhatToDo: forms of private keys that the ssh library
// does not know.
func TestKeysThatCannotBeReadSayWhatToDo(t *testing.T) {
	for _, args := range [][]string{{"-t", "rsa", "-m", "PKCS8"}, {"-t", "ed25519", "-Z", "aes256-gcm@openssh.com"}} {
		public, file := keygen(t, passphrase, args...)
		_, err := ring(file).Unwrap(t.Context(), wrapped(t, recipient(t, public)))
		if err == nil || !strings.Contains(err.Error(), "ssh-keygen -p") || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: got error %v", args, err)
		}
	}
}

// sopsFile is what the tests look at in a file that sops sealed.
type sopsFile map[string]json.RawMessage

// ageEntry is sops's form of a stanza.
type ageEntry struct {
	Enc       string `json:"enc"`
	Recipient string `json:"recipient"`
}

func (f sopsFile) metadata(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	var meta map[string]json.RawMessage
	if err := json.Unmarshal(f["sops"], &meta); err != nil {
		t.Fatal(err)
	}
	return meta
}

// entry returns the file's only age entry.
func (f sopsFile) entry(t *testing.T) ageEntry {
	t.Helper()
	var entries []ageEntry
	if err := json.Unmarshal(f.metadata(t)["age"], &entries); err != nil || len(entries) != 1 {
		t.Fatalf("got %d age entries, error %v", len(entries), err)
	}
	return entries[0]
}

// with returns the file with another age entry.
func (f sopsFile) with(t *testing.T, s keysources.Stanza) []byte {
	t.Helper()
	marshal := func(v any) json.RawMessage {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	meta := f.metadata(t)
	meta["age"] = marshal([]ageEntry{{s.Get("enc"), s.Get("recipient")}})
	f["sops"] = marshal(meta)
	return marshal(f)
}

// TestSopsItselfOpensOursAndWeOpenItsOwn: sops seals for a reader, we unwrap the
// data key and wrap it again, and sops opens the file with our stanza.
func TestSopsItselfOpensOursAndWeOpenItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("runs sops")
	}
	installPlugin(t, "gitsealtest")
	sops := sopstest.New(t, "3.13.3")
	const plain = `{"password":"correct horse"}`
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			mine := sops
			mine.Key = sopstest.Key{Recipient: p.recipient}
			mine.Env = []string{"SOPS_AGE_KEY_FILE=" + p.file}
			if p.ssh {
				mine.Env = []string{"SOPS_AGE_SSH_PRIVATE_KEY_FILE=" + p.file}
			}
			sealed := mine.Encrypt(t.Context(), "x.json", []byte(plain))
			if err := sealed.Err(); err != nil {
				t.Fatal(err)
			}
			var file sopsFile
			if err := json.Unmarshal(sealed.Stdout, &file); err != nil {
				t.Fatal(err)
			}
			theirs := file.entry(t)
			key, err := ring(p.file).Unwrap(t.Context(), encStanza([]byte(theirs.Enc), theirs.Recipient))
			if err != nil || len(key) != 32 {
				t.Fatalf("theirs: got %d bytes, error %v", len(key), err)
			}
			ours, err := recipient(t, p.recipient).Wrap(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(theirs.Recipient, ours.Get("recipient")); diff != "" {
				t.Errorf("recipient, sops's and ours (-want +got):\n%s", diff)
			}
			opened := mine.Decrypt(t.Context(), "x.json", file.with(t, ours))
			if err := opened.Err(); err != nil {
				t.Fatalf("ours: %v", err)
			}
			var got map[string]string
			if err := json.Unmarshal(opened.Stdout, &got); err != nil || got["password"] != "correct horse" {
				t.Errorf("ours: sops gave %d bytes, error %v", len(opened.Stdout), err)
			}
		})
	}
}
