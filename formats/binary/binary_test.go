package binary_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/formats/formatstest"
)

var samples = []formatstest.Sample{
	{Name: "text", Source: "hello\n"},
	{Name: "one byte", Source: "\x00"},
	{Name: "line feed", Source: "\n"},
	{Name: "not UTF-8", Source: "\xff\xfe\x00\r\n\x80"},
	{Name: "byte order mark", Source: "\ufeffhello"},
	{Name: "quotes and escapes", Source: "\"\\u0041\\\"\n\t"},
	{Name: "JSON", Source: `{"data": "x"}`},
	{Name: "JSON that is sealed otherwise", Source: `{"data": "x", "b": 1, "sops": {"mac": "m"}}`},
	{Name: "JSON with data elsewhere", Source: `{"a": {"data": "x"}, "sops": {"mac": "m"}}`},
	{Name: "JSON with a block alone", Source: `{"sops": {"mac": "m"}}`},
	{Name: "sealed by sops", Source: "{\n\t\"data\": \"ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\",\n\t\"sops\": {\n\t\t\"mac\": \"m\",\n\t\t\"version\": \"3.8.1\"\n\t}\n}\n"},
	{Name: "sealed, metadata first", Source: `{"sops":{"mac":"m"},"data":"ENC[x]"}`},
}

var suite = formatstest.Suite{Format: binary.Format{}, Envelope: true}

func TestLaws(t *testing.T) { suite.Run(t, samples) }

func TestSealedFormIsTheOneOfSops(t *testing.T) {
	f := binary.Format{}
	d, err := f.Parse([]byte("\xffsecret"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Rewrite(d, formats.Edit{
		Values: []formats.Value{{Leaf: 0, Scalar: formats.Scalar{Kind: formats.Sealed, Text: "ENC[x]"}}},
		Meta:   formats.MetaEdit{Set: &formats.Meta{Items: []formats.Meta{{Key: "mac", Kind: formats.MetaString, Text: "m"}}}},
	})
	const want = "{\n\t\"data\": \"ENC[x]\",\n\t\"sops\": {\n\t\t\"mac\": \"m\"\n\t}\n}\n"
	if string(out) != want || err != nil {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestRefuses(t *testing.T) {
	large := bytes.Repeat([]byte{0xff}, binary.MaxPlain+1)
	if _, err := (binary.Format{}).Parse(large); !errors.Is(err, formats.ErrLimit) {
		t.Errorf("too large: got %v, want ErrLimit", err)
	}
	if _, err := (binary.Format{}).Parse(large[1:]); err != nil {
		t.Errorf("largest: got %v, want no error", err)
	}
	if _, err := (binary.Format{}).Parse(nil); !errors.Is(err, formats.ErrNotSealable) {
		t.Errorf("empty: got %v, want ErrNotSealable", err)
	}
	d, err := binary.Format{}.Parse([]byte("\xffsecret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]formats.Edit{
		"plain content that is not UTF-8": {Meta: formats.MetaEdit{Set: &formats.Meta{}}},
		"comment":                         {Values: []formats.Value{{Leaf: 0, Scalar: formats.Scalar{Kind: formats.Comment}}}},
		"no such leaf":                    {Values: []formats.Value{{Leaf: 1, Scalar: formats.Scalar{Kind: formats.String}}}},
	} {
		var typed *formats.Error
		if _, err := (binary.Format{}).Rewrite(d, e); !errors.As(err, &typed) {
			t.Errorf("%s: got %v, want a *formats.Error", name, err)
		}
	}
}

func TestLargestFileComesBack(t *testing.T) {
	f := binary.Format{}
	src := bytes.Repeat([]byte("x\n"), binary.MaxPlain/2)
	d, err := f.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := f.Rewrite(d, formats.Edit{Meta: formats.MetaEdit{Set: &formats.Meta{}}})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = f.Parse(sealed); err != nil || d.Meta == nil {
		t.Fatalf("sealed form: %v, metadata %v", err, d != nil && d.Meta != nil)
	}
	if out, err := f.Rewrite(d, formats.Edit{Meta: formats.MetaEdit{Remove: true}}); err != nil || !bytes.Equal(out, src) {
		t.Errorf("got %d bytes, %v, want the %d of the source", len(out), err, len(src))
	}
}

func FuzzLaws(f *testing.F) {
	var seeds []string
	for _, s := range samples {
		seeds = append(seeds, s.Source)
	}
	suite.Fuzz(f, seeds)
}

// A sealed file whose envelope was damaged is not taken for a plain one.
func TestDamagedEnvelopeIsRefused(t *testing.T) {
	for _, src := range []string{
		"{\n\t\"data\": \"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\",\n\t\"Sops\": {}\n}\n",
		"<<<<<<< HEAD\n{\"data\":\"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\",\n=======\n",
	} {
		_, err := binary.Format{}.Parse([]byte(src))
		if !errors.Is(err, formats.ErrMetadata) {
			t.Errorf("got %v, want %v", err, formats.ErrMetadata)
		}
	}
}
