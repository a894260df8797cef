package opening

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	formatjson "github.com/gitseal/gitseal/formats/json"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// sealedFile is the sealed file that a manifest holds.
type sealedFile struct {
	inline bool
	// name is that of the format.
	name   string
	format formats.Format
	text   []byte
	doc    *formats.Document
	meta   *cipher.Metadata
}

// where names the place of a document in the manifest, in front of a message.
func (f *sealedFile) where() string {
	if f.inline {
		return ""
	}
	return "spec.document: "
}

// say describes what is wrong with the file. Lines of an inline one mean nothing to
// people.
func (f *sealedFile) say(e *formats.Error) string {
	switch {
	case f.inline && e.Path != nil:
		return e.Path.String() + ": " + e.Msg
	case f.inline:
		return e.Msg
	}
	return e.Error()
}

// read finds the sealed file of a manifest and decodes its metadata. Its error is a
// *Refusal.
func read(m *v1alpha1.SealedManifest) (*sealedFile, error) {
	if err := checkPlace(m); err != nil {
		return nil, err
	}
	f, err := fileOf(m)
	if err != nil {
		return nil, err
	}
	if len(f.text) > maxManifest {
		return nil, invalid("the manifest is too large")
	}
	if f.doc, err = f.format.Parse(f.text); err != nil {
		if hasConflict(f.text) {
			return nil, invalid("%sthere are git's conflict markers in it: settle them with \"gitseal merge\"", f.where())
		}
		return nil, refusalOf(err, f, nil)
	}
	if err := f.checkSize(); err != nil {
		return nil, err
	}
	if err := checkPattern(f.doc); err != nil {
		return nil, err
	}
	if f.meta, err = cipher.ParseMetadata(f.doc); err != nil {
		return nil, refusalOf(err, f, nil)
	}
	return f, checkMetadata(f.doc, f.meta)
}

// checkPlace makes sure that a context can be compared with where the manifest is.
func checkPlace(m *v1alpha1.SealedManifest) error {
	switch {
	case m == nil:
		return invalid("there is no manifest")
	case len(validation.IsDNS1123Label(m.Namespace)) > 0:
		return invalid("metadata.namespace is not the name of a namespace")
	case len(validation.IsDNS1123Subdomain(m.Name)) > 0:
		return invalid("metadata.name is not the name of an object")
	}
	return nil
}

// fileOf returns the file in either form. Only one may be there: it would not be
// clear what the other is for.
func fileOf(m *v1alpha1.SealedManifest) (*sealedFile, error) {
	inline := m.Sops != nil || len(m.Data)+len(m.StringData) > 0
	switch {
	case inline && m.Spec.Document != "":
		return nil, invalid("data, stringData and sops stand beside spec.document: one of the two forms has to go")
	case m.Spec.Document != "":
		return documentFile(m)
	case !inline:
		return nil, invalid("there is nothing sealed: neither data or stringData with a sops block, nor spec.document")
	case m.Spec.Target != nil || m.Spec.Format != "":
		return nil, invalid("spec.target and spec.format are for spec.document only")
	}
	return inlineFile(m)
}

func documentFile(m *v1alpha1.SealedManifest) (*sealedFile, error) {
	if m.Type != "" || m.Immutable != nil {
		return nil, invalid("type and immutable belong to the inline form, and not beside spec.document: see spec.target")
	}
	name := m.Spec.Format
	if name == "" {
		name = "yaml"
	}
	format, ok := all.ByName(name)
	if !ok {
		return nil, invalid("spec.format is none of %s", strings.Join(all.Names(), ", "))
	}
	return &sealedFile{name: name, format: format, text: []byte(m.Spec.Document)}, nil
}

// inlineFile puts the sealed parts of the manifest together again. What else the file
// had, no MAC covers: mac_only_encrypted is asked for, and that nothing but data and
// stringData is selected.
func inlineFile(m *v1alpha1.SealedManifest) (*sealedFile, error) {
	f := &sealedFile{inline: true, name: "json", format: formatjson.Format{}}
	if m.Sops == nil || len(m.Sops.Raw) == 0 {
		return nil, refuse(v1alpha1.ReasonPlaintextRejected, "this is not sealed: it has no sops block")
	}
	if err := checkSealedOnly(m); err != nil {
		return nil, err
	}
	block := bytes.TrimSpace(m.Sops.Raw)
	if block[0] != '{' || !json.Valid(block) {
		return nil, invalid("sops is not an object")
	}
	size := len(block)
	for _, values := range []map[string]string{m.Data, m.StringData} {
		for k, v := range values {
			size += len(k) + len(v)
		}
	}
	if size > maxManifest {
		return nil, invalid("the manifest is too large")
	}
	b := append(make([]byte, 0, size+size/8+64), '{')
	// A map that is there and empty counts for the MAC.
	if m.Data != nil {
		b = append(appendMap(append(b, `"data":`...), m.Data), ',')
	}
	if m.StringData != nil {
		b = append(appendMap(append(b, `"stringData":`...), m.StringData), ',')
	}
	b = append(append(b, `"sops":`...), block...)
	f.text = append(b, '}')
	return f, nil
}

// checkSealedOnly makes sure that what should be sealed is, and that nothing else is.
func checkSealedOnly(m *v1alpha1.SealedManifest) error {
	if len(m.Data)+len(m.StringData) > maxValues {
		return invalid("more than %d keys", maxValues)
	}
	for i, values := range []map[string]string{m.Data, m.StringData} {
		field := [...]string{"data", "stringData"}[i]
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if v := values[k]; v != "" && !strings.HasPrefix(v, cipher.SealedPrefix) {
				return refuse(v1alpha1.ReasonPlaintextRejected,
					"%s: a plain value stands where a sealed one belongs; as it is in the API server now, it should be replaced", at(field, k))
			}
		}
	}
	if strings.HasPrefix(string(m.Type), cipher.SealedPrefix) {
		return misplaced("type")
	}
	for i, values := range []map[string]string{m.Labels, m.Annotations} {
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if strings.HasPrefix(values[k], cipher.SealedPrefix) {
				return misplaced(at([...]string{"metadata.labels", "metadata.annotations"}[i], k))
			}
		}
	}
	return nil
}

func misplaced(place string) *Refusal {
	return invalid("%s: a sealed value stands where none is opened: only data and stringData are sealed", place)
}

// at names a key of a map of the manifest.
func at(field, key string) string {
	p := formats.Root(0)
	for step := range strings.SplitSeq(field, ".") {
		p = p.At(step)
	}
	return p.At(key).String()
}

// appendMap appends a map as JSON, its keys sorted by their bytes as the API server
// sorts them.
func appendMap(b []byte, values map[string]string) []byte {
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendString(b, values[k])
	}
	return append(b, '}')
}

// appendString appends a text as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // not possible for a string
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// hasConflict reports whether there are git's conflict markers in a text.
func hasConflict(text []byte) bool {
	begins := func(marker string) bool {
		return bytes.HasPrefix(text, []byte(marker)) || bytes.Contains(text, []byte("\n"+marker))
	}
	return begins("<<<<<<< ") && begins(">>>>>>> ")
}
