package yaml

import (
	"strconv"
	"time"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/formats"
)

// The short names of tags that matter here.
const (
	tagStr   = "!!str"
	tagNull  = "!!null"
	tagMerge = "!!merge"
)

// resolve returns what yaml.v3 reads a scalar as; text is its content without
// quotes and escapes. ok is false if the tag does not fit.
func resolve(tag, text string, plain bool) (s formats.Scalar, ok bool) {
	switch {
	case tag == tagStr, !plain && (tag == "" || tag == "!"):
		return formats.Scalar{Kind: formats.String, Text: text}, true
	case tag == "" || tag == "!":
		return resolvePlain(text), true
	}
	return resolveSlowly(tag, text)
}

// resolvePlain decides the common cases itself and leaves the rest to yaml.v3.
func resolvePlain(text string) formats.Scalar {
	str := formats.Scalar{Kind: formats.String, Text: text}
	if text == "" {
		return formats.Scalar{}
	}
	switch c := text[0]; {
	case c >= '0' && c <= '9', c == '-', c == '+':
		return resolveNumber(text)
	case c == '.':
		if s, ok := resolveSlowly("", text); ok {
			return s
		}
		return str
	}
	switch text {
	case "~", "null", "Null", "NULL":
		return formats.Scalar{}
	case "true", "True", "TRUE":
		return formats.Scalar{Kind: formats.Bool, Text: "True"}
	case "false", "False", "FALSE":
		return formats.Scalar{Kind: formats.Bool, Text: "False"}
	}
	return str
}

// resolveNumber is resolvePlain for a text that begins like a number or time.
func resolveNumber(text string) formats.Scalar {
	digits, dots := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			dots++
		case c == '_', c == '-', c == '+', c == ':', c == ' ',
			c >= 'a' && c <= 'f', c >= 'A' && c <= 'F',
			c == 'x', c == 'X', c == 'o', c == 'O', c == 't', c == 'T', c == 'Z',
			c == 'i', c == 'n', c == 'I', c == 'N':
		default:
			return formats.Scalar{Kind: formats.String, Text: text}
		}
	}
	const surelyInt64 = 18
	switch {
	case digits == len(text) && digits <= surelyInt64 && (text[0] != '0' || digits == 1):
		return formats.Scalar{Kind: formats.Int, Text: text}
	case dots > 1 && digits+dots == len(text):
		return formats.Scalar{Kind: formats.String, Text: text}
	case dots == 1 && digits+dots == len(text):
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return floatScalar(f)
		}
	}
	if s, ok := resolveSlowly("", text); ok {
		return s
	}
	return formats.Scalar{Kind: formats.String, Text: text}
}

// resolveSlowly asks yaml.v3.
func resolveSlowly(tag, text string) (formats.Scalar, bool) {
	node := yamlv3.Node{Kind: yamlv3.ScalarNode, Tag: tag, Value: text}
	var v any
	if err := node.Decode(&v); err != nil {
		return formats.Scalar{}, false
	}
	return scalarOf(v)
}

// scalarOf returns the scalar for a value that yaml.v3 decoded. The texts are
// those of sops.ToBytes.
func scalarOf(v any) (formats.Scalar, bool) {
	switch v := v.(type) {
	case nil:
		return formats.Scalar{}, true
	case string:
		return formats.Scalar{Kind: formats.String, Text: v}, true
	case bool:
		if v {
			return formats.Scalar{Kind: formats.Bool, Text: "True"}, true
		}
		return formats.Scalar{Kind: formats.Bool, Text: "False"}, true
	case int:
		return formats.Scalar{Kind: formats.Int, Text: strconv.Itoa(v)}, true
	case int64:
		return formats.Scalar{Kind: formats.Int, Text: strconv.FormatInt(v, 10)}, true
	case uint64:
		// sops has no way to hold these; as a float it does.
		return floatScalar(float64(v)), true
	case float64:
		return floatScalar(v), true
	case time.Time:
		b, err := v.MarshalText()
		return formats.Scalar{Kind: formats.Time, Text: string(b)}, err == nil
	}
	return formats.Scalar{}, false
}

func floatScalar(f float64) formats.Scalar {
	return formats.Scalar{Kind: formats.Float, Text: strconv.FormatFloat(f, 'f', -1, 64)}
}
