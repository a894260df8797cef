package main

import (
	"fmt"
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
		Description: `Example, for bash:
   source <(gitseal completion bash)`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usageError("name one shell", "bash, zsh, fish or powershell")
			}
			return runCompletion(c.App, u.out, c.Args().First())
		},
	}
}

// completionFlag is the last argument of a call that asks for words instead of
// doing its work.
const completionFlag = "--generate-bash-completion"

// completions returns what can stand in place of the last word before the
// completion flag, if that word begins with "-", or else after it. The command
// line library has such a thing, too, but it panics on half a flag.
func completions(app *cli.App, args []string) (words []string, asked bool) {
	if args[len(args)-1] != completionFlag {
		return nil, false
	}
	args = args[:len(args)-1]
	isFlag := len(args) > 1 && strings.HasPrefix(args[len(args)-1], "-")
	_, cmd := commandOf(app, args)
	switch {
	case slices.Contains(args, "--"):
	case cmd != nil && isFlag:
		for _, f := range cmd.Flags {
			words = append(words, "--"+f.Names()[0])
		}
		words = append(words, "--help")
	case cmd != nil && cmd.Name == "completion":
		words = []string{"bash", "zsh", "fish", "powershell"}
	case isFlag:
		words = []string{"--help", "--version"}
	case cmd == nil && len(args) == 1:
		for _, c := range app.Commands {
			words = append(words, c.Name)
		}
	}
	return words, true
}

func printWords(u *ui, words []string) int {
	for _, w := range words {
		fmt.Fprintln(u.out, w)
	}
	return exitDone
}

func runCompletion(app *cli.App, out io.Writer, shell string) error {
	switch shell {
	case "bash":
		_, err := io.WriteString(out, bashScript)
		return err
	case "zsh":
		_, err := io.WriteString(out, zshScript)
		return err
	case "powershell":
		_, err := io.WriteString(out, powershellScript)
		return err
	case "fish":
		script, err := app.ToFishCompletion()
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, script)
		return err
	}
	return usageError("there is no completion for "+quoted(shell), "bash, zsh, fish or powershell")
}

// The scripts ask the program itself, which prints one word a line. Where it has
// nothing to offer, the shell completes file names.

const bashScript = `_gitseal() {
    local cur="${COMP_WORDS[COMP_CWORD]}" words IFS=$'\n'
    if [[ "$cur" == -* ]]; then
        words=$("${COMP_WORDS[@]:0:$COMP_CWORD}" "$cur" --generate-bash-completion 2>/dev/null)
    else
        words=$("${COMP_WORDS[@]:0:$COMP_CWORD}" --generate-bash-completion 2>/dev/null)
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [[ ${COMP_CWORD} -gt 1 && "$cur" != -* && "${COMP_WORDS[1]}" != completion ]]; then
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _gitseal gitseal
`

const zshScript = `#compdef gitseal
_gitseal() {
    local -a words_
    local cur="${words[-1]}"
    if [[ "$cur" == -* ]]; then
        words_=("${(@f)$("${words[@]:0:#words[@]-1}" "$cur" --generate-bash-completion 2>/dev/null)}")
    else
        words_=("${(@f)$("${words[@]:0:#words[@]-1}" --generate-bash-completion 2>/dev/null)}")
    fi
    _describe 'gitseal' words_
    (( CURRENT > 2 )) && [[ "$cur" != -* && "${words[2]}" != completion ]] && _files
}
compdef _gitseal gitseal
`

const powershellScript = `Register-ArgumentCompleter -Native -CommandName gitseal -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -and -not $wordToComplete.StartsWith('-') -and $words.Count -gt 0) {
        $words = @($words | Select-Object -SkipLast 1)
    }
    & gitseal @words --generate-bash-completion 2>$null | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}
`
