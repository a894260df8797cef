package opening_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// victim is a manifest, and others that somebody who attacks it may take parts of.
type victim struct {
	m *v1alpha1.SealedManifest
	// older is an earlier version under the same data key; sibling another manifest in
	// the namespace, foreign one with the same name in another.
	older, sibling, foreign *v1alpha1.SealedManifest
	// anywhere is the same content, sealed for all that the keyring opens.
	anywhere *v1alpha1.SealedManifest
	// want is the content of m, wantOlder that of older.
	want, wantOlder map[string]string
}

// attack changes a copy of v.m so that it must not open.
type attack func(v *victim, m *v1alpha1.SealedManifest)

// block changes the sops block.
func block(change func(v *victim, b map[string]any)) attack {
	return func(v *victim, m *v1alpha1.SealedManifest) {
		var b map[string]any
		must(json.Unmarshal(m.Sops.Raw, &b))
		change(v, b)
		m.Sops.Raw = must1(json.Marshal(b))
	}
}

// seal changes the entry sops.seal.
func seal(change func(v *victim, s map[string]any)) attack {
	return block(func(v *victim, b map[string]any) { change(v, b["seal"].(map[string]any)) })
}

// blockOf returns the sops block of a manifest.
func blockOf(m *v1alpha1.SealedManifest) (b map[string]any) {
	must(json.Unmarshal(m.Sops.Raw, &b))
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}

