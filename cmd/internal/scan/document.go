package scan

import (
	"bytes"
	"encoding/base64"
	"path"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

const keyTitle = "a value that reads like a secret under a key that promises one"

// inDocument finds values under keys that promise a secret, the data of Kubernetes
// Secrets, and what only shows when values are read: escaped, folded, in base64, in a
// text of several lines.
func inDocument(doc *formats.Document, c *collector) {
	d := &documentScan{doc: doc, kube: secretsOf(doc), named: namesOfValues(doc), careless: isFlat(doc), collector: c}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Path == nil || l.Kind != formats.String && l.Kind != formats.Int || strings.HasPrefix(l.Text, cipher.SealedPrefix) {
			continue
		}
		if c.full() {
			c.more = true
			return
		}
		if h, found := d.leaf(l); found {
			c.add(h)
		}
		if l.Kind == formats.String {
			d.inside(l)
		}
	}
}

type documentScan struct {
	doc  *formats.Document
	kube map[int]bool
	// named are the names that stand beside values: name: DB_PASSWORD, value: …
	named    map[*formats.Path]string
	careless bool
	*collector
}

// leaf judges one value by its place.
func (d *documentScan) leaf(l *formats.Leaf) (Hit, bool) {
	h := Hit{Start: l.Start, End: l.End, Path: l.Path}
	if d.kube[l.Path.Document()] && inSecret(l) {
		h.Pattern, h.Title = PatternKubernetes, "a plain value of a Kubernetes Secret"
		return h, true
	}
	key := keyOf(l.Path)
	if strings.EqualFold(key, "value") && l.Path.Index == formats.InMap && d.named[l.Path.Parent] != "" {
		key = d.named[l.Path.Parent]
	}
	class := classOf(key)
	if l.Kind == formats.Int && (class != passwordKey || len(l.Text) < 6) {
		return h, false
	}
	weak, found := judge(class, key, l.Text, d.careless)
	h.Pattern, h.Title, h.Weak = PatternKey, keyTitle, weak
	return h, found && !isSchema(l.Path)
}

// namesOfValues returns the maps that give a value a name, as the environment of a
// container does.
func namesOfValues(doc *formats.Document) map[*formats.Path]string {
	out := map[*formats.Path]string{}
	for i := range doc.Leaves {
		l := &doc.Leaves[i]
		if l.Kind != formats.String || l.Path == nil || l.Path.Parent == nil || l.Path.Index != formats.InMap || classOf(l.Text) == ordinary {
			continue
		}
		if strings.EqualFold(l.Path.Key, "name") || strings.EqualFold(l.Path.Key, "key") {
			out[l.Path.Parent] = l.Text
		}
	}
	return out
}

// inside looks at what a value holds.
func (d *documentScan) inside(l *formats.Leaf) {
	text, span := []byte(l.Text), d.doc.Source[l.Start:l.End]
	if strings.Contains(l.Text, "\n") {
		key := keyOf(l.Path)
		kind := dialectOf(path.Base(key), "")
		if kind == noKeys {
			kind = blockText
		}
		in := &collector{src: text, allow: true}
		inText(text, kind, isTest(key), in)
		d.take(in, l)
	}
	if !bytes.Contains(span, text) {
		in := &collector{src: text, allow: true}
		known(text, in)
		d.take(in, l)
	}
	if plain := decoded(l.Text); plain != nil {
		in := &collector{src: plain}
		known(plain, in)
		d.take(in, l)
	}
}

// take takes in what was found in the text of a leaf, at its place in the source if it
// stands there as it is.
func (d *documentScan) take(in *collector, l *formats.Leaf) {
	d.more = d.more || in.more
	rest, from := d.src[l.Start:l.End], l.Start
	for _, h := range in.hits {
		text := in.src[h.Start:h.End]
		h.Start, h.End, h.Path = l.Start, l.End, l.Path
		if n := bytes.Index(rest, text); n >= 0 && len(text) > 0 {
			h.Start, h.End = from+n, from+n+len(text)
			rest, from = rest[n:], from+n
		} else {
			rest = nil // it is spelled in another way, and so is what follows
		}
		d.add(h)
	}
}

// decoded returns the text that a value holds in base64, nil if it holds none.
func decoded(text string) []byte {
	const least = 32 // shorter ones hold no token
	text = strings.TrimSpace(text)
	if len(text) < least || len(text)%4 != 0 || !isBase64(text[0]) || !isBase64(text[len(text)-1]) {
		return nil
	}
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !IsText(plain) {
		return nil
	}
	return plain
}
