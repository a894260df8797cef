package cipher_test

import (
	"slices"

	"github.com/gitseal/gitseal/formats"
)

// metaText returns a change of a metadata field to a text.
func metaText(text string, names ...string) func(*mutant) bool {
	return func(m *mutant) bool { return m.setField(text, names...) }
}

func metaDrop(names ...string) func(*mutant) bool {
	return func(m *mutant) bool { return m.dropField(names...) }
}

// typed reports whether the format's metadata has types, empty lists and nulls.
func (m *mutant) typed() bool { return m.format != "dotenv" && m.format != "ini" }

// selectorField returns the field that selects.
func (m *mutant) selectorField() *formats.Meta {
	if f := m.field("unencrypted_suffix"); f != nil {
		return f
	}
	return m.field("encrypted_regex")
}

// selectorTo replaces the selector.
func selectorTo(kind, pattern string) func(*mutant) bool {
	return func(m *mutant) bool {
		f := m.selectorField()
		f.Key, f.Text = kind, pattern
		return true
	}
}

// changeMAC changes the text of sops's MAC.
func changeMAC(pattern, with string) func(*mutant) bool {
	return func(m *mutant) bool {
		n := &node{text: m.field("mac").Text}
		ok := n.replace(pattern, with)
		m.field("mac").Text = n.text
		return ok
	}
}

// metadataTable changes what sops knows of the metadata block.
var metadataTable = []mutation{
	{name: "version changed", want: "seal-mac", legacy: "ok", change: metaText("3.8.1", "version")},
	{name: "version removed", want: "metadata", legacy: "metadata", change: metaDrop("version")},
	{name: "version empty", want: "metadata", legacy: "metadata", change: metaText("", "version")},
	{name: "lastmodified changed", want: "seal-mac", legacy: "mac", change: metaText("2026-01-03T03:04:05Z", "lastmodified")},
	{name: "lastmodified respelled", want: "seal-mac", legacy: "mac|ok", change: metaText("2026-02-02T03:04:05+00:00", "lastmodified")},
	{name: "lastmodified with a fraction", want: "seal-mac", legacy: "mac|ok", change: metaText("2026-02-02T03:04:05.000Z", "lastmodified")},
	{name: "lastmodified removed", want: "metadata", legacy: "metadata", change: metaDrop("lastmodified")},
	{name: "lastmodified malformed", want: "metadata", legacy: "metadata", change: metaText("yesterday", "lastmodified")},
	{name: "mac removed", want: "metadata", legacy: "metadata", change: metaDrop("mac")},
	{name: "mac empty", want: "metadata", legacy: "metadata", change: metaText("", "mac")},
	{name: "mac plain", want: "metadata", legacy: "metadata", change: metaText("ABCDEF", "mac")},
	{name: "mac with text behind it", want: "metadata", legacy: "metadata", change: changeMAC(`$`, "x")},
	{name: "mac of another type", want: "mac", legacy: "mac", change: changeMAC(`type:str`, "type:int")},
	{name: "mac with another tag", want: "mac", legacy: "mac", change: changeMAC(`tag:[^,]*`, "tag:AAAAAAAAAAAAAAAAAAAAAA==")},
	{name: "mac of another file", want: "mac", legacy: "mac", change: func(m *mutant) bool { return m.setField(m.other.field("mac").Text, "mac") }},
	{name: "mac of an older version", want: "mac", legacy: "mac", change: func(m *mutant) bool { return m.setField(m.older.field("mac").Text, "mac") }},
	{name: "mac made a value", want: "mac", legacy: "mac", change: on("s_password", func(m *mutant, n *node) bool { return m.setField(n.text, "mac") })},
	{name: "selector replaced by an equivalent one", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		f := m.selectorField()
		if f.Key == "unencrypted_suffix" {
			f.Key, f.Text = "unencrypted_regex", "_unencrypted$"
			return true
		}
		f.Text = "(" + f.Text + ")"
		return true
	}},
	{name: "selector removed", want: "seal-mac", part: "plain-value", legacy: "ok|plain-value", in: map[string]string{"binary": "seal-mac"},
		change: func(m *mutant) bool { return m.dropField(m.selectorField().Key) }},
	{name: "selector that selects nothing", want: "seal-mac", legacy: "mac|ok", change: selectorTo("encrypted_regex", "^nothing$")},
	{name: "selector that selects more", want: "plain-value", legacy: "plain-value", change: func(m *mutant) bool {
		return m.isPlain("p_port") && selectorTo("unencrypted_suffix", "_x")(m)
	}},
	{name: "two selectors", want: "metadata", legacy: "metadata", change: metaText("^x$", "unencrypted_comment_regex")},
	{name: "selector that does not compile", want: "selector", legacy: "selector", change: selectorTo("encrypted_regex", "(")},
	{name: "mac_only_encrypted added", want: "seal-mac", legacy: "mac", change: metaText("true", "mac_only_encrypted")},
	{name: "mac_only_encrypted false added", want: "seal-mac", legacy: "ok", change: metaText("false", "mac_only_encrypted")},
	{name: "mac_only_encrypted malformed", want: "metadata", legacy: "metadata", change: metaText("yes", "mac_only_encrypted")},
	{name: "threshold added", want: "seal-mac", legacy: "ok", change: metaText("1", "shamir_threshold")},
	{name: "threshold malformed", want: "metadata", legacy: "metadata", change: metaText("-1", "shamir_threshold")},
	{name: "unknown field added", want: "seal-mac", legacy: "ok", change: metaText("x", "added")},
	{name: "null added to the block", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		m.meta.Items = append(m.meta.Items, formats.Meta{Key: "added", Kind: formats.MetaNull})
		return m.typed()
	}},
	{name: "block of another file", want: "value", legacy: "value", change: func(m *mutant) bool { m.meta = m.other.meta; return true }},
	{name: "block of an older version", want: "seal-mac", legacy: "", change: func(m *mutant) bool { m.meta = m.older.meta; return true }},
	{name: "metadata fields in another order", want: "ok", legacy: "ok", change: func(m *mutant) bool { slices.Reverse(m.meta.Items); return true }},
}

