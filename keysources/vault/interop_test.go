package vault_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/vault"
)

const plain = "db:\n    host: db-1.internal\n    password: correct horse\nport: 5432\n"

// TestInteropWithSops: what sops sealed for a transit key opens here, what we
// sealed opens there, also when the key got a new version in between.
func TestInteropWithSops(t *testing.T) {
	s := server(t)
	for _, version := range sopstest.Versions {
		t.Run(version, func(t *testing.T) {
			uri := s.CreateKey(t, "sops-"+version)
			peer := sopstest.New(t, version)
			peer.Env = []string{"VAULT_TOKEN=" + s.Root}
			peer.Key = sopstest.Key{} // nothing else may open the file
			source := vault.New(s.Env(s.Root))

			theirs := peer.Run(t.Context(), writeFile(t, "f.yaml", plain), "--encrypt", "--hc-vault-transit", uri, "f.yaml")
			if err := theirs.Err(); err != nil {
				t.Fatal(err)
			}
			ours, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
				Recipients: []keysources.Recipient{recipient(t, source, key(t, uri))},
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Rotate(t, "sops-"+version)

			opened, err := cipher.Open(t.Context(), yaml.Format{}, theirs.Stdout, cipher.OpenOptions{Identities: []keysources.Identity{source}})
			if err != nil {
				t.Fatalf("opening what sops sealed: %v", err)
			}
			if diff := cmp.Diff(plain, string(opened.PlaintextBytes())); diff != "" {
				t.Errorf("opening what sops sealed (-want +got):\n%s", diff)
			}
			got := peer.Decrypt(t.Context(), "f.yaml", ours.Bytes)
			if diff := cmp.Diff(plain, string(got.Stdout)); got.Err() != nil || diff != "" {
				t.Errorf("sops opening what we sealed: %v (-want +got):\n%s", got.Err(), diff)
			}
			// The control: without the token it does not open.
			peer.Env = nil
			if got := peer.Decrypt(t.Context(), "f.yaml", ours.Bytes); got.Err() == nil {
				t.Error("sops opened it without a token")
			}
		})
	}
}

// TestOpeningSaysWhyItFailed: the reason comes through cipher.
func TestOpeningSaysWhyItFailed(t *testing.T) {
	s := server(t)
	source := vault.New(s.Env(s.Root))
	sealed, err := cipher.Seal(t.Context(), yaml.Format{}, []byte(plain), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient(t, source, key(t, s.CreateKey(t, "gone")))},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.DeleteKey(t, "gone")
	_, err = cipher.Open(context.Background(), yaml.Format{}, sealed.Bytes, cipher.OpenOptions{Identities: []keysources.Identity{source}})
	var e *keysources.Error
	if !errors.As(err, &e) || e.Reason != keysources.NotFound {
		t.Errorf("got error %v, want the reason %q in it", err, keysources.NotFound)
	}
}
