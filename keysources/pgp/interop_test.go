package pgp_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/pgp/pgptest"
)

const plain = "db:\n    host: db-1.internal\n    password: correct horse\nport: 5432\n"

// functionalKey is the fingerprint of the key in testdata.
const functionalKey = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4"

func functionalHome(t *testing.T) *pgptest.Home {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sops_functional_tests_key.asc"))
	if err != nil {
		t.Fatal(err)
	}
	h := pgptest.NewHome(t)
	h.Import(t, text)
	return h
}

// TestInteropWithSops: what sops sealed opens here, what we sealed opens there,
// with sops's own test key, an RSA key and a Curve25519 key.
func TestInteropWithSops(t *testing.T) {
	if testing.Short() {
		t.Skip("runs sops")
	}
	h := functionalHome(t)
	keys := map[string]string{
		"sops's test key": functionalKey,
		"RSA":             h.Generate(t, pgptest.Key{Name: "rsa", RSA: true}),
		"Curve25519":      h.Generate(t, pgptest.Key{Name: "ecc"}),
	}
	for _, version := range sopstest.Versions {
		peer := sopstest.New(t, version)
		peer.Env = []string{"GNUPGHOME=" + h.Dir}
		peer.Key = sopstest.Key{} // nothing else may open the file
		for name, fp := range keys {
			t.Run(version+"/"+name, func(t *testing.T) { bothWays(t, h, peer, fp) })
		}
	}
}

func bothWays(t *testing.T, h *pgptest.Home, peer sopstest.Sops, fp string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.yaml"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := peer.Run(t.Context(), dir, "--encrypt", "--pgp", fp, "f.yaml")
	if err := theirs.Err(); err != nil {
		t.Fatal(err)
	}
	source := pgp.New(h.Env)
	opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs.Stdout, cipher.OpenOptions{Identities: []keysources.Identity{source}})
	if err != nil {
		t.Fatalf("opening what sops sealed: %v", err)
	}
	if diff := cmp.Diff(plain, string(opened.PlaintextBytes())); diff != "" {
		t.Errorf("opening what sops sealed (-want +got):\n%s", diff)
	}
	ours, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient(t, source, fp)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := peer.Decrypt(t.Context(), "f.yaml", ours.Bytes)
	if diff := cmp.Diff(plain, string(got.Stdout)); got.Err() != nil || diff != "" {
		t.Errorf("sops opening what we sealed: %v (-want +got):\n%s", got.Err(), diff)
	}
	// The control: without the key ring it does not open.
	peer.Env = nil
	if got := peer.Decrypt(t.Context(), "f.yaml", ours.Bytes); got.Err() == nil {
		t.Error("sops opened it without the key")
	}
}

// TestExampleOfSops opens what an old sops wrapped, in the file that it brings.
func TestExampleOfSops(t *testing.T) {
	enc, err := os.ReadFile(filepath.Join("testdata", "sops_example.asc"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgp.New(functionalHome(t).Env).Unwrap(t.Context(), stanza(functionalKey, string(enc)))
	if err != nil || len(got) != 32 {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
}

// TestOldKeyRings: the form of before GnuPG 2.1, which sops reads with a library.
func TestOldKeyRings(t *testing.T) {
	h := functionalHome(t)
	old := pgptest.NewHome(t)
	for name, data := range map[string]string{
		"pubring.gpg": h.GPG(t, nil, "--batch", "--export"),
		"secring.gpg": h.GPG(t, nil, "--batch", "--export-secret-keys"),
	} {
		if err := os.WriteFile(filepath.Join(old.Dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := pgp.New(old.Env)
	unwraps(t, s, wrap(t, s, functionalKey))
	if testing.Short() {
		return
	}
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			peer := sopstest.New(t, version)
			peer.Env = []string{"GNUPGHOME=" + old.Dir}
			peer.Key = sopstest.Key{}
			bothWays(t, old, peer, functionalKey)
		})
	}
}
