package check

import (
	"github.com/gitseal/gitseal/cmd/internal/scan"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// MaxScanned is the largest plain file, in bytes, that is looked through for secrets.
const MaxScanned = formats.MaxSource

// secrets looks for secrets in plain text.
func (c *checker) secrets() {
	if text, ok := scan.FromUTF16(c.Data); ok {
		c.otherText(text) // a byte order mark alone must not hide what is plain behind it
	}
	if !scan.IsText(c.Data) {
		return
	}
	if len(c.Data) > MaxScanned {
		if !c.sealed {
			c.add(-1, tooLarge())
		}
		return
	}
	s := scan.Source{Name: c.Name, Text: c.Data, Doc: c.doc, Format: c.formatName()}
	if s.Format == "binary" {
		s.Doc = nil // its one value is the whole file
	}
	hits, more := scan.File(s)
	for _, h := range hits {
		c.secret(h)
	}
	if more {
		c.add(-1, Finding{ID: IDNotScanned, Message: "it holds more of what looks like secrets than is listed", Hint: "take out what is listed, and check it again"})
	}
}

func (c *checker) secret(h scan.Hit) {
	f := Finding{ID: IDSecret, Pattern: h.Pattern, Message: h.Title + " in plain text", Hint: secretHint}
	if h.Path != nil {
		f.Path = h.Path.Text()
	}
	switch {
	case h.Weak && h.Pattern == "private-key":
		f.ID, f.Message = IDPrivateLocked, h.Title+", protected by a passphrase"
	case h.Weak:
		f.Level = Warning
	}
	c.add(h.Start, f)
}

// otherText looks through a file in another encoding. Places are those in its text.
func (c *checker) otherText(text []byte) {
	other := &checker{Input: c.Input}
	other.Data = text
	if name := c.formatName(); name != "binary" {
		format, _ := all.ByName(name)
		other.doc, _ = format.Parse(text)
	}
	other.secrets()
	c.list = append(c.list, other.list...)
}

func tooLarge() Finding {
	return Finding{ID: IDNotScanned, Level: level(IDNotScanned), Message: "too large to be looked through for secrets", Hint: "if it holds none, an entry under gitseal.check.ignore in " + ConfigName + " says so"}
}

func notHere() Finding {
	return Finding{ID: IDNotScanned, Level: level(IDNotScanned), Message: "git does not have its content here, so that nothing was looked at", Hint: "this is a partial clone, or a damaged one: git fetch --refetch brings what is missing"}
}

const secretHint = "replace it where it is used, then seal it or take it out; if it is none, a comment " + scan.AllowMark + " on the line, or an entry under gitseal.check.ignore in " + ConfigName + ", says so"
