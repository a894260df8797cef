package scan

import (
	"bytes"
	"math"
	"strings"
	"unicode"
)

// looksRandom reports whether a run of characters can come from a generator: it has
// many different ones, does not count up, and has none of the words in it with which
// people make tokens up.
func looksRandom(run []byte) bool {
	return distinct(run) >= min(10, len(run)*2/5) && !countsUp(run) && !repeats(run) && !hasMadeUpWord(run)
}

func distinct(run []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range run {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// countsUp reports whether a good part of a run is a sequence such as abcdef or 6789.
func countsUp(run []byte) bool {
	steps := 0
	for i := 1; i < len(run); i++ {
		if run[i] == run[i-1]+1 {
			steps++
		}
	}
	return steps*3 > len(run)
}

// repeats reports whether one character stands five times in a row.
func repeats(run []byte) bool {
	same := 0
	for i := 1; i < len(run); i++ {
		if run[i] != run[i-1] {
			same = 0
			continue
		}
		if same++; same == 4 {
			return true
		}
	}
	return false
}

// madeUp are words that only made-up tokens have in them.
var madeUp = [...]string{"example", "xxxx", "your", "placeholder", "redacted", "sample", "dummy", "changeme", "deadbeef", "notreal", "insert"}

func hasMadeUpWord(run []byte) bool {
	low := bytes.ToLower(run)
	for _, word := range madeUp {
		if bytes.Contains(low, []byte(word)) {
			return true
		}
	}
	return false
}

// entropy is Shannon's, in bits a byte.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// isStrong reports whether a text looks generated: no spaces, several kinds of
// characters, and about as many different ones as chance would give.
func isStrong(s string) bool {
	if len(s) < 8 || strings.ContainsAny(s, " \t\n") || isWords(s) || countsUp([]byte(s)) || repeats([]byte(s)) {
		return false
	}
	classes := 0
	for _, has := range []func(rune) bool{unicode.IsDigit, unicode.IsUpper, unicode.IsLower, unicode.IsPunct} {
		if strings.ContainsFunc(s, has) {
			classes++
		}
	}
	switch {
	case len(s) < 12:
		return classes >= 3 && entropy(s) >= 2.7
	case len(s) < 20:
		return classes >= 2 && entropy(s) >= 3
	}
	return classes >= 2 && entropy(s) >= 3.2
}

// isWords reports whether a text is made of words, such as a name with dashes or
// camelCase: runs of letters of which at most a few end in digits.
func isWords(s string) bool {
	words := splitWords(s)
	odd := 0
	for _, w := range words {
		letters := strings.TrimRight(w, "0123456789")
		if strings.ContainsAny(letters, "0123456789") || len(letters) > 0 && !hasVowel(letters) && len(letters) > 3 || len(w)-len(letters) > 4 {
			return false
		}
		if len(letters) < 3 {
			odd++
		}
	}
	return len(words) > 0 && odd*2 <= len(words)+1
}

func hasVowel(s string) bool { return strings.ContainsAny(strings.ToLower(s), "aeiouy") }

// splitWords splits a name at anything but letters and digits, and where a capital
// begins a word, in lower case.
func splitWords(s string) []string {
	var out []string
	begin := 0
	flush := func(end int) {
		if end > begin {
			out = append(out, strings.ToLower(s[begin:end]))
		}
		begin = end
	}
	for i := range len(s) {
		switch c := s[i]; {
		case !isAlnum(c):
			flush(i)
			begin = i + 1
		case isUpper(c) && i > 0 && (!isUpper(s[i-1]) || i+1 < len(s) && isLower(s[i+1])):
			flush(i)
		}
	}
	flush(len(s))
	return out
}
