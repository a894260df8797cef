package mask_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzMask: the output does not depend on how the text is cut into writes, holds
// no value, and is the text itself if that holds no form of a value.
func FuzzMask(f *testing.F) {
	f.Add("hunter2", "correct horse battery staple, and then some", "it is hunter2, aHVudGVyMg==", uint64(1))
	f.Add("line one\nline two", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", uint64(2))
	f.Add("abababab", "babababa", "xabababababx", uint64(3))
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		if len(a)+len(b)+len(text) > 1<<12 {
			return
		}
		m := newMasker(t, a, b)
		whole := masked(t, m, text)
		if got := masked(t, m, pieces(rand.New(rand.NewPCG(seed, 0)), text)...); got != whole {
			t.Fatalf("in pieces: got %q, want %q", got, whole)
		}
		found := false
		for _, p := range m.Patterns() {
			found = found || strings.Contains(text, p[:min(len(p), 32)])
		}
		if !found && whole != text {
			t.Fatalf("there was nothing to mask: got %q, want %q", whole, text)
		}
		for _, v := range []string{strings.TrimSpace(a), strings.TrimSpace(b)} {
			// Stars themselves can complete a value that has some.
			if len(v) >= 4 && !strings.Contains(v, "*") && strings.Contains(whole, v) {
				t.Fatalf("%q is in %q", v, whole)
			}
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	logs := logLines(1 << 20)
	for _, values := range []int{1, 20, 500} {
		var list []string
		for i := range values {
			list = append(list, fmt.Sprintf("%d-hunter-%d-https://x.example", i*7919, i))
		}
		m := newMasker(b, list...)
		for name, text := range map[string][]byte{"log": logs, "full of values": []byte(strings.Repeat("a "+list[0]+" b\n", 1<<14))} {
			b.Run(fmt.Sprintf("%d values/%s", values, name), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				w := m.Writer(discard{})
				for b.Loop() {
					for chunk := range chunks(text, 32<<10) {
						if _, err := w.Write(chunk); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func logLines(n int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "2026-11-22T07:%02d:%02d level=info msg=%q path=/api/%d took=%dms\n", r.IntN(60), r.IntN(60), randomText(r, "etaoin shrdlu", 30), r.IntN(1e6), r.IntN(500))
	}
	return b.Bytes()
}
