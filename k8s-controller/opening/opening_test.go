package opening_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

const fiveValues = `type: Opaque
data:
  # sealed as well
  token: c2VjcmV0LXRva2Vu
  ca.crt: |
    LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
    Cg==
stringData:
  username: admin # at the end of the line
  password: 'hunter2 canary'
  config.yaml: |
    a: 1
    b: [x, y]
  empty: ""
`

func TestInlineManifestBecomesTheSecretOfTheSameName(t *testing.T) {
	m := inline(t, fiveValues)
	m.Labels = map[string]string{"app": "db", "argocd.argoproj.io/instance": "x"}
	m.Annotations = map[string]string{"note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
	o := mustOpen(t, m)
	want := map[string]string{
		"token": "secret-token", "ca.crt": "-----BEGIN CERTIFICATE-----\n", "username": "admin",
		"password": "hunter2 canary", "config.yaml": "a: 1\nb: [x, y]\n", "empty": "",
	}
	if diff := cmp.Diff(want, content(t, o)); diff != "" {
		t.Error(diff)
	}
	s := o.Objects[0].Secret
	if s.Name != "db" || s.Namespace != "prod" || s.Type != corev1.SecretTypeOpaque || s.Immutable != nil || s.StringData != nil {
		t.Errorf("got %s/%s, type %s", s.Namespace, s.Name, s.Type)
	}
	if s.APIVersion != "v1" || s.Kind != "Secret" {
		t.Errorf("got %s %s", s.APIVersion, s.Kind)
	}
	if diff := cmp.Diff(map[string]string{"app": "db"}, s.Labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"note": "n"}, s.Annotations); diff != "" {
		t.Error(diff)
	}
	if want := (v1alpha1.Integrity{MAC: "Verified", Context: "Strict"}); o.Integrity != want {
		t.Errorf("got %+v", o.Integrity)
	}
	keys := []v1alpha1.KeyUse{{ID: identity(t, clusterKey).Recipient().String(), Type: "age"}}
	if diff := cmp.Diff(keys, o.Keys); diff != "" {
		t.Error(diff)
	}
	if len(o.Warnings) > 0 {
		t.Errorf("got warnings %q", o.Warnings)
	}
}

func TestStringDataWinsOverData(t *testing.T) {
	m := inline(t, "data:\n  a: b2xk\n  b: Yg==\nstringData:\n  a: new\n")
	want := map[string]string{"a": "new", "b": "b"}
	if diff := cmp.Diff(want, content(t, mustOpen(t, m))); diff != "" {
		t.Error(diff)
	}
}

func TestTypeAndImmutableAreTaken(t *testing.T) {
	m := inline(t, "type: kubernetes.io/basic-auth\nimmutable: true\nstringData:\n  password: canary\n")
	s := mustOpen(t, m).Objects[0].Secret
	if s.Type != "kubernetes.io/basic-auth" || s.Immutable == nil || !*s.Immutable {
		t.Errorf("got type %s, immutable %v", s.Type, s.Immutable)
	}
}