// flip changes a character in the middle of a text of base64.
func flip(s string) string {
	i := len(s) / 2
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

// part changes one part of a sealed value: data, iv, tag or type.
func part(value, name string, change func(string) string) string {
	from := strings.Index(value, name+":") + len(name) + 1
	end := from + strings.IndexAny(value[from:], ",]")
	return value[:from] + change(value[from:end]) + value[end:]
}

func stanzasOf(b map[string]any) []any { return b["age"].([]any) }

// attacks are what is tried on every victim.
func attacks() map[string]attack {
	out := map[string]attack{}
	for _, group := range []map[string]attack{placeAttacks(), sealAttacks(), blockAttacks(), readerAttacks(), valueAttacks(), plainAttacks()} {
		maps.Copy(out, group)
	}
	return out
}

// placeAttacks bring the manifest, or what it says of its place, elsewhere.
func placeAttacks() map[string]attack {
	to := func(namespace, name string) attack {
		return func(_ *victim, m *v1alpha1.SealedManifest) { m.Namespace, m.Name = namespace, name }
	}
	rebound := func(context, namespace, name string) attack {
		return func(v *victim, m *v1alpha1.SealedManifest) {
			seal(func(_ *victim, s map[string]any) { s["context"] = context })(v, m)
			to(namespace, name)(v, m)
		}
	}
	return map[string]attack{
		"another name":                   to("prod", "other"),
		"another namespace":              to("test", "db"),
		"another place":                  to("test", "other"),
		"a context for the new name":     rebound("k8s:prod/other", "prod", "other"),
		"a context for the namespace":    rebound("k8s:prod/*", "prod", "other"),
		"a context for the new one":      rebound("k8s:test/db", "test", "db"),
		"a context for everywhere":       rebound("k8s:*/*", "test", "db"),
		"a wider context, in place":      rebound("k8s:*/*", "prod", "db"),
		"a context with a space":         rebound("k8s:prod/db ", "prod", "db"),
		"a context of a repository":      rebound("path:db.yaml", "prod", "db"),
		"no context":                     seal(func(_ *victim, s map[string]any) { delete(s, "context") }),
		"an empty context":               rebound("", "prod", "db"),
		"a context that is a list":       seal(func(_ *victim, s map[string]any) { s["context"] = []any{"k8s:prod/db"} }),
		"the whole of another namespace": func(v *victim, m *v1alpha1.SealedManifest) { *m = *v.foreign.DeepCopy(); m.Namespace = "prod" },
		"the whole of another name":      func(v *victim, m *v1alpha1.SealedManifest) { *m = *v.sibling.DeepCopy(); m.Name = "db" },
	}
}

// sealAttacks change the entry that vouches.
func sealAttacks() map[string]attack {
	from := func(other func(*victim) *v1alpha1.SealedManifest) attack {
		return block(func(v *victim, b map[string]any) { b["seal"] = blockOf(other(v))["seal"] })
	}
	return map[string]attack{
		"no seal":              block(func(_ *victim, b map[string]any) { delete(b, "seal") }),
		"seal is null":         block(func(_ *victim, b map[string]any) { b["seal"] = nil }),
		"seal is a list":       block(func(_ *victim, b map[string]any) { b["seal"] = []any{} }),
		"seal is empty":        block(func(_ *victim, b map[string]any) { b["seal"] = map[string]any{} }),
		"seal of a sibling":    from(func(v *victim) *v1alpha1.SealedManifest { return v.sibling }),
		"seal of an older one": from(func(v *victim) *v1alpha1.SealedManifest { return v.older }),
		"seal of elsewhere":    from(func(v *victim) *v1alpha1.SealedManifest { return v.foreign }),
		"seal MAC changed":     seal(func(_ *victim, s map[string]any) { s["mac"] = flip(s["mac"].(string)) }),
		"seal MAC cut":         seal(func(_ *victim, s map[string]any) { s["mac"] = s["mac"].(string)[:8] }),
		"seal MAC empty":       seal(func(_ *victim, s map[string]any) { s["mac"] = "" }),
		"seal of version 2":    seal(func(_ *victim, s map[string]any) { s["v"] = 2 }),
		"seal says half-merged": seal(func(_ *victim, s map[string]any) {
			id := strings.Repeat("0", 40)
			s["merged"] = map[string]any{"ours": id, "theirs": id}
		}),
		"seal has another field": seal(func(_ *victim, s map[string]any) { s["rev"] = 5 }),
		"spelling added":         seal(func(_ *victim, s map[string]any) { s["spelling"] = strings.Repeat("AAAA", 12) }),
	}
}

// blockAttacks change the rest of the block.
func blockAttacks() map[string]attack {
	set := func(key string, value any) attack {
		return block(func(_ *victim, b map[string]any) { b[key] = value })
	}
	without := func(key string) attack { return block(func(_ *victim, b map[string]any) { delete(b, key) }) }
	return map[string]attack{
		"sops MAC of a sibling":  block(func(v *victim, b map[string]any) { b["mac"] = blockOf(v.sibling)["mac"] }),
		"sops MAC of an old one": block(func(v *victim, b map[string]any) { b["mac"] = blockOf(v.older)["mac"] }),
		"sops MAC and its time": block(func(v *victim, b map[string]any) {
			o := blockOf(v.older)
			b["mac"], b["lastmodified"] = o["mac"], o["lastmodified"]
		}),
		"sops MAC changed":        block(func(_ *victim, b map[string]any) { b["mac"] = part(b["mac"].(string), "data", flip) }),
		"sops MAC is no value":    set("mac", "ENC[AES256_GCM,]"),
		"no sops MAC":             without("mac"),
		"another time":            set("lastmodified", "2027-01-02T03:04:05Z"),
		"no time":                 without("lastmodified"),
		"another version":         set("version", "3.7.0"),
		"no version":              without("version"),
		"a narrower selector":     set("encrypted_regex", "^data$"),
		"an equal selector":       set("encrypted_regex", "^(stringData|data)$"),
		"a selector of nothing":   set("encrypted_regex", "^x$"),
		"a wider selector":        set("encrypted_regex", "^(data|stringData|metadata)$"),
		"a second selector":       set("unencrypted_suffix", "_unencrypted"),
		"no selector":             without("encrypted_regex"),
		"a broken selector":       set("encrypted_regex", "^(data"),
		"MAC over everything":     set("mac_only_encrypted", false),
		"no mac_only_encrypted":   without("mac_only_encrypted"),
		"mac_only_encrypted text": set("mac_only_encrypted", "yes"),
		"an unknown field":        set("x", "y"),
		"a threshold":             set("shamir_threshold", 1),
		"a negative threshold":    set("shamir_threshold", -1),
		"groups beside the list":  block(func(_ *victim, b map[string]any) { b["key_groups"] = []any{map[string]any{"age": b["age"]}} }),
		"a group for the list": block(func(_ *victim, b map[string]any) {
			b["key_groups"] = []any{map[string]any{"age": b["age"]}}
			delete(b, "age")
		}),
		"groups of one reader": block(func(_ *victim, b map[string]any) {
			a := stanzasOf(b)
			b["key_groups"] = []any{map[string]any{"age": a[:1]}, map[string]any{"age": a[1:]}}
			delete(b, "age")
		}),
		"a block of text":         func(_ *victim, m *v1alpha1.SealedManifest) { m.Sops.Raw = []byte(`"sops"`) },
		"a block of nothing":      func(_ *victim, m *v1alpha1.SealedManifest) { m.Sops.Raw = []byte(`{}`) },
		"a block that ends early": func(_ *victim, m *v1alpha1.SealedManifest) { m.Sops.Raw = []byte(`{},"x":"y"`) },
		"the block of a sibling":  func(v *victim, m *v1alpha1.SealedManifest) { m.Sops.Raw = v.sibling.Sops.Raw },
		"the block of an old one": func(v *victim, m *v1alpha1.SealedManifest) { m.Sops.Raw = v.older.Sops.Raw },
	}
}

// readerAttacks change who can open the file.
func readerAttacks() map[string]attack {
	readers := func(change func(v *victim, a []any) []any) attack {
		return block(func(v *victim, b map[string]any) { b["age"] = change(v, stanzasOf(b)) })
	}
	return map[string]attack{
		"stanza of a sibling":     readers(func(v *victim, a []any) []any { return append([]any{stanzasOf(blockOf(v.sibling))[0]}, a[1:]...) }),
		"stanza of elsewhere":     readers(func(v *victim, a []any) []any { return append([]any{stanzasOf(blockOf(v.foreign))[0]}, a[1:]...) }),
		"stanzas of a sibling":    readers(func(v *victim, _ []any) []any { return stanzasOf(blockOf(v.sibling)) }),
		"a stanza added in front": readers(func(v *victim, a []any) []any { return append([]any{stanzasOf(blockOf(v.sibling))[0]}, a...) }),
		"a stanza added":          readers(func(v *victim, a []any) []any { return append(slices.Clone(a), stanzasOf(blockOf(v.sibling))[0]) }),
		"a reader added": readers(func(_ *victim, a []any) []any {
			return append(slices.Clone(a), map[string]any{"recipient": "age1attacker", "enc": a[0].(map[string]any)["enc"]})
		}),
		"a reader removed": readers(func(_ *victim, a []any) []any { return a[:1] }),
		"readers swapped":  readers(func(_ *victim, a []any) []any { return []any{a[1], a[0]} }),
		"a reader renamed": readers(func(_ *victim, a []any) []any { a[1].(map[string]any)["recipient"] = "age1attacker"; return a }),
		"names swapped": readers(func(_ *victim, a []any) []any {
			x, y := a[0].(map[string]any), a[1].(map[string]any)
			x["recipient"], y["recipient"] = y["recipient"], x["recipient"]
			return a
		}),
		"a stanza is a text": readers(func(_ *victim, a []any) []any { return append(slices.Clone(a), "x") }),
		"no readers":         readers(func(_ *victim, _ []any) []any { return []any{} }),
		"enc is cut": readers(func(_ *victim, a []any) []any {
			e := a[0].(map[string]any)
			e["enc"] = e["enc"].(string)[:100]
			return a[:1]
		}),
		"many readers": readers(func(_ *victim, a []any) []any { return slices.Repeat(a, 100) }),
	}
}

// valueAttacks change, move and mix sealed values. Each manifest has k0… in data and
// s0… in stringData.
func valueAttacks() map[string]attack {
	changed := func(name string, change func(string) string) attack {
		return func(_ *victim, m *v1alpha1.SealedManifest) {
			m.StringData["s0"] = part(m.StringData["s0"], name, change)
		}
	}
	to := func(t string) func(string) string { return func(string) string { return t } }
	return map[string]attack{
		"values swapped": func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k0"], m.Data["k1"] = m.Data["k1"], m.Data["k0"] },
		"values of maps swapped": func(_ *victim, m *v1alpha1.SealedManifest) {
			m.Data["k0"], m.StringData["s0"] = m.StringData["s0"], m.Data["k0"]
		},
		"a value moved": func(_ *victim, m *v1alpha1.SealedManifest) {
			m.Data["s0"] = m.StringData["s0"]
			delete(m.StringData, "s0")
		},
		"a value moved the other": func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["k0"] = m.Data["k0"]; delete(m.Data, "k0") },
		"all values moved":        func(_ *victim, m *v1alpha1.SealedManifest) { maps.Copy(m.Data, m.StringData); m.StringData = nil },
		"maps swapped":            func(_ *victim, m *v1alpha1.SealedManifest) { m.Data, m.StringData = m.StringData, m.Data },
		"a key renamed":           func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k9"] = m.Data["k0"]; delete(m.Data, "k0") },
		"a key removed":           func(_ *victim, m *v1alpha1.SealedManifest) { delete(m.Data, "k0") },
		"a map removed":           func(_ *victim, m *v1alpha1.SealedManifest) { m.Data = nil },
		"a map emptied":           func(_ *victim, m *v1alpha1.SealedManifest) { m.Data = map[string]string{} },
		"all keys removed":        func(_ *victim, m *v1alpha1.SealedManifest) { m.Data, m.StringData = nil, nil },
		"a value repeated":        func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k9"] = m.Data["k0"] },
		"a value over another":    func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k1"] = m.Data["k0"] },
		"a value of a sibling":    func(v *victim, m *v1alpha1.SealedManifest) { m.Data["k0"] = v.sibling.Data["k0"] },
		"a key of a sibling":      func(v *victim, m *v1alpha1.SealedManifest) { m.Data["k9"] = v.sibling.Data["k0"] },
		"values of a sibling": func(v *victim, m *v1alpha1.SealedManifest) {
			m.Data, m.StringData = v.sibling.Data, v.sibling.StringData
		},
		"an older value":          func(v *victim, m *v1alpha1.SealedManifest) { m.Data["k0"] = v.older.Data["k0"] },
		"older values":            func(v *victim, m *v1alpha1.SealedManifest) { m.Data, m.StringData = v.older.Data, v.older.StringData },
		"an older map":            func(v *victim, m *v1alpha1.SealedManifest) { m.Data = v.older.Data },
		"a value changed":         changed("data", flip),
		"an iv changed":           changed("iv", flip),
		"a tag changed":           changed("tag", flip),
		"a type changed":          changed("type", to("int")),
		"a type changed to bytes": changed("type", to("bytes")),
		"a comment of a value":    changed("type", to("comment")),
		"a value cut":             changed("data", func(s string) string { return s[:4] }),
		"no data":                 changed("data", to("")),
		"something behind it":     func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] += "x" },
		"a space in front":        func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] = " " + m.StringData["s0"] },
		"a line feed behind it":   func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] += "\n\n" },
		"the sops MAC as a value": func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] = blockOf(m)["mac"].(string) },
		"in both forms":           func(_ *victim, m *v1alpha1.SealedManifest) { m.Spec.Document = "a: b\n" },
	}
}

