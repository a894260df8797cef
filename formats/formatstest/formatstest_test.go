package formatstest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
)

// broken is JSON with one thing wrong.
type broken struct {
	json.Format
	parse   func(*formats.Document)
	spell   func(d *formats.Document, i int, text string) string
	rewrite func(e formats.Edit, out []byte) []byte
	edit    func(*formats.Edit)
	fail    error
}

func (b broken) Parse(src []byte) (*formats.Document, error) {
	if b.fail != nil {
		return nil, b.fail
	}
	d, err := b.Format.Parse(src)
	if err == nil && b.parse != nil {
		b.parse(d)
	}
	return d, err
}

func (b broken) Spell(d *formats.Document, i int, s formats.Scalar) string {
	text := b.Format.Spell(d, i, s)
	if b.spell != nil {
		text = b.spell(d, i, text)
	}
	return text
}

func (b broken) Rewrite(d *formats.Document, e formats.Edit) ([]byte, error) {
	if b.edit != nil {
		b.edit(&e)
	}
	out, err := b.Format.Rewrite(d, e)
	if err == nil && b.rewrite != nil {
		out = b.rewrite(e, out)
	}
	return out, err
}

const source = "{\n  \"a\": \"secret\",\n  \"b\": [1, true, \"x\\u0041\"]\n}\n"

func TestLawsHoldForASoundFormat(t *testing.T) {
	if err := (formatstest.Suite{Format: broken{}}).Check([]byte(source)); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

func TestRefusalIsNotABrokenLaw(t *testing.T) {
	var refused *formatstest.Refused
	err := formatstest.Suite{Format: broken{}}.Check([]byte("[]"))
	if !errors.As(err, &refused) || !errors.Is(err, formats.ErrNotSealable) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestLawsCatchBrokenFormats(t *testing.T) {
	tests := []struct {
		name   string
		format broken
	}{
		{"untyped error", broken{fail: errors.New("no")}},
		{"error without a cause", broken{fail: &formats.Error{Msg: "no"}}},
		{"span outside", broken{parse: func(d *formats.Document) { d.Leaves[0].End = len(d.Source) + 1 }}},
		{"span backwards", broken{parse: func(d *formats.Document) { d.Leaves[0].Start = d.Leaves[0].End + 1 }}},
		{"span too short", broken{parse: func(d *formats.Document) { d.Leaves[0].End-- }}},
		{"spans overlap", broken{parse: func(d *formats.Document) { d.Leaves[1].Start = d.Leaves[0].Start }}},
		{"leaf forgotten once sealed", broken{parse: func(d *formats.Document) {
			if d.Meta != nil {
				d.Leaves = d.Leaves[1:]
			}
		}}},
		{"path changes", broken{parse: func(d *formats.Document) {
			if d.Meta != nil {
				d.Leaves[1].Path = formats.Root(0)
			}
		}}},
		{"kind changes", broken{parse: func(d *formats.Document) {
			if strings.Contains(string(d.Source), "ENC[") {
				d.Leaves[1].Kind = formats.Comment
			}
		}}},
		{"source written to", broken{parse: func(d *formats.Document) { d.Source[0] = ' ' }}},
		{"metadata not read", broken{parse: func(d *formats.Document) { d.Meta = nil }}},
		{"empty edit changes bytes", broken{rewrite: func(_ formats.Edit, out []byte) []byte { return append(out, ' ') }}},
		{"byte added when sealing", broken{rewrite: func(e formats.Edit, out []byte) []byte {
			if len(e.Values) > 0 {
				return append(out, '\n')
			}
			return out
		}}},
		{"byte left by removal", broken{rewrite: func(e formats.Edit, out []byte) []byte {
			if e.Meta.Remove {
				return append(out, '\n')
			}
			return out
		}}},
		{"source reformatted with the block", broken{rewrite: func(e formats.Edit, out []byte) []byte {
			if e.Meta.Set != nil {
				return []byte(strings.Replace(string(out), "  \"b\"", "\"b\"", 1))
			}
			return out
		}}},
		{"block grows each time", broken{rewrite: func(e formats.Edit, out []byte) []byte {
			if e.Meta.Set != nil {
				return []byte(strings.Replace(string(out), `"sops":`, `"sops": `, 1))
			}
			return out
		}}},
		{"raw spelling ignored", broken{edit: func(e *formats.Edit) {
			for i := range e.Values {
				e.Values[i].Raw = ""
			}
		}}},
		{"value not replaced", broken{edit: func(e *formats.Edit) {
			if len(e.Values) > 1 {
				e.Values = e.Values[1:]
			}
		}}},
		{"block not removed", broken{edit: func(e *formats.Edit) { e.Meta.Remove = false }}},
		{"block not set", broken{edit: func(e *formats.Edit) { e.Meta.Set = nil }}},
		{"spelling depends on the plain text", broken{spell: func(d *formats.Document, i int, text string) string {
			if d.Leaves[i].Text == "xA" {
				return text + " "
			}
			return text
		}}},
		{"spelling means something else", broken{spell: func(_ *formats.Document, _ int, text string) string {
			return strings.ReplaceAll(text, "secret", "secre")
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := formatstest.Suite{Format: tt.format}.Check([]byte(source))
			var refused *formatstest.Refused
			if err == nil || errors.As(err, &refused) {
				t.Errorf("got %v, want a broken law", err)
			}
		})
	}
}
