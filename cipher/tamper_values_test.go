package cipher_test

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// mutations is the table of all ways to tamper with a file.
func mutations() []mutation {
	return slices.Concat(placeTable, emptyTable, listTable, textTable, typeTable, commentTable, documentTable,
		metadataTable, stanzaTable, sealMutations())
}

// on returns a change of the sealed value of a key of main.
func on(key string, change func(m *mutant, n *node) bool) func(*mutant) bool {
	return func(m *mutant) bool {
		n := m.secret(key)
		return n != nil && change(m, n)
	}
}

// onPlain is on for a value that is not sealed.
func onPlain(key string, change func(m *mutant, n *node) bool) func(*mutant) bool {
	return func(m *mutant) bool { return m.isPlain(key) && m.main().at(key) != nil && change(m, m.main().at(key)) }
}

// placeTable moves values and keys about.
var placeTable = []mutation{
	{name: "nothing", change: func(*mutant) bool { return true }, want: "ok", legacy: "ok"},
	{name: "two sealed values swapped", want: "value", legacy: "value", change: func(m *mutant) bool {
		a, b := m.main().at("s_password"), m.main().at("s_user")
		if a == nil {
			return false
		}
		a.text, b.text = b.text, a.text
		return true
	}},
	{name: "sealed value copied to another key", want: "value", legacy: "value", change: func(m *mutant) bool {
		a, b := m.main().at("s_password"), m.main().at("s_user")
		if a == nil {
			return false
		}
		b.text = a.text
		return true
	}},
	{name: "sealed key renamed", want: "value", legacy: "value|not-sealed", in: map[string]string{"binary": "not-sealed"},
		change: on("s_password", func(_ *mutant, n *node) bool { n.key = "s_passwort"; return true })},
	{name: "sealed key renamed so that the selector leaves it", want: "value", part: "seal-mac", legacy: "value|mac",
		change: func(m *mutant) bool {
			n := m.main().at("s_password")
			if n == nil {
				return false
			}
			n.key = "password"
			return true
		}},
	{name: "plain key renamed", want: "seal-mac", legacy: "ok",
		change: onPlain("p_port", func(_ *mutant, n *node) bool { n.key = "p_admin"; return true })},
	{name: "plain values of two keys swapped", want: "seal-mac", legacy: "mac", change: onPlain("p_port", func(m *mutant, n *node) bool {
		b := m.main().at("p_next")
		n.text, b.text = b.text, n.text
		return true
	})},
	{name: "keys of two plain values swapped", want: "seal-mac", legacy: "ok", change: onPlain("p_port", func(m *mutant, n *node) bool {
		n.key, m.main().at("p_next").key = "p_next", "p_port"
		return true
	})},
	{name: "bytes shifted between plain neighbours", want: "seal-mac", legacy: "ok", change: onPlain("p_port", func(m *mutant, n *node) bool {
		n.text, m.main().at("p_next").text = "1", "23"
		return true
	})},
	{name: "plain value changed", want: "seal-mac", legacy: "mac",
		change: onPlain("p_port", func(_ *mutant, n *node) bool { n.text = "13"; return true })},
	{name: "sealed keys reordered", want: "mac", legacy: "mac", change: func(m *mutant) bool {
		items := m.main().items
		i := slices.IndexFunc(items, func(n *node) bool { return n.key == "s_password" })
		if i < 0 {
			return false
		}
		items[i], items[i+1] = items[i+1], items[i]
		return true
	}},
	{name: "sealed key deleted", want: "seal-mac", legacy: "mac", change: func(m *mutant) bool { return m.main().remove("s_password") != nil }},
	{name: "plain key deleted", want: "seal-mac", legacy: "mac",
		change: onPlain("p_port", func(m *mutant, _ *node) bool { return m.main().remove("p_port") != nil })},
	{name: "plain key added", want: "plain-value", part: "seal-mac", legacy: "plain-value|mac", change: func(m *mutant) bool {
		m.main().add(str("p_new", "evil"))
		return m.format != "binary"
	}},
	{name: "plain value where a sealed one belongs", want: "plain-value", legacy: "plain-value", change: func(m *mutant) bool {
		m.main().add(str("s_new", "evil"))
		return m.format != "binary"
	}},
	{name: "sealed value replaced by a plain one", want: "plain-value", legacy: "plain-value",
		change: on("s_password", func(_ *mutant, n *node) bool { n.text = "hunter2-current"; return true })},
	{name: "sealed value added again under another key", want: "value", legacy: "value", change: func(m *mutant) bool {
		n := m.main().at("s_password")
		if n == nil {
			return false
		}
		m.main().add(n.named("s_again"))
		return true
	}},
	{name: "map hoisted into a key with a colon", want: "seal-mac", legacy: "ok|mac", change: func(m *mutant) bool {
		if m.format != "yaml" && m.format != "json" {
			return false
		}
		inner := m.root().at("a").remove("c")
		m.root().add(inner.named("a:c"))
		return true
	}},
	{name: "map moved into another", want: "value", legacy: "value", change: func(m *mutant) bool {
		if m.format != "yaml" && m.format != "json" || m.isPlain("p_port") {
			return false
		}
		m.root().at("p_map").add(m.root().remove("a"))
		return true
	}},
	{name: "sealed section renamed", want: "value", legacy: "value|mac", part: "seal-mac", change: func(m *mutant) bool {
		if m.format != "ini" {
			return false
		}
		m.root().at("a").key = "b"
		return true
	}},
}

