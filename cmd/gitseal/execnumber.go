package main

import (
	"math/big"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

// speller knows how the values of a plain file are spelled in it.
type speller struct {
	doc *formats.Document
	// target leads from the leaves that an alias stands for to those it repeats.
	target map[int]int
}

func newSpeller(doc *formats.Document) speller {
	s := speller{doc: doc, target: map[int]int{}}
	for _, a := range doc.Aliases {
		for i, t := range a.Target {
			s.target[a.First+i] = t
		}
	}
	return s
}

// spelling returns the source of leaf i without its tag and without quotes.
func (s speller) spelling(i int) string {
	if t, repeats := s.target[i]; repeats {
		i = t
	}
	text := s.doc.Text(i)
	for strings.HasPrefix(text, "!") {
		_, rest, _ := strings.Cut(text, " ")
		text = strings.TrimSpace(rest)
	}
	if n := len(text); n > 1 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		text = text[1 : n-1]
	}
	return text
}

// value returns a copy of leaf i as sops gives it to commands. sops reads integers
// beyond 64 bits as floats, and of these it keeps 17 digits: a command gets such
// an integer, and such a float, with all the digits that the file has.
func (s speller) value(i int) string {
	canonical := s.doc.Leaves[i].Scalar
	if canonical.Kind == formats.Float {
		if exact := exactNumber(s.spelling(i), canonical.Text); exact != "" {
			return exact
		}
	}
	return textOf(canonical)
}

// others returns what a value can look like besides what a command gets: as it is
// spelled in the source, and as sops has it.
func (s speller) others(i int, value string) []string {
	var out []string
	for _, text := range []string{s.spelling(i), textOf(s.doc.Leaves[i].Scalar), strings.Clone(s.doc.Leaves[i].Scalar.Text)} {
		if text != value {
			out = append(out, text)
		}
	}
	return out
}

// maxDigits is more than any integer has that a float is near to, in any base.
const maxDigits = 1100

// exactNumber returns the number that spelling means in full, or "" if canonical,
// which is the nearest float, does not lack any of its digits.
func exactNumber(spelling, canonical string) string {
	plain := strings.TrimPrefix(strings.ReplaceAll(spelling, "_", ""), "+")
	if len(plain) > maxDigits || strings.Trim(canonical, "-.0123456789") != "" {
		return "" // infinity and the like
	}
	if n, ok := new(big.Int).SetString(plain, 0); ok {
		return n.String()
	}
	if strings.Trim(plain, "+-.0123456789eE") != "" || significant(plain) == significant(canonical) {
		return ""
	}
	return plain
}

// significant returns the digits of a decimal number without the zeros at its ends:
// of two numbers that are close to each other, the same if they are the same.
func significant(number string) string {
	if at := strings.IndexAny(number, "eE"); at >= 0 {
		number = number[:at]
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number)
	return strings.Trim(digits, "0")
}
