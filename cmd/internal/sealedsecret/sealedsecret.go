// Package sealedsecret reads Bitnami SealedSecret manifests, opens them with the
// private keys of the controller that they were made for, and writes the Secrets
// that they stand for.
//
// A value of a SealedSecret is, in base64:
//
//	length of the next part, 2 bytes, big endian
//	a session key of 32 bytes under RSA-OAEP with SHA-256
//	the value under AES-256-GCM with that key, an all-zero nonce, and no
//	additional data
//
// The label of RSA-OAEP binds the value to its scope: "namespace/name",
// "namespace", or "" for the whole cluster.
//
// Errors never hold a value or a part of a key.
package sealedsecret

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The annotations by which a SealedSecret says its scope.
const (
	annotationPrefix        = "sealedsecrets.bitnami.com/"
	clusterWideAnnotation   = annotationPrefix + "cluster-wide"
	namespaceWideAnnotation = annotationPrefix + "namespace-wide"
)

// The API group and version that the package reads.
const (
	apiGroup   = "bitnami.com"
	apiVersion = apiGroup + "/v1alpha1"
)

// Scope says what the values of a SealedSecret are bound to.
type Scope string

// The scopes, by the names that kubeseal gives them.
const (
	Strict        Scope = "strict"
	NamespaceWide Scope = "namespace-wide"
	ClusterWide   Scope = "cluster-wide"
)

// label is what a value's encryption is bound to.
func (s Scope) label(namespace, name string) string {
	switch s {
	case ClusterWide:
		return ""
	case NamespaceWide:
		return namespace
	}
	return namespace + "/" + name
}

// Manifest is one SealedSecret as it was read.
type Manifest struct {
	// Name and Namespace are those of the object; a manifest may leave its
	// namespace to whoever applies it.
	Name, Namespace string
	Scope           Scope

	// values are the items of spec.encryptedData, whole the older spec.data.
	values   map[string]string
	whole    string
	template template
	ignored  []string
}

// template is spec.template.
type template struct {
	secretType  string
	immutable   *bool
	labels      map[string]string
	annotations map[string]string
	finalizers  []string
	// data is spec.template.data; a null there takes a value away.
	data map[string]*string
}

// File is what a file of manifests holds.
type File struct {
	Manifests []*Manifest
	// Others name the objects that are not SealedSecrets, as "Kind name".
	Others []string
}

// maxObjects bounds the objects in a file.
const maxObjects = 1 << 14

// Mentioned reports, without parsing, whether src can hold a SealedSecret at all.
func Mentioned(src []byte) bool {
	return bytes.Contains(src, []byte(apiGroup+"/")) && bytes.Contains(src, []byte("SealedSecret"))
}

// Read reads a file of manifests, YAML or JSON: several documents, and lists of
// objects. Its errors wrap ErrManifest.
func Read(src []byte) (*File, error) {
	trees, err := readTrees(src)
	if err != nil {
		return nil, err
	}
	var f File
	for i, tree := range trees {
		o, ok := tree.(map[string]any)
		if !ok {
			return nil, &Error{Cause: ErrManifest, Msg: fmt.Sprintf("document %d is not a Kubernetes object", i+1)}
		}
		if err := f.add(object{fields: o}); err != nil {
			return nil, err
		}
	}
	return &f, nil
}

// add takes an object, or those of a list.
func (f *File) add(o object) error {
	version, err := o.text("apiVersion")
	if err != nil {
		return err
	}
	kind, err := o.text("kind")
	if err != nil {
		return err
	}
	if len(f.Manifests)+len(f.Others) >= maxObjects {
		return &Error{Cause: ErrManifest, Msg: "too many objects"}
	}
	switch {
	case version == "v1" && kind == "List", version == apiVersion && kind == "SealedSecretList":
		return f.addItems(o)
	case version == apiVersion && kind == "SealedSecret":
		m, err := readManifest(o)
		if err != nil {
			return err
		}
		f.Manifests = append(f.Manifests, m)
		return nil
	case strings.HasPrefix(version, apiGroup+"/"):
		return &Error{Cause: ErrManifest, Msg: fmt.Sprintf("%s %s is not known here; %s SealedSecret is", version, kind, apiVersion)}
	case version == "" || kind == "":
		return &Error{Cause: ErrManifest, Msg: "an object has no apiVersion or no kind"}
	}
	f.Others = append(f.Others, strings.TrimSpace(kind+" "+o.name()))
	return nil
}

