package applying_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

// owning answers as a cache does that has what the server has: it goes by the name of the
// controller.
func (b *bed) owning(m *v1alpha1.SealedManifest) []v1alpha1.Resource {
	b.t.Helper()
	var list corev1.SecretList
	if err := b.admin.List(b.t.Context(), &list, client.InNamespace(b.ns)); err != nil {
		b.t.Fatal(err)
	}
	var out []v1alpha1.Resource
	for _, s := range list.Items {
		if ref := metav1.GetControllerOf(&s); ref != nil && ref.Name == m.Name && s.DeletionTimestamp == nil {
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

// another is a manifest of the same name that was made after the first was deleted.
func (b *bed) another(m *v1alpha1.SealedManifest) *v1alpha1.SealedManifest {
	b.t.Helper()
	if err := b.admin.Delete(b.t.Context(), m.DeepCopy()); err != nil {
		b.t.Fatal(err)
	}
	return b.manifest(m.Name)
}

func TestSecretOfAManifestOfTheSameNameThatIsNoMoreIsPruned(t *testing.T) {
	// The garbage collector takes one manifest for the other if it did not look between the
	// end of the first and the start of the second, and leaves the first one's Secrets.
	b := newBedWithCache(t)
	old := b.manifest("db")
	b.apply(old, b.secret("kept", "a=1"), b.secret("left", "a=1"))
	m := b.another(old)
	b.edit(m, deletion(v1alpha1.DeletionOrphan)) // which is about this one's Secrets
	out := b.apply(m, b.secret("kept", "a=2"))
	wantList(t, "pruned", out.Pruned, "Secret/left")
	if b.live("left") != nil || len(out.Resources) != 1 {
		t.Errorf("it is still there, or in the inventory: %v", out.Resources)
	}
	b.wantData("kept", "a=2")
}

func TestSecretThatOthersOwnTooIsNotPrunedForAManifestThatIsNoMore(t *testing.T) {
	b := newBedWithCache(t)
	old := b.manifest("db")
	b.apply(old, b.secret("shared", "a=1"), b.secret("copied", "a=1"))
	shared := b.live("shared")
	shared.OwnerReferences = append(shared.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "theirs", UID: "theirs"})
	if err := b.admin.Update(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	copied := b.live("copied")
	copied.Name, copied.UID, copied.ResourceVersion, copied.ManagedFields = "copy", "", "", nil
	if err := b.admin.Create(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	m := b.another(old)
	b.edit(m)
	wantList(t, "pruned", b.apply(m, b.secret("copied", "a=2")).Pruned)
	b.wantData("shared", "a=1")
	b.wantData("copy", "a=1")
}

func TestSecretOfALaterManifestIsNotPrunedByAnEarlierOne(t *testing.T) {
	b := newBedWithCache(t)
	old := b.manifest("db")
	b.apply(old, b.secret("db", "a=1"))
	m := b.another(old)
	b.apply(m, b.secret("db", "a=2"), b.secret("more", "a=2"))
	b.fails(v1alpha1.ReasonProgressing, true, old, b.secret("db", "a=1"))
	b.wantData("more", "a=2")
	b.wantData("db", "a=2")
}
