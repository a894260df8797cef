package redacted

import (
	"regexp"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/formats"
)

// mentionPattern is a token, or most of one, anywhere in a text.
var mentionPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)<\s*sealed\s+(?:[a-z]+\s+)+([a-z2-7]{10})\b`)
})

// mentions reports whether a token is within the text of a leaf, whole or damaged. Of
// a value, the tag of one is enough: nobody chooses a value that has it. People may
// write about tokens in comments, if those are no tokens of this file: somebody who
// turns a line into a comment would not find the value again.
func (r *reader) mentions(l *formats.Leaf) bool {
	for _, m := range mentionPattern().FindAllStringSubmatch(l.Text, -1) {
		if l.Kind != formats.Comment || len(r.byTag[strings.ToLower(m[1])]) > 0 {
			return true
		}
	}
	return l.Kind != formats.Comment && r.hasTag(l.Text)
}

// hasTag reports whether the tag of a sealed value is anywhere in a text.
func (r *reader) hasTag(text string) bool {
	if len(r.byTag) == 0 {
		return false
	}
	run := 0 // how many characters up to here could be of a tag
	for i := range len(text) {
		if c := text[i]; c >= 'a' && c <= 'z' || c >= '2' && c <= '7' {
			run++
		} else {
			run = 0
		}
		if run >= tagSize && len(r.byTag[text[i+1-tagSize:i+1]]) > 0 {
			return true
		}
	}
	return false
}

// shows reports whether the view itself has this text at this place, or for a comment,
// anywhere: whoever has sealed the file wrote it, and it is no token.
func (v *View) shows(l *formats.Leaf) bool {
	for i := range v.Document.Leaves {
		was := &v.Document.Leaves[i]
		if was.Text == l.Text && was.Kind == l.Kind && (l.Kind == formats.Comment || was.Path.Equal(l.Path)) {
			return true
		}
	}
	return false
}
