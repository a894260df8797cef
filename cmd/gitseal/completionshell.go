package main

import (
	"slices"
	"strings"
)

// commandLine is what a shell says of the line that is being typed.
type commandLine struct {
	shell string
	// words are the words before the cursor, without quotes, cur is the one at it.
	words []string
	cur   string
	// done is the part of cur that bash does not replace, and quote the quote that is
	// open at the cursor, 0 for none.
	done  string
	quote byte
}

// readCommandLine reads the arguments after [completeWord].
func readCommandLine(args []string) (commandLine, bool) {
	const least = 2
	if len(args) < least {
		return commandLine{}, false
	}
	l := commandLine{shell: args[0]}
	args = args[1:]
	if l.shell == "bash" {
		if len(args) != least {
			return l, false
		}
		l.readBash(args[0], args[1])
		return l, len(l.words) > 0
	}
	last, ok := strings.CutPrefix(args[len(args)-1], "=")
	l.words, l.cur = args[:len(args)-1], last
	// These take the quotes off all words but this one.
	switch l.shell {
	case "fish":
		l.cur, _, _, _, _ = bashWord(last)
	case "powershell":
		l.cur = strings.Trim(last, `'"`)
	}
	return l, ok && len(l.words) > 0
}

// readBash takes bash's line apart: bash itself cuts words at = and :, too, and
// leaves quotes in them.
func (l *commandLine) readBash(line, replaced string) {
	raw := ""
	for {
		word, text, quote, rest, more := bashWord(line)
		if !more {
			raw, l.cur, l.quote = text, word, quote
			break
		}
		l.words, line = append(l.words, word), rest
	}
	// Assignments may stand before the command.
	n := slices.IndexFunc(l.words, func(w string) bool { return !strings.Contains(w, "=") })
	l.words = l.words[max(n, 0):]
	if head, ok := strings.CutSuffix(raw, replaced); ok {
		l.done, _, _, _, _ = bashWord(head)
	}
}

// bashWord reads the first word of a line: without its quotes, as it is written, the
// quote that is still open at its end, and the line behind it. more is false if the
// line ends with the word.
func bashWord(line string) (word, text string, quote byte, rest string, more bool) {
	line = strings.TrimLeft(line, " \t\n")
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			return b.String(), line[:i], 0, line[i:], true
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || strings.IndexByte("\"\\$`", line[i+1]) >= 0):
			i++
			b.WriteByte(line[i])
		case c == '\\' && quote == 0: // at the very end
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), line, quote, "", false
}

// answer prints candidates as the script of the shell reads them.
func (l commandLine) answer(list []candidate) string {
	var b strings.Builder
	if l.shell == "bash" && len(list) > 0 {
		// bash puts a space behind the only candidate, unless it is told not to.
		b.WriteString(map[bool]string{true: "nospace\n", false: "space\n"}[list[0].more])
	}
	for _, c := range list {
		about := oneLine(strings.ReplaceAll(c.about, "\t", " "))
		switch l.shell {
		case "bash":
			b.WriteString(l.bashText(c.text))
		case "zsh":
			b.WriteString(map[bool]string{true: "+", false: "-"}[c.more] + c.text + "\t" + about)
		default:
			b.WriteString(c.text + "\t" + about)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// bashText is what bash is to put in place of what it replaces.
func (l commandLine) bashText(text string) string {
	text = strings.TrimPrefix(text, l.done)
	switch l.quote {
	case '\'':
		return text
	case '"':
		return escape(text, "\"\\$`")
	}
	// A tilde that was typed stays one.
	tilde := ""
	if strings.HasPrefix(text, "~/") {
		tilde, text = "~", text[1:]
	}
	return tilde + escape(text, " \t\"'`\\$&|;<>()[]{}*?!#~^")
}

func escape(text, special string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(special, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func completionScripts() map[string]string {
	return map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript, "powershell": powershellScript}
}

// In bash, $1 is the command's name as it was typed and $2 what is to be replaced.
const bashScript = `_gitseal() {
    local line space= program="${1/#\~\//$HOME/}"
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z "$space" ]]; then
            space="$line"
        else
            COMPREPLY+=("$line")
        fi
    done < <("$program" __complete bash "${COMP_LINE:0:$COMP_POINT}" "$2" 2>/dev/null </dev/null)
    if [[ "$space" == nospace ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _gitseal gitseal
`

const zshScript = `#compdef gitseal
_gitseal() {
    local line word tilde= typed="${(Q)PREFIX}"
    # A tilde must not be quoted.
    [[ "$PREFIX" == '~/'* ]] && compset -P '\~/' && tilde='~/'
    local -a spaced spacedAbout tight tightAbout list
    for line in "${(@f)$("${(Q)words[1]/#\~\//$HOME/}" __complete zsh "${(@Q)words[1,CURRENT-1]}" "=$typed" 2>/dev/null </dev/null)}"; do
        word="${line[2,-1]%%$'\t'*}"
        word="${word#$tilde}"
        [[ -z "$word" ]] && continue
        [[ -n "${line#*$'\t'}" ]] && list=(-l)
        case "$line" in
            +*) tight+=("$word") tightAbout+=("$word${${line#*$'\t'}:+  -- ${line#*$'\t'}}") ;;
            *) spaced+=("$word") spacedAbout+=("$word${${line#*$'\t'}:+  -- ${line#*$'\t'}}") ;;
        esac
    done
    local status_=1
    (( $#spaced )) && compadd $list -d spacedAbout -a -- spaced && status_=0
    (( $#tight )) && compadd $list -S '' -d tightAbout -a -- tight && status_=0
    return status_
}
if [[ "$funcstack[1]" == _gitseal ]]; then
    _gitseal "$@"
else
    compdef _gitseal gitseal
fi
`

const fishScript = `function __gitseal_complete
    set -l words (commandline -opc)
    $words[1] __complete fish $words "="(commandline -ct) 2>/dev/null </dev/null
end
complete -c gitseal -f -a '(__gitseal_complete)'
`

const powershellScript = `Register-ArgumentCompleter -Native -CommandName gitseal -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text } })
    & $words[0] __complete powershell @words "=$wordToComplete" 2>$null | ForEach-Object {
        $text, $about = $_ -split [char]9, 2
        $shown = if ($text -match '[\s"''$()\[\]{};,|&<>@#]' -or $text.Contains([string][char]96)) { "'" + $text.Replace("'", "''") + "'" } else { $text }
        $tip = if ($about) { $about } else { $text }
        [System.Management.Automation.CompletionResult]::new($shown, $text, 'ParameterValue', $tip)
    }
}
`
