package applying_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// drifts are what people do to a Secret of ours that holds a=1 and b=2.
func drifts() []struct {
	name  string
	patch string
	// harmless: it is none of our business.
	harmless bool
} {
	return []struct {
		name     string
		patch    string
		harmless bool
	}{
		{name: "value changed", patch: `{"data":{"a":"eA=="}}`},
		{name: "key removed", patch: `{"data":{"a":null}}`},
		{name: "key added", patch: `{"data":{"x":"eA=="}}`},
		{name: "our label removed", patch: `{"metadata":{"labels":{"app":null}}}`},
		{name: "owner removed", patch: `{"metadata":{"ownerReferences":null}}`},
		{name: "our mark removed", patch: `{"metadata":{"annotations":{"gitseal.dev/manifest":null}}}`},
		{name: "managed label removed", patch: `{"metadata":{"labels":{"gitseal.dev/managed":null}}}`},
		{name: "foreign label added", patch: `{"metadata":{"labels":{"theirs":"1"}}}`, harmless: true},
		{name: "foreign annotation and finalizer added", patch: `{"metadata":{"annotations":{"theirs":"1"},"finalizers":["example.com/stay"]}}`, harmless: true},
	}
}

func (b *bed) drifting(spec ...func(*v1alpha1.SealedManifestSpec)) (*v1alpha1.SealedManifest, openingObject) {
	m, o := b.manifest("db", spec...), b.secret("db", "a=1", "b=2")
	o.Secret.Labels = map[string]string{"app": "shop"}
	b.apply(m, o)
	return m, o
}

func TestDriftIsCorrected(t *testing.T) {
	for _, tt := range drifts() {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			m, o := b.drifting()
			b.kubectl("patch", "secret", "db", "--type=merge", "-p", tt.patch)
			out := b.keep(m, o)
			s := b.wantData("db", "a=1", "b=2")
			if len(s.OwnerReferences) != 1 || s.Labels["app"] != "shop" || s.Labels[v1alpha1.ManagedLabel] != "true" || s.Annotations[v1alpha1.ManifestAnnotation] != "db" {
				t.Errorf("got owners %v, labels %v, annotations %v", s.OwnerReferences, s.Labels, s.Annotations)
			}
			if strings.Contains(tt.patch, "theirs") && s.Labels["theirs"]+s.Annotations["theirs"] != "1" {
				t.Error("what is none of our business was removed")
			}
			if r := m.Status.Resources[0]; r.ResourceVersion != s.ResourceVersion {
				t.Errorf("the inventory has version %s, the Secret %s", r.ResourceVersion, s.ResourceVersion)
			}
			if tt.harmless {
				wantList(t, "drifted", out.Drifted)
				wantList(t, "wrote", out.Wrote)
				return
			}
			wantList(t, "drifted", out.Drifted, "Secret/db")
			wantList(t, "wrote", out.Wrote, "Secret/db")
		})
	}
}

func TestDriftIsOnlyToldIfThePolicySaysSo(t *testing.T) {
	for _, tt := range drifts() {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			m, o := b.drifting(drift(v1alpha1.DriftWarn))
			b.kubectl("patch", "secret", "db", "--type=merge", "-p", tt.patch)
			before := b.live("db").ResourceVersion
			for range 2 { // and again, as long as it lasts
				out := b.keep(m, o)
				if out.Changed || b.live("db").ResourceVersion != before {
					t.Fatalf("it was written: %+v", out)
				}
				if tt.harmless {
					wantList(t, "drifted", out.Drifted)
					continue
				}
				wantList(t, "drifted", out.Drifted, "Secret/db")
				if m.Status.Resources[0].ResourceVersion == before {
					t.Error("the inventory takes the drift for what was applied")
				}
			}
			// A change of the manifest is applied.
			b.edit(m)
			b.apply(m, b.secret("db", "a=2", "b=2"))
			b.wantData("db", "a=2", "b=2")
		})
	}
}

func TestDeletedSecretIsMadeAnewWhateverTheDriftPolicy(t *testing.T) {
	b := newBed(t)
	m, o := b.drifting(drift(v1alpha1.DriftWarn))
	b.kubectl("delete", "secret", "db")
	out := b.keep(m, o)
	wantList(t, "drifted", out.Drifted, "Secret/db")
	wantList(t, "wrote", out.Wrote, "Secret/db")
	b.wantData("db", "a=1", "b=2")
}

func TestMergedKeysOfOthersAreLeft(t *testing.T) {
	for _, policy := range []v1alpha1.DriftPolicy{v1alpha1.DriftCorrect, v1alpha1.DriftWarn} {
		t.Run(string(policy), func(t *testing.T) {
			b := newBed(t)
			b.kubectl("create", "secret", "generic", "db", "--from-literal=theirs=1")
			m := b.manifest("db", conflict(v1alpha1.ConflictMerge), drift(policy))
			o := b.secret("db", "a=1")
			b.apply(m, o)
			b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"data":{"theirs":"eA=="}}`)
			out := b.keep(m, o)
			wantList(t, "drifted by their key", out.Drifted)
			b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"data":{"a":"eA=="}}`)
			_, err := b.applier.Keep(t.Context(), m, []openingObject{o})
			wantFailure(t, err, v1alpha1.ReasonTargetConflict, true) // who writes a key owns it
			b.wantData("db", "a=x", "theirs=x")
		})
	}
}

// TestCoOwnersLikeArgoAndFlux: others who apply the same object keep their fields.
func TestCoOwnersLikeArgoAndFlux(t *testing.T) {
	b := newBed(t)
	m, o := b.drifting()
	b.cluster.Kubectl(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","labels":{"app":"shop","argocd.argoproj.io/instance":"x"},
		"annotations":{"kustomize.toolkit.fluxcd.io/ssa":"Merge"}}}`,
		"-n", b.ns, "apply", "--server-side", "--field-manager=argocd-controller", "-f", "-")
	out := b.keep(m, o)
	wantList(t, "drifted", out.Drifted)
	b.edit(m)
	o.Secret.Labels = nil
	b.apply(m, o)
	s := b.wantData("db", "a=1", "b=2")
	if s.Labels["app"] != "shop" || s.Labels["argocd.argoproj.io/instance"] != "x" || s.Annotations["kustomize.toolkit.fluxcd.io/ssa"] != "Merge" {
		t.Errorf("got labels %v, annotations %v", s.Labels, s.Annotations)
	}
}
