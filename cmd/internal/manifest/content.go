package manifest

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
)

// maxObjects is how many objects the controller takes of one document.
const maxObjects = 64

// CheckContent says what the controller would refuse of the file that is held: plain or, as
// far as it can be told then, sealed. The error is a [*Problem].
func (d *Document) CheckContent(doc *formats.Document) error {
	switch {
	case len(d.Text) > maxDocument:
		return &Problem{Msg: "the sealed file is larger than the 1 MiB that spec.document may be", Hint: "split it into several files"}
	case d.Key != "":
		return nil
	case d.Format == "ini" || d.Format == "binary":
		return &Problem{Msg: "a file of format " + d.Format + " can only become one key of a Secret", Hint: "say which: --key KEY, or spec.target.key"}
	case d.Format == "dotenv":
		return checkVariables(doc)
	case d.Type != "" || d.Target != "":
		return &Problem{Msg: "a type and a name are for a Secret that is made of a file, and this is one of objects", Hint: "leave them out, or say with --key KEY, or spec.target.key, that it becomes one key of a Secret"}
	}
	return d.checkObjects(doc)
}

// checkVariables is about dotenv files of which each variable becomes a key.
func checkVariables(doc *formats.Document) error {
	seen := map[string]bool{}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Kind == formats.Comment {
			continue
		}
		// White space before a key is none of it, to Kubernetes tools.
		key := strings.TrimLeft(l.Path.Key, " \t\r\v\f")
		if seen[key] {
			return &Problem{Path: l.Path, Msg: "the same variable stands in the file twice", Hint: "remove one"}
		}
		if seen[key] = true; !sealedsecret.ValidKey(key) {
			return &Problem{Path: l.Path, Msg: "Kubernetes does not allow this key", Hint: "letters, digits, - _ and . are allowed; or --key KEY takes the file as a whole"}
		}
	}
	if n := len(seen); n == 0 || n > maxKeys {
		return &Problem{Msg: "a Secret is made of 1 to " + strconv.Itoa(maxKeys) + " variables, and the file has " + strconv.Itoa(n), Hint: "--key KEY takes the file as a whole, as one key of a Secret"}
	}
	return nil
}

// heldObject is what a document of a file says that is to hold objects.
type heldObject struct{ version, kind, name string }

func (o heldObject) isSecret() bool { return o.version == "v1" && o.kind == "Secret" }

// isSealed reports whether a text cannot be judged, because it is sealed.
func isSealed(text string) bool { return strings.HasPrefix(text, cipher.SealedPrefix) }

// checkObjects is about files of Kubernetes objects.
func (d *Document) checkObjects(doc *formats.Document) error {
	n := max(1, doc.Documents)
	if n > maxObjects {
		return &Problem{Msg: "more than the " + strconv.Itoa(maxObjects) + " objects that the controller takes of one file", Hint: "split it into several files"}
	}
	objects := make([]heldObject, n)
	for i := range doc.Leaves {
		if l := &doc.Leaves[i]; l.Kind == formats.String {
			objects[l.Path.Document()].field(strings.Join(stepsOf(l.Path), "\x00"), l.Text)
		}
	}
	seen := map[heldObject]bool{}
	for i, o := range objects {
		switch {
		case o.version == "" || o.kind == "" || o.name == "":
			return &Problem{Path: formats.Root(i), Msg: "this is no Kubernetes object: it needs apiVersion, kind and metadata.name", Hint: "--key KEY takes the file as a whole, as one key of a Secret"}
		case seen[o]:
			return &Problem{Path: formats.Root(i), Msg: "the same object stands in the file twice", Hint: "remove one, or give it another name"}
		case !o.isSecret() && !isSealed(o.kind) && !isSealed(o.version) && d.ServiceAccount == "":
			return &Problem{Path: formats.Root(i).At("kind"), Msg: "objects other than Secrets are applied in the name of a service account", Hint: "say which: --service-account NAME; or --key KEY takes the file as a whole"}
		}
		seen[o] = !isSealed(o.version + o.kind + o.name)
	}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Kind == formats.Comment {
			continue
		}
		if p := d.checkField(l, objects[l.Path.Document()]); p != nil {
			return p
		}
	}
	return nil
}