// addStructured adds a node to formats that have kinds.
func addStructured(n *node) func(*mutant) bool {
	return func(m *mutant) bool {
		m.main().add(n.clone())
		return m.format == "yaml" || m.format == "json"
	}
}

// replacePassword puts a node in the place of a sealed value.
func replacePassword(with *node) func(*mutant) bool {
	return func(m *mutant) bool {
		n := m.main().at("s_password")
		if n == nil || with.kind != formats.String && m.format != "yaml" && m.format != "json" {
			return false
		}
		*n = *with.named(n.key)
		return true
	}
}

// emptyTable adds what has no bytes to seal.
var emptyTable = []mutation{
	{name: "empty string added", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		m.main().add(str("s_new", ""))
		return m.format != "binary"
	}},
	{name: "null added", want: "seal-mac", legacy: "ok", change: addStructured(value(formats.Null, "").named("s_new"))},
	{name: "empty map added", want: "seal-mac", legacy: "ok", change: addStructured(value(formats.EmptyMap, "").named("s_new"))},
	{name: "empty list added", want: "seal-mac", legacy: "ok", change: addStructured(value(formats.EmptyList, "").named("s_new"))},
	{name: "sealed value blanked", want: "seal-mac", legacy: "mac", change: replacePassword(str("", ""))},
	{name: "sealed value nulled", want: "seal-mac", legacy: "mac", change: replacePassword(value(formats.Null, ""))},
	{name: "sealed value made an empty map", want: "seal-mac", legacy: "mac", change: replacePassword(value(formats.EmptyMap, ""))},
	{name: "empty string deleted", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool { return m.main().remove("s_empty") != nil }},
	{name: "empty string made null", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		n := m.main().at("s_empty")
		if m.format != "yaml" && m.format != "json" {
			return false
		}
		n.kind = formats.Null
		return true
	}},
	{name: "null made an empty list", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		n := m.main().at("s_null")
		if n == nil {
			return false
		}
		n.kind = formats.EmptyList
		return true
	}},
	{name: "null made a plain string", want: "plain-value", legacy: "plain-value", change: func(m *mutant) bool {
		n := m.main().at("s_null")
		if n == nil {
			return false
		}
		n.kind, n.text = formats.String, "x"
		return true
	}},
}

// inList changes the list.
func inList(change func(l *node)) func(*mutant) bool {
	return func(m *mutant) bool {
		l := m.root().at("list")
		if l == nil {
			return false
		}
		change(l)
		return true
	}
}

// listTable changes lists. Items of one list have the same additional data.
var listTable = []mutation{
	{name: "items swapped", want: "seal-mac", legacy: "mac", change: inList(func(l *node) {
		n := len(l.items)
		l.items[n-1], l.items[n-2] = l.items[n-2], l.items[n-1]
	})},
	{name: "item deleted", want: "seal-mac", legacy: "mac", change: inList(func(l *node) { l.items = l.items[:len(l.items)-1] })},
	{name: "item doubled", want: "seal-mac", legacy: "mac", change: inList(func(l *node) { l.add(l.items[len(l.items)-1]) })},
	{name: "items nested", want: "seal-mac", legacy: "ok", change: inList(func(l *node) {
		n := len(l.items)
		l.items = append(l.items[:n-2:n-2], listOf("", l.items[n-2:]...))
	})},
	{name: "empty item added", want: "seal-mac", legacy: "ok", change: inList(func(l *node) { l.add(str("", "")) })},
	{name: "list made a value", want: "seal-mac", legacy: "mac", change: inList(func(l *node) {
		*l = *l.items[len(l.items)-1].named(l.key)
	})},
	{name: "sealed value wrapped in a list", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		n := m.main().at("s_password")
		if m.format != "yaml" && m.format != "json" {
			return false
		}
		*n = *listOf(n.key, n.named(""))
		return true
	}},
	{name: "plain value wrapped in a list", want: "seal-mac", legacy: "ok", change: onPlain("p_port", func(m *mutant, n *node) bool {
		if m.format != "yaml" && m.format != "json" {
			return false
		}
		*n = *listOf(n.key, n.named(""))
		return true
	})},
	{name: "item made a map", want: "value", legacy: "value", change: inList(func(l *node) {
		n := len(l.items)
		l.items[n-1] = mapOf("", l.items[n-1].named("k"))
	})},
}