// stanzas changes the list of age stanzas.
func stanzas(change func(m *mutant, list *formats.Meta) bool) func(*mutant) bool {
	return func(m *mutant) bool { return change(m, m.field("age")) }
}

func metaMap(items ...formats.Meta) formats.Meta {
	return formats.Meta{Kind: formats.MetaMap, Items: items}
}

func metaString(key, text string) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaString, Text: text}
}

// stanzaTable changes for whom the file is sealed. Alice, who opens it, comes
// second.
var stanzaTable = []mutation{
	{name: "recipient relabelled", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items[0].Get("recipient").Text = "age1mallory"
		return true
	})},
	{name: "recipient added", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items = append(l.Items, metaMap(metaString("enc", "x"), metaString("recipient", "age1mallory")))
		return true
	})},
	{name: "recipient removed", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items = l.Items[1:]
		return true
	})},
	{name: "own recipient removed", want: "no-identity", legacy: "no-identity", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items = l.Items[:1]
		return true
	})},
	{name: "all recipients removed", want: "no-identity", legacy: "no-identity", change: metaDrop("age")},
	{name: "recipients swapped", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		slices.Reverse(l.Items)
		return true
	})},
	{name: "recipient twice", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items = append(l.Items, l.Items[0])
		return true
	})},
	{name: "stanza of another file", want: "value", legacy: "value", change: stanzas(func(m *mutant, l *formats.Meta) bool {
		l.Items[1] = m.other.field("age").Items[1]
		return true
	})},
	{name: "stanza with white space", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items[1].Get("enc").Text += "\n"
		return true
	})},
	{name: "stanza with another field", want: "seal-mac", legacy: "ok", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items[1].Items = append(l.Items[1].Items, metaString("added", "x"))
		return true
	})},
	{name: "stanza damaged", want: "no-identity", legacy: "no-identity", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		l.Items[1].Get("enc").Text = "-----BEGIN AGE ENCRYPTED FILE-----\nx\n-----END AGE ENCRYPTED FILE-----\n"
		return true
	})},
	{name: "stanza that is no map", want: "metadata", legacy: "metadata", change: stanzas(func(m *mutant, l *formats.Meta) bool {
		l.Items[1] = metaString("", "x")
		return m.typed()
	})},
	{name: "stanzas that are no list", want: "metadata", legacy: "metadata", change: stanzas(func(_ *mutant, l *formats.Meta) bool {
		*l = metaString("age", "x")
		return true
	})},
	{name: "empty list of stanzas added", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		m.meta.Items = append(m.meta.Items, formats.Meta{Key: "kms", Kind: formats.MetaList})
		return m.typed()
	}},
	{name: "stanza of another kind added", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		kms := metaMap(metaString("arn", "arn:aws:kms:us-east-1:1:key/x"), metaString("enc", "eA=="))
		m.meta.Items = append(m.meta.Items, formats.Meta{Key: "kms", Kind: formats.MetaList, Items: []formats.Meta{kms}})
		return true
	}},
	{name: "key groups beside the flat lists", want: "metadata", legacy: "metadata", change: func(m *mutant) bool {
		age := cloneMeta(*m.field("age"))
		groups := formats.Meta{Key: "key_groups", Kind: formats.MetaList, Items: []formats.Meta{metaMap(age)}}
		m.meta.Items = append(m.meta.Items, groups)
		return true
	}},
	{name: "key group instead of the flat lists", want: "seal-mac", legacy: "ok", change: func(m *mutant) bool {
		age := cloneMeta(*m.field("age"))
		m.dropField("age")
		groups := formats.Meta{Key: "key_groups", Kind: formats.MetaList, Items: []formats.Meta{metaMap(age)}}
		m.meta.Items = append(m.meta.Items, groups)
		return true
	}},
}

