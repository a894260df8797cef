package applying_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestCreateIsOneRequestAndOurs(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	o := b.secret("db", "a=1", "b=2")
	o.Secret.Labels = map[string]string{"app": "shop"}
	o.Secret.Annotations = map[string]string{"note": "x"}
	out := b.apply(m, o)

	wantList(t, "requests", b.calls.take(), "PATCH secrets/db")
	wantList(t, "wrote", out.Wrote, "Secret/db")
	if !out.Changed || len(out.Drifted)+len(out.Adopted)+len(out.Recreated)+len(out.Pruned) > 0 {
		t.Errorf("got %+v", out)
	}
	s := b.wantData("db", "a=1", "b=2")
	if s.Type != corev1.SecretTypeOpaque || s.Labels["app"] != "shop" || s.Annotations["note"] != "x" {
		t.Errorf("got type %s, labels %v, annotations %v", s.Type, s.Labels, s.Annotations)
	}
	if s.Labels[v1alpha1.ManagedLabel] != "true" || s.Annotations[v1alpha1.ManifestAnnotation] != "db" {
		t.Errorf("the marks are missing: labels %v, annotations %v", s.Labels, s.Annotations)
	}
	owner := metav1.GetControllerOf(s)
	if owner == nil || owner.UID != m.UID || owner.Kind != "SealedManifest" || owner.APIVersion != "gitseal.dev/v1alpha1" {
		t.Errorf("got owner %+v", owner)
	}
	if len(s.ManagedFields) != 1 || s.ManagedFields[0].Manager != applying.FieldManager || s.ManagedFields[0].Operation != "Apply" {
		t.Errorf("got field managers %+v", s.ManagedFields)
	}
	want := v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: "db", UID: s.UID, ResourceVersion: s.ResourceVersion}
	if !slices.Equal(out.Resources, []v1alpha1.Resource{want}) {
		t.Errorf("got inventory %+v, want %+v", out.Resources, want)
	}
}

