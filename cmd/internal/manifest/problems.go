package manifest

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
)

// Problem is something about a manifest that a cluster refuses, or takes for something
// else without a word. It holds no value.
type Problem struct {
	// Path is where it stands, nil if there is no one place.
	Path      *formats.Path
	Msg, Hint string
	// Warning: it does not stand in the way of sealing.
	Warning bool
}

// Error names the place.
func (p *Problem) Error() string {
	if p.Path == nil {
		return p.Msg
	}
	return p.Path.String() + ": " + p.Msg
}

// maxData is what all values of a Secret may hold together (MaxSecretSize of the
// Kubernetes API).
const maxData = 1 << 20

// Problems lists what is wrong with the SealedManifest, plain or sealed, that d, parsed
// from src, holds: those that are no warnings first.
func Problems(d *formats.Document, src []byte) []*Problem {
	l := &linter{doc: d, src: src, object: Of(d)}
	if l.object.Documents > 1 {
		return []*Problem{severalDocuments()}
	}
	for i := range d.Leaves {
		if d.Leaves[i].Kind != formats.Comment {
			l.leaf(i)
		}
	}
	l.tags()
	l.whole()
	slices.SortStableFunc(l.list, func(a, b *Problem) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case b.Warning:
			return -1
		}
		return 1
	})
	return l.list
}

type linter struct {
	doc    *formats.Document
	src    []byte
	object Object
	list   []*Problem
	// size is what the values hold together.
	size int
	// data and stringData are the keys of the two, typ is the Secret's type.
	data, stringData []string
	typ              string
	// ofSecret: type or immutable are there, ofDocument: spec.format or spec.target.
	ofSecret, ofDocument bool
}

func (l *linter) refuse(p *formats.Path, msg, hint string) {
	l.list = append(l.list, &Problem{Path: p, Msg: msg, Hint: hint})
}

func (l *linter) warn(p *formats.Path, msg, hint string) {
	l.list = append(l.list, &Problem{Path: p, Msg: msg, Hint: hint, Warning: true})
}

// leaf looks at one value.
func (l *linter) leaf(i int) {
	leaf := &l.doc.Leaves[i]
	top := leaf.Path
	for top.Parent != nil && top.Parent.Parent != nil {
		top = top.Parent
	}
	switch top.Key {
	case "apiVersion", "kind":
	case "spec":
		l.spec(i)
	case "metadata":
		l.metadata(i)
	case "type":
		l.secretType(i)
	case "immutable":
		l.ofSecret = true
		if leaf.Kind != formats.Bool {
			l.refuse(leaf.Path, "neither true nor false", "write immutable: true without quotes, or leave it out")
		}
	case "data", "stringData":
		l.value(i, top.Key)
	case "status":
		l.refuse(top, "the status is what the controller writes", "take it out of the file")
	default:
		l.refuse(top, "a SealedManifest has no such field", "take it out, or correct its name")
	}
}

// lastApplied are annotations in which tools keep the object as it was applied, values
// included.
var lastApplied = []string{"kubectl.kubernetes.io/last-applied-configuration", "kubecfg.ksonnet.io/last-applied-configuration"}

func (l *linter) metadata(i int) {
	leaf := &l.doc.Leaves[i]
	steps := stepsOf(leaf.Path)
	field := ""
	if p := belowTop(leaf.Path, 2); p != nil {
		field = p.Key
	}
	switch field {
	case "name", "namespace":
		if leaf.Kind != formats.String || l.isWord(i) {
			l.refuse(leaf.Path, "not a string", "put it in quotes")
		}
	case "generateName":
		l.refuse(leaf.Path, "a SealedManifest needs a name that is known when it is sealed", "give it metadata.name instead")
	case "uid", "resourceVersion", "managedFields", "selfLink":
		l.refuse(belowTop(leaf.Path, 2), "this belongs to an object in a cluster", "take it out: the cluster would refuse to create the object")
	case "labels", "annotations":
		if len(steps) == 3 {
			l.label(i, steps[2])
		}
	}
}

// belowTop returns the ancestor of p, or p itself, that is n steps below the root.
func belowTop(p *formats.Path, n int) *formats.Path {
	var chain []*formats.Path
	for ; p != nil && p.Parent != nil; p = p.Parent {
		chain = append(chain, p)
	}
	if len(chain) < n {
		return nil
	}
	return chain[len(chain)-n]
}

func (l *linter) label(i int, key string) {
	leaf := &l.doc.Leaves[i]
	switch {
	case slices.Contains(lastApplied, key):
		l.refuse(leaf.Path, "it repeats the whole object, its values too, in plain text", "take the annotation out")
	case leaf.Kind != formats.String:
		l.refuse(leaf.Path, "not a string, and labels and annotations are", "put it in quotes")
	case l.isWord(i):
		l.warn(leaf.Path, "kubectl reads this word as true or false", "put it in quotes")
	case l.keyIsWord(i, key):
		l.warn(leaf.Path, "kubectl reads this key as true or false", "put the key in quotes")
	}
}

