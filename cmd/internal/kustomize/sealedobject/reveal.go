package sealedobject

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// Content is a sealed text, opened or masked. It may be a secret: trees print redacted.
type Content struct {
	// Context is what the text is sealed for, "" if it does not say.
	Context string
	// Documents are its documents as trees.
	Documents []formats.Node
	// Warnings are for people.
	Warnings []string

	whole []byte
	// variables are those of an opened dotenv file, nil of others.
	variables []Entry
}

// PlaintextBytes is the opened text as a whole, or a mask for it.
func (c *Content) PlaintextBytes() []byte { return c.whole }

// String says nothing of the content.
func (c Content) String() string { return "<content>" }

// GoString says nothing of the content.
func (c Content) GoString() string { return "<content>" }

// Content opens a sealed text, or masks it. Its error is one of cipher.Open; masking
// needs no identity.
func (o *Opener) Content(ctx context.Context, f formats.Format, src []byte) (*Content, error) {
	c, err := o.reveal(ctx, f, src, false)
	if err != nil {
		return nil, err
	}
	for i := range c.Documents {
		if err := o.bound(&c.Documents[i], c.Context); err != nil {
			return nil, within(&c.Documents[i], err)
		}
	}
	return c, nil
}

func (o *Opener) reveal(ctx context.Context, f formats.Format, src []byte, reordered bool) (*Content, error) {
	opts := o.Options
	opts.AllowReordered, opts.PlainOnly = reordered, true
	opened, err := cipher.Open(ctx, f, src, opts)
	var none *cipher.NoIdentityError
	if o.Mode == Masked && errors.As(err, &none) {
		return maskSealed(f, src)
	}
	if err != nil {
		return nil, err
	}
	c := &Content{whole: opened.PlaintextBytes()}
	if opened.Metadata.Seal != nil {
		c.Context = opened.Metadata.Seal.Context
	}
	for _, w := range opened.Warnings {
		c.Warnings = append(c.Warnings, w.String())
	}
	doc, err := f.Parse(c.whole)
	if err != nil {
		return nil, err
	}
	c.Documents = roots(doc)
	if o.Mode != Masked {
		c.variables = literal(f, doc)
		return c, nil
	}
	sealed, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	m := masker{key: o.maskKey(ctx, opened.Metadata)}
	return c, m.content(c, sealed)
}

// maskSealed masks a text that no identity opens. Nothing but its form is verified.
func maskSealed(f formats.Format, src []byte) (*Content, error) {
	report, err := cipher.Inspect(f, src)
	if err != nil {
		return nil, err
	}
	for _, v := range report.Values {
		switch v.State {
		case cipher.StateExposed:
			return nil, &cipher.TamperedError{Reason: cipher.ReasonPlainValue, Path: v.Path}
		case cipher.StateMalformed:
			return nil, &cipher.TamperedError{Reason: cipher.ReasonMalformedValue, Path: v.Path}
		}
	}
	doc, err := f.Parse(src)
	if err != nil {
		return nil, err
	}
	c := &Content{Warnings: []string{"no identity opens it: values are masked by their ciphertexts, and nothing was verified"}}
	if report.Metadata.Seal != nil {
		c.Context = report.Metadata.Seal.Context
	}
	return c, (&masker{}).content(c, doc)
}

func roots(doc *formats.Document) []formats.Node {
	var out []formats.Node
	for i := range max(1, doc.Documents) {
		root, _ := doc.Node(formats.Root(i))
		out = append(out, root)
	}
	return out
}

// maskKey returns a key that only who can open the file has, so that nobody else can
// find out by a mask whether a guess is right. It is nil if there is none to be had, and
// for files without our MAC, in which anybody may have put a wrapped key of their own.
func (o *Opener) maskKey(ctx context.Context, m *cipher.Metadata) []byte {
	if m.Seal == nil || len(m.Groups) != 1 {
		return nil
	}
	for _, s := range m.Groups[0] {
		for _, id := range o.Options.Identities {
			key, err := unwrap(ctx, id, s)
			if err != nil {
				continue
			}
			sub, err := hkdf.Key(sha256.New, key, nil, "gitseal/v1 mask", sha256.Size)
			if err != nil {
				return nil
			}
			return sub
		}
	}
	return nil
}

func unwrap(ctx context.Context, id keysources.Identity, s keysources.Stanza) ([]byte, error) {
	const keySize = 32
	key, err := id.Unwrap(ctx, s)
	if err == nil && len(key) != keySize {
		return nil, keysources.ErrNotForMe
	}
	return key, err
}

// masker makes masks: keyed ones of values, or without a key of their ciphertexts.
type masker struct{ key []byte }

// content masks a text whose sealed form is doc.
func (m *masker) content(c *Content, doc *formats.Document) error {
	var all strings.Builder
	for i, sealed := range roots(doc) {
		var plain *formats.Node
		if len(c.Documents) > i {
			plain = &c.Documents[i]
		}
		kind := Text(&sealed, "kind")
		if kind != "" && m.isSealed(&sealed, "kind", "apiVersion") {
			return &Error{Msg: "its kind is sealed, so that it cannot be masked",
				Hint: "of a Secret seal only data and stringData, as gitseal seal does by itself"}
		}
		isSecret := kind == "Secret" || kind == kindManifest
		root := m.node(&sealed, plain, nil, isSecret, &all)
		if len(c.Documents) > i {
			c.Documents[i] = root
			continue
		}
		c.Documents = append(c.Documents, root)
	}
	c.whole = []byte(m.mask("", all.String()))
	return nil
}

func (m *masker) isSealed(n *formats.Node, keys ...string) bool {
	for _, key := range keys {
		if strings.HasPrefix(Text(n, key), cipher.SealedPrefix) {
			return true
		}
	}
	return false
}

// node masks what is sealed of a tree. all collects what the masks are made of.
func (m *masker) node(sealed, plain *formats.Node, at []string, isSecret bool, all *strings.Builder) formats.Node {
	out := *sealed
	if sealed.Kind != formats.ScalarNode {
		out.Items = make([]formats.Node, len(sealed.Items))
		for i := range sealed.Items {
			var below *formats.Node
			if plain != nil && len(plain.Items) == len(sealed.Items) {
				below = &plain.Items[i]
			}
			out.Items[i] = m.node(&sealed.Items[i], below, append(at[:len(at):len(at)], sealed.Items[i].Key), isSecret, all)
		}
		return out
	}
	if !strings.HasPrefix(sealed.Scalar.Text, cipher.SealedPrefix) {
		return out
	}
	of := sealed.Scalar.Text
	if m.key != nil && plain != nil {
		of = plain.Scalar.Text
	}
	all.WriteString(of + "\x00")
	text := m.mask(strings.Join(at, "\x00"), of)
	if isSecret && len(at) == 2 && at[0] == "data" {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return String(sealed.Key, text)
}

// mask returns a token for what stands at a place.
func (m *masker) mask(at, of string) string {
	const shown = 15
	h := hmac.New(sha256.New, m.key) // without a key, of a ciphertext: a plain hash
	h.Write([]byte(at + "\x00\x00" + of))
	return "sealed:" + strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:shown]))
}
