package manifest

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// Document is a sealed file as a whole inside a SealedManifest.
type Document struct {
	// Name and Namespace are those of the manifest; a namespace that is empty is set by
	// something else.
	Name, Namespace string
	// Format of the file.
	Format string
	// Key and Type make one key of a Secret of it, Target names that Secret; they may be
	// empty.
	Key, Type, Target string
	// ServiceAccount applies objects other than Secrets; it may be empty.
	ServiceAccount string
	// Text is the sealed file.
	Text []byte
}

// Check says what a cluster would refuse, of the plain file that is to be sealed. The
// error is a [*Problem].
func (d *Document) Check(f formats.Format, plain []byte) error {
	switch {
	case !sealedsecret.ValidName(d.Name):
		return &Problem{Msg: "a SealedManifest needs a name that Kubernetes allows", Hint: "--name: lower case letters, digits, . and -"}
	case d.Namespace != "" && !sealedsecret.ValidNamespace(d.Namespace):
		return &Problem{Msg: "the namespace is not a name that Kubernetes allows", Hint: "lower case letters, digits and -, at most 63"}
	case d.Key != "" && !sealedsecret.ValidKey(d.Key):
		return &Problem{Msg: "Kubernetes does not allow this key", Hint: "--key: letters, digits, - _ and . are allowed"}
	case d.ServiceAccount != "" && !sealedsecret.ValidName(d.ServiceAccount):
		return &Problem{Msg: "the service account is not a name that Kubernetes allows", Hint: "--service-account: lower case letters, digits, . and -"}
	}
	doc, err := f.Parse(plain)
	if err != nil {
		return err
	}
	return d.CheckContent(doc)
}

// YAML returns the SealedManifest.
func (d *Document) YAML() ([]byte, error) {
	var b strings.Builder
	b.WriteString("apiVersion: " + APIVersion + "\nkind: " + Kind + "\nmetadata:\n  name: " + quote(d.Name) + "\n  namespace: " + quote(d.Namespace) + "\nspec:\n  format: " + d.Format + "\n")
	if d.Key+d.Type != "" {
		b.WriteString("  target:\n")
	}
	if d.Key != "" {
		b.WriteString("    key: " + quote(d.Key) + "\n")
	}
	if d.Type != "" {
		b.WriteString("    type: " + quote(d.Type) + "\n")
	}
	if d.ServiceAccount != "" {
		b.WriteString("  serviceAccountName: " + quote(d.ServiceAccount) + "\n")
	}
	b.WriteString("  document: " + block(string(d.Text)))
	return []byte(b.String()), d.readsBack([]byte(b.String()))
}

// readsBack makes sure that what was written holds the sealed file to the byte.
func (d *Document) readsBack(src []byte) error {
	got, err := Held(yaml.Format{}, src)
	if err == nil && (string(got.Text) != string(d.Text) || got.Format != d.Format) {
		err = &Problem{Msg: "the sealed file cannot be held by a manifest", Hint: "only text in UTF-8 can"}
	}
	return err
}

// Held returns the file that a SealedManifest holds in spec.document, sealed or plain. The
// error is a [*Problem] or wraps a [formats.Error].
func Held(f formats.Format, src []byte) (*Document, error) {
	d, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	o := Of(d)
	i := documentLeaf(d)
	if o.Documents > 1 && o.Manifests > 0 {
		return nil, severalDocuments()
	}
	if i < 0 || !o.IsSealedManifest() {
		return nil, &Problem{Msg: "the file is no SealedManifest with spec.document", Hint: "see kubectl explain sealedmanifest.spec"}
	}
	held := &Document{Name: o.Name, Namespace: o.Namespace, Format: "yaml", Text: []byte(d.Leaves[i].Text)}
	for i := range d.Leaves {
		if l := &d.Leaves[i]; l.Kind == formats.String && l.Text != "" {
			held.field(strings.Join(stepsOf(l.Path), "."), l.Text)
		}
	}
	return held, nil
}

func (d *Document) field(path, text string) {
	switch path {
	case "spec.format":
		d.Format = text
	case "spec.target.name":
		d.Target = text
	case "spec.target.key":
		d.Key = text
	case "spec.target.type":
		d.Type = text
	case "spec.serviceAccountName":
		d.ServiceAccount = text
	}
}

// quote spells a string so that no reader of YAML takes it for something else: all escapes
// of Go are those of YAML, too.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// block spells a text as a literal block two columns deeper than spec's fields, if that
// can hold it, and in quotes else.
func block(s string) string {
	const deep = "    "
	body := strings.TrimRight(s, "\n")
	if body == "" || strings.ContainsRune(" \t\n", rune(body[0])) || !printable(s) {
		return quote(s) + "\n"
	}
	header, end := "|", "\n"
	switch n := len(s) - len(body); {
	case n == 0:
		header = "|-"
	case n > 1:
		header, end = "|+", s[len(body):]
	}
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = deep + line
		}
	}
	return header + "\n" + strings.Join(lines, "\n") + end
}

// printable reports whether a literal block of YAML holds a text as it is.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && (r < ' ' || r > '~' && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r > 0xffff || r >= 0xd800 && r < 0xe000) {
			return false
		}
	}
	return true
}
