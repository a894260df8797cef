package applying_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

func TestRenamedSecretIsPruned(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("old", "a=1"), b.secret("stays", "a=1"))
	b.edit(m)
	b.calls.take()
	out := b.apply(m, b.secret("new", "a=1"), b.secret("stays", "a=1"))
	wantList(t, "requests", b.calls.take(), "PATCH secrets/new", "PATCH secrets/stays",
		"GET secrets/old", "GET sealedmanifests/db", "DELETE secrets/old")
	wantList(t, "pruned", out.Pruned, "Secret/old")
	if b.live("old") != nil || b.live("stays") == nil || b.live("new") == nil {
		t.Error("not the right ones are there")
	}
	if len(out.Resources) != 2 {
		t.Errorf("got inventory %v", out.Resources)
	}
}

func TestPruneLeavesWhatIsNotOurs(t *testing.T) {
	for name, act := range map[string]func(*bed){
		"made anew by others": func(b *bed) {
			b.kubectl("delete", "secret", "old")
			b.kubectl("create", "secret", "generic", "old", "--from-literal=a=1")
		},
		"taken from us": func(b *bed) {
			b.kubectl("patch", "secret", "old", "--type=merge", "-p", `{"metadata":{"ownerReferences":null,"annotations":{"gitseal.dev/manifest":null}}}`)
		},
		"given to another manifest": func(b *bed) {
			b.kubectl("patch", "secret", "old", "--type=merge", "-p",
				`{"metadata":{"ownerReferences":[{"apiVersion":"gitseal.dev/v1alpha1","kind":"SealedManifest","name":"other","uid":"u","controller":true}]}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			m := b.manifest("db")
			b.apply(m, b.secret("old", "a=1"))
			act(b)
			b.edit(m)
			out := b.apply(m, b.secret("new", "a=1"))
			wantList(t, "pruned", out.Pruned)
			b.wantData("old", "a=1")
			if len(out.Resources) != 1 {
				t.Errorf("got inventory %v", out.Resources)
			}
		})
	}
}

func TestPruneMeansTheObjectOfTheInventory(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("old", "a=1"))
	m.Status.Resources[0].UID = "another"
	b.edit(m)
	out := b.apply(m)
	wantList(t, "pruned", out.Pruned)
	b.wantData("old", "a=1")
}

func TestOlderViewOfTheManifestPrunesNothing(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	b.apply(m, b.secret("a", "a=1"), b.secret("b", "b=1"))
	stale := m.DeepCopy() // as a stale cache has it
	b.edit(m)
	f := b.fails(v1alpha1.ReasonProgressing, true, stale, b.secret("a", "a=1"))
	if f.Message == "" || b.live("b") == nil {
		t.Errorf("got %v, b is there: %v", f, b.live("b") != nil)
	}
	if len(stale.Status.Resources) != 2 {
		t.Errorf("the inventory lost it: %v", stale.Status.Resources)
	}
	t.Run("nor that of a deleted one", func(t *testing.T) {
		gone := m.DeepCopy()
		b.kubectl("delete", "sealedmanifest", "db")
		b.fails(v1alpha1.ReasonProgressing, true, gone, b.secret("a", "a=1"))
		b.wantData("b", "b=1")
	})
}

func TestOrphansAreReleased(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db", deletion(v1alpha1.DeletionOrphan))
	b.apply(m, b.secret("old", "a=1"))
	if s := b.live("old"); len(s.OwnerReferences) > 0 {
		t.Errorf("got owners %v", s.OwnerReferences)
	}
	b.edit(m)
	out := b.apply(m, b.secret("new", "a=1"))
	wantList(t, "pruned", out.Pruned, "Secret/old")
	s := b.wantData("old", "a=1")
	if len(s.Labels)+len(s.Annotations)+len(s.OwnerReferences) > 0 {
		t.Errorf("left behind: labels %v, annotations %v", s.Labels, s.Annotations)
	}
	for _, e := range s.ManagedFields {
		if e.Manager == applying.FieldManager {
			t.Errorf("we still own %s", e.FieldsV1)
		}
	}
}

func TestDeletionPolicyMayChange(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db")
	for i, policy := range []v1alpha1.DeletionPolicy{v1alpha1.DeletionDelete, v1alpha1.DeletionOrphan, v1alpha1.DeletionDelete} {
		b.edit(m, deletion(policy))
		b.apply(m, b.secret("db", "a=1"))
		owned := metav1.GetControllerOf(b.live("db")) != nil
		if owned != (policy == v1alpha1.DeletionDelete) {
			t.Errorf("step %d: %s, owned: %v", i, policy, owned)
		}
	}
}

func TestPruneOfAMergedSecretTakesOnlyOurKeys(t *testing.T) {
	b := newBed(t)
	b.kubectl("create", "secret", "generic", "old", "--from-literal=theirs=1")
	m := b.manifest("db", conflict(v1alpha1.ConflictMerge))
	b.apply(m, b.secret("old", "a=1"))
	// Whatever the policy now is.
	b.edit(m, conflict(v1alpha1.ConflictFail))
	out := b.apply(m, b.secret("new", "a=1"))
	wantList(t, "pruned", out.Pruned, "Secret/old")
	if s := b.wantData("old", "theirs=1"); len(s.Labels)+len(s.Annotations) > 0 {
		t.Errorf("left behind: labels %v, annotations %v", s.Labels, s.Annotations)
	}
}

// TestTargetsAreExchangedByAThirdName: neither of two manifests lets its Secret go before
// it has the new one.
func TestTargetsAreExchangedByAThirdName(t *testing.T) {
	b := newBed(t)
	one, two := b.manifest("one"), b.manifest("two")
	b.apply(one, b.secret("x", "a=1"))
	b.apply(two, b.secret("y", "a=2"))
	b.edit(one)
	b.edit(two)
	for range 2 {
		b.fails(v1alpha1.ReasonTargetConflict, true, one, b.secret("y", "a=1"))
		b.fails(v1alpha1.ReasonTargetConflict, true, two, b.secret("x", "a=2"))
	}
	b.wantData("x", "a=1")
	b.wantData("y", "a=2")
	b.edit(one)
	b.apply(one, b.secret("third", "a=1"))
	b.apply(two, b.secret("x", "a=2"))
	b.edit(one)
	b.apply(one, b.secret("y", "a=1"))
	b.wantData("x", "a=2")
	b.wantData("y", "a=1")
	if b.live("third") != nil {
		t.Error("the third is still there")
	}
}
