package sealedobject

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/dotenv"
)

// Entry is one key of a Secret. It prints redacted.
type Entry struct {
	Key   string
	Value []byte
}

// String says nothing of the value.
func (e Entry) String() string { return "<entry " + e.Key + ">" }

// GoString is String.
func (e Entry) GoString() string { return e.String() }

// DataOf makes the field data of a Secret.
func DataOf(entries ...Entry) formats.Node {
	out := Map("data")
	for _, e := range entries {
		out.Items = append(out.Items, String(e.Key, base64.StdEncoding.EncodeToString(e.Value)))
	}
	return out
}

// Variables lists the variables of a dotenv file that was opened or masked, as they
// stand there: quotes and backslashes are part of a value, as they are to kustomize.
func Variables(c *Content) ([]Entry, error) {
	if c.variables != nil {
		return c.variables, nil
	}
	var out []Entry
	for _, doc := range c.Documents {
		for i := range doc.Items {
			v := &doc.Items[i]
			if v.Kind != formats.ScalarNode || v.Key == "" {
				return nil, &Error{Msg: "a list of variables has something else than variables in it", Hint: "use a dotenv file"}
			}
			out = append(out, Entry{Key: strings.TrimLeft(v.Key, " \t\r\v\f"), Value: []byte(v.Scalar.Text)})
		}
	}
	return out, nil
}

// literal lists the variables of a plain file, to the byte; nil if its format is not
// dotenv.
func literal(f formats.Format, doc *formats.Document) []Entry {
	if _, ok := f.(dotenv.Format); !ok {
		return nil
	}
	out := []Entry{}
	for _, v := range dotenv.Variables(doc) {
		out = append(out, Entry{Key: v.Key, Value: []byte(v.Value)})
	}
	return out
}

// AsData puts what a Secret has in stringData into data, where it goes in a cluster, too:
// tools that merge generated Secrets look at data alone. Other objects stay.
func AsData(n *formats.Node) error {
	texts := Get(n, "stringData")
	if Text(n, "kind") != kindSecret || Text(n, "apiVersion") != "v1" || texts == nil {
		return nil
	}
	data := Map("data")
	if have := Get(n, "data"); have != nil && have.Kind == formats.MapNode {
		data.Items = slices.Clone(have.Items)
	} else if have != nil && !isNull(have) {
		return &Error{Object: NameOf(n), Msg: "data is no map", Hint: "data: {KEY: BASE64}"}
	}
	if texts.Kind != formats.MapNode && !isNull(texts) {
		return &Error{Object: NameOf(n), Msg: "stringData is no map", Hint: "stringData: {KEY: TEXT}"}
	}
	for _, t := range texts.Items {
		if t.Kind != formats.ScalarNode || t.Scalar.Kind != formats.String {
			return &Error{Object: NameOf(n), Msg: "stringData." + t.Key + " is no string", Hint: "put it in quotes: gitseal edit"}
		}
		drop(&data, t.Key) // stringData goes before data
		data.Items = append(data.Items, String(t.Key, base64.StdEncoding.EncodeToString([]byte(t.Scalar.Text))))
	}
	drop(n, "stringData")
	drop(n, "data")
	n.Items = append(n.Items, data)
	return nil
}

func isNull(n *formats.Node) bool {
	return n.Kind == formats.ScalarNode && n.Scalar.Kind == formats.Null
}

// IsDataKey reports whether a Secret may have a key of a name.
func IsDataKey(key string) bool {
	const longest = 253
	if key == "" || len(key) > longest || key == "." || key[0] == '.' && len(key) > 1 && key[1] == '.' {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}
