package sealedsecret

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Secret is a Kubernetes Secret. It prints redacted.
type Secret struct {
	Name, Namespace string
	Type            string
	Immutable       *bool
	Labels          map[string]string
	Annotations     map[string]string
	Finalizers      []string
	// Data and StringData are the values: the fields of the same names. A key
	// stands in one of them.
	Data       map[string][]byte
	StringData map[string]string
	// Warnings are what was not taken over.
	Warnings []string
}

// String says nothing of the content.
func (s Secret) String() string { return "<secret>" }

// GoString says nothing of the content.
func (s Secret) GoString() string { return "<secret>" }

// PreferText moves the values of Data that are UTF-8 to StringData.
func (s *Secret) PreferText() {
	for key, value := range s.Data {
		if utf8.Valid(value) {
			s.StringData[key] = string(value)
			delete(s.Data, key)
		}
	}
}

// Keys returns the keys of all values, sorted.
func (s *Secret) Keys() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for key := range s.Data {
			if !yield(key) {
				return
			}
		}
		for key := range s.StringData {
			if !yield(key) {
				return
			}
		}
	})
}

// readSecret reads the Secret that an older SealedSecret holds as a whole. The
// object's name is for errors.
func readSecret(name string, src []byte) (*Secret, error) {
	bad := &Error{Cause: ErrManifest, Object: name, Path: "spec.data", Msg: "what it holds is not a Secret"}
	trees, err := readTrees(src)
	if err != nil || len(trees) != 1 {
		return nil, bad
	}
	fields, _ := trees[0].(map[string]any)
	o := object{fields: fields, about: name, path: "spec.data: "}
	if kind, err := o.text("kind"); err != nil || kind != "Secret" {
		return nil, bad
	}
	meta, err := o.object("metadata")
	if err != nil {
		return nil, bad
	}
	s := &Secret{Data: map[string][]byte{}}
	if s.Type, err = o.text("type"); err != nil {
		return nil, err
	}
	if s.Immutable, err = o.boolean("immutable"); err != nil {
		return nil, err
	}
	if s.Labels, err = meta.texts("labels"); err != nil {
		return nil, err
	}
	if s.Annotations, err = meta.texts("annotations"); err != nil {
		return nil, err
	}
	if s.Finalizers, err = meta.textList("finalizers"); err != nil {
		return nil, err
	}
	return s, s.readValues(o)
}

// readValues reads data and stringData of a Secret. Where both have a key, the
// API server takes the one of stringData.
func (s *Secret) readValues(o object) error {
	data, err := o.textsOrNull("data")
	if err != nil {
		return err
	}
	if s.StringData, err = o.textsOrNull("stringData"); err != nil {
		return err
	}
	for key, text := range data {
		if s.Data[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			return o.errorf("data."+key, "not base64")
		}
	}
	for key := range s.StringData {
		delete(s.Data, key)
	}
	for _, key := range s.Keys() {
		if !ValidKey(key) {
			return o.errorf("data", "a key is not one that Kubernetes allows")
		}
	}
	return nil
}

// copies are the annotations in which tools keep the object as it was applied,
// values included.
var copies = []string{"kubectl.kubernetes.io/last-applied-configuration", "kubecfg.ksonnet.io/last-applied-configuration"}

// dropAnnotations takes away what means something to the controller of
// SealedSecrets only, and what may repeat values.
func (s *Secret) dropAnnotations() {
	for _, key := range slices.Sorted(maps.Keys(s.Annotations)) {
		switch {
		case slices.Contains(copies, key):
			s.Warnings = append(s.Warnings, "metadata.annotations: "+key+": left out, since it repeats the object")
		case !strings.HasPrefix(key, annotationPrefix):
			continue
		case key != clusterWideAnnotation && key != namespaceWideAnnotation:
			s.Warnings = append(s.Warnings, "metadata.annotations: "+key+": left out, since it is for the controller of SealedSecrets")
		}
		delete(s.Annotations, key)
	}
}
