package editors_test

import (
	"strings"
	"testing"
)

// TestVimGone: a file that is gone is sealed anew if one insists, and :w says so.
func TestVimGone(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		got := s.script(vim, s.file, `
call setline(3, '    host: mine')
call delete('app.yaml')
call Try('write')
call Say([&modified, filereadable('app.yaml')])
call Try('write!')
call Say(&modified)
call setline(3, '    host: mine again')
call Try('write')
`)
		if len(got) != 5 || !strings.Contains(got[0], "the file is gone") || !strings.Contains(got[0], ":w! seals it anew") || got[1] != "[1, 0]" ||
			got[2] != "done" || got[3] != "0" || got[4] != "done" {
			t.Errorf("got %q", got)
		}
		if plain := s.unsealed(s.file); plain != strings.Replace(plainYAML, "db-1.internal", "mine again", 1) {
			t.Errorf("got %q", plain)
		}
	})
}

// TestVimHidden: a buffer that has no window keeps its changes, and one that was
// deleted and read again is as at first.
func TestVimHidden(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		got := s.script(vim, s.file, `
let g:number = bufnr('')
call setline(3, '    host: mine')
new
wincmd p
hide
call Say([bufloaded(g:number), getbufvar(g:number, '&modified'), getbufline(g:number, 3)])
try
  silent quitall
catch
  call Say(v:exception)
endtry
call Say(&shelltemp)
silent execute 'buffer' g:number
silent edit other.txt
call Say([bufloaded(g:number), getbufvar(g:number, '&modified'), getbufline(g:number, 3)])
call Try('silent wall')
call Say(getbufvar(g:number, '&modified'))
silent execute 'bdelete' g:number
call Say(&shelltemp)
silent edit app.yaml
call Say([b:gitseal.state, getline(3), &buftype, &shelltemp, bufnr('') == g:number])
setlocal nobuflisted
call Say(&shelltemp)
silent execute 'bunload' g:number
call Say(&shelltemp)
silent execute 'buffer' g:number
call Say([b:gitseal.state, &shelltemp])
silent execute 'bdelete' g:number
call writefile(['plain: 1'], 'app.yaml')
silent edit app.yaml
call Say([exists('b:gitseal'), &buftype])
call setline(1, 'plain: 2')
call Try('write')
call Say(readfile('app.yaml'))
`)
		want := []string{"[1, 1, ['    host: mine']]", "", "0", "[1, 1, ['    host: mine']]", "done", "0", "1",
			"['plain', '    host: mine', 'acwrite', 0, 1]", "0", "1", "['plain', 0]", "[0, '']", "done", "['plain: 2']"}
		if len(got) == len(want) && strings.Contains(got[1], "No write since last change") {
			got[1] = ""
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestVimReadonly: a file that was opened to be looked at stays read-only.
func TestVimReadonly(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		s.seal("other.yaml", plainYAML)
		for _, c := range []struct{ flag, want string }{{"-R", "[1, 1]"}, {"-M", "[0, 0]"}, {"-n", "[0, 1]"}} {
			got := s.script(vim, s.file, `
call Say([b:gitseal.state, getline(3), &modified])
call Say([&readonly, &modifiable])
edit!
call Say([&readonly, &modifiable])
let g:gitseal_open = 'redacted'
edit!
call Say([&readonly, &modifiable])
GitsealOpen
call Say([&readonly, &modifiable])
edit!
let g:gitseal_open = 'plain'
edit!
call Say([&readonly, &modifiable])
sview other.yaml
call Say([b:gitseal.state, &readonly])
`, c.flag)
			want := []string{"['plain', '    host: db-1.internal', 0]", c.want, c.want, "[1, 0]", c.want, c.want, "['plain', 1]"}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: got %q, want %q", c.flag, got, want)
			}
		}
	})
}

// TestVimDiff: diff mode gives no text to another program.
func TestVimDiff(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		s.seal("other.yaml", strings.Replace(plainYAML, "one", "three", 1))
		cmd, trace := traced(t, s.vim(vim, true, "--cmd", "set diffopt=filler diffexpr=None()", s.file))
		v := start(t, cmd)
		v.sees("-before")
		v.keys(":vertical diffsplit other.yaml\r:diffupdate\r")
		v.keys(":call writefile([&diffopt, &diffexpr, diff_hlID(8, 1) > 0, diff_hlID(3, 1)], $PROBE)\r")
		v.wait("the files are compared", exists(s.path("probe")))
		v.keys(":%bdelete!\r:call writefile([&diffopt, &diffexpr], $PROBE . '2')\r")
		v.wait("the buffers are gone", exists(s.path("probe2")))
		v.keys(":qall!\r")
		v.ends()
		if got := s.read(s.path("probe")); got != "filler,internal\n\n1\n0\n" {
			t.Errorf("got %q", got)
		}
		if got := s.read(s.path("probe2")); got != "filler\nNone()\n" {
			t.Errorf("got %q after the last buffer", got)
		}
		checkTrace(t, trace)
	})
}
