package cipher_test

import (
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// groupVectors are files with three key groups, of which two are needed.
func groupVectors(t *testing.T) []listedVector {
	opts := func(t *testing.T) cipher.SealOptions {
		return cipher.SealOptions{Threshold: 2, Groups: [][]keysources.Recipient{
			recipients(t, aliceKey, davePQ), recipients(t, bobKey), recipients(t, carolKey),
		}}
	}
	threshold := func(text string) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			sealed := mustSeal(t, "yaml", []byte("a: b\n"), opts(t)).Bytes
			return changeMeta(t, "yaml", sealed, func(m *formats.Meta) { m.Get("shamir_threshold").Text = text })
		}
	}
	all3 := aliceKey + " " + bobKey + " " + carolKey
	out := []listedVector{
		{"bad-groups-one-of-two", vector{format: "yaml", expect: "no-identity", identity: bobKey, comment: "one key group of the two that are needed"},
			func(t *testing.T) []byte { return mustSeal(t, "yaml", []byte("a: b\n"), opts(t)).Bytes }},
		{"bad-groups-same-group-twice", vector{format: "yaml", expect: "no-identity", identity: aliceKey + " " + davePQ, comment: "two readers of one key group"},
			func(t *testing.T) []byte { return mustSeal(t, "yaml", []byte("a: b\n"), opts(t)).Bytes }},
		{"bad-groups-threshold-1", vector{format: "yaml", expect: "metadata", identity: all3, comment: "a threshold of 1 makes no sense"}, threshold("1")},
		{"bad-groups-threshold-4", vector{format: "yaml", expect: "metadata", identity: all3, comment: "a threshold beyond the groups"}, threshold("4")},
		{"bad-groups-threshold-3", vector{format: "yaml", expect: "seal-mac", identity: all3, comment: "a threshold that was raised"}, threshold("3")},
	}
	for _, name := range all.Names() {
		for _, who := range []struct{ slug, keys, comment string }{
			{"1-2", aliceKey + " " + bobKey, "the first two of three key groups"},
			{"pq-3", davePQ + " " + carolKey, "another reader of the first group, and the third group"},
		} {
			out = append(out, listedVector{
				name:   "good-groups-" + name + "-" + who.slug,
				vector: vector{format: name, expect: "ok", identity: who.keys, comment: who.comment},
				seal: func(t *testing.T) []byte {
					o := opts(t)
					o.Selector = cipher.DefaultSelector()
					return mustSeal(t, name, []byte(samples(name)[0].source), o).Bytes
				},
			})
		}
	}
	return out
}
