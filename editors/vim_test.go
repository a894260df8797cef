package editors_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vimrc switches on all by which Vim and Neovim leave text on the disk.
const vimrc = `set nocompatible nomore
set backup writebackup backupdir=$STATE/backup backupskip= patchmode=.orig
set undofile undodir=$STATE/undo undoreload=100000
set swapfile updatecount=1 updatetime=20 directory=$STATE/swap
if has('nvim')
  set shada=!,'100,<50,s10,h
  set shadafile=$STATE/shada
else
  set viminfo=!,'100,<50,s10,h,n$STATE/viminfo
endif
set history=1000 shelltemp hidden
filetype plugin indent on
syntax on
`

// eachVim runs a test in Vim and in Neovim.
func eachVim(t *testing.T, f func(t *testing.T, s *sandbox, vim string)) {
	for _, name := range []string{"vim", "nvim"} {
		t.Run(name, func(t *testing.T) {
			path := need(t, name)
			f(t, newSandbox(t), path)
		})
	}
}

func (s *sandbox) vim(path string, plugin bool, args ...string) *exec.Cmd {
	s.t.Helper()
	rc := vimrc
	if plugin {
		here, err := filepath.Abs("vim")
		if err != nil {
			s.t.Fatal(err)
		}
		rc += "set runtimepath^=" + here + "\n"
	}
	return s.command(path, append([]string{"-u", s.write("vimrc", rc)}, args...)...)
}

// script runs Vim commands in a Vim that has a file open. What they pass to Say
// is returned; an error in them is said, too.
func (s *sandbox) script(vim, file, commands string, flags ...string) []string {
	s.t.Helper()
	script := s.write("script.vim", `let g:said = []
function! Say(what) abort
  call add(g:said, type(a:what) == v:t_string ? a:what : string(a:what))
endfunction
function! Try(command) abort
  try
    execute a:command
    call Say('done')
  catch
    call Say(v:exception)
  endtry
endfunction
try
`+commands+`
catch
  call Say('error: ' . v:exception . ' at ' . v:throwpoint)
endtry
call writefile(g:said, $PROBE)
qall!
`)
	_ = os.Remove(s.path("probe")) // of the script before
	start(s.t, s.vim(vim, true, append(flags, "-S", script, file)...)).ends()
	return strings.Split(strings.TrimSuffix(s.read(s.path("probe")), "\n"), "\n")
}

// TestVim: a person opens a file, searches, yanks, changes a value, writes and
// quits; nothing but the sealed file is on the disk, then and at any time.
func TestVim(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		before := s.read(s.file)
		cmd, trace := traced(t, s.vim(vim, true, s.file))
		v := start(t, cmd)
		v.sees("-before")
		v.keys("/" + canary + "\ryyp")
		v.keys("dd")
		v.keys(":%s/canary-" + canary + "-before/canary-" + canary + "-after/\r")
		v.keys(":g/host/normal yyPdd\r")
		v.keys(":call writefile(['here'], $PROBE)\r")
		v.wait("typed text is worked on", exists(s.path("probe")))
		if found := leaks(t, s.root); len(found) > 0 {
			t.Errorf("while it is edited, plaintext is in %q", found)
		}
		v.keys(":%!cat\r") // a filter
		v.keys(":w\r")
		v.wait("the file is written", changes(s.file, before))
		v.keys(":wq\r")
		v.ends()
		checkDiff(t, before, s.read(s.file), "password")
		if got, want := s.unsealed(s.file), strings.Replace(plainYAML, "-before", "-after", 1); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		checkTrace(t, trace)
		if found := leaks(t, s.root); len(found) > 0 {
			t.Errorf("plaintext is left in %q", found)
		}
	})
}

