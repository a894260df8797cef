package yaml

import (
	"strings"

	"github.com/gitseal/gitseal/formats"
)

const longPrefix = "tag:yaml.org,2002:"

// props are the anchor and tag before a node.
type props struct {
	anchor   string
	tag      string // resolved, yaml.org tags in their !! form
	anchorAt int
	tagAt    int // where the tag begins
	end      int // where the last of them ends
	tagged   bool
}

func (q props) empty() bool { return q.anchor == "" && !q.tagged }

// join adds the properties of r, which stand behind those of q.
func (p *parser) join(q, r props) (props, bool) {
	if q.anchor != "" && r.anchor != "" || q.tagged && r.tagged {
		return q, p.syntax(p.pos, "two anchors or tags for one value")
	}
	if r.anchor != "" {
		q.anchor, q.anchorAt = r.anchor, r.anchorAt
	}
	if r.tagged {
		q.tag, q.tagged, q.tagAt = r.tag, true, r.tagAt
	}
	q.end = max(q.end, r.end)
	return q, true
}

// props parses anchors and tags on the line at pos, and what follows up to the
// next token. newLine says that the node's content is not on the same line.
func (p *parser) props() (q props, newLine, ok bool) {
	for {
		var one props
		switch p.peek(0) {
		case '&':
			one.anchorAt = p.pos
			one.anchor, ok = p.name("an anchor")
		case '!':
			one.tagAt, one.tagged = p.pos, true
			one.tag, ok = p.tag()
		default:
			return q, false, true
		}
		if !ok {
			return q, false, false
		}
		one.end = p.pos
		if p.inMeta && one.anchor != "" {
			return q, false, p.fail(formats.ErrMetadata, p.pos, "an anchor inside the metadata block")
		}
		if q, ok = p.join(q, one); !ok {
			return q, false, false
		}
		if p.next(true) || p.pos >= len(p.s) {
			return q, true, true
		}
	}
}

// name parses the name of an anchor or alias; pos is at its & or *.
func (p *parser) name(what string) (string, bool) {
	start := p.pos + 1
	p.pos++
	for p.pos < len(p.s) && classes[p.s[p.pos]]&word != 0 {
		p.pos++
	}
	if p.pos == start || !blankAt(p.s, p.pos) && strings.IndexByte("?:,]}%@`", p.s[p.pos]) < 0 {
		return "", p.syntax(start-1, "bad name of "+what)
	}
	return p.s[start:p.pos], true
}

// tag parses a tag and resolves its handle; pos is at its !.
func (p *parser) tag() (string, bool) {
	start := p.pos
	handle, suffix, ok := p.tagParts()
	if !ok {
		return "", false
	}
	if !blankAt(p.s, p.pos) {
		return "", p.syntax(start, "bad tag")
	}
	long := suffix
	if handle != "" {
		prefix, ok := p.handles[handle]
		if !ok || prefix+suffix == "" {
			return "", p.syntax(start, "undefined tag handle")
		}
		long = prefix + suffix
	}
	if rest, ok := strings.CutPrefix(long, longPrefix); ok {
		return "!!" + rest, true
	}
	return long, true
}

func (p *parser) tagParts() (handle, suffix string, ok bool) {
	if p.peek(1) == '<' {
		p.pos += 2
		if suffix, ok = p.uri(""); !ok {
			return "", "", false
		}
		if p.peek(0) != '>' {
			return "", "", p.syntax(p.pos, "bad tag")
		}
		p.pos++
		return "", suffix, true
	}
	head := p.tagHandle()
	if len(head) > 1 && head[len(head)-1] == '!' {
		suffix, ok = p.uri("")
		return head, suffix, ok
	}
	if suffix, ok = p.uri(head); !ok {
		return "", "", false
	}
	if suffix == "" {
		return "", "!", true
	}
	return "!", suffix, true
}

// tagHandle consumes !word and a ! behind it, if there is one.
func (p *parser) tagHandle() string {
	start := p.pos
	p.pos++
	for p.pos < len(p.s) && classes[p.s[p.pos]]&word != 0 {
		p.pos++
	}
	if p.peek(0) == '!' {
		p.pos++
	}
	return p.s[start:p.pos]
}

// uri parses the rest of a tag; head is what was read of it, with a !.
func (p *parser) uri(head string) (string, bool) {
	var b strings.Builder
	if head != "" {
		b.WriteString(head[1:])
	}
	start := p.pos
	for p.pos < len(p.s) && classes[p.s[p.pos]]&uriChar != 0 {
		if p.s[p.pos] != '%' {
			b.WriteByte(p.s[p.pos])
			p.pos++
		} else if !p.uriEscape(&b) {
			return "", false
		}
	}
	if p.pos == start && head == "" {
		return "", p.syntax(p.pos, "bad tag")
	}
	return b.String(), true
}

// uriEscape parses %XX. Nobody needs more than ASCII in a tag.
func (p *parser) uriEscape(b *strings.Builder) bool {
	v, ok := hexValue(p.s, p.pos+1, 2)
	if !ok || v >= 0x80 {
		return p.syntax(p.pos, "bad escape in a tag")
	}
	b.WriteByte(byte(v))
	p.pos += 3
	return true
}

// directive parses the directive at pos. seen holds what the document has had.
func (p *parser) directive(seen map[string]bool) bool {
	start := p.pos
	end := start
	for end < len(p.s) && !isBreak(p.s[end]) {
		end++
	}
	p.pos++
	name := p.directiveWord(end)
	ok := false
	switch name {
	case "YAML":
		ok = p.version(p.directiveWord(end)) && !seen[name]
	case "TAG":
		handle := p.directiveWord(end)
		name += handle
		ok = p.tagDirective(handle, end) && !seen[name]
	}
	seen[name] = true
	p.skipBlanks(end)
	if !ok || p.pos < end && p.s[p.pos] != '#' {
		return p.syntax(start, "bad or unknown directive")
	}
	p.pos = end
	return true
}

// version: yaml.v3 reads 1.1 only, also as 01.01.
func (p *parser) version(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	return ok && (major == "1" || major == "01") && (minor == "1" || minor == "01")
}

func (p *parser) tagDirective(handle string, end int) bool {
	named := len(handle) > 1 && handle[len(handle)-1] == '!' && handle[0] == '!'
	for i := 1; i < len(handle)-1; i++ {
		named = named && classes[handle[i]]&word != 0
	}
	if !named && handle != "!" {
		return false
	}
	p.skipBlanks(end)
	prefix, ok := p.uri("")
	p.handles[handle] = prefix
	return ok && blankAt(p.s, p.pos)
}

func (p *parser) skipBlanks(end int) {
	for p.pos < end && isBlank(p.s[p.pos]) {
		p.pos++
	}
}

// directiveWord returns the word at pos or behind blanks.
func (p *parser) directiveWord(end int) string {
	p.skipBlanks(end)
	start := p.pos
	for p.pos < end && !isBlank(p.s[p.pos]) {
		p.pos++
	}
	return p.s[start:p.pos]
}
