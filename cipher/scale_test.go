package cipher_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// largeYAML has n values in maps of ten, about 34 bytes each; every other one is
// quoted.
func largeYAML(n int) []byte {
	var b strings.Builder
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&b, "service-%06d:\n", i/10)
		}
		quote := strings.Repeat(`"`, i%2)
		fmt.Fprintf(&b, "  key-%02d: %svalue number %08d%s\n", i%10, quote, i, quote)
	}
	return []byte(b.String())
}

func BenchmarkSeal200k(b *testing.B) {
	src, id := largeYAML(200_000), identity(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		seal(b, src, id)
	}
}

func BenchmarkCheck200k(b *testing.B) {
	s := seal(b, largeYAML(200_000), identity(b))
	b.SetBytes(int64(len(s.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(s.Bytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen200k(b *testing.B) {
	id := identity(b)
	s := seal(b, largeYAML(200_000), id)
	b.SetBytes(int64(len(s.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		opts := cipher.OpenOptions{Identities: []keysources.Identity{id}}
		if _, err := cipher.Open(context.Background(), yaml.Format{}, s.Bytes, opts); err != nil {
			b.Fatal(err)
		}
	}
}

func identity(tb testing.TB) age.Identity {
	tb.Helper()
	id, err := age.Generate(false)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func seal(tb testing.TB, src []byte, id age.Identity) *cipher.Sealed {
	tb.Helper()
	opts := cipher.SealOptions{Recipients: []keysources.Recipient{id.Recipient()}}
	s, err := cipher.Seal(context.Background(), yaml.Format{}, src, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
