package keyring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func aged(tb testing.TB, id age.Identity, created string) keyring.Identity {
	tb.Helper()
	i := keyring.Age(id)
	t, err := time.Parse(time.DateOnly, created)
	if err != nil {
		tb.Fatal(err)
	}
	i.Created, i.Source = t, "source"
	return i
}

func newSet(tb testing.TB, p keyring.Parts) *keyring.Set {
	tb.Helper()
	if p.Name == "" {
		p.Name = "default"
	}
	s, err := keyring.New(p)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestForFindsByStanzaNewestFirst(t *testing.T) {
	oldest, middle, newest, stranger := generate(t, false), generate(t, true), generate(t, true), generate(t, false)
	set := newSet(t, keyring.Parts{Identities: []keyring.Identity{
		aged(t, middle, "2026-02-01"), aged(t, newest, "2026-03-01"), aged(t, oldest, "2026-01-01"), aged(t, middle, "2026-05-01"),
	}})
	key := bytes.Repeat([]byte{7}, 32)
	st := func(id age.Identity) keysources.Stanza { return stanzaFor(t, id, key) }
	want := []string{newest.Recipient().String(), oldest.Recipient().String()}
	got := set.For([]keysources.Stanza{st(stranger), st(oldest), st(oldest), st(newest)})
	if diff := cmp.Diff(want, ids(got)); diff != "" {
		t.Error(diff)
	}
	for _, id := range got {
		for _, other := range []age.Identity{oldest, newest, stranger} {
			opened, err := id.Identity.Unwrap(context.Background(), st(other))
			switch mine := id.ID == other.Recipient().String(); {
			case mine && (err != nil || !bytes.Equal(opened, key)):
				t.Errorf("%s: %v", id, err)
			case !mine && !errors.Is(err, keysources.ErrNotForMe):
				t.Errorf("%s on another's stanza: %v", id, err)
			}
		}
	}
	if got := set.For(nil); got != nil {
		t.Errorf("for no stanza: %v", got)
	}
	if got := ids(set.Active()); !cmp.Equal(got, []string{newest.Recipient().String()}) {
		t.Errorf("active: %v", got)
	}
}

// A stanza says which key wrapped, and what. Nothing else of it reaches the service.
func TestServicesAreAskedForListedKeysOnly(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/controller"
	for _, tt := range []struct {
		name, listed string
		stanza       keysources.Stanza
		want         string // the key that is asked; "" for none
	}{
		{"the key", arn, stanza("kms", "arn", arn, "enc", "00"), "kms arn=" + arn},
		{"another key", arn, stanza("kms", "arn", arn+"2", "enc", "00"), ""},
		{"an alias of who knows what", arn, stanza("kms", "arn", "arn:aws:kms:us-east-1:111122223333:alias/a", "enc", "00"), ""},
		{"the file's role does not count", arn, stanza("kms", "arn", arn, "role", "arn:aws:iam::6:role/evil", "enc", "00"), "kms arn=" + arn},
		{"nor its profile", arn, stanza("kms", "arn", arn, "aws_profile", "evil", "enc", "00"), "kms arn=" + arn},
		{"the keyring's role does", arn + "+" + role, stanza("kms", "arn", arn, "enc", "00"), "kms arn=" + arn + " role=" + role},
		{"Vault", "https://v:8200/v1/transit/keys/k", stanza("hc_vault", "vault_address", "https://v:8200/", "engine_path", "transit", "key_name", "k", "enc", "00"), "hc_vault engine_path=transit key_name=k vault_address=https://v:8200"},
		{"another Vault", "https://v:8200/v1/transit/keys/k", stanza("hc_vault", "vault_address", "https://evil:8200", "engine_path", "transit", "key_name", "k", "enc", "00"), ""},
		{"another engine", "https://v:8200/v1/transit/keys/k", stanza("hc_vault", "vault_address", "https://v:8200", "engine_path", "kv", "key_name", "k", "enc", "00"), ""},
		{"any version", "https://x.vault.azure.net/keys/k", stanza("azure_kv", "vault_url", "https://x.vault.azure.net", "name", "k", "version", "v2", "enc", "00"), "azure_kv vault_url=https://x.vault.azure.net name=k version=v2"},
		{"one version", "https://x.vault.azure.net/keys/k/v1", stanza("azure_kv", "vault_url", "https://x.vault.azure.net", "name", "k", "version", "v2", "enc", "00"), ""},
		{"Google", "projects/p/locations/l/keyRings/r/cryptoKeys/k", stanza("gcp_kms", "resource_id", "projects/p/locations/l/keyRings/r/cryptoKeys/k", "enc", "00"), "gcp_kms resource_id=projects/p/locations/l/keyRings/r/cryptoKeys/k"},
		{"Huawei", "tr-west-1:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab", stanza("hckms", "key_id", "tr-west-1:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab", "enc", "00"), "hckms key_id=tr-west-1:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab"},
		{"a type that is not listed", arn, stanza("pgp", "fp", arn, "enc", "00"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := keyring.ParseKey(tt.listed)
			if err != nil {
				t.Fatal(err)
			}
			src := &service{typ: key.Type}
			set := newSet(t, keyring.Parts{Identities: []keyring.Identity{keyring.Service(key, src)}})
			found := set.For([]keysources.Stanza{tt.stanza})
			if (len(found) == 1) != (tt.want != "") {
				t.Fatalf("found %v", found)
			}
			// Also when it is handed everything, the identity asks for its own only.
			_, err = set.Identities()[0].Identity.Unwrap(context.Background(), tt.stanza)
			if tt.want == "" {
				if !errors.Is(err, keysources.ErrNotForMe) || src.calls() != 0 {
					t.Errorf("%v, after %d calls", err, src.calls())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, describe(src.last())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func describe(s keysources.Stanza) string {
	out := s.Type
	for _, f := range s.Fields {
		if f.Name != "enc" && f.Name != "created_at" {
			out += " " + f.Name + "=" + f.Value
		}
	}
	return out
}

func TestParseKeyRefuses(t *testing.T) {
	for _, text := range []string{
		"", "age1qqq", "arn:aws:s3:::bucket", "arn:aws:kms::1:key/x", arn + "+role", "https://host/v1/transit/k", "https://user:pw@host/v1/transit/keys/k",
		"https://host/v1/transit/keys/k?x=1", "https://x.vault.azure.net/keys/", "https://x.vault.azure.net/keys/a/b/c", arn + " " + arn, "AGE-SECRET-KEY-1QQ", "0123456789012345678901234567890123456789",
	} {
		s, err := keyring.ParseKey(text)
		if text == "arn:aws:s3:::bucket" && err == nil {
			continue
		}
		if !errors.Is(err, keyring.ErrKeyName) {
			t.Errorf("%q: %v %v", text, s, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q is repeated", text)
		}
	}
}

func TestRecipients(t *testing.T) {
	id, recovery := generate(t, true), generate(t, false)
	r, rec := id.Recipient().String(), recovery.Recipient().String()
	kms, err := keyring.ParseKey(arn)
	if err != nil {
		t.Fatal(err)
	}
	service := keyring.Service(kms, &service{})
	for _, tt := range []struct {
		name  string
		parts keyring.Parts
		want  []string
	}{
		{"nothing", keyring.Parts{}, nil},
		{"recovery alone opens nothing here", keyring.Parts{Recovery: []string{rec}}, nil},
		{"age and recovery", keyring.Parts{Identities: []keyring.Identity{aged(t, id, "2026-01-01")}, Recovery: []string{rec}}, []string{r, rec}},
		{"age before services", keyring.Parts{Identities: []keyring.Identity{service, aged(t, id, "2026-01-01")}}, []string{r}},
		{"services alone", keyring.Parts{Identities: []keyring.Identity{service}, Recovery: []string{rec}}, []string{arn, rec}},
		{"none twice", keyring.Parts{Identities: []keyring.Identity{aged(t, id, "2026-01-01")}, Recovery: []string{r, rec}}, []string{r, rec}},
	} {
		if diff := cmp.Diff(tt.want, newSet(t, tt.parts).Recipients()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestRevisionIsOfThePolicy(t *testing.T) {
	rev := func(p v1alpha1.Policy, ids ...keyring.Identity) string {
		return newSet(t, keyring.Parts{Policy: p, Identities: ids}).Revision()
	}
	cm := v1alpha1.AllowedKind{APIVersion: "v1", Kind: "ConfigMap"}
	sec := v1alpha1.AllowedKind{APIVersion: "v1", Kind: "Secret"}
	base := rev(v1alpha1.Policy{})
	for name, same := range map[string]string{
		"defaults spelled out": rev(v1alpha1.Policy{Integrity: v1alpha1.Require, Context: v1alpha1.Require}),
		"with an identity":     rev(v1alpha1.Policy{}, aged(t, generate(t, false), "2026-01-01")),
	} {
		if same != base {
			t.Errorf("%s: another revision", name)
		}
	}
	if rev(v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{cm, sec}}) != rev(v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{sec, cm}}) {
		t.Error("the order of kinds counts")
	}
	const adopt, merge = v1alpha1.ConflictAdopt, v1alpha1.ConflictMerge
	both := []v1alpha1.ConflictPolicy{adopt, merge}
	if rev(v1alpha1.Policy{ConflictPolicies: both}) != rev(v1alpha1.Policy{ConflictPolicies: []v1alpha1.ConflictPolicy{merge, adopt}}) {
		t.Error("the order of conflict policies counts")
	}
	seen := map[string]string{base: "defaults"}
	for name, p := range map[string]v1alpha1.Policy{
		"integrity": {Integrity: v1alpha1.Warn}, "context": {Context: v1alpha1.Warn},
		"kinds": {AllowedKinds: []v1alpha1.AllowedKind{cm}}, "other kinds": {AllowedKinds: []v1alpha1.AllowedKind{cm, sec}},
		"types": {AllowedSecretTypes: []corev1.SecretType{"Opaque"}}, "other types": {AllowedSecretTypes: []corev1.SecretType{"Opaque", "x"}},
		"adopt": {ConflictPolicies: both[:1]}, "merge": {ConflictPolicies: both[1:]}, "adopt and merge": {ConflictPolicies: both},
	} {
		if other, ok := seen[rev(p)]; ok {
			t.Errorf("%s and %s have one revision", name, other)
		}
		seen[rev(p)] = name
	}
}

// Whatever a log or an error does with these types, no private key comes out.
func TestNothingPrintsAPrivateKey(t *testing.T) {
	id := generate(t, false)
	set := newSet(t, keyring.Parts{Identities: []keyring.Identity{aged(t, id, "2026-01-01")}, NamespaceSelector: &metav1.LabelSelector{}})
	var store keyring.Store
	store.Put(set)
	loader := keyring.NewLoader(nil)
	loaded := loader.Load(context.Background(), sealKeyring("default", ageSource("a", "s")), []corev1.Secret{
		secret("s", "2026-01-01", map[string]string{"identity": id.SecretText()}),
	})
	if len(loaded.Set.Identities()) != 1 {
		t.Fatal("the control has no identity")
	}
	var out bytes.Buffer
	log := logr.FromSlogHandler(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{
		set, *set, set.Identities(), set.Identities()[0], set.Identities()[0].Identity, &store, loader, loaded, loaded.Set,
		keyring.Parts{Identities: set.Identities()}, keyring.NewSecret{Identities: []age.Identity{id}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		log.Info("logged", "value", v)
	}
	text := strings.ToUpper(out.String())
	if secretKey := id.SecretText(); strings.Contains(text, secretKey[:30]) || strings.Contains(text, fmt.Sprintf("%X", secretKey[:20])) || strings.Contains(text, "SECRET-KEY") {
		t.Error("a private key was printed")
	}
	if !strings.Contains(text, strings.ToUpper(id.Recipient().String())) {
		t.Error("the control: not even the recipient was printed")
	}
}