// tail adds text at the end of files of some formats.
func tail(text string, names ...string) func(*mutant) bool {
	return func(m *mutant) bool {
		m.rest = func(b []byte) []byte { return append(bytes.Clone(b), text...) }
		return slices.Contains(names, m.format)
	}
}

// again puts a line in front of a key.
func again(key, line string, names ...string) func(*mutant) bool {
	return func(m *mutant) bool {
		m.rest = func(b []byte) []byte {
			old := strings.SplitN(string(b), key, 2)
			return []byte(old[0] + line + key + old[1])
		}
		return m.main().at(key) != nil && slices.Contains(names, m.format)
	}
}

// second adds a document.
func second(d *node) func(*mutant) bool {
	return func(m *mutant) bool {
		m.docs = append(m.docs, d.clone())
		return m.format == "yaml"
	}
}

// documentTable adds to the file as a whole.
var documentTable = []mutation{
	{name: "second document", want: "plain-value", part: "seal-mac", legacy: "plain-value|mac", change: second(mapOf("", str("p_x", "evil")))},
	{name: "second document without values", want: "seal-mac", legacy: "ok", change: second(mapOf("", str("s_password", "")))},
	{name: "empty second document", want: "seal-mac", legacy: "ok", change: second(mapOf(""))},
	{name: "second document without metadata", want: "block", legacy: "block", change: tail("---\nevil: true\n", "yaml")},
	{name: "key twice, YAML", want: "duplicate", legacy: "duplicate", change: again("s_password", "s_password\": \"\"\n\"", "yaml")},
	{name: "key twice, JSON", want: "duplicate", legacy: "duplicate", change: again("s_password", "s_password\": \"\",\n\"", "json")},
	{name: "key twice, dotenv", want: "duplicate", legacy: "duplicate", change: again("s_password", "s_password=\n", "dotenv")},
	{name: "key twice, INI", want: "duplicate", legacy: "duplicate", change: again("s_password", "s_password=\n", "ini")},
	{name: "key twice at the end", want: "duplicate", legacy: "duplicate", change: tail("s_password=\n", "dotenv")},
	{name: "section twice", want: "duplicate", legacy: "duplicate", change: tail("[one]\ns_password=\n", "ini")},
	{name: "metadata twice", want: "duplicate", legacy: "duplicate", change: func(m *mutant) bool {
		m.rest = func(b []byte) []byte {
			extra := map[string]string{"yaml": "sops:\n    version: 3.0.0\n", "ini": "[sops]\nversion = 3.0.0\n", "dotenv": "sops_version=3.0.0\n"}
			return append(bytes.Clone(b), extra[m.format]...)
		}
		return m.format != "json" && m.format != "binary"
	}},
	{name: "a second object", want: "syntax", legacy: "syntax|block", in: map[string]string{"binary": "block"}, change: tail(`{"s_password": ""}`, "json", "binary")},
	{name: "bytes at the end", want: "syntax", legacy: "syntax|block", in: map[string]string{"binary": "block"}, change: tail("evil", "json", "yaml", "dotenv", "binary")},
	{name: "NUL at the end", want: "syntax", legacy: "syntax|block", in: map[string]string{"binary": "block"}, change: tail("\x00", "json", "yaml", "binary")},
	{name: "key at the end", want: "plain-value", part: "seal-mac", legacy: "plain-value|mac", change: tail("p_evil: 1\n", "yaml")},
	{name: "alias of a sealed value added", want: "value", part: "seal-mac", legacy: "plain-value|value|seal-mac", change: func(m *mutant) bool {
		m.rest = func(b []byte) []byte {
			return bytes.Replace(b, []byte("\"s_password\": "), []byte("\"s_password\": &x "), 1)
		}
		m.main().add(str("p_alias", "ALIAS"))
		rest := m.rest
		m.rest = func(b []byte) []byte { return bytes.Replace(rest(b), []byte(`"ALIAS"`), []byte("*x"), 1) }
		return m.format == "yaml"
	}},
}
