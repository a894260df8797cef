package cipher_test

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// sealedText returns a change of the text of the sealed value s_password.
func sealedText(pattern, with string) func(*mutant) bool {
	return on("s_password", func(_ *mutant, n *node) bool { return n.replace(pattern, with) })
}

// shiftTagByte makes the first byte of the tag the last of the data.
func shiftTagByte(m *mutant) bool {
	n := m.secret("s_password")
	if n == nil {
		return false
	}
	v := strings.FieldsFunc(n.text, func(r rune) bool { return r == ',' || r == ']' })
	part := func(i int, prefix string) []byte {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v[i], prefix))
		if err != nil {
			return nil
		}
		return b
	}
	data, iv, tag := part(1, "data:"), part(2, "iv:"), part(3, "tag:")
	b64 := base64.StdEncoding.EncodeToString
	n.text = "ENC[AES256_GCM,data:" + b64(append(data, tag[0])) + ",iv:" + b64(iv) + ",tag:" + b64(tag[1:]) + ",type:str]"
	return true
}

func swapNonces(m *mutant) bool {
	a, b := m.main().at("s_password"), m.main().at("s_user")
	if a == nil {
		return false
	}
	nonceOf := func(n *node) string { return strings.SplitN(strings.SplitN(n.text, ",iv:", 2)[1], ",", 2)[0] }
	x, y := nonceOf(a), nonceOf(b)
	return a.replace(`iv:[^,]*`, "iv:"+y) && b.replace(`iv:[^,]*`, "iv:"+x)
}

// inStrings restricts a change to formats whose strings can hold white space.
func inStrings(change func(*mutant) bool) func(*mutant) bool {
	return func(m *mutant) bool { return (m.format == "yaml" || m.format == "json") && change(m) }
}

