package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// agentsName is the file that most coding agents read instructions from.
const agentsName = "AGENTS.md"

// The marks around our part of the file.
const (
	agentsBegin = "<!-- gitseal: begin (gitseal init --agents writes this part) -->"
	agentsEnd   = "<!-- gitseal: end -->"
)

// agentsText is what agents are told.
const agentsText = `## Sealed files

Some files in this repository are sealed with gitseal (which ones, ` + "`.sops.yaml`" + ` says): keys, comments and layout are
readable, values are ciphertext. You can do all of your work on them without seeing a value, and most of it without a key.

- Never run ` + "`gitseal unseal`, `get`, `exec`, `edit` (without `--redacted`)" + ` or ` + "`sops -d`" + `, and do not go around it when they
  refuse (exit code 6). If a value is really needed, ask a person to run the command.
- Look: ` + "`gitseal view FILE`" + ` (tokens in place of values), ` + "`gitseal diff`, `gitseal who FILE`, `gitseal inspect FILE`" + `.
- Change one value: ` + "`gitseal set FILE KEY --generate password`" + ` makes a secret that nobody sees. Never put a secret into a
  command's arguments; a value that you were given goes to ` + "`gitseal set FILE KEY`" + ` on standard input.
- Change more: ` + "`gitseal view FILE > text`, edit the text, `gitseal edit --redacted --from text FILE`, remove the text" + `. Leave
  tokens (` + "`<sealed string …>`" + `) at their keys; write ` + "`<generate password>`" + ` for a new secret.
- If you cannot open the file, your new values become proposals. That is a success: tell the person to run
  ` + "`gitseal accept FILE`" + `.
- Do not edit ciphertext or the ` + "`sops`" + ` block by hand. Before a commit, run ` + "`gitseal check`" + `.
`

// errMarks: the marks in a file are not a pair.
var errMarks = errors.New("the marks of gitseal's part are not a pair")

// withAgentsPart returns the text with our part in it: in place of the old one, or at
// the end. Everything else stays as it is.
func withAgentsPart(text string) (string, error) {
	part := agentsBegin + "\n" + agentsText + agentsEnd
	if strings.Contains(text, "\r\n") {
		part = strings.ReplaceAll(part, "\n", "\r\n")
	}
	begin, end := strings.Index(text, agentsBegin), strings.Index(text, agentsEnd)
	switch {
	case begin < 0 && end < 0:
		if text == "" {
			return part + "\n", nil
		}
		line := "\n"
		if strings.Contains(text, "\r\n") {
			line = "\r\n"
		}
		if !strings.HasSuffix(text, "\n") {
			text += line
		}
		return text + line + part + line, nil
	case begin < 0 || end < begin || strings.Count(text, agentsBegin) > 1 || strings.Count(text, agentsEnd) > 1:
		return "", errMarks
	}
	return text[:begin] + part + text[end+len(agentsEnd):], nil
}

// initAgents writes instructions for coding agents into a folder.
func initAgents(u *ui, folder string) error {
	name := filepath.Join(folder, agentsName)
	old, err := os.ReadFile(name)
	opts := atomicfile.Options{Expect: atomicfile.Holding(old)}
	if errors.Is(err, fs.ErrNotExist) {
		err, opts = nil, atomicfile.Options{Expect: atomicfile.Absent(), Perm: atomicfile.Umasked(0o666)}
	}
	if err != nil {
		return &fileError{name: name, err: plainPathError(err)}
	}
	text, err := withAgentsPart(string(old))
	if err != nil {
		return &commandError{code: exitWrongState, text: name + ": " + err.Error(), hint: "remove both marks, or put back the one that is missing: " + agentsBegin + " and " + agentsEnd}
	}
	if text == string(old) {
		u.note(name + ": as it should be, unchanged")
	} else {
		if _, err := atomicfile.Write(name, []byte(text), opts); err != nil {
			return &fileError{name: name, err: err}
		}
		u.note("wrote gitseal's part of " + name)
	}
	claude := filepath.Join(folder, "CLAUDE.md")
	if data, err := os.ReadFile(claude); err == nil && !bytes.Contains(data, []byte("@"+agentsName)) {
		u.note("Claude Code reads CLAUDE.md: a line @" + agentsName + " in it includes the instructions")
	}
	if _, err := os.Stat(filepath.Join(folder, configName)); err != nil {
		u.note("there are no rules yet: gitseal init makes them")
	}
	u.note("gitseal doors shows what is closed to agents; give them no identity, and nothing has to be")
	return nil
}
