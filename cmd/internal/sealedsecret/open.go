package sealedsecret

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OpenOptions is how a SealedSecret is to be opened.
type OpenOptions struct {
	// Namespace is that of manifests that leave it out. It must not differ from
	// the one that a manifest names.
	Namespace string
	// DropTemplates leaves the values of spec.template.data out that are templates,
	// instead of refusing the manifest (ErrTemplate).
	DropTemplates bool
}

// Open opens every value with one of the keys and returns the Secret that the
// controller would make, without its reference to the SealedSecret.
//
// Its error is that of ctx or an [*Error] that wraps ErrNoKey, ErrScope,
// ErrDamaged, ErrNamespace, ErrTemplate or ErrManifest.
func (m *Manifest) Open(ctx context.Context, k *Keys, opts OpenOptions) (*Secret, error) {
	namespace := m.Namespace
	switch {
	case namespace == "":
		namespace = opts.Namespace
	case opts.Namespace != "" && opts.Namespace != namespace:
		return nil, m.errorf(ErrNamespace, "metadata.namespace", "it is for the namespace "+namespace+", not "+opts.Namespace)
	}
	if namespace == "" && m.Scope != ClusterWide {
		return nil, m.errorf(ErrNamespace, "metadata.namespace", "missing, and its "+string(m.Scope)+" values are bound to it")
	}
	if k.Len() == 0 {
		return nil, m.errorf(ErrNoKey, "", "there is no sealing key to open it with")
	}
	d := &decrypter{ctx: ctx, manifest: m, keys: k, namespace: namespace}
	s, err := m.open(d)
	if err != nil {
		return nil, err
	}
	s.Name, s.Namespace = m.Name, m.Namespace
	if err := s.addTemplateData(m, opts.DropTemplates); err != nil {
		return nil, err
	}
	for _, path := range m.ignored {
		s.Warnings = append(s.Warnings, path+": not known here, and left out")
	}
	s.dropAnnotations()
	return s, nil
}

func (m *Manifest) errorf(cause error, path, msg string) error {
	return &Error{Cause: cause, Object: m.Name, Path: path, Msg: msg}
}

func (m *Manifest) open(d *decrypter) (*Secret, error) {
	if m.whole != "" {
		text, err := d.value("spec.data", m.whole)
		if err != nil {
			return nil, err
		}
		return readSecret(m.Name, text)
	}
	t := m.template
	s := &Secret{
		Type: t.secretType, Immutable: t.immutable, Labels: maps.Clone(t.labels), Annotations: maps.Clone(t.annotations),
		Finalizers: t.finalizers, Data: map[string][]byte{}, StringData: map[string]string{},
	}
	for _, key := range slices.Sorted(maps.Keys(m.values)) {
		value, err := d.value("spec.encryptedData."+key, m.values[key])
		if err != nil {
			return nil, err
		}
		s.Data[key] = value
	}
	return s, nil
}

// decrypter opens the values of one manifest.
type decrypter struct {
	ctx       context.Context
	manifest  *Manifest
	keys      *Keys
	namespace string
	// opened counts the values that were opened so far.
	opened int
}

// value opens the value at a path.
func (d *decrypter) value(path, text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, d.manifest.errorf(ErrDamaged, path, "not base64")
	}
	c, err := split(raw)
	if err != nil {
		return nil, d.manifest.errorf(ErrDamaged, path, err.Error())
	}
	session, err := d.keys.session(d.ctx, c, d.manifest.Scope.label(d.namespace, d.manifest.Name))
	if err != nil {
		return nil, err
	}
	if session == nil {
		return nil, d.diagnose(path, c)
	}
	value, err := c.open(session)
	if err != nil {
		return nil, d.manifest.errorf(ErrDamaged, path, "its ciphertext was cut or changed")
	}
	d.opened++
	return value, nil
}

// diagnose says why no key opens a value. Its ciphertext may have been sealed for
// another scope, which the same keys can tell; nothing is opened that way.
func (d *decrypter) diagnose(path string, c ciphertext) error {
	m := d.manifest
	if !d.keys.hasSize(len(c.session)) {
		return m.errorf(ErrNoKey, path, fmt.Sprintf("it is sealed for a key of %d bits, and none of the %d sealing keys has that size", 8*len(c.session), d.keys.Len()))
	}
	for _, scope := range []Scope{Strict, NamespaceWide, ClusterWide} {
		if scope == m.Scope {
			continue
		}
		session, err := d.keys.session(d.ctx, c, scope.label(d.namespace, m.Name))
		if err != nil {
			return err
		}
		if session != nil {
			return m.errorf(ErrScope, path, fmt.Sprintf("it was sealed with the scope %s, and the manifest says %s", scope, m.Scope))
		}
	}
	if d.opened > 0 {
		return m.errorf(ErrScope, path, "none of the sealing keys opens it, though they open others here: it was sealed for another name or namespace, or damaged")
	}
	bound := map[Scope]string{
		Strict: "for another key, or for another name or namespace than " + d.namespace + "/" + m.Name, ClusterWide: "for another key",
		NamespaceWide: "for another key, or for another namespace than " + d.namespace,
	}
	return m.errorf(ErrNoKey, path, fmt.Sprintf("none of the %d sealing keys opens it: it was sealed %s", d.keys.Len(), bound[m.Scope]))
}

// addTemplateData adds what spec.template.data says, as the controller does: a
// sealed value goes first, and a null takes a value away.
func (s *Secret) addTemplateData(m *Manifest, drop bool) error {
	if m.whole != "" {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m.template.data)) {
		text := m.template.data[key]
		_, sealed := m.values[key]
		switch {
		case text == nil:
			delete(s.Data, key)
		case sealed:
		case strings.Contains(*text, "{{") && !drop:
			return m.errorf(ErrTemplate, "spec.template.data."+key, "a template, which only the controller renders")
		case strings.Contains(*text, "{{"):
			s.Warnings = append(s.Warnings, "spec.template.data."+key+": a template, left out")
		default:
			s.StringData[key] = *text
		}
	}
	return nil
}