func (o *heldObject) field(path, text string) {
	switch path {
	case "apiVersion":
		o.version = text
	case "kind":
		o.kind = text
	case "metadata\x00name":
		o.name = text
	}
}

// checkField looks at one value of an object.
func (d *Document) checkField(l *formats.Leaf, o heldObject) *Problem {
	steps := stepsOf(l.Path)
	if len(steps) > 1 && steps[0] == "metadata" {
		return d.checkMetadata(l, steps)
	}
	if !o.isSecret() {
		return nil
	}
	return checkSecretField(l, steps)
}

func (d *Document) checkMetadata(l *formats.Leaf, steps []string) *Problem {
	text := l.Kind == formats.String
	switch field := steps[1]; {
	case l.Kind == formats.Null && len(steps) == 2:
	case field == "namespace" && text && d.Namespace != "" && l.Text != d.Namespace && !isSealed(l.Text):
		return &Problem{Path: l.Path, Msg: "objects are applied in the SealedManifest's own namespace only, and this is another", Hint: "correct it, or --namespace"}
	case field == "generateName":
		return &Problem{Path: l.Path, Msg: "objects need names of their own", Hint: "give it metadata.name instead"}
	case (field == "labels" || field == "annotations") && len(steps) == 3 && !text:
		return &Problem{Path: l.Path, Msg: "not a string, and labels and annotations are", Hint: "put it in quotes"}
	}
	return nil
}

// checkSecretField looks at one value of a Secret.
func checkSecretField(l *formats.Leaf, steps []string) *Problem {
	top := belowTop(l.Path, 1)
	if top == nil {
		return nil
	}
	text := l.Kind == formats.String
	switch top.Key {
	case "apiVersion", "kind", "metadata":
	case "type":
		if text && (l.Text == "kubernetes.io/service-account-token" || l.Text == "bootstrap.kubernetes.io/token") {
			return &Problem{Path: l.Path, Msg: "Secrets of this type give access to the cluster itself, and no keyring allows them", Hint: "let the cluster make its tokens"}
		}
		if !text && l.Kind != formats.Null {
			return &Problem{Path: l.Path, Msg: "not a string", Hint: "put it in quotes"}
		}
	case "immutable":
		if l.Kind != formats.Bool && l.Kind != formats.Null && !(text && isSealed(l.Text)) {
			return &Problem{Path: l.Path, Msg: "neither true nor false", Hint: "write immutable: true without quotes, or leave it out"}
		}
	case "data", "stringData":
		return checkSecretValue(l, steps)
	default:
		return &Problem{Path: top, Msg: "a Secret has no such field", Hint: "take it out, or correct its name"}
	}
	return nil
}

func checkSecretValue(l *formats.Leaf, steps []string) *Problem {
	switch {
	case len(steps) == 1 && (l.Kind == formats.Null || l.Kind == formats.EmptyMap):
		return nil
	case len(steps) != 2 || l.Kind != formats.String:
		return &Problem{Path: l.Path, Msg: "values of a Secret are strings", Hint: "put it in quotes, or write it as the text of one key: KEY: |"}
	case !sealedsecret.ValidKey(steps[1]):
		return &Problem{Path: l.Path, Msg: "Kubernetes does not allow this key", Hint: "letters, digits, - _ and . are allowed"}
	case steps[0] == "data" && !isSealed(l.Text):
		if _, err := base64.StdEncoding.Strict().DecodeString(l.Text); err != nil {
			return &Problem{Path: l.Path, Msg: "not base64, which values under data are", Hint: "write text under stringData, where it stands as it is"}
		}
	}
	return nil
}