// textTable changes the text of a sealed value.
var textTable = []mutation{
	{name: "text behind the value", want: "malformed-value", legacy: "malformed-value", change: sealedText(`$`, "x")},
	{name: "second value behind the value", want: "malformed-value", legacy: "malformed-value", change: sealedText(`$`, "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]")},
	{name: "space behind the value", want: "malformed-value", legacy: "malformed-value", change: inStrings(sealedText(`$`, " "))},
	{name: "line feed behind the value", want: "ok", legacy: "ok", change: inStrings(sealedText(`$`, "\n"))},
	{name: "two line feeds behind the value", want: "malformed-value", legacy: "malformed-value", change: inStrings(sealedText(`$`, "\n\n"))},
	{name: "text before the value", want: "plain-value", legacy: "plain-value", change: sealedText(`^`, "x")},
	{name: "space before the value", want: "plain-value", legacy: "plain-value", change: inStrings(sealedText(`^`, " "))},
	{name: "bracket missing", want: "malformed-value", legacy: "malformed-value", change: sealedText(`\]$`, "")},
	{name: "lower case", want: "plain-value", legacy: "plain-value", change: sealedText(`^ENC`, "enc")},
	{name: "other cipher", want: "plain-value", legacy: "plain-value", change: sealedText(`AES256_GCM`, "AES256_CBC")},
	{name: "fields in another order", want: "malformed-value", legacy: "malformed-value", change: sealedText(`(data:[^,]*),(iv:[^,]*)`, "$2,$1")},
	{name: "field twice", want: "malformed-value", legacy: "malformed-value", change: sealedText(`(,iv:[^,]*)`, "$1$1")},
	{name: "field added", want: "malformed-value", legacy: "malformed-value", change: sealedText(`,iv:`, ",x:,iv:")},
	{name: "carriage return in base64", want: "malformed-value", legacy: "malformed-value", change: inStrings(sealedText(`data:(..)`, "data:$1\r"))},
	{name: "line feed in base64", want: "malformed-value", legacy: "malformed-value", change: inStrings(sealedText(`data:(..)`, "data:$1\n"))},
	{name: "space in base64", want: "malformed-value", legacy: "malformed-value", change: inStrings(sealedText(`data:(..)`, "data:$1 "))},
	{name: "padding missing", want: "malformed-value", legacy: "malformed-value", change: sealedText(`==,type`, ",type")},
	{name: "padding added", want: "malformed-value", legacy: "malformed-value", change: sealedText(`==,type`, "====,type")},
	{name: "stray bits in base64", want: "malformed-value", legacy: "malformed-value", change: sealedText(`[AQgw]==,type`, "B==,type")},
	{name: "URL alphabet", want: "malformed-value", legacy: "malformed-value", change: sealedText(`data:.`, "data:-")},
	{name: "data empty", want: "malformed-value", legacy: "malformed-value", change: sealedText(`data:[^,]*`, "data:")},
	{name: "data cut", want: "value", legacy: "value", change: sealedText(`data:....`, "data:")},
	{name: "data lengthened", want: "value", legacy: "value", change: sealedText(`data:`, "data:AAAA")},
	{name: "nonce replaced", want: "value", legacy: "value", change: sealedText(`iv:[^,]*`, "iv:"+strings.Repeat("A", 43)+"=")},
	{name: "nonce of 12 bytes", want: "value", legacy: "value", change: sealedText(`iv:[^,]*`, "iv:"+strings.Repeat("A", 16))},
	{name: "nonce of 16 bytes", want: "malformed-value", legacy: "malformed-value", change: sealedText(`iv:[^,]*`, "iv:"+strings.Repeat("A", 22)+"==")},
	{name: "nonce empty", want: "malformed-value", legacy: "malformed-value", change: sealedText(`iv:[^,]*`, "iv:")},
	{name: "tag replaced", want: "value", legacy: "value", change: sealedText(`tag:[^,]*`, "tag:"+strings.Repeat("A", 22)+"==")},
	{name: "tag cut", want: "malformed-value", legacy: "malformed-value", change: sealedText(`tag:[^,]*`, "tag:"+strings.Repeat("A", 16))},
	{name: "tag empty", want: "malformed-value", legacy: "malformed-value", change: sealedText(`tag:[^,]*`, "tag:")},
	{name: "byte moved from tag to data", want: "malformed-value", legacy: "malformed-value", change: shiftTagByte},
	{name: "nonces of two values swapped", want: "value", legacy: "value", change: swapNonces},
	{name: "value of another file", want: "value", legacy: "value",
		change: on("s_password", func(m *mutant, n *node) bool { n.text = m.other.secret("s_password").text; return true })},
	{name: "older value of the same file", want: "seal-mac", legacy: "mac",
		change: on("s_password", func(m *mutant, n *node) bool { n.text = m.older.secret("s_password").text; return true })},
	{name: "all values of another file", want: "value", legacy: "value", change: func(m *mutant) bool { m.docs = m.other.docs; return true }},
	{name: "all values of an older version", want: "seal-mac", legacy: "mac", change: func(m *mutant) bool { m.docs = m.older.docs; return true }},
}

// retype changes the type of a sealed value.
func retype(key, from, to string) func(*mutant) bool {
	return func(m *mutant) bool { return m.main().at(key).replace(`type:`+from+`\]`, "type:"+to+"]") }
}

// plainTo gives a plain value another kind.
func plainTo(key string, to formats.Kind, text string) func(*mutant) bool {
	return onPlain(key, func(m *mutant, n *node) bool {
		n.kind, n.text = to, text
		return m.format == "yaml" || m.format == "json"
	})
}

