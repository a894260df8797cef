package main

import (
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func completionCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell: bash, zsh, fish or powershell",
		UsageText: "gitseal completion SHELL",
		Description: `The script asks gitseal itself what can stand at the cursor: commands, flags, files that are
sealed (or not yet), recipients, the paths of keys in a file. No key is needed for it,
nothing is asked, run or sent, and nothing but words is printed.

Examples:
   source <(gitseal completion bash)                       # in ~/.bashrc
   source <(gitseal completion zsh)                        # in ~/.zshrc, after compinit
   gitseal completion fish | source                        # in ~/.config/fish/config.fish
   gitseal completion powershell | Out-String | Invoke-Expression    # in $PROFILE`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usageError("name one shell", "bash, zsh, fish or powershell")
			}
			script, ok := completionScripts()[c.Args().First()]
			if !ok {
				return usageError("there is no completion for "+quoted(c.Args().First()), "bash, zsh, fish or powershell")
			}
			_, err := io.WriteString(u.out, script)
			return err
		},
	}
}

// completeWord is the first argument of a call that asks for words instead of doing
// its work. The shell's name follows, and then what is on its command line:
//
//	bash                   the line up to the cursor, and the part of it that is replaced
//	zsh, fish, powershell  the words before the one at the cursor, then a = and that word
const completeWord = "__complete"

// complete answers such a call. Whatever goes wrong, there are no words, and
// nothing is said about it.
func complete(app *cli.App, s std, args []string) (out string, asked bool) {
	if len(args) < 2 || args[1] != completeWord {
		return "", false
	}
	line, ok := readCommandLine(args[2:])
	if !ok {
		return "", true
	}
	c := completer{app: app, std: s, words: line.words, cur: line.cur}
	var fit []candidate
	for _, cand := range c.candidates() {
		if strings.HasPrefix(cand.text, line.cur) && cand.printable() {
			fit = append(fit, cand)
		}
	}
	return line.answer(fit), true
}

// candidate is what can stand in place of the word at the cursor.
type candidate struct {
	text string
	// about describes it in a few words, where the shell shows such.
	about string
	// more: something else must follow at once, so that no space is put behind it.
	more bool
}

// printable reports whether a terminal shows the candidate as it is: names of files
// and keys can hold anything.
func (c candidate) printable() bool { return c.text != "" && oneLine(c.text) == c.text }

func plainCandidates(texts ...string) []candidate {
	var out []candidate
	for _, t := range texts {
		out = append(out, candidate{text: t})
	}
	return out
}

// completer finds candidates.
type completer struct {
	app *cli.App
	std std
	// words are those before the cursor, the program's name first; cur is the one
	// that is being typed.
	words []string
	cur   string

	// What follows is settled by parse.
	cmd *cli.Command
	// path is the command's name with those of the commands it belongs to.
	path string
	args []string
	// flags are the values that were given, by the name of the flag.
	flags map[string][]string
	// pending is the flag whose value is being typed.
	pending cli.Flag
	// ended: "--" stands before the cursor.
	ended bool
}

// candidates returns everything that can stand at the cursor.
func (c *completer) candidates() []candidate {
	at, cmd := commandOf(c.app, c.words)
	switch {
	case cmd == nil && at > 0:
		return nil // there is no such command
	case cmd == nil && strings.HasPrefix(c.cur, "-"):
		return plainCandidates("--help", "--version")
	case cmd == nil:
		return commandCandidates(c.app.Commands)
	}
	c.cmd = cmd
	c.parse(at)
	if c.pending != nil {
		return c.values(c.pending, c.cur)
	}
	name, value, isSet := strings.Cut(c.cur, "=")
	switch {
	case strings.HasPrefix(c.cur, "--") && isSet && !c.ended:
		var out []candidate
		for _, v := range c.values(flagOf(cmd, name), value) {
			v.text = name + "=" + v.text
			out = append(out, v)
		}
		return out
	case strings.HasPrefix(c.cur, "-") && !c.ended:
		return c.flagCandidates()
	case len(cmd.Subcommands) > 0:
		if len(c.args) > 0 {
			return nil
		}
		return commandCandidates(cmd.Subcommands)
	}
	return c.positional()
}

// parse takes the words behind the command apart.
func (c *completer) parse(at int) {
	for _, w := range c.words[1 : at+1] {
		if !strings.HasPrefix(w, "-") {
			c.path = strings.TrimSpace(c.path + " " + w)
		}
	}
	c.flags = map[string][]string{}
	rest := c.words[at+1:]
	for i := 0; i < len(rest); i++ {
		w := rest[i]
		switch {
		case c.ended || len(w) < 2 || w[0] != '-':
			c.args = append(c.args, w)
		case w == "--":
			c.ended = true
		case takesNext(c.cmd, w) && i+1 == len(rest):
			c.pending = flagOf(c.cmd, w)
		case takesNext(c.cmd, w):
			i++
			c.remember(w, rest[i])
		default:
			name, value, _ := strings.Cut(w, "=")
			c.remember(name, value)
		}
	}
}

func (c *completer) remember(flag, value string) {
	if f := flagOf(c.cmd, flag); f != nil {
		c.flags[f.Names()[0]] = append(c.flags[f.Names()[0]], value)
	}
}

// flagOf returns the flag that a word such as --age or -io means, nil for none: of
// several letters the last.
func flagOf(cmd *cli.Command, word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	short := name
	if !strings.HasPrefix(word, "--") && name != "" {
		short = name[len(name)-1:]
	}
	for _, n := range []string{name, short} {
		for _, f := range cmd.Flags {
			if slices.Contains(f.Names(), n) {
				return f
			}
		}
	}
	return nil
}

func commandCandidates(list []*cli.Command) []candidate {
	var out []candidate
	for _, c := range list {
		if !c.Hidden {
			out = append(out, candidate{text: c.Name, about: c.Usage})
		}
	}
	return out
}

// flagCandidates are the command's flags, but for those that were given and count
// once only.
func (c *completer) flagCandidates() []candidate {
	var out []candidate
	for _, f := range c.cmd.Flags {
		name := f.Names()[0]
		_, given := c.flags[name]
		_, repeatable := f.(*cli.StringSliceFlag)
		if name == "help" || given && !repeatable {
			continue
		}
		about := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			about = strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		out = append(out, candidate{text: "--" + name, about: about})
	}
	return append(out, candidate{text: "--help", about: "show help"})
}
