package keyring_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func load(kr string, secrets []corev1.Secret) keyring.Loaded {
	return keyring.NewLoader(nil).Load(context.Background(), sealKeyring(kr, ageSource("a", "one"), ageSource("b", "two")), secrets)
}

func TestLoadReadsNamedAndLabelledSecrets(t *testing.T) {
	one, two, renewed, other := generate(t, false), generate(t, true), generate(t, true), generate(t, false)
	got := load("default", []corev1.Secret{
		labelled(secret("one", "2026-01-01", map[string]string{"identity": one.SecretText() + "\n"}), "default"), // both: counts once
		secret("two", "2026-02-01", map[string]string{"identity": "# a comment\n\n" + two.SecretText()}),
		labelled(secret("renewed", "2026-03-01", map[string]string{"identity": renewed.SecretText()}), "default"),
		labelled(secret("elsewhere", "2026-04-01", map[string]string{"identity": other.SecretText()}), "another"),
		secret("unlabelled", "2026-04-01", map[string]string{"identity": other.SecretText()}),
	})
	if p := problems(got); p != "" {
		t.Errorf("problems: %s", p)
	}
	want := []string{"renewed " + renewed.Recipient().String(), "b " + two.Recipient().String(), "a " + one.Recipient().String()}
	var have []string
	for _, id := range got.Set.Identities() {
		have = append(have, id.Source+" "+id.ID)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestOneBadSecretDoesNotHideTheOthers(t *testing.T) {
	good := generate(t, false)
	ok := secret("two", "2026-01-01", map[string]string{"identity": good.SecretText()})
	foreign := secret("one", "2026-01-01", map[string]string{"identity": good.SecretText()})
	foreign.Type = corev1.SecretTypeTLS
	for _, tt := range []struct {
		name string
		bad  []corev1.Secret
		want string
	}{
		{"gone", nil, "IdentityMissing a: there is no Secret one in the controller's namespace"},
		{"no key", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"x": "y"})}, "IdentityMissing a: the Secret one has no key identity, or an empty one"},
		{"empty", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": ""})}, "IdentityMissing a: the Secret one has no key identity, or an empty one"},
		{"comments only", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": "# nothing\n"})}, "IdentityUnusable a: the Secret one: there is no identity in it"},
		{"garbage", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": "hunter2-hunter2"})}, "IdentityUnusable a: the Secret one: line 1: not an age identity (AGE-SECRET-KEY-1…)"},
		{"cut short", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": good.SecretText()[:50]})}, "IdentityUnusable a: the Secret one: line 1: malformed AGE-SECRET-KEY-1… identity"},
		{"a plugin", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": "AGE-PLUGIN-YUBIKEY-1QQQQQQ"})}, "IdentityUnusable a: the Secret one: line 1: malformed AGE-PLUGIN-… identity"},
		{"of another type", []corev1.Secret{foreign}, "IdentityUnusable a: the Secret one is not of the type Opaque"},
		{"labelled, with neither key", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": good.SecretText()}), labelled(secret("r", "2026-01-01", nil), "default")}, "IdentityUnusable r: the Secret must have one of the keys identity and sealed-identity"},
		{"labelled and sealed, but no key may open it", []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": good.SecretText()}), labelled(secret("r", "2026-01-01", map[string]string{"sealed-identity": "{}"}), "default")}, "IdentityUnusable r: the Secret r: the keyring lists no key that may open it (sealedAge.keys)"},
	} {
		got := load("default", append(tt.bad, ok))
		if diff := cmp.Diff(tt.want, problems(got)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if diff := cmp.Diff([]string{good.Recipient().String()}, ids(got.Set.Identities())); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if got.Retry() {
			t.Errorf("%s: would be tried again without end", tt.name)
		}
	}
}

func TestOneBadLineDoesNotHideTheOthers(t *testing.T) {
	a, b := generate(t, false), generate(t, true)
	read, err := keyring.ReadIdentities([]byte(a.SecretText() + "\nrubbish\n" + b.SecretText() + "\n" + a.SecretText()))
	if err == nil || err.Error() != "line 2: not an age identity (AGE-SECRET-KEY-1…)" {
		t.Errorf("error %v", err)
	}
	if len(read) != 2 {
		t.Errorf("%d identities, want 2", len(read))
	}
	_, err = keyring.ReadIdentities([]byte(strings.Repeat("x\n", 10_000)))
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("the error of many bad lines has no bound: %.100s", err)
	}
}

func TestIdentitiesAreBounded(t *testing.T) {
	var text strings.Builder
	for range 70 {
		text.WriteString(generate(t, false).SecretText() + "\n")
	}
	read, err := keyring.ReadIdentities([]byte(text.String()))
	if len(read) != 64 || err == nil || err.Error() != "there are more than 64 identities" {
		t.Errorf("%d identities, %v", len(read), err)
	}
}

func TestCreatedAt(t *testing.T) {
	s := secret("s", "2026-03-01", nil)
	for _, tt := range []struct{ annotation, want string }{
		{"", "2026-03-01"},
		{"2026-01-15T00:00:00Z", "2026-01-15"}, // restored from a backup
		{"2999-01-01T00:00:00Z", "2026-03-01"}, // would be the newest for ever
		{"yesterday", "2026-03-01"},
	} {
		s.Annotations = map[string]string{keyring.CreatedAnnotation: tt.annotation}
		if got := keyring.CreatedAt(&s).Format(time.DateOnly); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.annotation, got, tt.want)
		}
	}
}

// sealedSecret is a Secret with an identity sealed for the service's key.
func sealedSecret(t *testing.T, name string, id age.Identity, recipients ...keysources.Recipient) corev1.Secret {
	t.Helper()
	s, err := keyring.NewSecret{Namespace: "gitseal-system", Name: name, Keyring: "default", Identities: []age.Identity{id},
		Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SealFor: recipients}.Secret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func recipientsOf(t *testing.T, src keysources.Source, recovery []string, keys ...string) []keysources.Recipient {
	t.Helper()
	r, err := keyring.SealingRecipients(map[string]keysources.Source{keysources.TypeKMS: src}, keys, recovery)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedIdentitiesAreOpenedOnce(t *testing.T) {
	id, recovery := generate(t, true), generate(t, false)
	src := &service{}
	s := sealedSecret(t, "s", id, recipientsOf(t, src, []string{recovery.Recipient().String()}, arn)...)
	if text := string(s.Data[keyring.SealedKey]); strings.Contains(text, "SECRET-KEY") || s.Data[keyring.PlainKey] != nil {
		t.Fatal("the identity stands plain in the Secret")
	}
	l := keyring.NewLoader(map[string]keysources.Source{keysources.TypeKMS: src})
	kr := sealKeyring("default", sealedSource("a", "s", arn))
	for range 3 {
		got := l.Load(t.Context(), kr, []corev1.Secret{s})
		if diff := cmp.Diff([]string{id.Recipient().String()}, ids(got.Set.Identities())); diff != "" || problems(got) != "" {
			t.Fatalf("%s %s", diff, problems(got))
		}
		if diff := cmp.Diff(map[string][]string{id.Recipient().String(): {arn}}, got.Sealed); diff != "" {
			t.Error(diff)
		}
	}
	if src.calls() != 1 {
		t.Errorf("the service was asked %d times", src.calls())
	}
	l.Forget("default")
	l.Load(t.Context(), kr, []corev1.Secret{s})
	if src.calls() != 2 {
		t.Errorf("after Forget: asked %d times in all", src.calls())
	}
}

func TestSealedIdentitiesWithoutTheirService(t *testing.T) {
	id := generate(t, false)
	src := &service{fail: &keysources.Error{Reader: arn, Reason: keysources.Unreachable}}
	s := sealedSecret(t, "s", id, recipientsOf(t, src, nil, arn)...)
	l := keyring.NewLoader(map[string]keysources.Source{keysources.TypeKMS: src})
	kr := sealKeyring("default", sealedSource("a", "s", arn))
	got := l.Load(t.Context(), kr, []corev1.Secret{s})
	if !got.Retry() || got.Problems[0].Reason != "KeyUnavailable" || !cmp.Equal(got.Set.Waiting(), []string{"a"}) || len(got.Set.Identities()) != 0 {
		t.Fatalf("%s; waiting for %v", problems(got), got.Set.Waiting())
	}
	src.setFail(nil)
	if got = l.Load(t.Context(), kr, []corev1.Secret{s}); problems(got) != "" || len(got.Set.Identities()) != 1 || len(got.Set.Waiting()) != 0 {
		t.Fatalf("after it came back: %s", problems(got))
	}
	// Sealed anew while the service is away: what is in use stays in use.
	again := sealedSecret(t, "s", id, recipientsOf(t, src, nil, arn)...)
	src.setFail(&keysources.Error{Reader: arn, Reason: keysources.Denied})
	if got = l.Load(t.Context(), kr, []corev1.Secret{again}); len(got.Set.Identities()) != 1 || !got.Retry() {
		t.Errorf("sealed anew: %d identities, %s", len(got.Set.Identities()), problems(got))
	}
	// But a Secret that is gone takes its identity along.
	if got = l.Load(t.Context(), kr, nil); len(got.Set.Identities()) != 0 {
		t.Error("the Secret is gone, its identity is not")
	}
	if got = l.Load(t.Context(), kr, []corev1.Secret{again}); len(got.Set.Identities()) != 0 {
		t.Error("the identity of a Secret that was gone came back without its service")
	}
}

func TestSealedIdentitiesThatCannotBeOpened(t *testing.T) {
	id := generate(t, false)
	src := &service{}
	const listed = "arn:aws:kms:us-east-1:111122223333:key/listed"
	for _, tt := range []struct {
		name, want string
		data       []byte
		fail       error
	}{
		{"sealed for another key", "it is sealed for none of the keys that the keyring lists for it", sealedSecret(t, "s", id, recipientsOf(t, src, nil, arn)...).Data[keyring.SealedKey], nil},
		{"not sealed", "it is no sealed file that can be opened", []byte(id.SecretText()), nil},
		{"damaged", "it is no sealed file that can be opened", []byte(strings.Replace(string(sealedSecret(t, "s", id, recipientsOf(t, src, nil, listed)...).Data[keyring.SealedKey]), "iv:", "iv:A", 1)), nil},
		{"refused for good", "no identity opens this file", sealedSecret(t, "s", id, recipientsOf(t, src, nil, listed)...).Data[keyring.SealedKey], &keysources.Error{Reader: listed, Reason: keysources.Damaged}},
	} {
		src.setFail(tt.fail)
		l := keyring.NewLoader(map[string]keysources.Source{keysources.TypeKMS: src})
		got := l.Load(t.Context(), sealKeyring("default", sealedSource("a", "s", listed)), []corev1.Secret{
			secret("s", "2026-01-01", map[string]string{keyring.SealedKey: string(tt.data)}),
		})
		if p := problems(got); !strings.Contains(p, tt.want) || got.Retry() || len(got.Set.Identities()) != 0 {
			t.Errorf("%s: %q, retry %v", tt.name, p, got.Retry())
		}
	}
}

func TestKeysThatCannotBeAsked(t *testing.T) {
	got := keyring.NewLoader(map[string]keysources.Source{keysources.TypeKMS: &service{}}).Load(t.Context(),
		sealKeyring("default", kmsSource("k", "no key", arn, "projects/p/locations/l/keyRings/r/cryptoKeys/k")), nil)
	want := "IdentityUnusable k: keys[0]: not the name of a service's key\nIdentityUnusable k: keys[2]: this controller cannot ask keys of the type gcp_kms"
	if diff := cmp.Diff(want, problems(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{arn}, ids(got.Set.Identities())); diff != "" {
		t.Error(diff)
	}
}

func TestSealingReportsTheService(t *testing.T) {
	_, err := keyring.SealingRecipients(nil, []string{arn}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot be asked") {
		t.Error(err)
	}
	if _, err = keyring.SealingRecipients(nil, []string{"x"}, nil); !errors.Is(err, keyring.ErrKeyName) {
		t.Error(err)
	}
}

func TestRecoveryKeysThatAreNone(t *testing.T) {
	id, recovery := generate(t, false), generate(t, true)
	kr := sealKeyring("default", ageSource("a", "one"))
	kr.Spec.Recovery = []string{
		recovery.Recipient().String(), "age1notakey", recovery.SecretText(), arn, "0123456789ABCDEF0123456789ABCDEF01234567", arn + "\n", "a,b",
	}
	got := keyring.NewLoader(nil).Load(t.Context(), kr, []corev1.Secret{secret("one", "2026-01-01", map[string]string{"identity": id.SecretText()})})
	want := []string{id.Recipient().String(), recovery.Recipient().String(), arn, "0123456789ABCDEF0123456789ABCDEF01234567"}
	if diff := cmp.Diff(want, got.Set.Recipients()); diff != "" {
		t.Error(diff)
	}
	p := problems(got)
	for _, place := range []string{"recovery[1]", "recovery[2]", "recovery[5]", "recovery[6]"} {
		if !strings.Contains(p, "Invalid "+place+": this is no public key") {
			t.Errorf("nothing is said of %s: %s", place, p)
		}
	}
	if strings.Contains(p, "SECRET-KEY") || len(got.Problems) != 4 {
		t.Error(p)
	}
}

// The rules are read by sops, too: recipients of each type stand where it looks.
func TestRules(t *testing.T) {
	text := keyring.Rules([]keyring.Rule{
		{Keyring: "a.b", Recipients: []string{"age1x", arn, "age1y", "https://x.vault.azure.net/keys/k/v", "https://v:8200/v1/transit/keys/k", "r:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab", "0123456789ABCDEF0123456789ABCDEF01234567"}},
		{Keyring: "c", Recipients: []string{"age1z"}},
	})
	var got struct {
		Rules []map[string]any `yaml:"creation_rules"`
	}
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	common := func(pattern string, more map[string]any) map[string]any {
		more["path_regex"], more["encrypted_regex"], more["mac_only_encrypted"] = pattern, "^(data|stringData)$", true
		return more
	}
	want := []map[string]any{
		common(`(^|/)a\.b/.*\.sealed\.ya?ml$`, map[string]any{
			"age": "age1x, age1y", "kms": arn, "azure_keyvault": "https://x.vault.azure.net/keys/k/v", "hc_vault_transit_uri": "https://v:8200/v1/transit/keys/k",
			"hckms": []any{"r:7f0b1a9e-4b1f-4c8c-9a55-0123456789ab"}, "pgp": "0123456789ABCDEF0123456789ABCDEF01234567",
		}),
		common(`(^|/)c/.*\.sealed\.ya?ml$`, map[string]any{"age": "age1z"}),
	}
	if diff := cmp.Diff(want, got.Rules); diff != "" {
		t.Error(diff)
	}
}
