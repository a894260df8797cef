package editor

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/shlex"
)

// ErrNone: no editor was chosen, and none of the usual ones is installed.
var ErrNone = errors.New("there is no editor")

// Command is an editor with the arguments that the user has given it.
type Command struct {
	// words are the program and its arguments. With shell set, they are only what is
	// recognized of it.
	words []string
	// shell is the command line if it takes a shell to understand it.
	shell string
	// at is the index of the editor's own word, behind wrappers such as env.
	at int
	profile
}

// Parse reads a command line as git reads core.editor: words with quotes, or what
// needs a shell.
func Parse(line string) (*Command, error) {
	text := line
	if runtime.GOOS == "windows" {
		text = strings.ReplaceAll(text, `\`, `\\`) // there it is part of paths
	}
	words, err := shlex.Split(text)
	if err != nil {
		return nil, fmt.Errorf("the quotes do not match: %s", line)
	}
	if len(words) == 0 {
		return nil, ErrNone
	}
	c := &Command{words: words}
	if needsShell(line) {
		c.shell = line
	}
	c.at = editorWord(words)
	if !isCompound(line) {
		c.profile = profileOf(words[c.at])
	}
	if c.name == "" {
		c.name = baseName(words[c.at])
	}
	return c, nil
}

// Usual returns the first of the editors that most systems have.
func Usual() (*Command, error) {
	for _, name := range []string{"vim", "nano", "vi"} {
		if _, err := exec.LookPath(name); err == nil {
			return Parse(name)
		}
	}
	return nil, ErrNone
}

// Name is the base name of the editor's program.
func (c *Command) Name() string { return c.name }

// Known reports whether it is known what the editor keeps, and how to stop it.
func (c *Command) Known() bool { return c.known }

// Keeps says what the editor keeps of a text in spite of all switches, "" if
// nothing is known of that.
func (c *Command) Keeps() string { return c.keeps }

// unattended reports whether an editor for terminals was told to do without one.
func (c *Command) unattended() bool {
	return slices.ContainsFunc(c.words, func(w string) bool {
		return slices.Contains([]string{"-es", "-Es", "-E", "--headless", "--batch", "-batch", "--not-a-term"}, w)
	})
}

// argv returns the program and all arguments to open a file. state is a folder for
// what the editor itself wants to keep.
func (c *Command) argv(file, state string) []string {
	var extra []string
	if c.flags != nil {
		for _, f := range c.flags(state) {
			if !f.given(c.words[c.at+1:]) {
				extra = append(extra, f.words...)
			}
		}
	}
	if c.shell != "" {
		return slices.Concat([]string{"sh", "-c", c.shell + ` "$@"`, c.shell}, extra, []string{file})
	}
	words := slices.Clone(c.words)
	at := len(words)
	if i := slices.Index(words, "--"); i > c.at {
		at = i
	}
	return append(slices.Insert(words, at, extra...), file)
}

// flag is a switch with its value. The names are other spellings of it.
type flag struct {
	words []string
	names []string
}

// given reports whether the user has given the switch. One without names can stand
// any number of times.
func (f flag) given(words []string) bool {
	return slices.ContainsFunc(f.names, func(name string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			return w == name || strings.HasPrefix(name, "--") && strings.HasPrefix(w, name+"=")
		})
	})
}

// once is a switch that is left out if the user has given it, by the first of its
// words or by another name.
func once(words []string, names ...string) flag {
	return flag{words: words, names: append(names, words[0])}
}

// always is a switch that can stand several times.
func always(words ...string) flag { return flag{words: words} }

// needsShell reports whether words and quotes are not all that there is to a
// command line.
func needsShell(line string) bool {
	quote := rune(0)
	for i, r := range line {
		switch {
		case quote == '\'' && r != '\'':
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case strings.ContainsRune("$`", r):
			return true
		case quote == 0 && strings.ContainsRune("|&;<>()*?[{#!\n", r):
			return true
		case quote == 0 && r == '~' && (i == 0 || strings.ContainsRune(" \t=:", rune(line[i-1]))):
			return true
		}
	}
	return isAssignment(strings.TrimSpace(line))
}

// isCompound reports whether a command line may be more than one command, so that
// nobody knows which of them gets the arguments.
func isCompound(line string) bool { return strings.ContainsAny(line, "|&;()<>\n`") }

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// editorWord returns the index of the word that is the editor, and not something
// that runs it.
func editorWord(words []string) int {
	wrappers := []string{"env", "nice", "nohup", "setsid", "command", "exec", "ionice", "stdbuf", "winpty", "time"}
	wrapped := isAssignment(words[0])
	for i, w := range words {
		switch {
		case slices.Contains(wrappers, baseName(w)):
			wrapped = true
		case wrapped && (strings.HasPrefix(w, "-") || isAssignment(w) || strings.Trim(w, "0123456789") == ""):
		default:
			return i
		}
	}
	return 0
}

// baseName returns the name by which programs are known: without folder and .exe.
func baseName(path string) string {
	if i := strings.LastIndexByte(path, '\\'); i >= 0 {
		path = path[i+1:]
	}
	name := strings.ToLower(filepath.Base(path))
	for _, suffix := range []string{".exe", ".cmd", ".bat", ".appimage"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// resolvedName is the base name of the program that a name leads to: "editor" and
// "vi" are links to many editors.
func resolvedName(word string) string {
	path, err := exec.LookPath(word)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return ""
	}
	return baseName(path)
}
