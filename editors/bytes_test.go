package editors_test

import (
	"fmt"
	"strings"
	"testing"
)

// oddities are files of which every byte matters. An editor that writes them back
// without a change must give the same bytes: then, and only then, the sealed file
// stays as it is.
var oddities = []struct{ name, plain string }{
	{"crlf.yaml", "a: canary-1\r\nb: 2\r\n"},
	{"mixed.yaml", "# a comment\r\na: canary-1\nb: 2\n"},
	{"bom.yaml", "\ufeffa: canary-1\nb: 2\n"},
	{"noeol.yaml", "a: canary-1\nb: canary-2"},
	{"crlfnoeol.json", "{\r\n\"a\": \"canary-1\"\r\n}"},
	{"spaces.yaml", "a: canary-1   \n\n\n\n"},
	{"unicode.yaml", "a: \"canary ü 日本 \U0001f511\"\n"},
	{"modeline.yaml", "# vim: set ff=dos noeol fileencoding=latin1:\na: canary-1\n"},
	{"plain.env", "A=canary-1\nB='x y'\n"},
	{"app.ini", "[a]\nb = canary-1\n"},
	{"nul.bin", "a\x00b\x00\n\x00\nlast\x00"},
	{"latin1.bin", "gr\xfc\xdfe\n\xff\xfe\x80\n"},
	{"crlf.bin", "one\r\ntwo\r\n"},
	{"bom.bin", "\ufeffone\r\ntwo"},
	{"cr.bin", "one\rtwo\r\nthree\r"},
	{"all.bin", allBytes()},
	{"newlines.bin", "\n\n\n"},
	{"one.bin", "x"},
}

func allBytes() string {
	var b strings.Builder
	for i := range 512 {
		b.WriteByte(byte(i))
	}
	return b.String()
}

// TestVimKeepsBytes: see oddities.
func TestVimKeepsBytes(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		for _, odd := range oddities {
			s.seal(odd.name, odd.plain)
			before := s.read(s.work + "/" + odd.name)
			got := s.script(vim, s.work+"/"+odd.name, `
call Say([b:gitseal.state, &modified])
setlocal modified
call Say(execute('write'))
call Say(&modified)
normal! Gox
call Try('write')
`)
			if len(got) < 4 || got[0] != "['plain', 0]" || !strings.Contains(strings.Join(got, " "), "unchanged") {
				t.Errorf("%s: got %q", odd.name, got)
			}
			after := s.unsealed(s.work + "/" + odd.name)
			if strings.HasSuffix(odd.name, ".bin") && (after == odd.plain || s.read(s.work+"/"+odd.name) == before) {
				t.Errorf("%s: a change was not written", odd.name)
			}
			if strings.HasSuffix(odd.name, ".bin") && !strings.HasPrefix(after, odd.plain) {
				t.Errorf("%s: got %q after a line was added", odd.name, after)
			}
		}
	})
}

// TestVimLarge: files that do not fit into a pipe's buffer pass.
func TestVimLarge(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		var b strings.Builder
		for i := range 20000 {
			fmt.Fprintf(&b, "key%d: canary-%s-%d\n", i, canary, i)
		}
		s.seal("large.yaml", b.String())
		got := s.script(vim, s.work+"/large.yaml", `
call Say(line('$'))
call setline(7, 'key6: changed')
call Try('write')
`)
		if fmt.Sprint(got) != "[20000 done]" {
			t.Errorf("got %q", got)
		}
		want := strings.Replace(b.String(), "key6: canary-"+canary+"-6\n", "key6: changed\n", 1)
		if s.unsealed(s.work+"/large.yaml") != want {
			t.Error("the file is not what was written")
		}
	})
}
