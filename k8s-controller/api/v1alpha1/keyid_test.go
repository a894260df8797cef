package v1alpha1_test

import (
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// TestKeyID: the status of a manifest names its key shortly, and each key by another name.
func TestKeyID(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		recipient := id.Recipient().String()
		short := v1alpha1.KeyID(recipient)
		head, tail, found := strings.Cut(short, "...")
		if !found || len(short) > 40 || !strings.HasPrefix(recipient, head) || !strings.HasSuffix(recipient, tail) || seen[short] {
			t.Errorf("%q is no name of %q", short, recipient)
		}
		if again := v1alpha1.KeyID(short); again != short {
			t.Errorf("the name of %q is %q", short, again)
		}
		seen[short] = true
	}
	x, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []string{
		"", x.Recipient().String(), "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000" + strings.Repeat("x", 100),
		"https://vault.example.com/" + strings.Repeat("x", 100),
		"projects/company-production-1234/locations/europe-west3/keyRings/gitseal/cryptoKeys/" + strings.Repeat("x", 40) + "-primary",
		"ssh-rsa " + strings.Repeat("A", 372),
	} {
		if got := v1alpha1.KeyID(whole); got != whole {
			t.Errorf("%q became %q", whole, got)
		}
	}
}
