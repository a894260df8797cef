package opening

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// objects returns what the opened file holds. Its error is a *Refusal.
func (a *admission) objects(plain []byte) ([]Object, error) {
	target := a.manifest.Spec.Target
	if target != nil && target.Key != "" {
		s := a.targetSecret()
		s.Data[target.Key] = plain
		return oneSecret(s, a.checkSecret(s, "spec.target: "))
	}
	if !a.file.inline && a.file.name != "dotenv" {
		if target != nil {
			return nil, invalid("spec.target.key is needed: it is the key of the Secret that holds the document")
		}
		if a.file.name != "yaml" && a.file.name != "json" {
			return nil, invalid("spec.target.key is needed for documents in the format %s", a.file.name)
		}
	}
	doc, err := a.file.format.Parse(plain)
	if err != nil {
		return nil, invalid("%sthe opened file cannot be read", a.file.where())
	}
	switch {
	case a.file.inline:
		return oneSecret(a.inlineSecret(doc))
	case a.file.name == "dotenv":
		return oneSecret(a.variables(doc))
	}
	return a.documents(doc)
}

func oneSecret(s *corev1.Secret, err error) ([]Object, error) {
	if err != nil {
		return nil, err
	}
	return []Object{{Secret: s}}, nil
}

// targetSecret returns the Secret, still empty, that is made of the whole document.
func (a *admission) targetSecret() *corev1.Secret {
	name, t := a.manifest.Name, corev1.SecretType("")
	if target := a.manifest.Spec.Target; target != nil {
		t = target.Type
		if target.Name != "" {
			name = target.Name
		}
	}
	s := newSecret(a.manifest.Namespace, name, t)
	s.Labels, s.Annotations = CopiedMetadata(a.manifest)
	return s
}

// variables returns a Secret with a key for each variable of a dotenv file, with the
// values that other Kubernetes tools read there.
func (a *admission) variables(doc *formats.Document) (*corev1.Secret, error) {
	s := a.targetSecret()
	for _, v := range dotenv.Variables(doc) {
		if _, twice := s.Data[v.Key]; twice {
			return nil, invalid("spec.document: the variable %s stands there twice", v.Key)
		}
		s.Data[v.Key] = []byte(v.Value)
	}
	if len(s.Data) == 0 {
		return nil, invalid("spec.document: there are no variables in it")
	}
	return s, a.checkSecret(s, "spec.document: ")
}

// documents returns the objects of a YAML or JSON file.
func (a *admission) documents(doc *formats.Document) ([]Object, error) {
	n := max(1, doc.Documents)
	out := make([]Object, 0, n)
	seen := map[string]int{}
	for i := range n {
		r := &objectReader{admission: a, where: "spec.document: "}
		if n > 1 {
			r.where = fmt.Sprintf("spec.document: document %d: ", i+1)
		}
		root, ok := doc.Node(formats.Root(i))
		if !ok || root.Kind != formats.MapNode {
			return nil, invalid("%sthis is not an object", r.where)
		}
		o, err := r.object(&root)
		if err != nil {
			return nil, err
		}
		name := o.name()
		if first, double := seen[name]; double {
			return nil, invalid("%sthis is the same object as in document %d", r.where, first+1)
		}
		seen[name] = i
		out = append(out, o)
	}
	return out, nil
}

// name tells an object from the others of its namespace; versions of one kind are the
// same object.
func (o Object) name() string {
	if o.Secret != nil {
		return "/Secret/" + o.Secret.Name
	}
	group, _, ok := strings.Cut(o.Other.GetAPIVersion(), "/")
	if !ok {
		group = ""
	}
	return group + "/" + o.Other.GetKind() + "/" + o.Other.GetName()
}

// allowsKind reports whether the policy has a kind; if it has none, Secrets are.
func (a *admission) allowsKind(apiVersion, kind string) bool {
	for _, k := range a.policy.AllowedKinds {
		if k.APIVersion == apiVersion && k.Kind == kind {
			return true
		}
	}
	return len(a.policy.AllowedKinds) == 0 && apiVersion == "v1" && kind == "Secret"
}

// kindNotAllowed does not name the kind: it may have been sealed.
func (a *admission) kindNotAllowed(where string) *Refusal {
	allowed := []string{"Secret (v1)"}
	if len(a.policy.AllowedKinds) > 0 {
		allowed = nil
	}
	for _, k := range a.policy.AllowedKinds {
		allowed = append(allowed, k.Kind+" ("+k.APIVersion+")")
	}
	return refuse(v1alpha1.ReasonKindNotAllowed, "%sobjects of this kind are not allowed by the keyring, which allows %s", where, strings.Join(allowed, ", "))
}
