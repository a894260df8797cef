package applying

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// release removes from an object our marks, our ownership and, if values is set, the
// values that only we own. One patch does it, so that there is no state between.
func (r *run) release(ctx context.Context, t *target, o *metav1.PartialObjectMetadata, values bool) error {
	if values && !t.secret {
		if err := r.empty(ctx, t, o); err == nil || !apierrors.IsInvalid(err) {
			return err
		}
		values = false // what is left cannot be without our fields
	}
	patch, err := removal(o, values)
	if err != nil {
		return err
	}
	patch = append(patch, r.ownerships(o)...)
	if i := managed(o); i >= 0 {
		patch = append(patch, operation{Op: "remove", Path: pointer("metadata", "managedFields", strconv.Itoa(i))})
	}
	_, err = r.operate(ctx, t, o, patch)
	return err
}

// orphanManager begins the names of the field managers that have what was left.
const orphanManager = "gitseal-orphan"

// bequeath makes the fields of our manager those of another one, and removes our marks.
// So what an earlier manifest left in an object is nobody's to remove who merges into it
// now. It returns the object's version. The name of that manager is a new one: of two
// entries with the same name the server forgets the first.
func (r *run) bequeath(ctx context.Context, t *target, o *metav1.PartialObjectMetadata) (version string, err error) {
	patch, err := removal(o, false)
	if err != nil {
		return "", err
	}
	entry := pointer("metadata", "managedFields", strconv.Itoa(managed(o)), "manager")
	return r.operate(ctx, t, o, append(patch, operation{"replace", entry, orphanManager + "-" + o.ResourceVersion}))
}

// removal are the operations that remove our marks and, if values is set, the values
// that only we own.
func removal(o metav1.Object, values bool) ([]operation, error) {
	drop, err := owned(o, values)
	var out []operation
	for _, path := range drop {
		out = append(out, operation{Op: "remove", Path: pointer(path...)})
	}
	return out, err
}

// operate sends operations on an object that still is as it was read, and returns its
// version then.
func (r *run) operate(ctx context.Context, t *target, o *metav1.PartialObjectMetadata, operations []operation) (version string, err error) {
	data, err := json.Marshal(append([]operation{
		{"replace", "/metadata/uid", string(o.UID)},
		{"replace", "/metadata/resourceVersion", o.ResourceVersion},
	}, operations...))
	if err != nil {
		return "", err
	}
	out := &metav1.PartialObjectMetadata{}
	out.SetGroupVersionKind(t.gvk)
	out.Namespace, out.Name = o.Namespace, o.Name
	err = t.client.Patch(ctx, out, client.RawPatch(types.JSONPatchType, data), client.FieldOwner(FieldManager))
	return out.ResourceVersion, err
}

// empty applies nothing, which removes the fields that only we own.
func (r *run) empty(ctx context.Context, t *target, o *metav1.PartialObjectMetadata) error {
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{
		"name": o.Name, "namespace": o.Namespace, "uid": string(o.UID), "resourceVersion": o.ResourceVersion,
	}}}
	u.SetGroupVersionKind(t.gvk)
	return t.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(FieldManager), client.ForceOwnership)
}

// owned returns the paths of our marks and, if values is set, of the data, labels and
// annotations that no other manager owns.
func owned(o metav1.Object, values bool) ([][]string, error) {
	var drop [][]string
	for _, a := range []string{v1alpha1.ManifestAnnotation, MergedAnnotation} {
		if _, ok := o.GetAnnotations()[a]; ok {
			drop = append(drop, []string{"metadata", "annotations", a})
		}
	}
	if _, ok := o.GetLabels()[v1alpha1.ManagedLabel]; ok {
		drop = append(drop, []string{"metadata", "labels", v1alpha1.ManagedLabel})
	}
	if !values {
		return drop, nil
	}
	marks := len(drop)
	for _, at := range [][]string{{"data"}, {"metadata", "labels"}, {"metadata", "annotations"}} {
		ours, foreign := map[string]bool{}, map[string]bool{}
		for _, e := range o.GetManagedFields() {
			into := foreign
			if isOurEntry(e) {
				into = ours
			}
			if err := members(e, at, into); err != nil {
				return nil, err
			}
		}
		for _, key := range slices.Sorted(maps.Keys(ours)) {
			path := append(slices.Clone(at), key)
			isMark := slices.ContainsFunc(drop[:marks], func(m []string) bool { return slices.Equal(m, path) })
			if !foreign[key] && !isMark {
				drop = append(drop, path)
			}
		}
	}
	return drop, nil
}

// members puts the keys of the map at a path, as far as an entry owns them, into a set.
// A set of fields is JSON: {"f:data": {"f:KEY": {}, ".": {}}}.
func members(e metav1.ManagedFieldsEntry, at []string, into map[string]bool) error {
	if e.FieldsV1 == nil {
		return nil
	}
	raw := json.RawMessage(e.FieldsV1.GetRawBytes())
	var level map[string]json.RawMessage
	for _, name := range at {
		level = nil
		if err := json.Unmarshal(raw, &level); err != nil {
			return errFields
		}
		var found bool
		if raw, found = level["f:"+name]; !found {
			return nil
		}
	}
	level = nil
	if err := json.Unmarshal(raw, &level); err != nil {
		return errFields
	}
	for key := range level {
		if name, isField := strings.CutPrefix(key, "f:"); isField {
			into[name] = true
		}
	}
	return nil
}

// pointer makes a JSON pointer (RFC 6901).
func pointer(parts ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var out strings.Builder
	for _, p := range parts {
		out.WriteString("/" + escape.Replace(p))
	}
	return out.String()
}
