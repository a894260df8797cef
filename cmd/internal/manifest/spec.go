package manifest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// specField is a field of spec.
type specField struct {
	// name is its path below spec.
	name string
	kind formats.Kind
	// words are what it may hold, nil if that is not one of a few words.
	words []string
}

// specFields are those of the CRD (k8s-controller/api/v1alpha1).
func specFields() []specField {
	return []specField{
		{"document", formats.String, nil},
		{"format", formats.String, []string{"yaml", "json", "dotenv", "ini", "binary"}},
		{"target.name", formats.String, nil},
		{"target.type", formats.String, nil},
		{"target.key", formats.String, nil},
		{"serviceAccountName", formats.String, nil},
		{"keyring", formats.String, nil},
		{"class", formats.String, nil},
		{"suspend", formats.Bool, nil},
		{"deletionPolicy", formats.String, []string{"Delete", "Orphan"}},
		{"conflictPolicy", formats.String, []string{"Fail", "Adopt", "Merge"}},
		{"driftPolicy", formats.String, []string{"Correct", "Warn"}},
		{"immutablePolicy", formats.String, []string{"Fail", "Recreate"}},
		{"rollout", formats.String, []string{"None", "Annotate"}},
	}
}

// SpecFields returns the fields that the spec of a SealedManifest may have, as paths below
// it.
func SpecFields() []string {
	var names []string
	for _, f := range specFields() {
		names = append(names, f.name)
	}
	return names
}

// spec looks at a value below spec.
func (l *linter) spec(i int) {
	leaf := &l.doc.Leaves[i]
	steps := stepsOf(leaf.Path)
	name := ""
	if len(steps) > 0 {
		name = strings.Join(steps[1:], ".")
	}
	l.ofDocument = l.ofDocument || name == "format" || strings.HasPrefix(name, "target")
	empty := leaf.Kind == formats.Null || leaf.Kind == formats.EmptyMap
	if empty && (name == "" && len(steps) > 0 || name == "target") {
		return
	}
	fields := specFields()
	at := slices.IndexFunc(fields, func(f specField) bool { return f.name == name })
	if at < 0 {
		l.refuse(leaf.Path, "the spec of a SealedManifest has no such field", "take it out, or correct its name: "+strings.Join(SpecFields(), ", "))
		return
	}
	switch f := fields[at]; {
	case leaf.Kind == formats.Null: // as good as not there
	case leaf.Kind != f.kind && f.kind == formats.Bool:
		l.refuse(leaf.Path, "neither true nor false", "write true or false without quotes, or leave it out")
	case leaf.Kind != f.kind || l.isWord(i):
		l.refuse(leaf.Path, "not a string", "put it in quotes")
	case f.words != nil && !slices.Contains(f.words, leaf.Text):
		l.refuse(leaf.Path, "not a word that it may hold", "one of "+strings.Join(f.words, ", "))
	case name == "target.type":
		l.refuseToken(leaf)
	}
}

// refuseToken refuses types of Secrets that are never made.
func (l *linter) refuseToken(leaf *formats.Leaf) {
	if leaf.Text == "kubernetes.io/service-account-token" || leaf.Text == "bootstrap.kubernetes.io/token" {
		l.refuse(leaf.Path, "Secrets of this type give access to the cluster itself, and no keyring allows them", "let the cluster make its tokens")
	}
}

// maxKeys is how many keys the controller takes of a Secret, maxDocument how many bytes the
// API server takes of spec.document.
const (
	maxKeys     = 1024
	maxDocument = 1 << 20
)

// form makes sure that the manifest has one of the two forms, and nothing of the other.
func (l *linter) form() {
	values := len(l.data) + len(l.stringData)
	switch {
	case l.object.HasDocument && values > 0:
		l.refuse(nil, "it has data and spec.document, and a SealedManifest has one of the two", "move one of them to a file of its own")
	case l.object.HasDocument && l.doc.Meta != nil:
		l.refuse(nil, "it has a sops block beside spec.document, which is sealed on its own", "take the sops block out")
	case l.object.HasDocument && l.ofSecret:
		l.refuse(nil, "type and immutable do not go with spec.document", "write spec.target.type, or put them into the document")
	case l.object.HasDocument:
	case values == 0:
		l.refuse(nil, "it has no values: neither data or stringData, nor spec.document", "give it one of them")
	case l.ofDocument:
		l.refuse(nil, "spec.format and spec.target are for spec.document", "take them out")
	case values > maxKeys:
		l.refuse(nil, "it has more than the "+strconv.Itoa(maxKeys)+" keys that the controller takes", "split it into several Secrets")
	}
}

// tags refuses explicit tags: neither kubectl nor the API server keeps one, and the MACs
// count them, so that the file would open here and not there.
func (l *linter) tags() {
	for _, t := range l.doc.Tags {
		if top := belowTop(t.Path, 1); top != nil && (top.Key == "data" || top.Key == "stringData") {
			// What the tag is might be a password that was meant to begin with !.
			l.refuse(t.Path, "an explicit tag (!…), with which it does not open in the cluster", "take the tag out, and put the value in quotes")
		}
	}
}