func TestNothingChangedWritesNothing(t *testing.T) {
	b := newBed(t)
	m, o := b.manifest("db"), b.secret("db", "a=1")
	b.apply(m, o)
	before := b.live("db").ResourceVersion
	b.calls.take()

	t.Run("no cache: one request", func(t *testing.T) {
		out := b.keep(m, o)
		wantList(t, "requests", b.calls.take(), "PATCH secrets/db")
		if out.Changed || len(out.Wrote) > 0 {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("cache: none", func(t *testing.T) {
		b.use(b.cluster.Config(), b.knowsAll)
		out := b.keep(m, o)
		wantList(t, "requests", b.calls.take())
		if out.Changed || len(out.Resources) != 1 {
			t.Errorf("got %+v", out)
		}
	})
	if now := b.live("db").ResourceVersion; now != before {
		t.Errorf("version %s became %s", before, now)
	}
}

// knowsAll gives the applier a cache that is up to date.
func (b *bed) knowsAll(o *applying.Options) {
	o.Known = func(n types.NamespacedName) (string, string, bool) {
		s := b.live(n.Name)
		if s == nil || s.Labels[v1alpha1.ManagedLabel] == "" {
			return "", "", false
		}
		return string(s.UID), s.ResourceVersion, true
	}
}

func TestUpdateIsOneRequest(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after []string
	}{
		{"changed value", []string{"a=1"}, []string{"a=2"}},
		{"renamed key", []string{"a=1", "b=2"}, []string{"a=1", "c=2"}},
		{"appended key", []string{"a=1"}, []string{"a=1", "b=2"}},
		{"removed key", []string{"a=1", "b=2"}, []string{"a=1"}},
		{"no key left", []string{"a=1"}, nil},
		{"an empty value", []string{"a=1"}, []string{"a="}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			m := b.manifest("db")
			b.apply(m, b.secret("db", tt.before...))
			uid := b.live("db").UID
			b.calls.take()
			b.edit(m)
			out := b.apply(m, b.secret("db", tt.after...))
			wantList(t, "requests", b.calls.take(), "PATCH secrets/db")
			wantList(t, "wrote", out.Wrote, "Secret/db")
			if s := b.wantData("db", tt.after...); s.UID != uid {
				t.Error("the Secret was made anew")
			}
		})
	}
}

func TestMetadataFollowsTheManifest(t *testing.T) {
	b := newBed(t)
	m, o := b.manifest("db"), b.secret("db", "a=1")
	o.Secret.Labels = map[string]string{"old": "1", "both": "1"}
	o.Secret.Annotations = map[string]string{"old": "1"}
	// What only the server or the garbage collector may set is not taken over.
	o.Secret.Finalizers = []string{"example.com/stay"}
	o.Secret.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x"}}
	b.apply(m, o)
	b.kubectl("label", "secret", "db", "theirs=1")
	b.kubectl("annotate", "secret", "db", "argocd.argoproj.io/tracking-id=x")

	o.Secret.Labels, o.Secret.Annotations = map[string]string{"both": "2"}, nil
	b.apply(m, o)
	s := b.live("db")
	for key, want := range map[string]string{"old": "", "both": "2", "theirs": "1"} {
		if s.Labels[key] != want {
			t.Errorf("label %s: got %q, want %q", key, s.Labels[key], want)
		}
	}
	if s.Annotations["old"] != "" || s.Annotations["argocd.argoproj.io/tracking-id"] != "x" {
		t.Errorf("got annotations %v", s.Annotations)
	}
	if len(s.Finalizers) > 0 || len(s.OwnerReferences) != 1 {
		t.Errorf("got finalizers %v, owners %v", s.Finalizers, s.OwnerReferences)
	}
}

func TestStringDataBecomesData(t *testing.T) {
	b := newBed(t)
	o := b.secret("db", "a=1")
	o.Secret.StringData = map[string]string{"a": "2", "b": "3"}
	b.apply(b.manifest("db"), o)
	b.wantData("db", "a=2", "b=3")
}

func TestCustomType(t *testing.T) {
	b := newBed(t)
	b.apply(b.manifest("db"), typed(b.secret("db", "a=1"), "example.com/custom"))
	if s := b.live("db"); s.Type != "example.com/custom" {
		t.Errorf("got type %s", s.Type)
	}
}

func TestSecretOfOneMebibyte(t *testing.T) {
	b := newBed(t)
	m := b.manifest("big")
	o := b.secret("big", "a="+strings.Repeat("x", corev1.MaxSecretSize))
	b.apply(m, o)
	if got := len(b.live("big").Data["a"]); got != corev1.MaxSecretSize {
		t.Fatalf("got %d bytes", got)
	}
	b.edit(m)
	b.fails(v1alpha1.ReasonTargetInvalid, false, m, b.secret("big", "a="+strings.Repeat("x", corev1.MaxSecretSize+1)))
	if b.live("big") == nil {
		t.Fatal("the last good Secret is gone")
	}
}

func TestSeveralObjectsAreTriedEachAndKeptInTheInventory(t *testing.T) {
	b := newBed(t)
	m := b.manifest("many")
	b.kubectl("create", "secret", "generic", "two", "--from-literal=theirs=1")
	out, err := b.try(m, b.secret("one", "a=1"), b.secret("two", "a=1"), b.secret("three", "a=1"))
	f := wantFailure(t, err, v1alpha1.ReasonTargetConflict, true)
	if !strings.Contains(f.Message, "Secret/two") {
		t.Errorf("got %s", f.Message)
	}
	wantList(t, "wrote", out.Wrote, "Secret/one", "Secret/three")
	var names []string
	for _, r := range out.Resources {
		names = append(names, r.Name)
	}
	wantList(t, "inventory", names, "one", "three")
	b.wantData("two", "theirs=1")

	// An error prunes nothing.
	_, err = b.try(m, b.secret("one", "a=1"), b.secret("two", "a=1"))
	wantFailure(t, err, v1alpha1.ReasonTargetConflict, true)
	b.wantData("three", "a=1")
}

func TestSameObjectTwiceOrElsewhereIsRefused(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.fails(v1alpha1.ReasonInvalidDocument, false, m, b.secret("db", "a=1"), b.secret("db", "a=2"))
	away := b.secret("db", "a=1")
	away.Secret.Namespace = "kube-system"
	b.fails(v1alpha1.ReasonKindNotAllowed, false, m, away)
	b.fails(v1alpha1.ReasonInvalidDocument, false, m, opening.Object{})
	wantList(t, "requests", b.calls.take())
}
