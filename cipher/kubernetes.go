package cipher

import (
	"regexp"
	"sync"

	"github.com/gitseal/gitseal/formats"
)

// KubernetesSelector seals a Secret's data and stringData and leaves its names
// and labels readable, so that the file stays a valid object.
func KubernetesSelector() Selector {
	return Selector{Kind: EncryptedRegex, Pattern: kubernetesPattern, re: kubernetesRegex()}
}

const kubernetesPattern = `^(data|stringData)$`

// kubernetesRegex is compiled once: a controller would compile it for each of
// thousands of files.
var kubernetesRegex = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(kubernetesPattern) })

// lastApplied is the annotation in which "kubectl apply" keeps a copy of the
// whole object, values included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// appliedSelector is KubernetesSelector for Secrets with such a copy.
func appliedSelector() Selector {
	return mustRegex(`^(data|stringData|` + regexp.QuoteMeta(lastApplied) + `)$`)
}

func mustRegex(pattern string) Selector {
	return Selector{Kind: EncryptedRegex, Pattern: pattern, re: regexp.MustCompile(pattern)}
}

// SelectorFor returns the selector for a plain document for which none was
// chosen: KubernetesSelector if it holds Kubernetes Secrets or SealedManifests and
// nothing else (and the annotation of kubectl that repeats their values is sealed,
// too), DefaultSelector otherwise. In a file that mixes Secrets with other objects,
// sealing data and stringData alone would leave the others' values plain.
func SelectorFor(d *formats.Document) Selector {
	secrets := make([]secretShape, max(1, d.Documents))
	applied := false
	for i := range d.Leaves {
		l := &d.Leaves[i]
		if l.Kind == formats.Comment || l.Path.Parent == nil {
			continue
		}
		applied = applied || l.Path.Key == lastApplied
		top := topLevel(l.Path)
		if n := top.Parent.Index; n < len(secrets) {
			secrets[n].add(top.Key, l, top == l.Path)
		}
	}
	for _, s := range secrets {
		if !s.isSecret() && !s.isManifest() {
			return DefaultSelector()
		}
	}
	if applied {
		return appliedSelector()
	}
	return KubernetesSelector()
}

func topLevel(p *formats.Path) *formats.Path {
	for p.Parent.Parent != nil {
		p = p.Parent
	}
	return p
}

// secretShape is what makes a document a Secret.
type secretShape struct {
	version, kind string
	// spec: it has the field that SealedManifests have beside those of Secrets.
	// other: it has one that neither of them has.
	spec, other bool
}

func (s *secretShape) isSecret() bool {
	return s.version == "v1" && s.kind == "Secret" && !s.spec && !s.other
}

// isManifest reports whether the document is a Secret of which apiVersion and kind
// were changed, so that the controller opens it in a cluster.
func (s *secretShape) isManifest() bool {
	return s.version == "gitseal.dev/v1alpha1" && s.kind == "SealedManifest" && !s.other
}

func (s *secretShape) add(field string, l *formats.Leaf, isField bool) {
	switch field {
	case "apiVersion":
		if isField && l.Kind == formats.String {
			s.version = l.Text
		}
	case "kind":
		if isField && l.Kind == formats.String {
			s.kind = l.Text
		}
	case "metadata", "type", "immutable", "data", "stringData":
	case "spec":
		s.spec = true
	default:
		s.other = true
	}
}
