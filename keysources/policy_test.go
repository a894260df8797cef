package keysources_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
)

func stanza(typ string, fields ...string) keysources.Stanza {
	s := keysources.Stanza{Type: typ}
	for i := 0; i < len(fields); i += 2 {
		s.Fields = append(s.Fields, keysources.Field{Name: fields[i], Value: fields[i+1]})
	}
	return s
}

func TestUses(t *testing.T) {
	const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, tt := range []struct {
		name   string
		stanza keysources.Stanza
		want   string
	}{
		{"a KMS key", stanza("kms", "arn", arn, "aws_profile", ""), ""},
		{"with a role", stanza("kms", "arn", arn, "role", "arn:aws:iam::1:role/r"), "kms.role=arn:aws:iam::1:role/r"},
		{"with a profile", stanza("kms", "arn", arn, "aws_profile", "prod"), "kms.profile=prod"},
		{"in a region of the government", stanza("kms", "arn", "arn:aws-us-gov:kms:us-gov-east-1:1:key/k"), ""},
		{"in a region that is a host", stanza("kms", "arn", "arn:aws:kms:evil.example/x:1:key/k"), "kms.region=evil.example/x"},
		{"that is no ARN", stanza("kms", "arn", "1234abcd"), ""},
		{"Vault", stanza("hc_vault", "vault_address", "https://v.example:8200"), "hc_vault=https://v.example:8200"},
		{"a key vault", stanza("azure_kv", "vault_url", "https://name.vault.azure.net"), ""},
		{"a key vault with a slash", stanza("azure_kv", "vault_url", "https://name.vault.azure.net/"), ""},
		{"a managed HSM", stanza("azure_kv", "vault_url", "https://name.managedhsm.azure.net"), ""},
		{"a host that looks like one", stanza("azure_kv", "vault_url", "https://name.vault.azure.net.evil.example"), "azure_kv=https://name.vault.azure.net.evil.example"},
		{"a user in its address", stanza("azure_kv", "vault_url", "https://name.vault.azure.net@evil.example"), "azure_kv=https://name.vault.azure.net@evil.example"},
		{"without TLS", stanza("azure_kv", "vault_url", "http://name.vault.azure.net"), "azure_kv=http://name.vault.azure.net"},
		{"Google", stanza("gcp_kms", "resource_id", "projects/p/locations/l/keyRings/r/cryptoKeys/k"), ""},
		{"age", stanza("age", "recipient", "age1egrcukrsg4j6s8w8nkemavpedv9edr7396z4lgjgxn8vpk23gvfslzxqaw"), ""},
		{"hybrid age", stanza("age", "recipient", "age1pq1xyz"), ""},
		{"an age plugin", stanza("age", "recipient", "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"), "age.plugin=yubikey"},
		{"ssh", stanza("age", "recipient", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"), ""},
	} {
		var got []string
		for _, u := range keysources.Uses(tt.stanza) {
			got = append(got, u.String())
		}
		if s := strings.Join(got, " "); s != tt.want && !(tt.name == "that is no ARN" && s == "") {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
}

func TestPolicy(t *testing.T) {
	p, err := keysources.ParsePolicy("# mine\nhc_vault=https://v.example:8200 kms.profile=prod,kms.role=arn:aws:iam::1:role/ci-*\n\nazure_kv=https://hsm.example/")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[keysources.Use]bool{
		{Kind: "hc_vault", Value: "https://v.example:8200"}:        true,
		{Kind: "hc_vault", Value: "https://v.example:8200/"}:       true,
		{Kind: "hc_vault", Value: "https://v.example:82001"}:       false,
		{Kind: "hc_vault", Value: "https://v.example"}:             false,
		{Kind: "hc_vault", Value: ""}:                              false,
		{Kind: "azure_kv", Value: "https://v.example:8200"}:        false,
		{Kind: "azure_kv", Value: "https://hsm.example"}:           true,
		{Kind: "kms.profile", Value: "prod"}:                       true,
		{Kind: "kms.profile", Value: "prod2"}:                      false,
		{Kind: "kms.role", Value: "arn:aws:iam::1:role/ci-deploy"}: true,
		{Kind: "kms.role", Value: "arn:aws:iam::1:role/admin"}:     false,
	}
	for u, want := range allowed {
		if p.Allows(u) != want {
			t.Errorf("%s: allowed %v, want %v", u, !want, want)
		}
		if (keysources.Policy{}).Allows(u) {
			t.Errorf("%s: allowed by the empty policy", u)
		}
	}
	for _, bad := range []string{"hc_vault", "hc_vault=", "vault=https://v", "=x", "kms=*"} {
		if _, err := keysources.ParsePolicy(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	two := keysources.Policy{}.With(keysources.Use{Kind: "kms.profile", Value: "a"})
	_ = two.With(keysources.Use{Kind: "kms.profile", Value: "b"})
	if two.Allows(keysources.Use{Kind: "kms.profile", Value: "b"}) {
		t.Error("With changed the policy it was called on")
	}
}

// recorder is a source that notes whether anybody asked it.
type recorder struct{ asked int }

func (r *recorder) String() string { return "recorder" }
func (r *recorder) Unwrap(context.Context, keysources.Stanza) ([]byte, error) {
	r.asked++
	return []byte("key"), nil
}
func (r *recorder) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	r.asked++
	return recipient{key.Reader()}, nil
}

type recipient struct{ name string }

func (r recipient) String() string { return r.name }
func (r recipient) Wrap(context.Context, []byte) (keysources.Stanza, error) {
	return keysources.Stanza{}, nil
}

// TestGuardAsksBeforeTheSource, and says what to allow.
func TestGuardAsksBeforeTheSource(t *testing.T) {
	var r recorder
	s := stanza("hc_vault", "vault_address", "https://evil.example", "engine_path", "transit", "key_name", "k", "enc", "vault:v1:x")
	g := keysources.Policy{}.Guard(&r)
	_, err := g.Unwrap(t.Context(), s)
	var e *keysources.Error
	if !errors.As(err, &e) || e.Reason != keysources.Refused || e.Use.String() != "hc_vault=https://evil.example" {
		t.Errorf("Unwrap: got %v", err)
	}
	if _, err := g.Recipient(s.Key()); keysources.ReasonOf(err) != keysources.Refused {
		t.Errorf("Recipient: got %v", err)
	}
	if r.asked != 0 {
		t.Error("the source was asked")
	}
	g = keysources.Policy{}.With(e.Use).Guard(&r)
	if _, err := g.Unwrap(t.Context(), s); err != nil || r.asked != 1 {
		t.Errorf("allowed: asked %d times, %v", r.asked, err)
	}
	rec, err := g.Recipient(s.Key())
	if err != nil {
		t.Fatal(err)
	}
	key, ok := keysources.KeyOf(rec)
	if diff := cmp.Diff(s.Key(), key); !ok || diff != "" {
		t.Error(diff)
	}
}

func TestSameKey(t *testing.T) {
	kms := stanza("kms", "arn", "a", "aws_profile", "")
	inContext := kms
	inContext.Context = []keysources.Field{{Name: "x", Value: "1"}, {Name: "y", Value: "2"}}
	turned := kms
	turned.Context = []keysources.Field{{Name: "y", Value: "2"}, {Name: "x", Value: "1"}}
	other := kms
	other.Context = []keysources.Field{{Name: "x", Value: "1"}, {Name: "y", Value: "3"}}
	for _, tt := range []struct {
		name string
		a, b keysources.Stanza
		want bool
	}{
		{"the same", kms, stanza("kms", "aws_profile", "", "arn", "a", "enc", "z"), true},
		{"no profile and an empty one", kms, stanza("kms", "arn", "a"), true},
		{"another role", kms, stanza("kms", "arn", "a", "role", "r"), false},
		{"another context", inContext, other, false},
		{"no context", inContext, kms, false},
		{"a context in another order", inContext, turned, true},
		{"another type", stanza("age", "recipient", "a"), stanza("pgp", "fp", "a"), false},
		{"a fingerprint in lower case", stanza("pgp", "fp", "AB"), stanza("pgp", "fp", "ab"), true},
		{"any version of a key", stanza("azure_kv", "vault_url", "u/", "name", "n"), stanza("azure_kv", "vault_url", "u", "name", "n", "version", "1"), true},
		{"an ssh key with another comment", stanza("age", "recipient", "ssh-ed25519 AAAA me@here"), stanza("age", "recipient", "ssh-ed25519 AAAA"), true},
		{"another ssh key", stanza("age", "recipient", "ssh-ed25519 AAAA me"), stanza("age", "recipient", "ssh-ed25519 BBBB me"), false},
		{"a Vault address with a slash", stanza("hc_vault", "vault_address", "https://v/", "key_name", "k"), stanza("hc_vault", "vault_address", "https://v", "key_name", "k"), true},
		{"another version of a key", stanza("azure_kv", "vault_url", "u", "name", "n", "version", "2"), stanza("azure_kv", "vault_url", "u", "name", "n", "version", "1"), false},
	} {
		if got := keysources.SameKey(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := keysources.SameKey(tt.b, tt.a); got != tt.want {
			t.Errorf("%s, turned round: %v", tt.name, got)
		}
	}
}
