package gitsetup

import "strings"

// anchor makes sense of where an alternative begins and ends: a pattern that is not
// tied to the beginning or end of a path may have anything there. An alternative that
// nothing matches is not possible.
func anchor(tokens []token) (out []token, possible bool) {
	first, last := 0, len(tokens)
	for i, t := range tokens {
		switch t.kind {
		case begin:
			if !onlyAny(tokens[first:i]) {
				return nil, false
			}
			first = i + 1
		case end:
			last = min(last, i)
		}
	}
	if first > last {
		return nil, false
	}
	for _, t := range tokens[last:] {
		if t.kind != end && t.kind != any && t.kind != segment {
			return nil, false
		}
	}
	if first == 0 {
		out = append(out, token{kind: any})
	}
	out = append(out, tokens[first:last]...)
	if last == len(tokens) {
		out = append(out, token{kind: any})
	}
	return merged(out), true
}

// onlyAny reports whether tokens may stand for nothing at all.
func onlyAny(tokens []token) bool {
	for _, t := range tokens {
		if t.kind != any && t.kind != segment {
			return false
		}
	}
	return true
}

// merged joins neighbours that are as good as one.
func merged(tokens []token) []token {
	var out []token
	for _, t := range tokens {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.kind == any && (t.kind == any || t.kind == segment) {
				continue
			}
			if last.kind == segment && (t.kind == segment || t.kind == any) {
				last.kind = t.kind
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// spell writes tokens as patterns that start at the top: /a/*.b. In the middle of a
// name, any characters may or may not have slashes among them, so that there are two
// patterns then; ok is false if there would be too many.
func spell(tokens []token) (globs []string, ok bool) {
	globs = []string{"/"}
	grow := func(tails ...string) {
		var next []string
		for _, g := range globs {
			for _, t := range tails {
				next = append(next, g+t)
			}
		}
		globs = next
	}
	for i, t := range tokens {
		if len(globs) > maxGlobs {
			return nil, false
		}
		afterSlash := i == 0 || tokens[i-1].kind == slash
		last := i == len(tokens)-1
		switch {
		case t.kind == literal:
			grow(t.text)
		case t.kind == slash:
			grow("/")
		case t.kind == one:
			grow("?")
		case t.kind == segment:
			grow("*")
		case last && afterSlash:
			grow("**")
		case last:
			grow("*", "*/**")
		case tokens[i+1].kind == slash && afterSlash:
			// An empty name in front of a slash is none; "/x" is at the top.
			grow("**")
		case tokens[i+1].kind == slash:
			grow("*/**") // which may be no folder at all
		case afterSlash:
			grow("**/*")
		default:
			grow("*", "*/**/*")
		}
	}
	return globs, true
}

// below moves a pattern into a folder and writes it as short as it can be: what
// matches a name in any folder needs no slash. A pattern of every file is refused,
// and one that git's file format cannot hold.
func below(folder, glob string) (string, bool) {
	if strings.Trim(glob, "*?/") == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(glob, "/**/"); ok && folder == "" && !strings.Contains(rest, "/") {
		glob = strings.ReplaceAll(rest, "**", "*")
	} else if folder != "" {
		glob = "/" + escapeText(folder) + glob
	}
	if strings.ContainsAny(glob, "\x00\n\r") {
		return "", false
	}
	return glob, true
}

func escapeText(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteString(escapeInPath(r))
	}
	return b.String()
}

func escapeInPath(r rune) string {
	if r == '/' {
		return "/"
	}
	return escape(r)
}

// FileGlob returns the pattern that matches one file, seen from the top of the work
// tree with slashes; ok is false if git's file format cannot hold it.
func FileGlob(path string) (glob string, ok bool) {
	return below("", "/"+escapeText(path))
}

// quoteGlob writes a pattern as the first word of a line of .gitattributes: in C's quotes
// if it holds what would end or begin something else there.
func quoteGlob(glob string) string {
	if !strings.ContainsAny(glob, " \t\"") && glob[0] != '#' && glob[0] != '!' && !hasControl(glob) {
		return glob
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(glob) {
		switch c := glob[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			b.WriteString(octal(c))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func octal(c byte) string {
	return string([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
}