func (l *linter) secretType(i int) {
	leaf := &l.doc.Leaves[i]
	l.typ, l.ofSecret = leaf.Text, true
	switch {
	case l.isWord(i):
		l.refuse(leaf.Path, "kubectl reads this word as true or false", "put it in quotes")
	case leaf.Kind != formats.String:
		l.refuse(leaf.Path, "not a string", "put it in quotes")
	default:
		l.refuseToken(leaf)
	}
}

// value looks at a value of data or stringData.
func (l *linter) value(i int, field string) {
	leaf := &l.doc.Leaves[i]
	steps := stepsOf(leaf.Path)
	switch {
	case len(steps) == 1 && (leaf.Kind == formats.Null || leaf.Kind == formats.EmptyMap):
		l.refuse(leaf.Path, "there is nothing in it, which a SealedManifest must not have", "leave "+field+" out")
		return
	case len(steps) != 2:
		l.refuse(leaf.Path, "values of a Secret are strings, not maps or lists", "write it as the text of one key: KEY: |")
		return
	case leaf.Kind != formats.String:
		l.refuse(leaf.Path, "not a string", "put it in quotes: the cluster refuses "+leaf.Kind.String()+" values of a Secret")
	case strings.HasPrefix(leaf.Text, cipher.SealedPrefix):
	case leaf.Text == "":
		l.warn(leaf.Path, "empty, so that nothing is sealed there and everybody sees it", "leave the key out, or give it a value")
	case field == "data":
		l.base64(leaf)
	default:
		l.size += len(leaf.Text)
	}
	l.key(i, steps[1])
	if field == "data" {
		l.data = append(l.data, steps[1])
	} else {
		l.stringData = append(l.stringData, steps[1])
	}
}

func (l *linter) base64(leaf *formats.Leaf) {
	// As the controller decodes it: line feeds do no harm, bits left over do.
	value, err := base64.StdEncoding.Strict().DecodeString(leaf.Text)
	if err != nil {
		l.refuse(leaf.Path, "not base64, which values under data are", "write text under stringData, where it stands as it is")
	}
	l.size += len(value)
}

func (l *linter) key(i int, key string) {
	p := l.doc.Leaves[i].Path
	switch {
	case !sealedsecret.ValidKey(key):
		l.refuse(p, "Kubernetes does not allow this key", "letters, digits, - _ and . are allowed")
	case l.keyIsWord(i, key):
		l.refuse(p, "kubectl reads this key as true or false, and the value would not open under that name", "put the key in quotes")
	}
}

// whole looks at the object as such.
func (l *linter) whole() {
	o := l.object
	switch {
	case o.Name == "":
		l.refuse(nil, "the manifest has no name", "give it metadata.name")
	case !sealedsecret.ValidName(o.Name):
		l.refuse(nil, "metadata.name is not a name that Kubernetes allows", "lower case letters, digits, . and -, at most 253")
	}
	if o.Namespace != "" && !sealedsecret.ValidNamespace(o.Namespace) {
		l.refuse(nil, "metadata.namespace is not a name that Kubernetes allows", "lower case letters, digits and -, at most 63")
	}
	l.form()
	if l.size > maxData {
		l.refuse(nil, "the values hold more than the 1 MiB that a Secret may", "split it into several Secrets")
	}
	for _, key := range l.stringData {
		if slices.Contains(l.data, key) {
			l.warn(nil, "data and stringData both have "+key+": the one of stringData counts", "remove one of them")
		}
	}
	for _, key := range keysOfType(l.typ) {
		if !slices.Contains(l.data, key) && !slices.Contains(l.stringData, key) {
			l.warn(nil, "a Secret of type "+l.typ+" has the key "+key, "the cluster refuses it without")
		}
	}
}

// keysOfType returns the keys that the API server asks of a type of Secret.
func keysOfType(typ string) []string {
	switch typ {
	case "kubernetes.io/tls":
		return []string{"tls.crt", "tls.key"}
	case "kubernetes.io/dockerconfigjson":
		return []string{".dockerconfigjson"}
	case "kubernetes.io/dockercfg":
		return []string{".dockercfg"}
	case "kubernetes.io/ssh-auth":
		return []string{"ssh-privatekey"}
	}
	return nil
}

// words are booleans to YAML 1.1, which kubectl reads, and strings to YAML 1.2.
const words = " y Y yes Yes YES n N no No NO on On ON off Off OFF "

func isWord(text string) bool {
	return text != "" && !strings.Contains(text, " ") && strings.Contains(words, " "+text+" ")
}

// isWord reports whether leaf i is such a word without quotes.
func (l *linter) isWord(i int) bool {
	leaf := &l.doc.Leaves[i]
	return leaf.Kind == formats.String && isWord(leaf.Text) && l.doc.Text(i) == leaf.Text
}

// keyIsWord reports whether the key of leaf i is such a word without quotes.
func (l *linter) keyIsWord(i int, key string) bool {
	if !isWord(key) {
		return false
	}
	before := bytes.TrimRight(l.src[:l.doc.Leaves[i].Start], " \t\r\n")
	before, ok := bytes.CutSuffix(before, []byte(":"))
	// A tag, an anchor or a header may come between: then it is as good as not quoted.
	before = bytes.TrimRight(before, " \t")
	return !ok || !bytes.HasSuffix(before, []byte(`"`)) && !bytes.HasSuffix(before, []byte("'"))
}
