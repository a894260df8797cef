package cipher_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cipher/sopstest"
	"github.com/gitseal/gitseal/formats/all"
)

// listedVector is a vector that has to exist, and how it is made.
type listedVector struct {
	name string
	vector
	seal func(t *testing.T) []byte
}

func listVectors(t *testing.T) []listedVector {
	t.Helper()
	var out []listedVector
	out = append(out, sampleVectors()...)
	out = append(out, optionVectors(t)...)
	out = append(out, sopsVectors()...)
	out = append(out, groupVectors(t)...)
	out = append(out, tamperedVectors(t)...)
	out = append(out, halfMergedVectors()...)
	return append(out, refusedVectors(t)...)
}

func slug(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), "-")
}

// sampleVectors are the samples of all formats, but for the long ones.
func sampleVectors() []listedVector {
	var out []listedVector
	for _, name := range all.Names() {
		for _, s := range samples(name) {
			if len(s.source) > 2000 {
				continue
			}
			out = append(out, listedVector{
				name:   "good-" + name + "-" + slug(s.name),
				vector: vector{format: name, expect: "ok", identity: aliceKey, comment: s.name},
				seal: func(t *testing.T) []byte {
					return mustSeal(t, name, []byte(s.source), cipher.SealOptions{Selector: cipher.DefaultSelector()}).Bytes
				},
			})
		}
	}
	return out
}

// optionVectors are one file sealed in different ways.
func optionVectors(t *testing.T) []listedVector {
	var out []listedVector
	add := func(name, src, identity, comment string, opts cipher.SealOptions) {
		out = append(out, listedVector{
			name:   "good-option-" + slug(name),
			vector: vector{format: "yaml", expect: "ok", identity: identity, context: opts.Context, comment: comment},
			seal:   func(t *testing.T) []byte { return mustSeal(t, "yaml", []byte(src), opts).Bytes },
		})
	}
	for _, s := range selectorFlags {
		add(string(s.kind), selectorDocument, aliceKey, string(s.kind)+" "+s.pattern, cipher.SealOptions{Selector: selector(t, s.kind, s.pattern)})
	}
	part := selector(t, cipher.EncryptedRegex, "secret")
	add("mac only encrypted", selectorDocument, aliceKey, "mac_only_encrypted", cipher.SealOptions{Selector: part, MACOnlyEncrypted: true})
	add("context", "a: b\n", aliceKey, "sealed for a place", cipher.SealOptions{Context: "k8s:prod/db"})
	add("two recipients", "a: b\n", bobKey, "the second of two recipients opens it", cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)})
	add("post-quantum", "a: b\n", davePQ, "a hybrid recipient", cipher.SealOptions{Recipients: recipients(t, davePQ)})
	add("both kinds of recipients", "a: b\n", aliceKey, "an X25519 and a hybrid recipient", cipher.SealOptions{Recipients: recipients(t, davePQ, aliceKey)})
	add("kubernetes", kubernetesSecret, aliceKey, "a Secret, sealed so that it stays a valid object", cipher.SealOptions{})
	return out
}

// sopsVectors are files sealed by released versions of sops.
func sopsVectors() []listedVector {
	docs := map[string]string{
		"yaml":   "# head\na: one\nn: 31\nf: 1.5\nb: true\nl:\n    # in a list\n    - x # behind\n    - {y: z}\ne: \"\"\nm: {}\nt_unencrypted: plain\n---\nsecond: document\n",
		"json":   "{\"a\": \"one\", \"n\": 31, \"f\": 1.5, \"b\": [true, null, \"\"], \"u_unencrypted\": \"plain\"}",
		"dotenv": "# head\nA=one\nB=two\\nlines\nC=\nU_unencrypted=plain\n",
		"ini":    "; head\n[s]\na = one\nb = `two ; words`\n",
		"binary": "one\x00\xff\n",
	}
	var out []listedVector
	add := func(version, kind, format string, flags ...string) {
		out = append(out, listedVector{
			name:   "sops-" + slug(version+" "+format+" "+kind),
			vector: vector{format: format, expect: "ok", identity: aliceKey, comment: "sealed by sops " + version + " " + strings.Join(flags, " ")},
			seal: func(t *testing.T) []byte {
				p := newPeer(t, version)
				p.Key = sopstest.Key{Recipient: recipients(t, aliceKey)[0].String(), Identity: aliceKey}
				r := p.Encrypt(t.Context(), fileName(format), []byte(docs[format]), flags...)
				if err := r.Err(); err != nil {
					t.Fatal(err)
				}
				return r.Stdout
			},
		})
	}
	for _, version := range sopstest.Versions {
		for _, format := range all.Names() {
			add(version, "", format)
		}
		add(version, "encrypted-regex", "yaml", "--encrypted-regex", "^(a|l)$")
	}
	add("3.13.3", "comment-regex", "yaml", "--unencrypted-comment-regex", "list|head")
	add("3.13.3", "mac-only", "json", "--mac-only-encrypted")
	add("3.9.4", "mac-only", "yaml", "--mac-only-encrypted")
	return out
}

