package keyring_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
)

// canary stands in what must not be shown.
const canary = "7QX3CANARYW9Z"

// FuzzSecret: whatever stands in an identity's Secret, plain or sealed, nothing panics,
// what is read has a recipient, and nothing of the content gets into a message (of
// sealed files, the names of keys may).
func FuzzSecret(f *testing.F) {
	x, pq := generate(f, false), generate(f, true)
	f.Add([]byte(x.SecretText()))
	f.Add([]byte("# created: x\n" + pq.SecretText() + "\r\n" + x.SecretText()))
	f.Add([]byte(strings.ToLower(x.SecretText())))
	f.Add([]byte("AGE-PLUGIN-YUBIKEY-1QQQ\nAGE-SECRET-KEY-1QQQ\n\x00\xff"))
	f.Add([]byte("AGE-SECRET-KEY-1" + canary + "\n" + canary + "\nAGE-SECRET-KEY-PQ-1"))
	f.Add([]byte(`{"data":"` + canary + `","` + canary + `":1,"sops":{"kms":[{"arn":"` + arn + `"}]}}`))
	f.Add([]byte(`{"data":"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]","sops":{"kms":[{"arn":"` + arn + `","created_at":"2026-01-01T00:00:00Z","enc":"AA==","aws_profile":""}],"lastmodified":"2026-01-01T00:00:00Z","mac":"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]","version":"3.9.0"}}`))
	sources := map[string]keysources.Source{keysources.TypeKMS: &service{}}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := labelled(secret("one", "2026-01-01", map[string]string{"identity": string(data) + canary}), "default")
		sealed := secret("two", "2026-01-01", map[string]string{keyring.SealedKey: string(data)})
		got := keyring.NewLoader(sources).Load(t.Context(), sealKeyring("default", sealedSource("b", "two", arn)), []corev1.Secret{s, sealed})
		for _, id := range got.Set.Identities() {
			if !strings.HasPrefix(id.ID, "age1") {
				t.Errorf("an identity without a recipient: %s", id)
			}
		}
		for _, p := range got.Problems {
			if len(p.Message) > 4096 {
				t.Errorf("a message of %d bytes", len(p.Message))
			}
			if strings.Contains(p.Message, canary) {
				t.Errorf("the content is in a message: %s", p.Message)
			}
		}
	})
}

// FuzzParseKey: names that are accepted have a place where they are looked up, and
// errors repeat nothing.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{arn, "https://v:8200/v1/transit/keys/k", "https://x.vault.azure.net/keys/k/v", "projects/p/locations/l/keyRings/r/cryptoKeys/k", "r:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := keyring.ParseKey(text)
		if err != nil {
			if err.Error() != keyring.ErrKeyName.Error() {
				t.Errorf("error %v", err)
			}
			return
		}
		if _, err := keyring.New(keyring.Parts{Name: "k", Identities: []keyring.Identity{keyring.Service(key, &service{})}}); err != nil {
			t.Errorf("%s is accepted, and cannot be found: %v", key, err)
		}
	})
}
