package formatstest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
)

// brokenPatch is JSON whose changes have one thing wrong.
type brokenPatch struct {
	json.Format
	patch func(d *formats.Document, c formats.Change, out []byte) ([]byte, error)
}

func (b brokenPatch) Patch(d *formats.Document, c formats.Change) ([]byte, error) {
	out, err := b.Format.Patch(d, c)
	if b.patch == nil {
		return out, err
	}
	if err != nil {
		out = nil
	}
	changed, failed := b.patch(d, c, bytes.Clone(out))
	if failed != nil || err == nil || changed != nil {
		return changed, failed
	}
	return nil, err
}

const patchSource = "{\n  \"a\": \"x\",\n  \"b\": [1, {\"c\": null}],\n  \"d\": {}\n}\n"

func TestPatchLawsHoldForASoundFormat(t *testing.T) {
	tally, err := formatstest.PatchSuite{Format: brokenPatch{}}.Check([]byte(patchSource))
	if err != nil || tally.Made < 30 || len(tally.Refused) > 0 {
		t.Errorf("got %+v, %v", tally, err)
	}
}

func TestPatchLawsCatchBrokenFormats(t *testing.T) {
	replace := func(old, new string) func(*formats.Document, formats.Change, []byte) ([]byte, error) {
		return func(d *formats.Document, _ formats.Change, out []byte) ([]byte, error) {
			if out == nil || bytes.Equal(out, d.Source) {
				return out, nil
			}
			return []byte(strings.Replace(string(out), old, new, 1)), nil
		}
	}
	for _, tt := range []struct {
		name  string
		patch func(d *formats.Document, c formats.Change, out []byte) ([]byte, error)
	}{
		{"untyped error", func(*formats.Document, formats.Change, []byte) ([]byte, error) { return nil, errors.New("no") }},
		{"nothing done", func(d *formats.Document, _ formats.Change, _ []byte) ([]byte, error) { return d.Source, nil }},
		{"another value changed", replace(`"b": [1`, `"b": [2`)},
		{"a key lost", replace("\"d\": {}", "\"e\": {}")},
		{"something else laid out anew", replace(`"a": `, `"a":  `)},
		{"a line feed at the end", func(_ *formats.Document, _ formats.Change, out []byte) ([]byte, error) {
			if out == nil {
				return nil, nil
			}
			return append(out, '\n'), nil
		}},
		{"digits lost", replace(`123456789012345678901234567890`, `123456789012345678901234567891`)},
		{"a removal undone", func(d *formats.Document, c formats.Change, out []byte) ([]byte, error) {
			if c.Remove {
				return d.Source, nil
			}
			return out, nil
		}},
		{"no JSON", func(_ *formats.Document, _ formats.Change, out []byte) ([]byte, error) { return []byte("{"), nil }},
		{"the source written to", func(d *formats.Document, _ formats.Change, out []byte) ([]byte, error) {
			d.Source[0] = ' '
			return out, nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			suite := formatstest.PatchSuite{Format: brokenPatch{patch: tt.patch}}
			if tally, err := suite.Check([]byte(patchSource)); err == nil {
				t.Errorf("got %+v, want a broken law", tally)
			}
		})
	}
}

func TestPatchLawsWantASealedDocumentRefused(t *testing.T) {
	suite := formatstest.PatchSuite{Format: brokenPatch{patch: func(d *formats.Document, _ formats.Change, _ []byte) ([]byte, error) {
		return d.Source, nil
	}}}
	if _, err := suite.Check([]byte(`{"sops": {"mac": "x"}}`)); err == nil {
		t.Error("got no error")
	}
}

func TestPatchLawsWantRefusedWhatTheFormatDoesNotHold(t *testing.T) {
	suite := formatstest.PatchSuite{Format: brokenPatch{}, Holds: func(*formats.Path, formats.Node) bool { return false }}
	if _, err := suite.Check([]byte(patchSource)); err == nil {
		t.Error("got no error")
	}
}
