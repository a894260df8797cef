package formatstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// exampleMac stands nowhere else in the example block.
const exampleMac = "ENC[AES256_GCM,data:TUFDLUEtTUFDLUEtTUFDLUEt,iv:bWFjaXY=,tag:bWFjdGFn,type:str]"

// exampleMeta is a block with everything that is hard in one: lists of maps,
// maps in maps, line feeds, texts that look like other types.
func exampleMeta() *formats.Meta {
	armor := "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgy\nNTUxOQ==\n-----END AGE ENCRYPTED FILE-----\n"
	m := mapNode("",
		listNode("age",
			mapNode("", stringNode("enc", armor), stringNode("recipient", "age1lzd99uklcjnc0e7d860axevet2cz99ce9pq6tzuzd05l5nr28ams36nvun")),
			mapNode("", stringNode("enc", armor), stringNode("recipient", "age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw")),
		),
		listNode("kms", mapNode("",
			stringNode("arn", "arn:aws:kms:us-east-1:1:key/x"), mapNode("context", stringNode("env", "a b")), stringNode("aws_profile", ""))),
		stringNode("lastmodified", "2026-01-02T03:04:05Z"),
		stringNode("mac", exampleMac),
		mapNode("seal", stringNode("context", "k8s:team a/*"), stringNode("mac", "5BfgM+/=")),
		stringNode("unencrypted_suffix", "_unencrypted"),
		stringNode("version", "3.13.3"),
	)
	return &m
}

func mapNode(key string, items ...formats.Meta) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaMap, Items: items}
}

func listNode(key string, items ...formats.Meta) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaList, Items: items}
}

func stringNode(key, text string) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaString, Text: text}
}

// orRespelled checks a law. A format may refuse a block among values that no
// sealed file can hold as they are spelled; then the law must hold when they are
// in the format's own spelling.
func (c *check) orRespelled(law func(*check) error) error {
	err := law(c)
	var refused *Refused
	if !errors.As(err, &refused) {
		return err
	}
	src, err := c.Format.Rewrite(c.doc, formats.Edit{Values: c.canonical(isSealable)})
	if err != nil {
		return refusal("spelling the values", err)
	}
	doc, err := c.Format.Parse(src)
	if err != nil {
		return fmt.Errorf("parsing %q: %w", clip(src), err)
	}
	return law(&check{Suite: c.Suite, src: src, doc: doc})
}

// metadata sets, changes, replaces and removes the block, values untouched.
func (c *check) metadata() error {
	meta := exampleMeta()
	once, err := c.setMeta(c.doc, meta)
	if err != nil {
		return err
	}
	if c.doc.Meta == nil && !c.Envelope && !isSubsequence(withoutBOM(c.src), once) {
		return fmt.Errorf("adding the block gave %q, in which bytes of the source are missing", clip(once))
	}
	doc, err := c.metaReads(once, meta)
	if err != nil {
		return err
	}
	twice, err := c.setMeta(doc, meta)
	if err != nil {
		return err
	}
	if !bytes.Equal(once, twice) {
		return fmt.Errorf("set twice: got %q, want %q", clip(twice), clip(once))
	}
	if err := c.metaChanges(doc, once); err != nil {
		return err
	}
	return c.metaGoes(doc)
}

func (c *check) setMeta(doc *formats.Document, m *formats.Meta) ([]byte, error) {
	out, err := c.Format.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Set: m}})
	if err != nil {
		return nil, refusal("setting metadata", err)
	}
	return out, nil
}

func (c *check) metaReads(out []byte, want *formats.Meta) (*formats.Document, error) {
	doc, err := c.Format.Parse(out)
	if err != nil {
		return nil, fmt.Errorf("parsing %q: %w", clip(out), err)
	}
	if !sameMeta(want, doc.Meta) {
		return nil, fmt.Errorf("in %q: metadata read back is not what was set", clip(out))
	}
	if err := sameLeaves(c.doc, doc, nil); err != nil {
		return nil, fmt.Errorf("in %q: %w", clip(out), err)
	}
	return doc, nil
}

// metaChanges sets a block of the same and then one of another shape where there
// is one already.
func (c *check) metaChanges(doc *formats.Document, before []byte) error {
	for _, mac := range []string{strings.Replace(exampleMac, "LUE", "LUI", 1), "short", exampleMac + exampleMac} {
		same := exampleMeta()
		same.Get("mac").Text = mac
		out, err := c.setMeta(doc, same)
		if err != nil {
			return err
		}
		if want := strings.ReplaceAll(string(before), exampleMac, mac); string(out) != want {
			return fmt.Errorf("changing mac alone: got %q, want %q", clip(out), clip([]byte(want)))
		}
	}
	other := exampleMeta()
	other.Items = append([]formats.Meta{stringNode("added", "yes")}, other.Items[1:]...)
	out, err := c.setMeta(doc, other)
	if err != nil {
		return err
	}
	next, err := c.metaReads(out, other)
	if err != nil {
		return err
	}
	return c.metaGoes(next)
}

// metaGoes removes the block.
func (c *check) metaGoes(doc *formats.Document) error {
	out, err := c.Format.Rewrite(doc, formats.Edit{Meta: formats.MetaEdit{Remove: true}})
	if err != nil {
		return refusal("removing metadata", err)
	}
	if c.doc.Meta != nil {
		return c.readsAs(out, nil)
	}
	return c.isSource(out)
}

// sameMeta compares blocks. The key of the block itself does not matter.
func sameMeta(want, got *formats.Meta) bool {
	if got == nil {
		return false
	}
	named := *want
	named.Key = got.Key
	return sameNode(&named, got)
}

// sameNode compares trees. A format without types reads every scalar as a string.
func sameNode(want, got *formats.Meta) bool {
	if want.Key != got.Key || want.Text != got.Text || len(want.Items) != len(got.Items) {
		return false
	}
	if want.Kind != got.Kind && (want.Kind <= formats.MetaList || got.Kind != formats.MetaString) {
		return false
	}
	for i := range want.Items {
		if !sameNode(&want.Items[i], &got.Items[i]) {
			return false
		}
	}
	return true
}

// isSubsequence reports whether out is s with bytes inserted.
func isSubsequence(s, out []byte) bool {
	for _, c := range out {
		if len(s) > 0 && s[0] == c {
			s = s[1:]
		}
	}
	return len(s) == 0
}

func withoutBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }
