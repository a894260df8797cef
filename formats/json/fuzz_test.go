package json_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/json"
	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.Source))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := json.Format{}.Parse(src)
		if err != nil {
			return
		}
		want, err := oracle(src)
		if err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if d.Meta != nil {
			return
		}
		if diff := cmp.Diff(want, describe(d)); diff != "" {
			t.Errorf("leaves (-want +got):\n%s", diff)
		}
	})
}

func FuzzLaws(f *testing.F) {
	var seeds []string
	for _, s := range samples {
		seeds = append(seeds, s.Source)
	}
	formatstest.Fuzz(f, json.Format{}, seeds)
}

// TestCorpus takes a folder of real files from GITSEAL_CORPUS.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("GITSEAL_CORPUS")
	if corpus == "" {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	accepted, refused := 0, 0
	err := filepath.WalkDir(corpus, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		want, oracleErr := oracle(src)
		switch err := (formatstest.Suite{Format: json.Format{}}).Check(src); {
		case (err == nil) != (oracleErr == nil):
			t.Errorf("%s: got %v, the oracle %v", path, err, oracleErr)
		case err != nil:
			refused++
			return nil
		}
		accepted++
		if d, err := (json.Format{}).Parse(src); err == nil && d.Meta == nil {
			if diff := cmp.Diff(want, describe(d)); diff != "" {
				t.Errorf("%s: leaves (-want +got):\n%s", path, diff)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
}

// large returns a file of n values of all kinds.
func large(n int) []byte {
	var b bytes.Buffer
	b.WriteString("{")
	for i := range n / 8 {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  \"service-%d\": {\n    \"user\": \"user%d\", \"password\": \"pä\\u0073s-%d\",\n    \"port\": %d, \"ratio\": %d.5,\n    \"on\": true, \"none\": null, \"hosts\": [\"a\", \"b.example.org\"]\n  }", i, i, i, i, i)
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	src := large(80_000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (json.Format{}).Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	src := large(80_000)
	d, err := json.Format{}.Parse(src)
	if err != nil {
		b.Fatal(err)
	}
	var values []formats.Value
	for i := range d.Leaves {
		values = append(values, formats.Value{Leaf: i, Scalar: formats.Scalar{Kind: formats.Sealed, Text: "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]"}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (json.Format{}).Rewrite(d, formats.Edit{Values: values}); err != nil {
			b.Fatal(err)
		}
	}
}
