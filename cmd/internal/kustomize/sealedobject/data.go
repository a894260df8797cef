package sealedobject

import (
	"encoding/base64"

	"github.com/gitseal/gitseal/formats"
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

// Variables lists the variables of an opened dotenv file, as they stand there: quotes
// are part of a value, as they are to kustomize and to sops.
func Variables(c *Content) ([]Entry, error) {
	var out []Entry
	for _, doc := range c.Documents {
		for i := range doc.Items {
			v := &doc.Items[i]
			if v.Kind != formats.ScalarNode || v.Key == "" {
				return nil, &Error{Msg: "a list of variables has something else than variables in it", Hint: "use a dotenv file"}
			}
			out = append(out, Entry{Key: v.Key, Value: []byte(v.Scalar.Text)})
		}
	}
	return out, nil
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
