package cipher_test

import (
	"testing"

	"github.com/gitseal/gitseal/formats/all"
)

// halfMergedVectors are files that were merged without their key, which no reader
// may open as they are.
func halfMergedVectors() []listedVector {
	var out []listedVector
	seen := map[string]bool{}
	for _, c := range disjoint() {
		if _, ok := all.ByName(c.format); !ok || seen[c.format] {
			continue
		}
		seen[c.format] = true
		out = append(out, listedVector{
			name:   "bad-half-merged-" + c.format,
			vector: vector{format: c.format, expect: "half-merged", identity: aliceKey, comment: "two versions, merged without the data key"},
			seal: func(t *testing.T) []byte {
				return mustMergeSealed(t, c.format, sealedVersions(t, c), store{}).Ours
			},
		})
	}
	return out
}
