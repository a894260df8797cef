package mask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/mask"
)

func newMasker(t testing.TB, values ...string) *mask.Masker {
	t.Helper()
	m, err := mask.New(values)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// masked writes the chunks one after another and returns what comes out.
func masked(t testing.TB, m *mask.Masker, chunks ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := m.Writer(&out)
	for _, c := range chunks {
		n, err := w.Write([]byte(c))
		if err != nil || n != len(c) {
			t.Fatalf("writing: %d, %v", n, err)
		}
		if w.Held() > 31 {
			t.Fatalf("%d bytes are held back", w.Held())
		}
	}
	if err := w.Close(); err != nil || w.Held() != 0 {
		t.Fatalf("closing: %d bytes held, %v", w.Held(), err)
	}
	return out.String()
}

// samples are values with something in them for every encoding.
var samples = []string{
	"hunter2!",
	"pass",
	`it's "quoted" \ $HOME & <b> 100% a/b?c=d+e`,
	"käse 🧀 über",
	"line one of it\nline two of it\n",
	"postgres://user:p%40ss@db.internal:5432/shop?sslmode=require#x",
	"\x01\x02\x03binary\xff\xfe",
	strings.Repeat("0123456789abcdef", 20),
}

// encodings are written with other code than that under test, as far as there is.
var encodings = map[string]func(string) string{
	"raw":              func(s string) string { return s },
	"base64":           func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 raw":       func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64 URL":       func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"base64 URL raw":   func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 after 1":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s)) },
	"base64 after 2":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab" + s + "yz")) },
	"base64 after 3":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte("abc" + s + "z")) },
	"base64 basic":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte("admin:" + s)) },
	"URL after 2":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("ab" + s + "c")) },
	"hex":              func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":              func(s string) string { return fmt.Sprintf("%X", s) },
	"query":            url.QueryEscape,
	"query lower case": func(s string) string { return lowerPercents(url.QueryEscape(s)) },
	"path":             url.PathEscape,
	"path lower case":  func(s string) string { return lowerPercents(url.PathEscape(s)) },
	"user info":        func(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") },
	"JSON":             func(s string) string { return asJSON(s, true) },
	"JSON unescaped":   func(s string) string { return asJSON(s, false) },
	"Go":               strconv.Quote,
	"Go ASCII":         strconv.QuoteToASCII,
	"HTML":             html.EscapeString,
	"sh":               func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
	"shlex":            func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" },
	"SQL":              func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
}

func lowerPercents(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' {
			copy(b[i:], strings.ToLower(string(b[i:i+3])))
		}
	}
	return string(b)
}

func asJSON(s string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// revealing returns the part of an encoded value that nobody may see: without the
// quotes, and without the characters that a base64 neighbour has a share in.
func revealing(name, text string) string {
	switch {
	case len(text) < 16:
	case strings.Contains(name, "after") || name == "base64 basic":
		return text[4 : len(text)-6]
	case strings.HasPrefix(name, "base64"):
		return text[:len(text)-4]
	}
	return strings.Trim(text, `"'`)
}

// TestEveryForm: no form of a value gets through, wherever the writes are split.
func TestEveryForm(t *testing.T) {
	for i, v := range samples {
		m := newMasker(t, v)
		for name, encode := range encodings {
			form := encode(strings.TrimSpace(v))
			text := "before " + form + "; after\n"
			secret := revealing(name, form)
			if len(secret) < 4 {
				secret = form
			}
			if !strings.Contains(text, secret) {
				t.Fatalf("sample %d, %s: the control does not find the value", i, name)
			}
			whole := masked(t, m, text)
			if strings.Contains(whole, secret) || !strings.Contains(whole, mask.Stars) {
				t.Errorf("sample %d, %s: got %q", i, name, whole)
			}
			if !strings.HasPrefix(whole, "before ") || !strings.HasSuffix(whole, "; after\n") {
				t.Errorf("sample %d, %s: too much is masked: %q", i, name, whole)
			}
			step := 1
			if testing.Short() {
				step = 7
			}
			for at := 0; at < len(text); at += step {
				if got := masked(t, m, text[:at], text[at:]); got != whole {
					t.Fatalf("sample %d, %s, split at %d: got %q, want %q", i, name, at, got, whole)
				}
			}
			if got := masked(t, m, strings.Split(text, "")...); len(v) == len([]rune(v)) && got != whole {
				t.Errorf("sample %d, %s, by single bytes: got %q, want %q", i, name, got, whole)
			}
		}
	}
}

func TestXML(t *testing.T) {
	v := samples[2]
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(v)); err != nil {
		t.Fatal(err)
	}
	if got := masked(t, newMasker(t, v), b.String()); got != mask.Stars {
		t.Errorf("got %q", got)
	}
}

