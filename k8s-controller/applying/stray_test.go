package applying_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

// owning answers as a cache does that has what the server has.
func (b *bed) owning(m *v1alpha1.SealedManifest) []v1alpha1.Resource {
	b.t.Helper()
	var list corev1.SecretList
	if err := b.admin.List(b.t.Context(), &list, client.InNamespace(b.ns)); err != nil {
		b.t.Fatal(err)
	}
	var out []v1alpha1.Resource
	for _, s := range list.Items {
		if ref := metav1.GetControllerOf(&s); ref != nil && ref.UID == m.UID && s.DeletionTimestamp == nil {
			out = append(out, v1alpha1.Resource{APIVersion: "v1", Kind: "Secret", Name: s.Name, UID: s.UID, ResourceVersion: s.ResourceVersion})
		}
	}
	return out
}

func newBedWithCache(t *testing.T) *bed {
	t.Helper()
	var b *bed
	b = newBed(t, func(o *applying.Options) {
		o.Owned = func(m *v1alpha1.SealedManifest) []v1alpha1.Resource { return b.owning(m) }
	})
	return b
}

func TestSecretOfACutOffPassIsPruned(t *testing.T) {
	// A pass that is killed after it wrote a Secret of a new name, and before the status:
	// if the next revision has yet another name, no inventory has that Secret.
	b := newBedWithCache(t)
	m := b.manifest("db")
	b.apply(m, b.secret("first", "a=1"))
	recorded := m.Status.Resources
	b.edit(m)
	b.apply(m, b.secret("second", "a=2"), b.secret("first", "a=1"))
	m.Status.Resources = recorded // the status was never written
	b.edit(m)
	b.calls.take()
	out := b.apply(m, b.secret("third", "a=3"))
	wantList(t, "pruned", out.Pruned, "Secret/first", "Secret/second")
	wantList(t, "requests", b.calls.take(), "PATCH secrets/third", "GET secrets/first", "GET sealedmanifests/db", "DELETE secrets/first",
		"GET secrets/second", "GET sealedmanifests/db", "DELETE secrets/second")
	if b.live("first") != nil || b.live("second") != nil || len(out.Resources) != 1 {
		t.Errorf("they are still there, or in the inventory: %v", out.Resources)
	}
	b.wantData("third", "a=3")
}

func TestStaleViewPrunesNoStray(t *testing.T) {
	// Who has an older view of the manifest sees a Secret of the newer one as a stray.
	b := newBedWithCache(t)
	m := b.manifest("db")
	b.apply(m, b.secret("old", "a=1"))
	stale := m.DeepCopy()
	b.edit(m)
	b.apply(m, b.secret("old", "a=1"), b.secret("new", "a=2"))
	stale.Status.Resources = m.Status.Resources[:1]
	b.fails(v1alpha1.ReasonProgressing, true, stale, b.secret("old", "a=1"))
	b.wantData("new", "a=2")
}

func TestCopiesAreNoStrays(t *testing.T) {
	// Somebody copied an object of ours with all its metadata, owner and all.
	b := newBedWithCache(t)
	m := b.manifest("db")
	b.apply(m, b.secret("db", "a=1"))
	s := b.live("db")
	mine := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "mine", Labels: s.Labels, Annotations: s.Annotations, OwnerReferences: s.OwnerReferences},
		Data:       s.Data,
	}
	if err := b.admin.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	b.edit(m)
	out := b.apply(m, b.secret("db", "a=2"))
	wantList(t, "pruned", out.Pruned)
	b.wantData("mine", "a=1")
}
