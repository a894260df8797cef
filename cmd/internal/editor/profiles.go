package editor

import (
	"path/filepath"
	"slices"
	"strings"
)

// profile is what is known of an editor.
type profile struct {
	// name is the program's name, known whether there is a profile for it.
	name  string
	known bool
	// flags switch off what it would keep elsewhere, and make it stay until the
	// file is closed. The folder state is in the workspace.
	flags func(state string) []flag
	// files are written into the folder state first, by their names there.
	files map[string]string
	// before returns a command that prepares a server that runs already.
	before func(c *Command) []string
	// ownTemp: it finds its server by TMPDIR, which must stay what it is.
	ownTemp bool
	// terminal: it takes over the terminal, and is done when it returns.
	terminal bool
	// detaches: a program of this kind may return at once and go on in a window.
	detaches bool
	// keeps says what it keeps in spite of all.
	keeps string
}

// profileOf returns the profile of an editor by the name of its program.
func profileOf(word string) profile {
	name := baseName(word)
	if p := byName(name); p.known && !isGeneric(name) {
		return p
	}
	// The name may be a link, of which the target says more.
	target := resolvedName(word)
	if target == "" {
		return byName(name)
	}
	p := byName(target)
	p.name = name
	return p
}

// isGeneric reports whether a name stands for whatever is installed under it.
func isGeneric(name string) bool {
	return slices.Contains([]string{"vi", "view", "ex", "editor", "nano", "emacs"}, name)
}

// candidates are the names for which a program of a name may have a profile: that
// of vim for vim.basic, of emacs for emacs-nox, of webstorm for webstorm64.
func candidates(name string) []string {
	out := []string{name, strings.TrimSuffix(name, "64")}
	if strings.HasPrefix(name, "vim.") {
		out = append(out, "vim")
	}
	if strings.HasPrefix(name, "emacs-") {
		out = append(out, "emacs")
	}
	return out
}

// byName finds a profile.
func byName(name string) profile {
	for _, candidate := range candidates(name) {
		for _, k := range kinds() {
			if slices.Contains(k.names, candidate) {
				p := k.profile
				p.name, p.known = name, true
				return p
			}
		}
	}
	return profile{name: name}
}

// kind is a profile for several names.
type kind struct {
	names []string
	profile
}

// kinds are the profiles. What each of the switches does is in the manual of the
// editor; those of vim, neovim, emacs and nano are tried in the tests.
func kinds() []kind {
	return slices.Concat(terminalKinds(), windowKinds())
}

func terminalKinds() []kind {
	return []kind{
		{[]string{"vim", "vi", "view", "rvim", "rview", "vimdiff", "ex", "vimx"}, profile{flags: vimFlags, terminal: true}},
		{[]string{"nvim"}, profile{flags: vimFlags, terminal: true}},
		{[]string{"gvim", "mvim", "evim", "gview", "rgvim"}, profile{flags: func(state string) []flag {
			return append([]flag{once([]string{"-f"}, "--nofork")}, vimFlags(state)...)
		}, detaches: true}},
		{[]string{"emacs", "remacs"}, profile{flags: func(state string) []flag { return []flag{always("--eval", emacsSettings(state))} }, terminal: true}},
		{[]string{"emacsclient"}, profile{before: emacsServer, ownTemp: true, keeps: "the server keeps its kill ring, and savehist may save that"}},
		// Without its files nano keeps nothing; there is no switch for each of the
		// settings that may be in them.
		{[]string{"nano", "rnano"}, profile{flags: func(string) []flag {
			return []flag{once([]string{"--ignorercfiles"}, "-I", "--rcfile", "-f"), once([]string{"--nonewlines"}, "-L")}
		}, terminal: true}},
		{[]string{"micro"}, profile{flags: microFlags, terminal: true}},
		{[]string{"joe", "jmacs", "jstar", "jpico", "rjoe"}, profile{flags: func(string) []flag {
			return []flag{once([]string{"-nobackups"}), once([]string{"-nolocks"}), once([]string{"-nodeadjoe"})}
		}, terminal: true, keeps: "may keep copies of the text as its own files say (backups, the state of a session)"}},
		// These keep nothing outside of the file's own folder.
		{[]string{"hx", "helix", "kak", "mg", "busybox", "vis"}, profile{terminal: true}},
		{[]string{"ed", "red"}, profile{keeps: "writes the text to ed.hup when the terminal goes away"}},
	}
}

