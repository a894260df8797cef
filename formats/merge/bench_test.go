package merge_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// large returns a file of sealed values and two versions of it with changes of
// different values each, and of common ones.
func large(name string, keys, changes, common int) (base, ours, theirs []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	value := func() string {
		return fmt.Sprintf("ENC[AES256_GCM,data:%016x,iv:%016x%016x,tag:%016x,type:str]", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	values := make([]string, keys)
	for i := range values {
		values[i] = value()
	}
	base = spelled(name, values)
	order := r.Perm(keys)
	version := func(own []int) []byte {
		changed := append([]string(nil), values...)
		for _, i := range append(append([]int(nil), own...), order[:common]...) {
			changed[i] = value()
		}
		return spelled(name, append(changed, value()))
	}
	order, own := order[:common], order[common:]
	return base, version(own[:changes]), version(own[changes : 2*changes])
}

// spelled spells values, of which twenty each are in a map.
func spelled(name string, values []string) []byte {
	const inMap = 20
	var b bytes.Buffer
	if name == "json" {
		b.WriteString("{\n")
	}
	for i, v := range values {
		last := i+1 == len(values)
		switch {
		case name == "yaml" && i%inMap == 0:
			fmt.Fprintf(&b, "# about map %d\nmap%d:\n", i/inMap, i/inMap)
		case name == "json" && i%inMap == 0:
			fmt.Fprintf(&b, "  \"map%d\": {\n", i/inMap)
		}
		switch name {
		case "yaml":
			fmt.Fprintf(&b, "    key%d: %s\n", i%inMap, v)
		case "json":
			fmt.Fprintf(&b, "    \"key%d\": %q", i%inMap, v)
			if i%inMap < inMap-1 && !last {
				b.WriteString(",")
			}
			b.WriteString("\n")
			if i%inMap == inMap-1 || last {
				b.WriteString("  }" + strings.Repeat(",", map[bool]int{true: 0, false: 1}[last]) + "\n")
			}
		default:
			fmt.Fprintf(&b, "KEY_%d=%s\n", i, v)
		}
	}
	if name == "json" {
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func BenchmarkMerge(b *testing.B) {
	for _, name := range []string{"yaml", "json", "dotenv"} {
		for _, common := range []int{0, 100} {
			b.Run(fmt.Sprintf("%s/%d conflicts", name, common), func(b *testing.B) {
				f, _ := all.ByName(name)
				base, ours, theirs := large(name, 20_000, 500, common)
				b.SetBytes(int64(len(base)))
				for b.Loop() {
					r, err := merge.Merge(f, merge.Versions{Base: base, Ours: ours, Theirs: theirs}, merge.Options{})
					if err != nil || len(r.Conflicts) < common {
						b.Fatal(err, len(r.Conflicts))
					}
				}
			})
		}
	}
}

// Many changes in a large file take linear time, text without any order as well.
func TestMergeIsLinear(t *testing.T) {
	size := 20_000 // a quadratic one takes minutes
	if testing.Short() {
		size = 5000
	}
	for _, name := range []string{"yaml", "json", "dotenv"} {
		f, _ := all.ByName(name)
		base, ours, theirs := large(name, size, size/4, size/20)
		start := time.Now()
		r, err := merge.Merge(f, merge.Versions{Base: base, Ours: ours, Theirs: theirs}, merge.Options{})
		if err != nil {
			t.Fatal(err)
		}
		// The value that both have added at the end is one, too.
		if got, want := len(r.Conflicts), size/20+1; got != want {
			t.Errorf("%s: got %d conflicts, want %d", name, got, want)
		}
		t.Logf("%s: %v for %d bytes", name, time.Since(start), len(base))
	}
	binary, _ := all.ByName("binary")
	texts := [3][]byte{}
	for i := range texts {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		for range 15 * size {
			texts[i] = fmt.Appendf(texts[i], "%d\n", r.IntN(50))
		}
	}
	start := time.Now()
	if _, err := merge.Merge(binary, merge.Versions{Base: texts[0], Ours: texts[1], Theirs: texts[2]}, merge.Options{}); err != nil {
		t.Error(err)
	}
	t.Logf("binary: %v", time.Since(start))
}