func TestOpeningNeedsTheContextToBeTheRealPlace(t *testing.T) {
	for _, c := range []struct{ context, namespace, name, width, reason string }{
		{"k8s:prod/db", "prod", "db", opening.ContextStrict, ""},
		{"k8s:prod/db", "prod", "other", "", v1alpha1.ReasonContextMismatch},
		{"k8s:prod/db", "test", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:prod/*", "prod", "any", opening.ContextNamespace, ""},
		{"k8s:prod/*", "test", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:*/*", "test", "any", opening.ContextKeyring, ""},
		{"k8s:*/db", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:prod", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:prod/", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:PROD/db", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"k8s:prod/db/x", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"K8S:prod/db", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{" k8s:prod/db", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"path:secrets/db.yaml", "prod", "db", "", v1alpha1.ReasonContextMismatch},
		{"", "prod", "db", "", v1alpha1.ReasonUnbound},
	} {
		m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", inlineOptions(t, c.context)))
		m.Namespace, m.Name = c.namespace, c.name
		o, err := tryOpen(t, m)
		if reason(err) != c.reason {
			t.Errorf("%q at %s/%s: got %q (%v), want %q", c.context, c.namespace, c.name, reason(err), err, c.reason)
		} else if err == nil && o.Integrity.Context != c.width {
			t.Errorf("%q: got width %s, want %s", c.context, o.Integrity.Context, c.width)
		}
	}
}

func TestContextIsComparedBeforeAnyKeyIsUsed(t *testing.T) {
	m := inline(t, "stringData:\n  a: canary\n")
	m.Name = "other"
	// No key fits, and yet the context is what is wrong.
	_, err := openWith(m, set(t, v1alpha1.Policy{}, strangerKey))
	wantRefusal(t, err, v1alpha1.ReasonContextMismatch, "the file was sealed for k8s:prod/db, and this is k8s:prod/other")
}

func TestUnboundFilesOpenIfThePolicyWarns(t *testing.T) {
	m := fromYAML(t, sealText(t, "yaml", head+"stringData:\n  a: canary\n", inlineOptions(t, "")))
	o, err := openWith(m, set(t, v1alpha1.Policy{Context: v1alpha1.Warn}, clusterKey))
	if err != nil || o.Integrity.Context != opening.ContextNone || len(o.Warnings) != 1 {
		t.Fatalf("got %v, %+v", err, o)
	}
	// One that is bound is bound all the same.
	m = inline(t, "stringData:\n  a: canary\n")
	m.Name = "other"
	_, err = openWith(m, set(t, v1alpha1.Policy{Context: v1alpha1.Warn}, clusterKey))
	wantRefusal(t, err, v1alpha1.ReasonContextMismatch, "")
}

func TestNoMatchingKeyNamesTheReaders(t *testing.T) {
	m := inline(t, "stringData:\n  a: canary\n")
	_, err := openWith(m, set(t, v1alpha1.Policy{}, strangerKey))
	r := wantRefusal(t, err, v1alpha1.ReasonNoMatchingKey, identity(t, clusterKey).Recipient().String())
	if r.Transient || !strings.Contains(r.Message, identity(t, recoveryKey).Recipient().String()) {
		t.Errorf("got transient %v: %s", r.Transient, r.Message)
	}
}

func TestKeyringWithASourceThatIsAwaitedIsTriedAgain(t *testing.T) {
	m := inline(t, "stringData:\n  a: canary\n")
	keys := waitingSet(t)
	_, err := openWith(m, keys)
	if r := wantRefusal(t, err, v1alpha1.ReasonKeyUnavailable, "vault"); !r.Transient {
		t.Error("not transient")
	}
}

func TestPolicyOfSecretTypes(t *testing.T) {
	for _, c := range []struct {
		t       corev1.SecretType
		allowed []corev1.SecretType
		reason  string
	}{
		{"", nil, ""},
		{"anything/at-all", nil, ""},
		{corev1.SecretTypeServiceAccountToken, nil, v1alpha1.ReasonKindNotAllowed},
		{corev1.SecretTypeBootstrapToken, nil, v1alpha1.ReasonKindNotAllowed},
		{corev1.SecretTypeServiceAccountToken, []corev1.SecretType{corev1.SecretTypeServiceAccountToken}, v1alpha1.ReasonKindNotAllowed},
		{"", []corev1.SecretType{corev1.SecretTypeTLS}, v1alpha1.ReasonKindNotAllowed},
		{"", []corev1.SecretType{corev1.SecretTypeOpaque}, ""},
		{corev1.SecretTypeTLS, []corev1.SecretType{corev1.SecretTypeTLS}, ""},
	} {
		m := inline(t, "stringData:\n  a: canary\n")
		m.Type = c.t
		_, err := openWith(m, set(t, v1alpha1.Policy{AllowedSecretTypes: c.allowed}, clusterKey))
		if reason(err) != c.reason {
			t.Errorf("type %q, allowed %q: got %q (%v), want %q", c.t, c.allowed, reason(err), err, c.reason)
		}
	}
}

func TestSecretsAreNotAllowedIfThePolicyNamesOtherKindsOnly(t *testing.T) {
	policy := v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{{APIVersion: "v1", Kind: "ConfigMap"}}}
	_, err := openWith(inline(t, "stringData:\n  a: canary\n"), set(t, policy, clusterKey))
	wantRefusal(t, err, v1alpha1.ReasonKindNotAllowed, "ConfigMap (v1)")
}

func TestWithoutAKeyringNothingOpens(t *testing.T) {
	_, err := openWith(inline(t, "stringData:\n  a: canary\n"), nil)
	wantRefusal(t, err, v1alpha1.ReasonNoKeyring, "")
}
