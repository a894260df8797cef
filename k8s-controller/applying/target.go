package applying

import (
	"encoding/base64"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// manifestKind is the kind of what objects come from.
const manifestKind = "SealedManifest"

// target is an object as it has to be. It holds plaintext, so it prints as its name.
type target struct {
	gvk     schema.GroupVersionKind
	name    string
	secret  bool
	merge   bool
	watched bool
	// user is who writes it, "" for the controller itself.
	user   string
	client client.Client
	reader client.Reader
	// content is the apply configuration without preconditions.
	content map[string]any
}

// String returns Kind/name.
func (t *target) String() string { return t.gvk.Kind + "/" + t.name }

// GoString is the same, so that no form of print shows content.
func (t *target) GoString() string { return t.String() }

// is reports whether the inventory's entry is this object. The version of an API is
// only a way to look at it.
func (t *target) is(res v1alpha1.Resource) bool {
	gvk := schema.FromAPIVersionAndKind(res.APIVersion, res.Kind)
	return gvk.GroupKind() == t.gvk.GroupKind() && res.Name == t.name
}

// configuration returns what is applied to an object in a state.
func (t *target) configuration(s state) *unstructured.Unstructured {
	content := maps.Clone(t.content)
	meta := maps.Clone(content["metadata"].(map[string]any))
	content["metadata"] = meta
	meta["resourceVersion"] = s.rv
	if s.exists {
		meta["uid"] = string(s.uid)
	} else {
		// No object ever has this version: etcd's own first revision. So the server
		// creates the object or refuses, and does not write to one that is there.
		meta["resourceVersion"] = "1"
	}
	return &unstructured.Unstructured{Object: content}
}

// keys returns the data of a Secret.
func (t *target) keys() map[string]any {
	data, _ := t.content["data"].(map[string]any)
	return data
}

// targets makes the objects what the manifest's policies want. It asks the server
// nothing but which kinds there are.
func (r *run) targets(objects []opening.Object) ([]*target, error) {
	var targets []*target
	for _, o := range objects {
		t, err := r.target(o)
		if err != nil {
			return nil, err
		}
		for _, other := range targets {
			if other.is(v1alpha1.Resource{APIVersion: t.gvk.GroupVersion().String(), Kind: t.gvk.Kind, Name: t.name}) {
				return nil, refuse(v1alpha1.ReasonInvalidDocument, "%s is in the manifest twice", t)
			}
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (r *run) target(o opening.Object) (*target, error) {
	var t *target
	var namespace string
	switch {
	case o.Secret != nil:
		namespace = o.Secret.Namespace
		t = r.secretTarget(o.Secret)
	case o.Other != nil:
		namespace = o.Other.GetNamespace()
		var err error
		if t, err = r.otherTarget(o.Other); err != nil {
			return nil, err
		}
	default:
		return nil, refuse(v1alpha1.ReasonInvalidDocument, "the manifest holds an object of no kind")
	}
	if namespace != "" && namespace != r.m.Namespace {
		return nil, refuse(v1alpha1.ReasonKindNotAllowed, "%s is in another namespace than the SealedManifest", t)
	}
	return t, nil
}

func (r *run) secretTarget(s *corev1.Secret) *target {
	data := make(map[string]any, len(s.Data)+len(s.StringData))
	for key, value := range s.Data {
		data[key] = base64.StdEncoding.EncodeToString(value)
	}
	for key, value := range s.StringData {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	// The server's default is said, so that a Secret of another type is noticed.
	kind := s.Type
	if kind == "" {
		kind = corev1.SecretTypeOpaque
	}
	content := map[string]any{"data": data, "type": string(kind)}
	if s.Immutable != nil {
		content["immutable"] = *s.Immutable
	}
	t := &target{gvk: corev1.SchemeGroupVersion.WithKind("Secret"), name: s.Name, secret: true, content: content}
	t.client, t.reader = r.o.Client, r.o.Reader
	r.finish(t, s.Labels, s.Annotations)
	return t
}

func (r *run) otherTarget(u *unstructured.Unstructured) (*target, error) {
	t := &target{gvk: u.GroupVersionKind(), name: u.GetName(), content: maps.Clone(u.Object)}
	delete(t.content, "status")
	if err := r.asUser(t); err != nil {
		return nil, err
	}
	namespaced, err := t.client.IsObjectNamespaced(u)
	if err != nil {
		return nil, describe(err, t)
	}
	if !namespaced {
		return nil, refuse(v1alpha1.ReasonKindNotAllowed, "%s belongs to no namespace: only objects of the SealedManifest's namespace are applied", t)
	}
	r.finish(t, u.GetLabels(), u.GetAnnotations())
	return t, nil
}

// asUser gives a target the client of the manifest's service account.
func (r *run) asUser(t *target) error {
	account := r.m.Spec.ServiceAccountName
	switch {
	case account == "":
		return refuse(v1alpha1.ReasonForbidden, "%s: objects other than Secrets need spec.serviceAccountName", t)
	case r.o.Impersonate == nil:
		return refuse(v1alpha1.ReasonForbidden, "%s: this controller applies nothing but Secrets: it may not act as service accounts", t)
	}
	t.user = fmt.Sprintf("system:serviceaccount:%s:%s", r.m.Namespace, account)
	c, err := r.o.Impersonate(t.user)
	if err != nil {
		return &Failure{
			Reason: v1alpha1.ReasonForbidden, Transient: true, Err: safe(err),
			Message: fmt.Sprintf("%s: there is no client for the service account %s", t, account),
		}
	}
	t.client, t.reader = c, c
	return nil
}

// finish adds what is ours to an object: marks, and the owner if there is to be one.
// Nothing else of its metadata is taken over.
func (r *run) finish(t *target, labels, annotations map[string]string) {
	t.merge = r.m.Spec.ConflictPolicy == v1alpha1.ConflictMerge
	l, a := anyMap(labels), anyMap(annotations)
	l[v1alpha1.ManagedLabel] = "true"
	a[v1alpha1.ManifestAnnotation] = r.m.Name
	if t.merge {
		a[MergedAnnotation] = "true"
	}
	meta := map[string]any{"name": t.name, "namespace": r.m.Namespace, "labels": l, "annotations": a}
	if !t.merge && r.m.Spec.DeletionPolicy != v1alpha1.DeletionOrphan {
		meta["ownerReferences"] = []any{map[string]any{
			"apiVersion": v1alpha1.GroupVersion().String(), "kind": manifestKind, "name": r.m.Name, "uid": string(r.m.UID),
			"controller": true,
		}}
	}
	t.content["apiVersion"], t.content["kind"] = t.gvk.GroupVersion().String(), t.gvk.Kind
	t.content["metadata"] = meta
}

func anyMap(in map[string]string) map[string]any {
	out := make(map[string]any, len(in)+3)
	for key, value := range in {
		out[key] = value
	}
	return out
}