// TestVimControl: without the plugin the same is found in many places, so the sweep
// and the trace would find it.
func TestVimControl(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		plain := filepath.Join(s.work, "plain.yaml")
		if err := os.WriteFile(plain, []byte(plainYAML), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, trace := traced(t, s.vim(vim, false, plain))
		v := start(t, cmd)
		v.sees("-before")
		v.keys(":%s/-before/-after/\r:w\r")
		v.wait("the file is written", changes(plain, plainYAML))
		v.keys("yy:call system('cat', getline(1, '$'))\r:qa!\r")
		v.ends()
		found := strings.Join(leaks(t, s.root), " ")
		for _, place := range []string{"/undo/", ".orig", map[string]string{"vim": "/viminfo", "nvim": "/shada"}[filepath.Base(vim)]} {
			if !strings.Contains(found, place) {
				t.Errorf("nothing is found in %s, only in %q", place, found)
			}
		}
		if bad, _ := betrayals(t, trace); len(bad) < 2 {
			t.Errorf("the trace shows only %q", bad)
		}
	})
}

// TestVimOptions: nothing leads back to the sealed text, and the buffer is kept from
// what would write or send it.
func TestVimOptions(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		got := s.script(vim, s.file, `
call Say([&swapfile, &undofile, &modeline, &buftype, &bufhidden, &modified, &filetype])
call Say(&viminfo . '|' . (has('nvim') ? &shada : '') . '|' . &shelltemp)
call Say([b:ale_enabled, b:copilot_enabled, b:codeium_enabled])
silent! undo
call Say([getline(1), undotree().seq_last])
edit!
call Say([getline(1), &buftype])
new
bwipeout 1
call Say(&shelltemp)
`)
		want := []string{"[0, 0, 0, 'acwrite', 'hide', 0, 'yaml']", "||0", "[0, v:false, v:false]",
			"['# the shop''s database', 0]", "['# the shop''s database', 'acwrite']", "1"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestVimFailures: whatever goes wrong, the file is as it was, the text is there, and
// Vim does not quit.
func TestVimFailures(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		before := s.read(s.file)
		got := s.script(vim, s.file, `
call append('$', 'broken: [')
call Try('write')
call Say([&modified, line('.')])
split
call Try('wq')
call Say([&modified, winnr('$'), getline('$')])
call Try('xall')
call Say(getline('$'))
`)
		if len(got) != 6 || !strings.Contains(got[0], "a bracket that is not closed") || got[1] != "[1, 9]" ||
			!strings.Contains(got[2], "not written") || got[3] != "[1, 2, 'broken: [']" || got[5] != "broken: [" {
			t.Errorf("text that cannot be sealed: got %q", got)
		}
		other := filepath.Join(s.work, "other.yaml")
		got = s.script(vim, s.file, `
call Try('write `+other+`')
call Try('saveas `+other+`')
call Say(expand('%:p') ==# b:gitseal.path)
call Try('write! `+other+`2')
call Try('1,2write! `+other+`3')
call Try('1,2write!')
call Say([&modified, getfperm('`+other+`2')])
`)
		if len(got) != 7 || !strings.Contains(got[0], "would be plaintext") || !strings.Contains(got[1], "would be plaintext") || got[2] != "1" ||
			got[3] != "done" || got[4] != "done" || !strings.Contains(got[5], "a part of the text") || got[6] != "[0, 'rw-------']" {
			t.Errorf("other names: got %q", got)
		}
		if exists(other)() || s.read(other+"2") != plainYAML || s.read(other+"3") != strings.Join(strings.SplitAfter(plainYAML, "\n")[:2], "") {
			t.Error("a file of another name is not what was asked for")
		}
		if s.read(s.file) != before {
			t.Error("the sealed file has changed")
		}
	})
}

// TestVimMeanwhile: what somebody else has written is not overwritten, unless one
// insists.
func TestVimMeanwhile(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		got := s.script(vim, s.file, `
call setline(3, '    host: mine')
call system(['`+program+`', 'unset', 'app.yaml', 'list'][0] . ' unset app.yaml list')
call Say(v:shell_error)
call Try('write')
call Say([&modified, match(readfile('app.yaml'), '^list'), getline(3)])
call Try('write!')
call Say(&modified)
`)
		if len(got) != 5 || got[0] != "0" || !strings.Contains(got[1], "changed meanwhile") || got[2] != "[1, -1, '    host: mine']" || got[3] != "done" || got[4] != "0" {
			t.Errorf("got %q", got)
		}
		if plain := s.unsealed(s.file); !strings.Contains(plain, "host: mine") || !strings.Contains(plain, "list:") {
			t.Error("writing with a bang did not take this text")
		}
	})
}

