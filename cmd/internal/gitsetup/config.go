package gitsetup

import (
	"regexp"
	"strings"
	"sync"
)

// Setting is one entry of git's configuration.
type Setting struct{ Key, Value string }

// Settings are the entries that tell git about us. The program is how git is to call
// it, as [Command] returns it.
func Settings(program string) []Setting {
	return []Setting{
		{"diff.gitseal.textconv", program + " diff --textconv --"},
		// What we print holds no secret, but another version may print something else.
		{"diff.gitseal.cachetextconv", "false"},
		{"merge.gitseal.name", "gitseal: merge by key"},
		{driverKey, strings.ReplaceAll(program, "%", "%%") + driverCall + driverElse},
	}
}

const (
	driverKey  = "merge.gitseal.driver"
	driverCall = " merge --path %P --marker-size %L %O %A %B"
	// driverElse: where we cannot run, or are killed, git would leave our side alone in
	// the work tree, as if it were the merge. Whatever git merge-file says, it was no
	// merge of ours, so that somebody has to look at it.
	driverElse = "; s=$?; test $s -lt 2 && exit $s; git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B; exit 1"
)

// IsOldDriver reports whether a setting is a driver of ours that earlier versions wrote.
func IsOldDriver(s Setting) bool {
	return s.Key == driverKey && strings.HasSuffix(s.Value, driverCall)
}

// Command returns how a shell calls a program by its path.
func Command(path string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@,", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !safe(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// ParseList reads what git config --list -z prints: <key> LF <value> NUL. A key may
// stand several times; the last one counts. Sections and names are in lower case.
func ParseList(out string) []Setting {
	var list []Setting
	for entry := range strings.SplitSeq(out, "\x00") {
		if entry == "" {
			continue
		}
		key, value, ok := strings.Cut(entry, "\n")
		if !ok {
			value = "true" // git's way to say so
		}
		list = append(list, Setting{key, value})
	}
	return list
}

// Get returns the value that counts, and whether there is one.
func Get(list []Setting, key string) (string, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Key == key {
			return list[i].Value, true
		}
	}
	return "", false
}

// Danger is a driver of git's configuration through which plaintext gets to where it
// should not be.
type Danger struct {
	// Key names the setting.
	Key string
	// Driver is the driver's name.
	Driver string
	Kind   DangerKind
}

// DangerKind says what a driver does.
type DangerKind uint8

// The kinds.
const (
	// Cached: what a textconv decrypted is kept in git's object store.
	Cached DangerKind = iota
	// Shown: git diff, log -p, show and blame print plaintext, to everybody and
	// everything that runs them.
	Shown
	// Smudged: files of the work tree are plaintext, for every process.
	Smudged
)

// Dangers lists the drivers that decrypt.
func Dangers(list []Setting) []Danger {
	var out []Danger
	seen := map[string]bool{}
	for _, s := range list {
		driver, name := driverOf(s.Key)
		if driver == "" || seen[s.Key] {
			continue
		}
		seen[s.Key] = true
		value, _ := Get(list, s.Key)
		if !decrypting().MatchString(value) {
			continue
		}
		switch {
		case name == "textconv":
			kind := Shown
			if cached, _ := Get(list, "diff."+driver+".cachetextconv"); isTrue(cached) {
				kind = Cached
			}
			out = append(out, Danger{Key: s.Key, Driver: driver, Kind: kind})
		case name == "smudge" || name == "process":
			out = append(out, Danger{Key: s.Key, Driver: driver, Kind: Smudged})
		}
	}
	return out
}

// driverOf takes the key of a diff driver or filter apart.
func driverOf(key string) (driver, name string) {
	section, rest, _ := strings.Cut(key, ".")
	at := strings.LastIndexByte(rest, '.')
	if at < 0 || section != "diff" && section != "filter" {
		return "", ""
	}
	return rest[:at], rest[at+1:]
}

// isTrue reads a boolean of git.
func isTrue(v string) bool {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		return true
	}
	return false
}

// decrypting recognizes the commands of tools that turn sealed files into plain ones.
var decrypting = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\bsops\b.*(\s-d\b|\s--decrypt\b|\sdecrypt\b|\sexec-file\b)` +
		`|\bgitseal\b.*\s(unseal|get|--plaintext)\b|(^|[/\s'"])unseal\b` +
		`|\bgit-crypt\b|\btranscrypt\b|\bgit-secret\b|\bblackbox|\bansible-vault\b.*\b(view|decrypt)\b` +
		`|\b(gpg2?|rage|age)\b.*\s(-d|--decrypt)\b|\bopenssl\b.*\s-d\b|\bejson\b.*\bdecrypt\b`)
})

// ProgramOf returns the program, as a shell is to read it, that the value of a setting
// calls in the way that want, made for the program gitseal, does; isCommand is false
// if it calls something else, or want is no command.
func ProgramOf(want Setting, value string) (program string, isCommand bool) {
	args, ok := strings.CutPrefix(want.Value, "gitseal ")
	if !ok {
		return "", false
	}
	program, ok = strings.CutSuffix(value, " "+args)
	if !ok || program == "" {
		return "", false
	}
	if strings.HasSuffix(want.Key, ".driver") {
		program = strings.ReplaceAll(program, "%%", "%")
	}
	return program, strings.ContainsAny(program[:1], "'/") || !strings.ContainsAny(program, " '\"")
}

// Path undoes [Command].
func Path(program string) string {
	if inner, ok := strings.CutPrefix(program, "'"); ok {
		return strings.ReplaceAll(strings.TrimSuffix(inner, "'"), `'\''`, "'")
	}
	return program
}
