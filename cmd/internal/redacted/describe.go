package redacted

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// Description says what a value looks like, and nothing that it holds.
type Description struct {
	// Looks is in a few words what the value is, "" if there is nothing to say.
	Looks string
	// Same numbers the groups of equal values from 1; it is 0 for a value that no
	// other equals, or that is too short for it to be told.
	Same int
}

// String returns both in one text, of letters, digits, spaces and commas alone.
func (d Description) String() string {
	if d.Same == 0 {
		return d.Looks
	}
	same := "same as others of group " + strconv.Itoa(d.Same)
	if d.Looks == "" {
		return same
	}
	return d.Looks + ", " + same
}

// minCompared is the length from which values are compared. That two of them are
// equal tells nothing of long ones; of two short ones, one of which is known, it
// would.
const minCompared = 8

// Describe returns the view of a sealed file with notes on its values, which are
// taken from plain, the same file unsealed.
func Describe(f formats.Format, src, plain []byte) (*View, error) {
	doc, err := f.Parse(plain)
	if err != nil {
		return nil, err
	}
	values := map[string]formats.Scalar{}
	for i := range doc.Leaves {
		if l := &doc.Leaves[i]; l.Kind != formats.Comment {
			values[l.Path.Text()] = l.Scalar
		}
	}
	return newView(f, src, func(v *View) []Description { return v.describe(values) })
}

func (v *View) describe(values map[string]formats.Scalar) []Description {
	out := make([]Description, len(v.Leaves))
	// The key is forgotten with the call: what is left says nothing of a value.
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	groups := map[string][]int{}
	var order []string
	for i, info := range v.Leaves {
		s, known := values[info.Path.Text()]
		if info.State != cipher.StateSealed || info.Kind == formats.Comment || !known || s.Kind != formats.String {
			continue
		}
		out[i].Looks = Looks(s.Text)
		if len(s.Text) < minCompared {
			continue
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(s.Text))
		id := string(mac.Sum(nil))
		if groups[id] == nil {
			order = append(order, id)
		}
		groups[id] = append(groups[id], i)
	}
	number := 0
	for _, id := range order {
		if len(groups[id]) < 2 {
			continue
		}
		number++
		for _, i := range groups[id] {
			out[i].Same = number
		}
	}
	return out
}

// Looks says in a few words what a text looks like: its format, and what is public in
// it, such as the size of a key or the scheme of a URL. Names, hosts, lengths and
// whatever else somebody chose are not among that.
func Looks(text string) string {
	for _, look := range []func(string) string{
		looksArmored, looksToken, looksJWT, looksURL, looksHash, looksStructured, looksNamed, looksEncoded,
	} {
		if s := look(text); s != "" {
			return s
		}
	}
	return looksPlain(text)
}

// long is the length from which a text is called that. Any other length is nobody's
// business.
const long = 32

func looksPlain(text string) string {
	var parts []string
	if len(text) > long {
		parts = append(parts, "long")
	}
	if strings.Contains(strings.TrimRight(text, "\r\n"), "\n") {
		parts = append(parts, "multi-line")
	}
	if strings.HasSuffix(text, "\n") && len(parts) < 2 {
		parts = append(parts, "ends in a line break")
	}
	return strings.Join(parts, ", ")
}
