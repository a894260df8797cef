package keyservice_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/awskms"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

const plain = "db:\n    host: db-1.internal\n    password: correct horse\nport: 5432\n"

// setenv sets the process's environment, which is where the AWS SDK looks.
func setenv(t *testing.T, environ []string) {
	t.Helper()
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

// folder returns a folder with the plain file f.yaml.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.yaml"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSopsUsesOurServer has the real sops seal and open a file with keys that only
// our server has.
func TestSopsUsesOurServer(t *testing.T) {
	setenv(t, awskmstest.New(t, awskmstest.Options{}).Env())
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			peer := sopstest.New(t, version)
			events := &log{}
			l := listenUnix(t, keyservice.ListenOptions{})
			start(t, l, keyservice.NewServer(map[string]keysources.Source{
				keysources.TypeAge: newSource(t, keysources.TypeAge, pair{identity: peer.Key.Identity}),
				keysources.TypeKMS: awskms.New(os.Getenv),
			}, keysources.Policy{}, keyservice.ServerOptions{Log: events.add}))
			recipient := peer.Key.Recipient
			peer.Key = sopstest.Key{} // sops itself has no key
			for name, flags := range map[string][]string{
				"age": {"--age", recipient},
				"kms": {"--kms", awskmstest.DefaultKey, "--encryption-context", "env:prod,app:shop"},
			} {
				t.Run(name, func(t *testing.T) {
					through := func(args ...string) sopstest.Result {
						all := append([]string{"--enable-local-keyservice=false", "--keyservice", l.Address()}, args...)
						return peer.Run(t.Context(), folder(t), all...)
					}
					sealed := through(append(append([]string{"--encrypt"}, flags...), "f.yaml")...)
					if err := sealed.Err(); err != nil {
						t.Fatal(err)
					}
					dir := t.TempDir()
					if err := os.WriteFile(filepath.Join(dir, "s.yaml"), sealed.Stdout, 0o600); err != nil {
						t.Fatal(err)
					}
					opened := through("--decrypt", filepath.Join(dir, "s.yaml"))
					if diff := cmp.Diff(plain, string(opened.Stdout)); opened.Err() != nil || diff != "" {
						t.Errorf("%v (-want +got):\n%s", opened.Err(), diff)
					}
					// The control: without the key service, it does not open.
					if alone := peer.Run(t.Context(), dir, "--decrypt", "s.yaml"); alone.Err() == nil {
						t.Error("sops opened it alone")
					}
				})
			}
			if got := len(events.all()); got != 4 {
				t.Errorf("%d requests, want 4", got)
			}
		})
	}
}

// TestSopsShowsOurErrors: what people read when sops is the client.
func TestSopsShowsOurErrors(t *testing.T) {
	peer := sopstest.New(t, sopstest.Versions[0])
	sealed := peer.Encrypt(t.Context(), "f.yaml", []byte(plain))
	if err := sealed.Err(); err != nil {
		t.Fatal(err)
	}
	recipient := peer.Key.Recipient
	peer.Key = sopstest.Key{}
	url := serveUnix(t, newSource(t, keysources.TypeAge, newPair(t)), keysources.TypeAge, keyservice.ServerOptions{})
	r := peer.Decrypt(t.Context(), "f.yaml", sealed.Stdout, "--enable-local-keyservice=false", "--keyservice", url)
	// sops wraps its report; the words are ours.
	said := strings.Join(strings.Fields(strings.ReplaceAll(string(r.Stderr), "|", " ")), " ")
	if r.Err() == nil || !strings.Contains(said, "this key service has no identity for it") || !strings.Contains(said, recipient) {
		t.Errorf("sops said: %s", r.Stderr)
	}
}

// startSops runs sops's own key service until the test ends.
func startSops(t *testing.T, peer sopstest.Sops, url string) {
	t.Helper()
	network, address, _ := strings.Cut(url, "://")
	cmd := exec.Command(peer.Bin, "keyservice", "--network", network, "--address", address)
	cmd.Env = peer.Environ()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial(network, address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("sops keyservice does not listen: %v", err)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestOurClientUsesTheServerOfSops seals and opens a file with keys that only
// sops's key service has.
func TestOurClientUsesTheServerOfSops(t *testing.T) {
	aws := awskmstest.New(t, awskmstest.Options{})
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			peer := sopstest.New(t, version)
			var err error
			// The SDK of 3.8.1 cannot be told another endpoint.
			if peer.Env, err = aws.ProxyEnv(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			kms := stanza(keysources.TypeKMS, "arn", awskmstest.DefaultKey, "aws_profile", "")
			kms.Context = []keysources.Field{{Name: "env", Value: "prod"}, {Name: "app", Value: "shop"}}
			age := stanza(keysources.TypeAge, "recipient", peer.Key.Recipient)
			for _, url := range []string{"unix://" + filepath.Join(t.TempDir(), "s"), "tcp://" + freePort(t)} {
				startSops(t, peer, url)
				c := dial(t, noEnv, url)
				for _, key := range []keysources.Stanza{age, kms} {
					t.Run(url[:4]+" "+key.Type, func(t *testing.T) { sealThrough(t, c, peer, key) })
				}
				// What sops cannot open is a refusal that names reader and service, in
				// our words.
				_, err = c.Unwrap(t.Context(), stanza(keysources.TypeAge, "recipient", peer.Key.Recipient, "enc", "no age file"))
				if keysources.ReasonOf(err) != keysources.Denied || !strings.Contains(err.Error(), url) || !strings.Contains(err.Error(), peer.Key.Recipient) {
					t.Errorf("a damaged key: got %v", err)
				}
			}
		})
	}
}

// sealThrough seals a file for a key through a key service, opens it through it,
// and has sops open it.
func sealThrough(t *testing.T, c *keyservice.Source, peer sopstest.Sops, key keysources.Stanza) {
	r, err := c.Recipient(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{Recipients: []keysources.Recipient{r}})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := cipher.Open(t.Context(), yaml.Format{}, sealed.Bytes, cipher.OpenOptions{Identities: []keysources.Identity{c}, RequireSeal: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain, string(opened.PlaintextBytes())); diff != "" {
		t.Errorf("opened through the key service (-want +got):\n%s", diff)
	}
	theirs := peer.Decrypt(t.Context(), "f.yaml", sealed.Bytes)
	if diff := cmp.Diff(plain, string(theirs.Stdout)); theirs.Err() != nil || diff != "" {
		t.Errorf("opened by sops: %v (-want +got):\n%s", theirs.Err(), diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Wrap(ctx, dataKey()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
