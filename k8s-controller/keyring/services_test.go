package keyring_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/all"
	"github.com/gitseal/gitseal/keysources/awskms/awskmstest"
	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

// sealFile seals a small file for a key of a service, as somebody's workstation does.
func sealFile(t *testing.T, src keysources.Source, key string) []byte {
	t.Helper()
	r, err := keyring.SealingRecipients(map[string]keysources.Source{mustKey(t, key).Type: src}, []string{key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte("a: value\n"), cipher.SealOptions{Recipients: r})
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes
}

func mustKey(t *testing.T, name string) keysources.Stanza {
	t.Helper()
	key, err := keyring.ParseKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// open opens a file with what a Set has for it.
func open(t *testing.T, set *keyring.Set, file []byte) (string, error) {
	t.Helper()
	d, err := yaml.Format{}.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cipher.ParseMetadata(d)
	if err != nil {
		t.Fatal(err)
	}
	var stanzas []keysources.Stanza
	for _, g := range m.Groups {
		stanzas = append(stanzas, g...)
	}
	var list []keysources.Identity
	for _, id := range set.For(stanzas) {
		list = append(list, id.Identity)
	}
	opened, err := cipher.Open(t.Context(), yaml.Format{}, file, cipher.OpenOptions{Identities: list})
	if err != nil {
		return "", err
	}
	return string(opened.PlaintextBytes()), nil
}

// checkService has a key of a real service open a file directly, and an identity that
// is kept sealed for it; and another key, which the keyring does not list, nothing.
func checkService(t *testing.T, env func(string) string, listed, other string) {
	t.Helper()
	sources := all.Sources(env)
	typ := mustKey(t, listed).Type
	id := generate(t, true)
	r, err := keyring.SealingRecipients(sources, []string{listed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keyring.NewSecret{Name: "sealed", Keyring: "default", Created: time.Now(), SealFor: r,
		Identities: idsOf(id)}.Secret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kr := sealKeyring("default", kmsSource("direct", listed), sealedSource("kept", "sealed", listed))
	loaded := keyring.NewLoader(sources).Load(t.Context(), kr, []corev1.Secret{*sealed})
	if p := problems(loaded); p != "" {
		t.Fatal(p)
	}
	if diff := cmp.Diff([]string{id.Recipient().String(), listed}, ids(loaded.Set.Identities())); diff != "" {
		t.Error(diff)
	}
	if plain, err := open(t, loaded.Set, sealFile(t, sources[typ], listed)); err != nil || plain != "a: value\n" {
		t.Errorf("%q, %v", plain, err)
	}
	foreign := sealFile(t, sources[typ], other)
	if plain, err := open(t, loaded.Set, foreign); err == nil {
		t.Errorf("a key that is not listed opened a file: %q", plain)
	}
	// The control: the credentials would do.
	if m, err := cipher.Open(t.Context(), yaml.Format{}, foreign, cipher.OpenOptions{Identities: []keysources.Identity{sources[typ]}}); err != nil || !bytes.Equal(m.PlaintextBytes(), []byte("a: value\n")) {
		t.Errorf("the control cannot be opened: %v", err)
	}
}

func TestVaultForReal(t *testing.T) {
	v := vaulttest.Start(t)
	listed, other := v.CreateKey(t, "listed"), v.CreateKey(t, "other")
	env := v.Env(v.Root)
	checkService(t, env, listed, other)

	// A token that may not decrypt: the keyring waits and says why.
	id := generate(t, false)
	r, err := keyring.SealingRecipients(all.Sources(env), []string{listed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keyring.NewSecret{Name: "s", Keyring: "default", Created: time.Now(), SealFor: r, Identities: idsOf(id)}.Secret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := v.Token(t, time.Hour, "transit/decrypt/other=update")
	l := keyring.NewLoader(all.Sources(v.Env(token)))
	loaded := l.Load(t.Context(), sealKeyring("default", sealedSource("a", "s", listed)), []corev1.Secret{*sealed})
	if p := problems(loaded); !loaded.Retry() || !strings.Contains(p, "do not allow") || strings.Contains(p, token) {
		t.Errorf("%q, retry %v", p, loaded.Retry())
	}
}

func TestAWSForReal(t *testing.T) {
	const other = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000002"
	s := awskmstest.New(t, awskmstest.Options{Keys: []awskmstest.Key{{ARN: awskmstest.DefaultKey}, {ARN: other}}})
	for _, kv := range s.Env() { // the SDK looks at the process's environment
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	checkService(t, os.Getenv, awskmstest.DefaultKey, other)
}