// tamperedVectors have one file for each way of tampering that is refused.
func tamperedVectors(t *testing.T) []listedVector {
	var out []listedVector
	names := all.Names()
	bases := map[string]*mutant{}
	for _, name := range names {
		bases[name] = newMutant(t, name, partSelector(t))
		bases[name+"/all"] = newMutant(t, name, cipher.DefaultSelector())
	}
	for i, mu := range mutations() {
		for j := range 2 * len(names) {
			name, part := names[(i+j)%len(names)], j < len(names)
			key := name
			if !part {
				key += "/all"
			}
			m := bases[key].clone()
			if !mu.change(m) {
				continue
			}
			if want := mu.outcome(name, part); want != "ok" {
				out = append(out, listedVector{
					name:   "bad-" + slug(mu.name),
					vector: vector{format: name, expect: want, identity: aliceKey, comment: mu.name},
					seal: func(t *testing.T) []byte {
						src, err := m.bytes(t)
						if err != nil {
							t.Fatal(err)
						}
						return src
					},
				})
			}
			break
		}
	}
	return out
}

// refusedVectors are good files that this reader must not accept.
func refusedVectors(t *testing.T) []listedVector {
	seal := func(opts cipher.SealOptions) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return mustSeal(t, "yaml", []byte("a: b\n"), opts).Bytes }
	}
	return []listedVector{
		{"bad-another-reader", vector{format: "yaml", expect: "no-identity", identity: carolKey, comment: "sealed for others"},
			seal(cipher.SealOptions{Recipients: recipients(t, aliceKey, bobKey)})},
		{"bad-context", vector{format: "yaml", expect: "context", identity: aliceKey, context: "k8s:prod/db", comment: "sealed for another place"},
			seal(cipher.SealOptions{Context: "k8s:test/db"})},
		{"bad-no-context", vector{format: "yaml", expect: "context", identity: aliceKey, context: "k8s:prod/db", comment: "sealed for no place"},
			seal(cipher.SealOptions{})},
		{"bad-no-seal-entry", vector{format: "yaml", expect: "no-seal", identity: aliceKey, require: "seal", comment: "the seal entry was removed"},
			func(t *testing.T) []byte { return withoutSeal(t, "yaml", seal(cipher.SealOptions{})(t)) }},
		{"bad-plain-file", vector{format: "yaml", expect: "not-sealed", identity: aliceKey, comment: "a plain file"},
			func(*testing.T) []byte { return []byte("a: b\n") }},
		{"bad-spelling-of-another-key", vector{format: "yaml", expect: "seal-mac", identity: aliceKey, comment: "the spelling entry of another file"},
			func(t *testing.T) []byte {
				src := []byte("a: 0x1F\n")
				m := takeApart(t, "yaml", mustSeal(t, "yaml", src, cipher.SealOptions{}).Bytes)
				other := takeApart(t, "yaml", mustSeal(t, "yaml", src, cipher.SealOptions{}).Bytes)
				m.setField(other.field("seal", "spelling").Text, "seal", "spelling")
				b, err := m.bytes(t)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}},
	}
}
