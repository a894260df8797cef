package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// minLine is the length of the shortest line of a value that is masked alone.
	minLine = 8
	// maxLines bounds the lines of one value that are masked alone.
	maxLines = 1 << 14
	// maxEncoded is how much of a value is looked for in its encoded forms.
	maxEncoded = 256 << 10
)

// forms calls add with every form of a value that is to be masked.
func forms(v string, add func(string)) {
	v = strings.TrimSpace(v)
	if len(v) < MinLength {
		return
	}
	add(v)
	if strings.ContainsAny(v, "\r\n") {
		n := 0
		for line := range strings.Lines(v) {
			if line = strings.TrimSpace(line); len(line) >= minLine && n < maxLines {
				add(line)
				n++
			}
		}
	}
	if len(v) > maxEncoded {
		v = v[:maxEncoded]
	}
	addBase64(v, add)
	lower := hex.EncodeToString([]byte(v))
	add(lower)
	add(strings.ToUpper(lower))
	addPercent(v, add)
	addEscaped(v, add)
	addShell(v, add)
}

// addBase64 adds the value alone, and as a part of something longer: in each of
// the three alignments, without the characters that its neighbours share. Long
// values are found in lines of any length once their head has been seen; the
// lines of 64 and 76 characters that PEM and MIME have break heads at known
// places, and so do heads that begin with each of the first lines.
func addBase64(v string, add func(string)) {
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		raw := enc.WithPadding(base64.NoPadding)
		add(enc.EncodeToString([]byte(v)))
		add(raw.EncodeToString([]byte(v)))
		for shift := range 3 {
			add(base64Core(raw, v, shift))
		}
		for _, width := range []int{48, 57} { // bytes in a line of 64 or 76 characters
			for from := width; from < len(v); from += width {
				add(base64Core(raw, v[from:min(from+width, len(v))], 0))
			}
		}
	}
}

// base64Core returns the characters that depend on nothing but v if shift bytes,
// modulo 3, come before it.
func base64Core(enc *base64.Encoding, v string, shift int) string {
	text := enc.EncodeToString(append(make([]byte, shift, shift+len(v)), v...))
	const bitsOfByte, bitsOfChar = 8, 6
	from := (shift*bitsOfByte + bitsOfChar - 1) / bitsOfChar
	to := (shift + len(v)) * bitsOfByte / bitsOfChar
	return text[from:to]
}

// percentRules are the characters besides letters and digits that programs leave
// as they are, and what they make of a space.
var percentRules = []struct{ safe, space string }{
	{"-_.~", "%20"},                   // RFC 3986
	{"-_.~", "+"},                     // Go's QueryEscape, Python's quote_plus
	{"-_.", "+"},                      // PHP's urlencode
	{"-_.*", "+"},                     // forms; Java's URLEncoder
	{"-_.~/", "%20"},                  // Python's quote
	{"-_.!~*'()", "%20"},              // JavaScript's encodeURIComponent
	{"-_.!~*'();/?:@&=+$,#", "%20"},   // JavaScript's encodeURI
	{"-_.~$&+=:@", "%20"},             // a path's segment, as Go writes it
	{"-_.~$&+,;=", "%20"},             // user and password, as Go writes them
	{"-_.~!$&'()*+,;=", "%20"},        // user and password, as RFC 3986 has them
	{"-_.~!$&'()*+,;=:@/?", "%20"},    // a query, as RFC 3986 has it
	{"-_.~!$&'()*+,;=:@/?[]#", "%20"}, // no more than what is never allowed
}

func addPercent(v string, add func(string)) {
	for _, r := range percentRules {
		add(percent(v, r.safe, r.space, "0123456789ABCDEF"))
		add(percent(v, r.safe, r.space, "0123456789abcdef"))
	}
}

// percent writes bytes that are not safe with the given digits.
func percent(v, safe, space, digits string) string {
	var b strings.Builder
	for _, c := range []byte(v) {
		switch {
		case c == ' ':
			b.WriteString(space)
		case isAlphanumeric(c), strings.IndexByte(safe, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&0xf])
		}
	}
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// addEscaped adds what stands between the quotes in JSON, Go, Python and XML.
func addEscaped(v string, add func(string)) {
	add(inner(strconv.Quote(v)))
	add(inner(strconv.QuoteToASCII(v)))
	if js, err := json.Marshal(v); err == nil {
		add(inner(string(js)))
	}
	for _, ascii := range []string{"", `\u%04x`, `\u%04X`} {
		plain := escapeJSON(v, ascii)
		add(plain)
		add(strings.ReplaceAll(plain, "/", `\/`))
		// Python's repr, in either kind of quotes.
		single := strings.ReplaceAll(plain, `\"`, `"`)
		add(single)
		add(strings.ReplaceAll(single, "'", `\'`))
	}
	add(html.EscapeString(v))
	add(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(v))
	add(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(v))
	add(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(v))
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// escapeJSON returns what stands between the quotes. Characters outside of ASCII
// are written with the format ascii, unless that is empty.
func escapeJSON(v, ascii string) string {
	var b strings.Builder
	for _, r := range v {
		switch at := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case at >= 0:
			b.WriteString([]string{`\"`, `\\`, `\n`, `\r`, `\t`, `\b`, `\f`}[at])
		case r < ' ' || r == 0x7f && ascii != "":
			fmt.Fprintf(&b, `\u%04x`, r)
		case r >= utf8.RuneSelf && ascii != "":
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, ascii, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// addShell adds what shells and programs that quote for them write, and the
// doubled quotes of SQL and YAML.
func addShell(v string, add func(string)) {
	add(strings.ReplaceAll(v, "'", `'\''`))
	add(strings.ReplaceAll(v, "'", `'"'"'`))
	add(strings.ReplaceAll(v, "'", "''"))
	add(strings.ReplaceAll(v, `"`, `""`))
	add(strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v))
	add(strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "!", `\!`).Replace(v))
	add(strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v)) // $'…'
	for _, safe := range []string{"-_./:=@%+,", "-_./:=@%+", "-_./:@%+", "-_./", "-_.", "_", "-_./:=@%+,~#{}"} {
		add(backslashed(v, safe))
	}
}

// backslashed puts a backslash before everything but letters, digits, what is
// safe, and what is not ASCII.
func backslashed(v, safe string) string {
	var b strings.Builder
	for _, c := range []byte(v) {
		if !isAlphanumeric(c) && c < utf8.RuneSelf && strings.IndexByte(safe, c) < 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