func (f *File) addItems(o object) error {
	items, err := o.list("items")
	if err != nil {
		return err
	}
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			return &Error{Cause: ErrManifest, Msg: "an item of a list is not an object"}
		}
		if err := f.add(object{fields: fields}); err != nil {
			return err
		}
	}
	return nil
}

// The names that Kubernetes allows. A name becomes a part of a file's name.
var (
	nameRegex      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`) })
	namespaceRegex = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`) })
	dataKeyRegex   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-._a-zA-Z0-9]+$`) })
)

const maxName, maxNamespace = 253, 63

// ValidName reports whether Kubernetes allows a name for a Secret.
func ValidName(s string) bool { return len(s) <= maxName && nameRegex().MatchString(s) }

// ValidNamespace reports whether Kubernetes allows a name for a namespace.
func ValidNamespace(s string) bool { return len(s) <= maxNamespace && namespaceRegex().MatchString(s) }

// ValidKey reports whether Kubernetes allows a key in a Secret's data.
func ValidKey(s string) bool {
	return len(s) <= maxName && s != "." && s != ".." && dataKeyRegex().MatchString(s)
}

// readManifest reads one SealedSecret.
func readManifest(o object) (*Manifest, error) {
	meta, err := o.object("metadata")
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	if m.Name, err = meta.text("name"); err != nil {
		return nil, err
	}
	if !ValidName(m.Name) {
		return nil, &Error{Cause: ErrManifest, Msg: "a SealedSecret has no name that Kubernetes allows"}
	}
	o.about, meta.about = m.Name, m.Name
	if m.Namespace, err = meta.text("namespace"); err != nil {
		return nil, err
	}
	if m.Namespace != "" && !ValidNamespace(m.Namespace) {
		return nil, meta.errorf("namespace", "not a name that Kubernetes allows")
	}
	annotations, err := meta.texts("annotations")
	if err != nil {
		return nil, err
	}
	m.Scope = scopeOf(annotations)
	if _, ok := o.fields["sops"]; ok {
		return nil, o.errorf("sops", "the manifest itself is sealed by sops")
	}
	spec, err := o.object("spec")
	if err != nil {
		return nil, err
	}
	return m, m.readSpec(spec)
}

// scopeOf goes by the annotations as the controller does: the wider one wins.
func scopeOf(annotations map[string]string) Scope {
	switch {
	case annotations[clusterWideAnnotation] == "true":
		return ClusterWide
	case annotations[namespaceWideAnnotation] == "true":
		return NamespaceWide
	}
	return Strict
}

func (m *Manifest) readSpec(spec object) error {
	var err error
	if m.values, err = spec.texts("encryptedData"); err != nil {
		return err
	}
	for key := range m.values {
		if !ValidKey(key) {
			return spec.errorf("encryptedData", "a key is not one that Kubernetes allows")
		}
	}
	if m.whole, err = spec.text("data"); err != nil {
		return err
	}
	if m.whole != "" && len(m.values) > 0 {
		return spec.errorf("data", "both data and encryptedData are there; the controller takes one of them")
	}
	t, err := spec.object("template")
	if err != nil {
		return err
	}
	m.ignored = append(m.ignored, spec.unknown("encryptedData", "data", "template")...)
	return m.readTemplate(t)
}

func (m *Manifest) readTemplate(t object) error {
	var err error
	if m.template.secretType, err = t.text("type"); err != nil {
		return err
	}
	if m.template.immutable, err = t.boolean("immutable"); err != nil {
		return err
	}
	if m.template.data, err = t.optionalTexts("data"); err != nil {
		return err
	}
	for key := range m.template.data {
		if !ValidKey(key) {
			return t.errorf("data", "a key is not one that Kubernetes allows")
		}
	}
	meta, err := t.object("metadata")
	if err != nil {
		return err
	}
	if m.template.labels, err = meta.texts("labels"); err != nil {
		return err
	}
	if m.template.annotations, err = meta.texts("annotations"); err != nil {
		return err
	}
	if m.template.finalizers, err = meta.textList("finalizers"); err != nil {
		return err
	}
	m.ignored = append(m.ignored, t.unknown("type", "immutable", "data", "metadata")...)
	m.ignored = append(m.ignored, meta.unknown("labels", "annotations", "finalizers", "name", "namespace", "creationTimestamp",
		"uid", "resourceVersion", "generation", "managedFields", "ownerReferences", "selfLink")...)
	slices.Sort(m.ignored)
	return nil
}