func windowKinds() []kind {
	const history = "keeps a local history of what is saved, outside of gitseal's reach"
	const assistant = "has an assistant built in that reads the text and may send it elsewhere"
	jetbrains := []string{"idea", "goland", "webstorm", "pycharm", "phpstorm", "clion", "rubymine", "rider", "datagrip", "rustrover", "fleet", "studio"}
	return []kind{
		{[]string{"code", "code-insiders", "codium", "vscodium", "code-oss"}, profile{flags: codeFlags, files: codeFiles(), detaches: true}},
		{[]string{"cursor", "windsurf", "windsurf-next", "trae", "kiro", "antigravity"}, profile{flags: codeFlags, files: codeFiles(), detaches: true, keeps: assistant}},
		{[]string{"subl", "sublime_text"}, profile{flags: func(string) []flag {
			return []flag{once([]string{"--wait"}, "-w"), once([]string{"--new-window"}, "-n", "-a", "--add")}
		}, detaches: true, keeps: "keeps text that is not saved in its session (hot_exit)"}},
		{[]string{"zed", "zeditor", "zed-editor"}, profile{flags: func(state string) []flag {
			return []flag{once([]string{"--wait"}, "-w"), once([]string{"--user-data-dir", filepath.Join(state, "zed")})}
		}, detaches: true, keeps: assistant}},
		{jetbrains, profile{flags: waitFlag("--wait"), detaches: true, keeps: history}},
		{[]string{"mate", "bbedit", "atom", "pulsar", "xed", "pluma"}, profile{flags: waitFlag("--wait", "-w"), detaches: true}},
		{[]string{"gedit"}, profile{flags: func(string) []flag {
			return []flag{once([]string{"--wait"}, "-w"), once([]string{"--standalone"}, "-s")}
		}, detaches: true}},
		{[]string{"kate"}, profile{flags: waitFlag("--block", "-b"), detaches: true, keeps: "may keep a swap file, as its settings say"}},
		{[]string{"notepad"}, profile{detaches: true, keeps: "keeps open tabs for the next start (Windows 11)"}},
	}
}

func waitFlag(name string, others ...string) func(string) []flag {
	return func(string) []flag { return []flag{once([]string{name}, others...)} }
}

func microFlags(string) []flag {
	var out []flag
	for _, option := range []string{"backup", "permbackup", "savecursor", "savehistory", "saveundo", "eofnewline"} {
		out = append(out, once([]string{"-" + option, "false"}, "--"+option))
	}
	return out
}

// codeFlags: a folder for user data of its own takes backups, local history and
// the state of windows with it when it goes; without extensions, nobody else reads
// the text.
func codeFlags(state string) []flag {
	return []flag{
		once([]string{"--wait"}, "-w"),
		once([]string{"--new-window"}, "-n", "-r", "--reuse-window"),
		once([]string{"--disable-extensions"}, "--disable-extension"),
		once([]string{"--disable-workspace-trust"}),
		once([]string{"--user-data-dir=" + filepath.Join(state, "code")}, "--user-data-dir"),
	}
}

func codeFiles() map[string]string {
	return map[string]string{"code/User/settings.json": `{
	"chat.disableAIFeatures": true,
	"files.hotExit": "off",
	"files.autoSave": "off",
	"files.insertFinalNewline": false,
	"telemetry.telemetryLevel": "off",
	"update.mode": "none",
	"workbench.enableExperiments": false,
	"workbench.localHistory.enabled": false,
	"workbench.startupEditor": "none"
}
`}
}
