package yaml_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

// patches is the suite of single changes, with yaml.v3 as the other reader.
var patches = formatstest.PatchSuite{Format: yaml.Format{}, Oracle: func(src []byte, d *formats.Document) error {
	want, err := oracle(src)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, valuesOf(d)); diff != "" {
		return fmt.Errorf("values differ (-want +got):\n%s", diff)
	}
	return nil
}, Refusals: map[string]int{
	// What is there only through an alias, what an alias elsewhere repeats, merge
	// keys without a map.
	"anchors": 34, "anchor on a key": 1, "merge list": 41, "comment behind an alias": 14,
}}

func TestPatchLaws(t *testing.T) {
	sealed := patches
	sealed.Sealed = true
	sealed.Run(t, samples())
}

// found are inputs with which changes went wrong once.
var found = []string{
	"a:   # c\n  x\n  y\nb: >2- #", "a:\r\nbd c:\r", "? \n!? a", "a:\n &x??", "a:\n-\n  e:gf\n-  < ", "b:\n  / \r\n", "? a\n: {}\n  #x: y\n", "a: \"b\"#c\n", "a: b\rc: d\r",
}

func TestPatchLawsOnFoundInputs(t *testing.T) {
	for _, src := range found {
		if _, err := patches.Check([]byte(src)); err != nil {
			t.Errorf("source %q: %v", src, err)
		}
	}
}

func FuzzPatch(f *testing.F) { patches.Fuzz(f, append(seeds(f), found...)) }

// reason returns what a refusal says last.
func reason(refusal string) string { return refusal[strings.LastIndex(refusal, ": ")+2:] }

// Odd combinations of structure, comments, anchors and styles.
func TestGeneratedPatches(t *testing.T) {
	n := 25
	if testing.Short() {
		n = 10
	}
	if s := os.Getenv("GITSEAL_GENERATE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	made, refused, failures := 0, map[string]int{}, 0
	for seed := range n {
		src := generate(uint64(seed))
		tally, err := patches.Check([]byte(src))
		made += tally.Made
		for _, why := range tally.Refused {
			refused[reason(why)]++
		}
		if err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, src)
			if failures++; failures > 3 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d files, %d changes made, refused: %v", n, made, refused)
}
