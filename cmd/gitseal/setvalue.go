package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// The types of values that --type names.
const (
	typeAuto   = "auto"
	typeString = "string"
	typeInt    = "int"
	typeFloat  = "float"
	typeBool   = "bool"
	typeNull   = "null"
	typeJSON   = "json"
)

func valueTypes() []string {
	return []string{typeAuto, typeString, typeInt, typeFloat, typeBool, typeNull, typeJSON}
}

// text returns a scalar node.
func scalarNode(kind formats.Kind, text string) formats.Node {
	return formats.Node{Scalar: formats.Scalar{Kind: kind, Text: text}}
}

// nodeOf makes the value that a text is meant as. old is what it replaces, nil if
// there is nothing.
func nodeOf(text, typ string, old *formats.Node) (formats.Node, error) {
	if typ == typeAuto {
		return likeOld(text, old)
	}
	n, ok := asType(text, typ)
	switch {
	case typ == typeJSON && !ok:
		_, err := formats.NodeFromJSON([]byte(text))
		return n, &valueError{text: err.Error(), hint: jsonHint(err)}
	case !ok:
		return n, &valueError{text: "the value is not of the type " + typ, hint: typeHint(typ)}
	case typ == typeInt && isRounded(&n):
		return n, &valueError{text: "the int is beyond 64 bits: sops would read it rounded, as a float",
			hint: "--type string keeps it as text; --type json keeps its digits in the file, and gitseal reads them all"}
	}
	return n, nil
}

// valueError is what is wrong with a new value: not the file's fault. The text
// holds nothing of the value.
type valueError struct {
	path       *formats.Path
	text, hint string
}

func (e *valueError) Error() string {
	if e.path == nil {
		return "the new value: " + e.text
	}
	return "the new value for " + e.path.String() + ": " + e.text
}

func jsonHint(err error) string {
	switch {
	case errors.Is(err, formats.ErrDuplicate):
		return "which of the two counts depends on the reader; remove one of them from the JSON that is to be set"
	case errors.Is(err, formats.ErrLimit):
		return fmt.Sprintf("the limits: depth %d, %d MiB a value", formats.MaxDepth, formats.MaxValue>>20)
	case errors.Is(err, formats.ErrNotSealable):
		return "sops's format cannot hold this number; give it as a string"
	}
	return "--type json takes one JSON value, a string of it in double quotes; --type string takes text as it is"
}

// anyScalar reports whether one of the scalars of a value is as wanted.
func anyScalar(n *formats.Node, wanted func(*formats.Node) bool) bool {
	if n.Kind == formats.ScalarNode {
		return wanted(n)
	}
	return slices.ContainsFunc(n.Items, func(item formats.Node) bool { return anyScalar(&item, wanted) })
}

func isSealedText(n *formats.Node) bool {
	return n.Scalar.Kind == formats.String && strings.HasPrefix(n.Scalar.Text, cipher.SealedPrefix)
}

// isRounded reports whether sops does not read a number with all its digits.
func isRounded(n *formats.Node) bool {
	return n.Scalar.Kind == formats.Int && n.Leaf().Kind != formats.Int
}

func typeHint(typ string) string {
	switch typ {
	case typeInt:
		return "an int has only digits, and maybe a minus sign, with no zeros in front"
	case typeFloat:
		return "a float is a number as in JSON: 1.5 or 6e23"
	case typeBool:
		return "a bool is true or false"
	}
	return "the types are " + strings.Join(valueTypes(), ", ")
}

// asType reads a text as a value of a type.
func asType(text, typ string) (n formats.Node, ok bool) {
	switch typ {
	case typeString:
		return scalarNode(formats.String, text), true
	case typeBool:
		switch text {
		case "true":
			return scalarNode(formats.Bool, "True"), true
		case "false":
			return scalarNode(formats.Bool, "False"), true
		}
	case typeInt:
		n, ok = asNumber(text)
		return n, ok && n.Scalar.Kind == formats.Int
	case typeFloat:
		n, ok = asNumber(text)
		if ok && n.Scalar.Kind == formats.Int {
			f, err := strconv.ParseFloat(text, 64)
			return scalarNode(formats.Float, strconv.FormatFloat(f, 'f', -1, 64)), err == nil
		}
		return n, ok
	case typeNull:
		return formats.Node{}, text == ""
	case typeJSON:
		n, err := formats.NodeFromJSON([]byte(text))
		return n, err == nil
	}
	return formats.Node{}, false
}

// asNumber reads a number as JSON spells it, and nothing around it.
func asNumber(text string) (formats.Node, bool) {
	if text == "-0" || strings.Trim(text, "-+.0123456789eE") != "" {
		return formats.Node{}, false
	}
	n, err := formats.NodeFromJSON([]byte(text))
	return n, err == nil && (n.Scalar.Kind == formats.Int || n.Scalar.Kind == formats.Float)
}

// likeOld makes a text a value of the same kind as the one that it replaces, if it
// can be one, and else a string.
func likeOld(text string, old *formats.Node) (formats.Node, error) {
	plain := scalarNode(formats.String, text)
	if old == nil {
		return plain, nil
	}
	if old.Kind != formats.ScalarNode {
		n, ok := asType(text, typeJSON)
		if ok && n.Kind == old.Kind {
			return n, nil
		}
		if len(old.Items) > 0 {
			return n, failure(fmt.Sprintf("this would replace %s", describeNode(old)),
				"name one value in it; to replace all of it, give JSON of the same kind, or --type string")
		}
		return plain, nil
	}
	kinds := map[formats.Kind]string{formats.Int: typeInt, formats.Float: typeFloat, formats.Bool: typeBool}
	if n, ok := asType(text, kinds[old.Scalar.Kind]); ok {
		return n, nil
	}
	if n, ok := asTime(text); ok && old.Scalar.Kind == formats.Time {
		return n, nil
	}
	return plain, nil
}

func asTime(text string) (formats.Node, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	return scalarNode(formats.Time, t.Format(time.RFC3339Nano)), err == nil
}

// describeNode says what a value is, and nothing of what it holds.
func describeNode(n *formats.Node) string {
	switch n.Kind {
	case formats.MapNode:
		return "a map of " + counted(len(n.Items), "key")
	case formats.ListNode:
		return "a list of " + counted(len(n.Items), "item")
	}
	return map[formats.Kind]string{
		formats.Null: "null", formats.String: "a string", formats.Int: "an int", formats.Float: "a float", formats.Bool: "a bool", formats.Time: "a time",
	}[n.Scalar.Kind]
}

// kindName is describeNode for machines.
func kindName(n *formats.Node) string {
	switch n.Kind {
	case formats.MapNode:
		return "map"
	case formats.ListNode:
		return "list"
	}
	return n.Scalar.Kind.String()
}

func isValueType(typ string) bool { return slices.Contains(valueTypes(), typ) }