func TestExactOutput(t *testing.T) {
	pem := "-----BEGIN KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", 3) + "-----END KEY-----\n"
	for _, tt := range []struct{ name, values, in, want string }{
		{"nothing to mask", "hunter2", "hello, hunter 2\n", "hello, hunter 2\n"},
		{"in a sentence", "hunter2", "it is hunter2.\n", "it is *****.\n"},
		{"twice", "hunter2", "hunter2 hunter2", "***** *****"},
		{"side by side", "hunter2|correct", "hunter2correct!", "*****!"},
		{"one in the other", "secret|secretary", "a secret secretary", "a ***** *****"},
		{"overlapping", "abcdef|defghi", "xabcdefghix", "x*****x"},
		{"overlapping itself", "abab", "xabababx", "x*****x"},
		{"almost", "hunter2", "hunterhunter2hunter", "hunter*****hunter"},
		{"a beginning at the end", "hunter2", "so: hunter", "so: hunter"},
		{"too short", "abc", "abc", "abc"},
		{"short after trimming", "abc \n", "abc \n", "abc \n"},
		{"space around it", " hunter2\n", "x hunter2 y", "x ***** y"},
		{"lines", "first line\nx\nsecond line", "the second line, x, the first line", "the *****, x, the *****"},
		{"indented", pem, "key: |\n    " + strings.ReplaceAll(strings.TrimSpace(pem), "\n", "\n    ") + "\nother: 1\n", "key: |\n" + strings.Repeat("    *****\n", 5) + "other: 1\n"},
		{"long", strings.Repeat("0123456789", 10), "<" + strings.Repeat("0123456789", 10) + ">", "<*****>"},
		{"most of a long one", strings.Repeat("0123456789", 10), "<" + strings.Repeat("0123456789", 7) + ">", "<*****>"},
		{"too little of a long one", strings.Repeat("0123456789", 10), "<0123456789012345678901234567890>", "<0123456789012345678901234567890>"},
		{"no values", "", "anything\n", "anything\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMasker(t, strings.Split(tt.values, "|")...)
			if diff := cmp.Diff(tt.want, masked(t, m, tt.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWrappedBase64: lines of the usual lengths do not hide a long value.
func TestWrappedBase64(t *testing.T) {
	v := strings.Repeat("correct horse battery staple, ", 12)
	text := base64.StdEncoding.EncodeToString([]byte(v))
	for _, width := range []int{60, 64, 70, 76, 100} {
		var b strings.Builder
		for i := 0; i < len(text); i += width {
			b.WriteString(text[i:min(i+width, len(text))] + "\n")
		}
		got := masked(t, newMasker(t, v), b.String())
		for i := 0; i+8 < len(text)-8; i++ {
			if strings.Contains(got, text[i:i+8]) {
				t.Errorf("lines of %d: got %q", width, got)
				break
			}
		}
	}
}

// reference masks with a plain search for every pattern.
func reference(patterns []string, text string) string {
	covered := make([]bool, len(text))
	for _, p := range patterns {
		for i := range covered {
			if strings.HasPrefix(text[i:], p) {
				for j := range len(p) {
					covered[i+j] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range covered {
		switch {
		case !covered[i]:
			b.WriteByte(text[i])
		case i == 0 || !covered[i-1]:
			b.WriteString(mask.Stars)
		}
	}
	return b.String()
}

// TestAgainstReference: random texts full of beginnings, ends and repetitions of
// the values, in random pieces.
func TestAgainstReference(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	r := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for range rounds {
		var values []string
		for range 1 + r.IntN(4) {
			values = append(values, randomText(r, "abc", 4+r.IntN(6)))
		}
		m := newMasker(t, values...)
		var b strings.Builder
		for range r.IntN(12) {
			p := m.Patterns()[r.IntN(len(m.Patterns()))]
			from, to := 0, len(p)
			if r.IntN(3) > 0 {
				from = r.IntN(len(p))
				to = from + r.IntN(len(p)-from+1)
			}
			b.WriteString(p[from:to])
			b.WriteString(randomText(r, "abcX ", r.IntN(4)))
		}
		text := b.String()
		want := reference(m.Patterns(), text)
		if want != text {
			hits++
		}
		if got := masked(t, m, pieces(r, text)...); got != want {
			t.Fatalf("values %q, text %q: got %q, want %q", values, text, got, want)
		}
	}
	if hits < rounds/4 {
		t.Errorf("only %d texts of %d had something to mask", hits, rounds)
	}
}

func randomText(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func pieces(r *rand.Rand, text string) []string {
	var out []string
	for text != "" {
		n := 1 + r.IntN(min(len(text), 9))
		out, text = append(out, text[:n]), text[n:]
	}
	return out
}

func TestPrintsRedacted(t *testing.T) {
	m := newMasker(t, "hunter2hunter2")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, m); strings.Contains(got, "hunter") {
			t.Errorf("%s: got %q", format, got)
		}
	}
}

// TestBounds: what cannot be searched for in bounded memory is refused, and large
// values are not multiplied without end.
func TestBounds(t *testing.T) {
	large := strings.Builder{}
	for i := range 1 << 15 {
		fmt.Fprintf(&large, "line %09d\n", i*7919)
	}
	if got := masked(t, newMasker(t, large.String()), large.String()); strings.Contains(got, "line") {
		t.Error("a large value gets through")
	}
	if testing.Short() {
		return
	}
	var many []string
	for i := range 40_000 {
		many = append(many, fmt.Sprintf("value number %d", i))
	}
	if _, err := mask.New(many); err == nil {
		t.Error("no limit to the number of values")
	}
}
