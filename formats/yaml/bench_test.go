package yaml_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/yaml"
)

// largeFile has n values of about 34 bytes a line.
func largeFile(n int) []byte {
	var b strings.Builder
	for i := 0; i < n; i++ {
		if i%20 == 0 {
			fmt.Fprintf(&b, "section%06d:\n", i/20)
		}
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "  number%02d: %d\n", i%20, i*7919)
		case 1:
			fmt.Fprintf(&b, "  quoted%02d: \"some text %08d\"\n", i%20, i)
		default:
			fmt.Fprintf(&b, "  setting%02d: value-of-setting-%08d\n", i%20, i)
		}
	}
	return []byte(b.String())
}

const largeValues = 200_000

func sealedFile(tb testing.TB, n int) []byte {
	d, err := yaml.Format{}.Parse(largeFile(n))
	if err != nil {
		tb.Fatal(err)
	}
	var e formats.Edit
	for i := range d.Leaves {
		e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: fakeSealed(i)})
	}
	e.Meta.Set = exampleMeta("x")
	out, err := yaml.Format{}.Rewrite(d, e)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// fakeSealed returns a scalar like a sealed value of 20 bytes.
func fakeSealed(i int) formats.Scalar {
	text := fmt.Sprintf("ENC[AES256_GCM,data:%028d,iv:%s=,tag:%s==,type:str]", i, strings.Repeat("Aa0+", 11)[:43], strings.Repeat("Bb1/", 6)[:22])
	return formats.Scalar{Kind: formats.Sealed, Text: text}
}

func exampleMeta(mac string) *formats.Meta {
	return &formats.Meta{Key: "sops", Items: []formats.Meta{
		{Key: "age", Kind: formats.MetaList, Items: []formats.Meta{{Items: []formats.Meta{
			{Key: "enc", Kind: formats.MetaString, Text: "-----BEGIN-----\nabc\n-----END-----\n"},
			{Key: "recipient", Kind: formats.MetaString, Text: "age1xyz"},
		}}}},
		{Key: "lastmodified", Kind: formats.MetaString, Text: "2026-01-02T03:04:05Z"},
		{Key: "mac", Kind: formats.MetaString, Text: mac},
		{Key: "mac_only_encrypted", Kind: formats.MetaBool, Text: "true"},
		{Key: "pgp", Kind: formats.MetaList},
		{Key: "shamir_threshold", Kind: formats.MetaInt, Text: "2"},
		{Key: "version", Kind: formats.MetaString, Text: "3.13.3"},
	}}
}

func benchmarkParse(b *testing.B, src []byte) {
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	var d *formats.Document
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		var err error
		if d, err = (yaml.Format{}).Parse(src); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(len(d.Leaves)), "kept-B/leaf")
	runtime.KeepAlive(d)
}

func BenchmarkParsePlain(b *testing.B) { benchmarkParse(b, largeFile(largeValues)) }

func BenchmarkParseSealed(b *testing.B) { benchmarkParse(b, sealedFile(b, largeValues)) }

func BenchmarkParseOneComment(b *testing.B) {
	benchmarkParse(b, append([]byte("# a comment\n"), largeFile(largeValues)...))
}

func BenchmarkSeal(b *testing.B) {
	d, err := yaml.Format{}.Parse(largeFile(largeValues))
	if err != nil {
		b.Fatal(err)
	}
	var e formats.Edit
	for i := range d.Leaves {
		e.Values = append(e.Values, formats.Value{Leaf: i, Scalar: fakeSealed(i)})
	}
	e.Meta.Set = exampleMeta("x")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (yaml.Format{}).Rewrite(d, e); err != nil {
			b.Fatal(err)
		}
	}
}