// plainAttacks bring in what was never sealed, or what is not allowed.
func plainAttacks() map[string]attack {
	encoded := base64.StdEncoding.EncodeToString([]byte("x"))
	return map[string]attack{
		"a plain value added":     func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k9"] = encoded },
		"a plain text added":      func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s9"] = "x" },
		"a plain value in place":  func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] = "x" },
		"an empty value added":    func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s9"] = "" },
		"an empty value in place": func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s0"] = "" },
		"an empty value in data":  func(_ *victim, m *v1alpha1.SealedManifest) { m.Data["k9"] = "" },
		"a value that pretends":   func(_ *victim, m *v1alpha1.SealedManifest) { m.StringData["s9"] = cipher.SealedPrefix + "x" },
		"sealed in a label":       func(_ *victim, m *v1alpha1.SealedManifest) { m.Labels = map[string]string{"a": m.Data["k0"]} },
		"sealed in an annotation": func(_ *victim, m *v1alpha1.SealedManifest) { m.Annotations = map[string]string{"a": m.Data["k0"]} },
		"sealed as the type":      func(_ *victim, m *v1alpha1.SealedManifest) { m.Type = "ENC[AES256_GCM,x]" },
		"a service account token": func(_ *victim, m *v1alpha1.SealedManifest) { m.Type = "kubernetes.io/service-account-token" },
		"a bootstrap token":       func(_ *victim, m *v1alpha1.SealedManifest) { m.Type = "bootstrap.kubernetes.io/token" },
		"thousands of keys":       func(_ *victim, m *v1alpha1.SealedManifest) { addMany(m.Data, m.Data["k0"]) },
		"as a document":           func(_ *victim, m *v1alpha1.SealedManifest) { asDocument(m, "Secret") },
		"as another kind":         func(_ *victim, m *v1alpha1.SealedManifest) { asDocument(m, "ConfigMap") },
		"values without a block":  func(_ *victim, m *v1alpha1.SealedManifest) { m.Sops = nil },
	}
}

func addMany(values map[string]string, value string) {
	for i := range 3000 {
		values[fmt.Sprintf("key%d", i)] = value
	}
}

// asDocument turns the manifest into a document of JSON.
func asDocument(m *v1alpha1.SealedManifest, kind string) {
	m.Spec.Document = string(must1(json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": m.Name}, "data": m.Data, "stringData": m.StringData, "sops": m.Sops,
	})))
	m.Spec.Format, m.Data, m.StringData, m.Sops = "json", nil, nil, nil
}