// sealMutations are those of the table, restricted to files that have the entry.
func sealMutations() []mutation {
	rows := slices.Clone(sealTable)
	for i := range rows {
		change := rows[i].change
		rows[i].change = func(m *mutant) bool { return m.field("seal") != nil && change(m) }
	}
	return rows
}

// fieldOf takes a field of the seal entry over from another file.
func fieldOf(other func(m *mutant) *mutant, name string) func(*mutant) bool {
	return func(m *mutant) bool {
		f := other(m).field("seal", name)
		return f != nil && m.setField(f.Text, "seal", name)
	}
}

func otherFile(m *mutant) *mutant    { return m.other }
func olderVersion(m *mutant) *mutant { return m.older }

// sealTable changes the sops.seal entry.
var sealTable = []mutation{
	{name: "seal mac changed", want: "seal-mac", change: metaText("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "seal", "mac")},
	{name: "seal mac removed", want: "metadata", change: metaDrop("seal", "mac")},
	{name: "seal mac of another file", want: "seal-mac", change: fieldOf(otherFile, "mac")},
	{name: "seal mac of an older version", want: "seal-mac", change: fieldOf(olderVersion, "mac")},
	{name: "seal comments removed", want: "seal-mac", change: metaDrop("seal", "comments")},
	{name: "seal comments of another file", want: "seal-mac", change: fieldOf(otherFile, "comments")},
	{name: "seal comments added", want: "seal-mac", change: func(m *mutant) bool { return m.field("seal", "comments") == nil && m.setField("x", "seal", "comments") }},
	{name: "seal spelling replaced", want: "seal-mac", change: metaText("AAAA", "seal", "spelling")},
	{name: "seal spelling of another file", want: "seal-mac", change: fieldOf(otherFile, "spelling")},
	{name: "seal spelling removed", want: "seal-mac", change: metaDrop("seal", "spelling")},
	{name: "seal context changed", want: "seal-mac", change: metaText("prod/other", "seal", "context")},
	{name: "seal context removed", want: "seal-mac", change: metaDrop("seal", "context")},
	{name: "seal version of the future", want: "metadata", change: metaText("2", "seal", "v")},
	{name: "seal version removed", want: "metadata", change: metaDrop("seal", "v")},
	{name: "seal version respelled", want: "metadata", change: func(m *mutant) bool {
		*m.field("seal", "v") = formats.Meta{Key: "v", Kind: formats.MetaString, Text: "01"}
		return true
	}},
	{name: "seal with an unknown field", want: "seal-mac", change: metaText("x", "seal", "added")},
	{name: "seal with a reserved field", want: "ok", change: metaText("x", "seal", "sigs")},
	{name: "seal emptied", want: "metadata", in: map[string]string{"dotenv": "ok", "ini": "ok"}, change: func(m *mutant) bool {
		*m.field("seal") = formats.Meta{Key: "seal", Kind: formats.MetaMap}
		return m.typed()
	}},
	{name: "seal that is no map", want: "metadata", change: func(m *mutant) bool {
		*m.field("seal") = formats.Meta{Key: "seal", Kind: formats.MetaString, Text: "x"}
		return true
	}},
	{name: "seal that is null", want: "metadata", change: func(m *mutant) bool {
		*m.field("seal") = formats.Meta{Key: "seal", Kind: formats.MetaNull}
		return m.typed()
	}},
}
