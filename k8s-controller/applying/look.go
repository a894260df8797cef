package applying

import (
	"context"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// look asks the server for an object's metadata, and says what may be done with it. The
// manifest is confirmed after that: what was read cannot have been written, or removed,
// because of a later generation of the manifest then, or of its deletion.
func (r *run) look(ctx context.Context, t *target) (state, error) {
	meta, err := r.metadata(ctx, t)
	if isAbsent(err) {
		return state{looked: true}, r.confirm(ctx, false)
	}
	if err != nil {
		return state{}, err
	}
	if meta.DeletionTimestamp != nil {
		return state{}, retry(v1alpha1.ReasonTargetConflict, "%s is being deleted, and waits for %s", t, listed(meta.Finalizers))
	}
	s := state{exists: true, uid: meta.UID, rv: meta.ResourceVersion, looked: true}
	holder := r.holder(meta)
	switch {
	case holder.manifest != "":
		return state{}, retry(v1alpha1.ReasonTargetConflict,
			"%s belongs to SealedManifest/%s: rename one of the two, or remove the annotation %s from it", t, holder.manifest, v1alpha1.ManifestAnnotation)
	case t.merge:
		res, _ := r.recorded(t)
		mine := holder.ours || res.UID == meta.UID
		if err := unowned(t, meta, mine); err != nil {
			return state{}, err
		}
		if !mine && managed(meta) >= 0 {
			s.left = meta
		}
	case holder.ours && !holder.merged:
	case r.m.Spec.ConflictPolicy == v1alpha1.ConflictAdopt && holder.controller == "":
		s.adopt = true
	default:
		return state{}, foreign(t, holder)
	}
	return s, r.confirm(ctx, false)
}

// unowned fails if somebody else owns a key that is to be merged, whatever its value: an
// equal one must look like any other to whoever may make manifests but not read the
// object, and would be taken from its owner once it was ours, too. What our field manager
// owns is the manifest's only if mine is set: else another one left it.
func unowned(t *target, o metav1.Object, mine bool) error {
	if len(o.GetManagedFields()) == 0 && len(t.keys()) > 0 {
		return retry(v1alpha1.ReasonTargetConflict, "%s does not say who owns its keys (metadata.managedFields): nothing can be merged into it", t)
	}
	taken := map[string]bool{}
	for _, e := range o.GetManagedFields() {
		if mine && isOurEntry(e) {
			continue
		}
		for _, at := range []string{"data", "binaryData"} {
			if err := members(e, []string{at}, taken); err != nil {
				return err
			}
		}
	}
	var both []string
	for _, key := range slices.Sorted(maps.Keys(t.keys())) {
		if taken[key] {
			both = append(both, ".data."+key)
		}
	}
	if len(both) == 0 {
		return nil
	}
	return retry(v1alpha1.ReasonTargetConflict, "%s: somebody else owns keys of it (%s): remove them there or here", t, listed(both[:min(len(both), 8)]))
}

// foreign is the refusal to touch somebody else's object.
func foreign(t *target, h holder) error {
	switch {
	case h.controller != "":
		return retry(v1alpha1.ReasonTargetConflict, "%s exists and is controlled by %s: rename or delete one of the two", t, h.controller)
	case h.merged:
		return retry(v1alpha1.ReasonTargetConflict, "%s holds keys of others beside ours: set spec.conflictPolicy to Merge as it was, or to Adopt to remove them", t)
	}
	by := ""
	if len(h.managers) > 0 {
		by = " (written by " + listed(h.managers) + ")"
	}
	return retry(v1alpha1.ReasonTargetConflict, "%s exists and is not ours%s: delete it, or set spec.conflictPolicy to Adopt or Merge", t, by)
}

// holder says whose an object is.
type holder struct {
	// ours: it was made by this manifest, or one of the same name before it.
	ours bool
	// merged: it is somebody else's with fields of ours.
	merged bool
	// manifest is another SealedManifest that it belongs to.
	manifest string
	// controller is what else controls it, as Kind/name.
	controller string
	// managers are the others who own fields.
	managers []string
}

// holder decides by the controller that the object has, else by our annotation, which
// counts only beside fields of our manager: a copy of an object is not ours.
func (r *run) holder(o metav1.Object) holder {
	mark := o.GetAnnotations()[v1alpha1.ManifestAnnotation]
	written := managed(o) >= 0
	h := holder{merged: written && o.GetAnnotations()[MergedAnnotation] == "true", managers: others(o)}
	if ref := metav1.GetControllerOf(o); ref != nil {
		gv, _ := schema.ParseGroupVersion(ref.APIVersion)
		switch {
		case gv.Group != v1alpha1.Group || ref.Kind != manifestKind:
			h.controller = ref.Kind + "/" + ref.Name
		case ref.UID == r.m.UID || ref.Name == r.m.Name:
			h.ours = true
		default:
			h.manifest = ref.Name
		}
		if !h.merged || h.controller == "" {
			return h
		}
	}
	switch {
	case !written || mark == "":
	case mark == r.m.Name:
		h.ours = true
	default:
		h.manifest = mark
	}
	return h
}

// managed returns the index of our entry among the field managers, or -1.
func managed(o metav1.Object) int {
	return slices.IndexFunc(o.GetManagedFields(), isOurEntry)
}

func isOurEntry(e metav1.ManagedFieldsEntry) bool {
	return e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

// others returns the names of the other field managers.
func others(o metav1.Object) []string {
	var names []string
	for _, e := range o.GetManagedFields() {
		if !isOurEntry(e) && e.Subresource == "" {
			add(&names, e.Manager)
		}
	}
	return names
}

// nothing is a patch that changes nothing. The answer to it is the object, and it needs
// no right to read.
func nothing() client.Patch { return client.RawPatch(types.MergePatchType, []byte("{}")) }

// metadata reads an object's metadata from the server.
func (r *run) metadata(ctx context.Context, t *target) (*metav1.PartialObjectMetadata, error) {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(t.gvk)
	o.Namespace, o.Name = r.m.Namespace, t.name
	return o, r.read(ctx, t, o)
}

// object reads a whole object from the server.
func (r *run) object(ctx context.Context, t *target) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(t.gvk)
	u.SetNamespace(r.m.Namespace)
	u.SetName(t.name)
	return u, r.read(ctx, t, u)
}

func (r *run) read(ctx context.Context, t *target, o client.Object) error {
	if r.o.WriteOnly && t.secret {
		return t.client.Patch(ctx, o, nothing(), client.DryRunAll, client.FieldOwner(FieldManager))
	}
	return t.reader.Get(ctx, client.ObjectKeyFromObject(o), o)
}

// confirm fails unless the manifest, read from the server now, is the one that this
// pass works on: the same object and generation, and deleted or not as is expected. If
// it is older than what the pass has, that never was: the server's data was set back, and
// its generations are counted anew.
func (r *run) confirm(ctx context.Context, deleted bool) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(manifestKind))
	err := r.o.Reader.Get(ctx, types.NamespacedName{Namespace: r.m.Namespace, Name: r.m.Name}, o)
	switch {
	case isAbsent(err):
	case err != nil:
		return describe(err, &target{gvk: o.GroupVersionKind(), name: r.m.Name})
	case o.UID == r.m.UID && o.Generation == r.m.Generation && (o.DeletionTimestamp != nil) == deleted && !older(o, r.m):
		return nil
	}
	return changing("SealedManifest/" + r.m.Name)
}

// older reports whether one version of an object is known to be older than another.
func older(a, b metav1.Object) bool {
	c, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && c < 0
}

// isAbsent reports whether an object, but not its namespace, is missing.
func isAbsent(err error) bool {
	status := statusOf(err)
	return apierrors.IsNotFound(err) && status != nil && (status.Details == nil || status.Details.Kind != "namespaces")
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