// typeTable changes what a value claims to be.
var typeTable = []mutation{
	{name: "string made an integer", want: "type", legacy: "type", change: retype("s_user", "str", "int")},
	{name: "digits made an integer", want: "seal-mac", legacy: "ok", change: retype("s_digits", "str", "int")},
	{name: "digits made a float", want: "seal-mac", legacy: "ok", change: retype("s_digits", "str", "float")},
	{name: "string made a float", want: "type", legacy: "type", change: retype("s_user", "str", "float")},
	{name: "string made a boolean", want: "type", legacy: "type", change: retype("s_user", "str", "bool")},
	{name: "string made a time", want: "type", legacy: "type", change: retype("s_user", "str", "time")},
	{name: "string made bytes", want: "type", legacy: "type", change: retype("s_user", "str", "bytes")},
	{name: "string made a comment", want: "type", legacy: "type", change: retype("s_user", "str", "comment")},
	{name: "string of no known type", want: "type", legacy: "type", change: retype("s_user", "str", "x")},
	{name: "string of an empty type", want: "type", legacy: "type", change: retype("s_user", "str", "")},
	{name: "integer made a string", want: "seal-mac", legacy: "ok", change: retype("s_pin", "int", "str")},
	{name: "integer made a float", want: "seal-mac", legacy: "ok", change: retype("s_pin", "int", "float")},
	{name: "boolean made a string", want: "seal-mac", legacy: "ok", change: retype("s_ok", "bool", "str")},
	{name: "boolean made an integer", want: "type", legacy: "type", change: retype("s_ok", "bool", "int")},
	{name: "float made a string", want: "seal-mac", legacy: "ok", change: retype("s_ratio", "float", "str")},
	{name: "plain integer made a string", want: "seal-mac", legacy: "ok", change: plainTo("p_int", formats.String, "5")},
	{name: "plain integer made a float", want: "seal-mac", legacy: "mac|ok", change: plainTo("p_int", formats.Float, "5.0")},
	{name: "plain boolean made a string", want: "seal-mac", legacy: "ok", change: plainTo("p_ok", formats.String, "True")},
	{name: "plain string made an integer", want: "seal-mac", legacy: "ok", change: plainTo("p_port", formats.Int, "12")},
	{name: "plain string made null", want: "seal-mac", legacy: "mac", change: plainTo("p_port", formats.Null, "")},
}

// onComment changes the first comment.
func onComment(change func(in *node, i int) bool) func(*mutant) bool {
	return func(m *mutant) bool {
		in := m.main()
		i := slices.IndexFunc(in.items, func(n *node) bool { return n.kind == formats.Comment })
		if i < 0 {
			in = m.root()
			i = slices.IndexFunc(in.items, func(n *node) bool { return n.kind == formats.Comment })
		}
		return i >= 0 && m.format != "json" && change(in, i)
	}
}

// commentTable changes comments. sops takes what it cannot open for the text
// of the comment.
var commentTable = []mutation{
	{name: "comment changed", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		if strings.HasPrefix(in.items[i].text, "ENC") {
			// The ciphertext is random: it may begin with any letter already.
			with := "data:/"
			if strings.Contains(in.items[i].text, with) {
				with = "data:+"
			}
			return in.items[i].replace(`data:.`, with)
		}
		in.items[i].text = " another"
		return true
	})},
	{name: "comment unsealed", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		if !strings.HasPrefix(in.items[i].text, "ENC") {
			return false
		}
		in.items[i].text = " evil"
		return true
	})},
	{name: "comment malformed", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool { return in.items[i].replace(`,tag:[^,]*`, "") })},
	{name: "comment made a string", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool { return in.items[i].replace(`type:comment`, "type:str") })},
	{name: "comment removed", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		in.items = slices.Delete(in.items, i, i+1)
		return true
	})},
	{name: "comment emptied", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool { in.items[i].text = ""; return true })},
	{name: "comment added", want: "comments", legacy: "ok", change: onComment(func(in *node, _ int) bool {
		in.items = slices.Insert(in.items, 2, comment(" evil"))
		return true
	})},
	{name: "comment doubled", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		in.items = slices.Insert(in.items, i, in.items[i])
		return true
	})},
	{name: "comment moved to another value", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		c := in.items[i]
		in.items = slices.Insert(slices.Delete(in.items, i, i+1), 3, c)
		return true
	})},
	{name: "comment of another file", want: "comments", legacy: "ok", change: func(m *mutant) bool {
		i := slices.IndexFunc(m.root().items, func(n *node) bool { return n.kind == formats.Comment })
		if i < 0 || !strings.HasPrefix(m.root().items[i].text, "ENC") {
			return false
		}
		m.root().items[i].text = m.other.root().items[i].text
		return true
	}},
	{name: "value put into a comment", want: "comments", legacy: "ok", change: onComment(func(in *node, i int) bool {
		if !strings.HasPrefix(in.items[i].text, "ENC") || in.at("s_user") == nil {
			return false
		}
		in.items[i].text = in.at("s_user").text
		return true
	})},
	{name: "comment made an item", want: "type", legacy: "ok", change: func(m *mutant) bool {
		if m.format != "yaml" {
			return false
		}
		c := m.root().at("list").items[0]
		c.kind = formats.String
		return c.kind == formats.String
	}},
}