// TestVimWithoutKey: the file is shown without its values, read-only, and a value
// can be replaced all the same.
func TestVimWithoutKey(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		s.forget()
		before := s.read(s.file)
		got := s.script(vim, s.file, `
call Say([&readonly, &modifiable, &buftype, b:gitseal.state])
call Say(join(getline(1, '$')))
call Say(execute('messages'))
call Try('write!')
`)
		all := strings.Join(got, "\n")
		if got[0] != "[1, 0, 'nowrite', 'redacted']" || !strings.Contains(got[1], "password: <sealed ") || !strings.Contains(all, "no identity opens this file") || got[len(got)-1] == "done" {
			t.Errorf("got %q", got)
		}
		if s.read(s.file) != before {
			t.Error("the sealed file has changed")
		}
		v := start(t, s.vim(vim, true, s.file))
		v.sees("Press ENTER")
		v.keys("\r")
		v.sees("<sealed ")
		v.keys(":GitsealSet db.password\r")
		v.sees("New value of db.password")
		v.keys("canary-" + canary + "-typed\r")
		v.wait("there is a proposal", changes(s.file, before))
		v.keys("\r:qall!\r")
		v.ends()
		if strings.Contains(v.screen(), "-typed") {
			t.Error("the value was shown")
		}
		if found := leaks(t, s.root); len(found) > 0 {
			t.Errorf("plaintext is left in %q", found)
		}
	})
}

// TestVimRedacted: files can be opened without their values first.
func TestVimRedacted(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		got := s.script(vim, s.file, `
let g:gitseal_open = 'redacted'
edit!
call Say([b:gitseal.state, &modifiable, getline(4)[:21]])
GitsealOpen
call Say([b:gitseal.state, &modifiable, &readonly, getline(3)])
call setline(3, '    host: x')
call Try('write')
GitsealRedacted
call Say([b:gitseal.state, bufname() =~# '^gitseal://', winnr('$')])
GitsealOpen
call Say([b:gitseal.state, expand('%:p') ==# b:gitseal.path, getline(3)])
let g:gitseal_open = 'sealed'
edit!
call Say([exists('b:gitseal'), &buftype, getline(2)])
`)
		want := []string{"['redacted', 0, '    password: <sealed ']", "['plain', 1, 0, '    host: db-1.internal']", "done",
			"['redacted', 1, 2]", "['plain', 1, '    host: x']", "[0, '', 'db:']"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestVimDoor: if the door is closed, the file is shown without its values.
func TestVimDoor(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		s.env = append(s.env, "GITSEAL_DOORS=closed")
		got := strings.Join(s.script(vim, s.file, `
call Say(b:gitseal.state)
call Say(join(getline(1, '$')))
call Say(execute('messages'))
`), "\n")
		if !strings.HasPrefix(got, "redacted\n") || !strings.Contains(got, "password: <sealed ") || !strings.Contains(got, "GITSEAL_DOORS is closed") {
			t.Errorf("got %q", got)
		}
	})
}

// TestVimSet: one value is replaced beside the text, and a window shows the file
// without its values.
func TestVimSet(t *testing.T) {
	eachVim(t, func(t *testing.T, s *sandbox, vim string) {
		before := s.read(s.file)
		v := start(t, s.vim(vim, true, s.file))
		v.sees("-before")
		v.keys(":GitsealRedacted\r")
		v.sees("<sealed string ")
		v.keys(":close\r:GitsealSet db.password\r")
		v.sees("New value of db.password")
		v.keys("canary-" + canary + "-after\r")
		v.wait("the value is written", changes(s.file, before))
		v.sees("db.password: set")
		v.keys("\r:%s/two/three/\r:wq\r")
		v.ends()
		if got, want := s.unsealed(s.file), strings.NewReplacer("-before", "-after", "two", "three").Replace(plainYAML); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if found := leaks(t, s.root); len(found) > 0 {
			t.Errorf("plaintext is left in %q", found)
		}
	})
}
