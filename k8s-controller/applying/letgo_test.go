package applying_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

func TestLetGoTakesOnlyTheOwnerAway(t *testing.T) {
	for mode, make := range map[string]func(*testing.T) *bed{"full": func(t *testing.T) *bed { return newBed(t) }, "write-only": newWriteOnly} {
		t.Run(mode, func(t *testing.T) {
			b := make(t)
			m := b.manifest("db")
			b.apply(m, b.secret("db", "a=1"), b.secret("more", "b=2"))
			b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"metadata":{"ownerReferences":[
				{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"x"},
				{"apiVersion":"gitseal.dev/v1alpha1","kind":"SealedManifest","name":"db","uid":"`+string(m.UID)+`","controller":true}]}}`)
			b.kubectl("delete", "secret", "more")
			b.kubectl("create", "secret", "generic", "more", "--from-literal=theirs=1") // another of that name
			b.edit(m, deletion(v1alpha1.DeletionOrphan))
			inventory := len(m.Status.Resources)
			if err := b.applier.LetGo(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			s := b.wantData("db", "a=1")
			if metav1.GetControllerOf(s) != nil || len(s.OwnerReferences) != 1 || s.OwnerReferences[0].Name != "x" {
				t.Errorf("got owners %v", s.OwnerReferences)
			}
			if s.Annotations[v1alpha1.ManifestAnnotation] != "db" || len(m.Status.Resources) != inventory {
				t.Errorf("got annotations %v, inventory %v", s.Annotations, m.Status.Resources)
			}
			b.wantData("more", "theirs=1")
			b.calls.take()
			if err := b.applier.LetGo(t.Context(), m); err != nil || b.live("db").ResourceVersion != s.ResourceVersion {
				t.Errorf("once more: %v", err)
			}
			b.edit(m, deletion(v1alpha1.DeletionDelete)) // opened again: it is ours as before
			b.kubectl("delete", "secret", "more")
			b.apply(m, b.secret("db", "a=2"))
			if o := metav1.GetControllerOf(b.wantData("db", "a=2")); o == nil || o.UID != m.UID {
				t.Errorf("got owner %v", o)
			}
		})
	}
}

func TestInventoryIsBounded(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	for i := range 256 {
		m.Status.Resources = append(m.Status.Resources, v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: "s" + string(rune('a'+i%26)) + string(rune('a'+i/26))})
	}
	b.fails(v1alpha1.ReasonTargetInvalid, false, m, b.secret("new", "a=1"))
	if b.live("new") != nil || len(m.Status.Resources) != 256 {
		t.Error("it was applied")
	}
	b.apply(m, b.secret("saa", "a=1")) // which had been there, and prunes
	if len(m.Status.Resources) != 1 {
		t.Errorf("got %d objects", len(m.Status.Resources))
	}
}
