package opening

import (
	"strconv"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// objectReader reads one object of a document. What is read is what was verified: no
// other parser sees the text.
type objectReader struct {
	*admission
	// where stands in front of messages.
	where string
}

// header is what all objects have.
type header struct {
	apiVersion, kind, name string
	labels, annotations    map[string]string
}

func (r *objectReader) object(root *formats.Node) (Object, error) {
	h, err := r.header(root)
	if err != nil {
		return Object{}, err
	}
	if h.apiVersion == "v1" && h.kind == "Secret" {
		s, err := r.secret(root, h)
		return Object{Secret: s}, err
	}
	if !r.allowsKind(h.apiVersion, h.kind) {
		return Object{}, r.kindNotAllowed(r.where)
	}
	if r.manifest.Spec.ServiceAccountName == "" {
		return Object{}, refuse(v1alpha1.ReasonKindNotAllowed,
			"%sobjects other than Secrets are applied in the name of a service account: set spec.serviceAccountName", r.where)
	}
	u, err := r.other(root, h)
	return Object{Other: u}, err
}

func (r *objectReader) header(root *formats.Node) (header, error) {
	var h header
	var err error
	meta := item(root, "metadata")
	if meta == nil || meta.Kind != formats.MapNode {
		return h, invalid("%smetadata is missing", r.where)
	}
	for _, f := range []struct {
		to     *string
		parent *formats.Node
		key    string
	}{{&h.apiVersion, root, "apiVersion"}, {&h.kind, root, "kind"}, {&h.name, meta, "name"}} {
		if *f.to, err = r.text(f.parent, f.key); err != nil {
			return h, err
		}
		if *f.to == "" {
			return h, invalid("%s%s is missing", r.where, f.key)
		}
	}
	namespace, err := r.text(meta, "namespace")
	switch {
	case err != nil:
		return h, err
	case namespace != "" && namespace != r.manifest.Namespace:
		return h, invalid("%smetadata.namespace: objects are made in the namespace of the SealedManifest only", r.where)
	case item(meta, "generateName") != nil:
		return h, invalid("%smetadata.generateName: objects need names of their own", r.where)
	case len(content.IsPathSegmentName(h.name)) > 0 || len(h.name) > maxName:
		return h, invalid("%smetadata.name is not the name of an object", r.where)
	case item(meta, "ownerReferences") != nil || item(meta, "finalizers") != nil:
		r.warn(r.where + "ownerReferences and finalizers are not taken from the file")
	}
	if h.labels, err = r.texts(meta, "labels"); err != nil {
		return h, err
	}
	h.annotations, err = r.texts(meta, "annotations")
	return h, err
}

const maxName = 253

// secret reads a core Secret.
func (r *objectReader) secret(root *formats.Node, h header) (*corev1.Secret, error) {
	for i := range root.Items {
		switch root.Items[i].Key {
		case "apiVersion", "kind", "metadata", "type", "immutable", fieldData, fieldStringData:
		default:
			return nil, invalid("%s%s: Secrets have no such field", r.where, formats.Root(0).At(root.Items[i].Key))
		}
	}
	t, err := r.text(root, "type")
	if err != nil {
		return nil, err
	}
	s := newSecret(r.manifest.Namespace, h.name, corev1.SecretType(t))
	s.Labels, s.Annotations = withoutTracking(h.labels), withoutTracking(h.annotations)
	if v := item(root, "immutable"); v != nil {
		if v.Kind != formats.ScalarNode || v.Scalar.Kind != formats.Bool {
			return nil, invalid("%simmutable is neither true nor false", r.where)
		}
		immutable := v.Scalar.Text == "True"
		s.Immutable = &immutable
	}
	for _, field := range []string{fieldData, fieldStringData} {
		if err := r.content(s, root, field); err != nil {
			return nil, err
		}
	}
	return s, r.checkSecret(s, r.where)
}

func (r *objectReader) content(s *corev1.Secret, root *formats.Node, field string) error {
	values := item(root, field)
	if values == nil {
		return nil
	}
	if values.Kind != formats.MapNode {
		return invalid("%s%s is no map", r.where, field)
	}
	for i := range values.Items {
		v := &values.Items[i]
		if v.Kind != formats.ScalarNode {
			return invalid("%s%s: this is no string", r.where, at(field, v.Key))
		}
		if err := setValue(s, field, v.Key, v.Scalar, r.where); err != nil {
			return err
		}
	}
	return nil
}

// other reads an object of any kind.
func (r *objectReader) other(root *formats.Node, h header) (*unstructured.Unstructured, error) {
	content := map[string]any{}
	for i := range root.Items {
		switch f := &root.Items[i]; f.Key {
		case "apiVersion", "kind", "metadata", "status":
		default:
			v, err := r.value(f, formats.Root(0).At(f.Key))
			if err != nil {
				return nil, err
			}
			content[f.Key] = v
		}
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(h.apiVersion)
	u.SetKind(h.kind)
	u.SetNamespace(r.manifest.Namespace)
	u.SetName(h.name)
	u.SetLabels(withoutTracking(h.labels))
	u.SetAnnotations(withoutTracking(h.annotations))
	return u, nil
}

// value returns a node as unstructured objects have it.
func (r *objectReader) value(n *formats.Node, p *formats.Path) (any, error) {
	switch n.Kind {
	case formats.MapNode:
		out := make(map[string]any, len(n.Items))
		for i := range n.Items {
			v, err := r.value(&n.Items[i], p.At(n.Items[i].Key))
			if err != nil {
				return nil, err
			}
			out[n.Items[i].Key] = v
		}
		return out, nil
	case formats.ListNode:
		out := make([]any, len(n.Items))
		for i := range n.Items {
			v, err := r.value(&n.Items[i], p.Item(i))
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	v, ok := scalarValue(n.Scalar)
	if !ok {
		return nil, invalid("%s%s: an API server cannot hold this number, date or text: put quotes around it", r.where, p)
	}
	return v, nil
}

func scalarValue(s formats.Scalar) (any, bool) {
	switch s.Kind {
	case formats.Null:
		return nil, true
	case formats.Bool:
		return s.Text == "True", true
	case formats.Int:
		n, err := strconv.ParseInt(s.Text, 10, 64)
		return n, err == nil
	case formats.Float:
		f, err := strconv.ParseFloat(s.Text, 64)
		return f, err == nil && f-f == 0 // neither infinite nor no number
	case formats.String:
		return s.Text, utf8.ValidString(s.Text)
	}
	return nil, false
}

// item returns the value under a key of a map, nil if it is absent or null.
func item(n *formats.Node, key string) *formats.Node {
	for i := range n.Items {
		v := &n.Items[i]
		if v.Key == key && (v.Kind != formats.ScalarNode || v.Scalar.Kind != formats.Null) {
			return v
		}
	}
	return nil
}

// text returns the string under a key, "" if it is absent.
func (r *objectReader) text(n *formats.Node, key string) (string, error) {
	v := item(n, key)
	if v == nil {
		return "", nil
	}
	if v.Kind != formats.ScalarNode || v.Scalar.Kind != formats.String {
		return "", invalid("%s%s is no string", r.where, key)
	}
	return v.Scalar.Text, nil
}

// texts returns the map of strings under a key.
func (r *objectReader) texts(n *formats.Node, key string) (map[string]string, error) {
	v := item(n, key)
	if v == nil {
		return nil, nil
	}
	if v.Kind != formats.MapNode {
		return nil, invalid("%smetadata.%s is no map", r.where, key)
	}
	out := make(map[string]string, len(v.Items))
	for i := range v.Items {
		s := &v.Items[i]
		if s.Kind != formats.ScalarNode || s.Scalar.Kind != formats.String {
			return nil, invalid("%smetadata.%s: this is no string: put quotes around it", r.where, at(key, s.Key))
		}
		out[s.Key] = s.Scalar.Text
	}
	return out, nil
}
