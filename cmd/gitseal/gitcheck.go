package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/gitsetup"
)

func gitCheckCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "say whether git is set up, and what around it leaks plaintext",
		UsageText: "gitseal git check [--no-hook] [--json]",
		Description: `Looks at the attributes that git really gives to the sealed files, at the configuration of
all scopes, at the hooks, and at what hands out plaintext: drivers that decrypt, above all
those whose output git keeps in its object store (cachetextconv), and what was kept already.

Exit code: 0 if all is well, 3 if something is missing, wrong, stale or a danger.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-hook", Usage: "do not ask for hooks"},
			jsonFlag(), quietFlag(),
		},
		Action: func(c *cli.Context) error {
			g, err := newGitScope(c.Context, c, s, u)
			if err != nil {
				return err
			}
			return g.check(c.Context)
		},
	}
}

// The states of what git check looks at.
const (
	gitOK      = "ok"
	gitMissing = "missing"
	gitWrong   = "wrong"
	gitStale   = "stale"
	gitDanger  = "danger"
)

// gitFinding is one thing that was looked at, and its JSON form.
type gitFinding struct {
	ID    string `json:"id"`
	State string `json:"state"`
	What  string `json:"what"`
	Hint  string `json:"hint,omitempty"`
	// Files are those concerned, seen from the top of the work tree.
	Files []string `json:"files,omitempty"`
}

const installHint = "gitseal git install"

func (g *gitScope) check(ctx context.Context) error {
	var all []gitFinding
	for _, look := range []func(context.Context) ([]gitFinding, error){g.checkConfig, g.checkAttributes, g.checkHooks, g.checkDangers} {
		found, err := look(ctx)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	bad := 0
	for _, f := range all {
		bad += count(f.State != gitOK)
	}
	if g.c.Bool("json") {
		if err := g.ui.json(all); err != nil {
			return err
		}
	} else {
		g.print(all)
	}
	if bad > 0 {
		return &commandError{code: exitWrongState, text: counted(bad, "thing") + " not as it should be", hint: "gitseal git install sets what is missing; --json shows everything"}
	}
	return nil
}

func (g *gitScope) print(all []gitFinding) {
	for _, f := range all {
		if g.ui.quiet && f.State == gitOK {
			continue
		}
		fmt.Fprintf(g.ui.out, "%-8s %s\n", f.State, oneLine(f.What))
		for i, name := range f.Files {
			if i == maxPathsTold {
				fmt.Fprintf(g.ui.out, "           and %d more\n", len(f.Files)-i)
				break
			}
			fmt.Fprintf(g.ui.out, "           %s\n", oneLine(name))
		}
		if f.Hint != "" {
			fmt.Fprintf(g.ui.out, "           → %s\n", oneLine(f.Hint))
		}
	}
}

// effective returns git's configuration of all scopes.
func (g *gitScope) effective(ctx context.Context) ([]gitsetup.Setting, error) {
	out, err := g.git(ctx, "config", "--list", "-z")
	return gitsetup.ParseList(out), err
}

func (g *gitScope) checkConfig(ctx context.Context) ([]gitFinding, error) {
	have, err := g.effective(ctx)
	if err != nil {
		return nil, err
	}
	var out []gitFinding
	for _, want := range gitsetup.Settings("gitseal") {
		f := gitFinding{ID: "config", State: gitOK, What: want.Key}
		value, ok := gitsetup.Get(have, want.Key)
		program, isCommand := gitsetup.ProgramOf(want, value)
		switch {
		case !ok:
			f.State, f.Hint = gitMissing, installHint
		case gitsetup.IsOldDriver(gitsetup.Setting{Key: want.Key, Value: value}):
			f.State, f.Hint = gitStale, installHint
			f.What += ": if gitseal cannot run, git would take our side for the merge"
		case isCommand && !g.runs(program):
			f.State, f.Hint = gitStale, installHint
			f.What += ": there is no program " + program
		case !isCommand && value != want.Value:
			f.State, f.Hint = gitWrong, installHint
			f.What += ": " + value
		}
		out = append(out, f)
	}
	return out, nil
}

// runs reports whether a shell finds a program.
func (g *gitScope) runs(program string) bool {
	return program == g.program || found(gitsetup.Path(program))
}

func (g *gitScope) checkAttributes(ctx context.Context) ([]gitFinding, error) {
	p, err := g.patterns(ctx)
	if err != nil {
		return nil, err
	}
	var out []gitFinding
	text, err := readOptional(g.attributes)
	if err != nil {
		return nil, err
	}
	if gitsetup.HasBlock(text) {
		want, err := attributesWith(text, p.globs)
		switch {
		case err != nil:
			out = append(out, gitFinding{ID: "attributes", State: gitWrong, What: ".gitattributes: " + err.Error(), Hint: "remove what is left of it by hand (lines between # gitseal: begin and end)"})
		case !bytes.Equal(want, text):
			out = append(out, gitFinding{ID: "attributes", State: gitStale, What: ".gitattributes: its block is not as gitseal would write it now, for the rules and sealed files that there are", Hint: installHint})
		}
	}
	missing, wrong, err := g.uncovered(ctx, p.sealed)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		out = append(out, gitFinding{ID: "attributes", State: gitMissing, What: counted(len(missing), "sealed file") + " without " + gitsetup.Attributes, Hint: installHint, Files: missing})
	}
	if len(wrong) > 0 {
		out = append(out, gitFinding{ID: "attributes", State: gitWrong, What: counted(len(wrong), "sealed file") + " with other attributes than " + gitsetup.Attributes, Hint: "look for the line that gives them: git check-attr -a FILE", Files: wrong})
	}
	if len(p.lineEnds) > 0 {
		out = append(out, gitFinding{ID: "line-ends", State: gitWrong, What: counted(len(p.lineEnds), "sealed file") + " whose line ends git has changed (core.autocrlf)", Hint: "gitseal git install, then for each: perl -pi -e 's/\\r$//' FILE && git add FILE", Files: p.lineEnds})
	}
	if len(out) == 0 {
		out = append(out, gitFinding{ID: "attributes", State: gitOK, What: "attributes of " + counted(len(p.sealed), "sealed file")})
	}
	return out, nil
}

// uncovered asks git which files do not have our attributes, and which have others.
func (g *gitScope) uncovered(ctx context.Context, files []string) (missing, wrong []string, err error) {
	if len(files) == 0 {
		return nil, nil, nil
	}
	out, err := gitrepo.GitInput(ctx, g.root, []byte(strings.Join(files, "\x00")+"\x00"), "check-attr", "-z", "--stdin", "diff", "merge", "text", "eol")
	if err != nil {
		return nil, nil, noGit(err)
	}
	fields := strings.Split(string(out), "\x00")
	const perFile = 4 * 3 // name, attribute, value
	for ; len(fields) > perFile; fields = fields[perFile:] {
		name, diff, merge, text, eol := fields[0], fields[2], fields[5], fields[8], fields[11]
		switch asIs := text == "unset" || eol == "lf"; {
		case diff == "gitseal" && merge == "gitseal" && asIs:
		case diff == "unspecified" || merge == "unspecified" || diff == "gitseal" && merge == "gitseal" && text != "set":
			missing = append(missing, name)
		default:
			wrong = append(wrong, name)
		}
	}
	return missing, wrong, nil
}

func (g *gitScope) checkHooks(ctx context.Context) ([]gitFinding, error) {
	if g.c.Bool("no-hook") {
		return nil, nil
	}
	states, err := g.hookStates(ctx)
	var out []gitFinding
	for _, s := range states {
		out = append(out, s.finding())
	}
	return out, err
}

func (s hookState) finding() gitFinding {
	f := gitFinding{ID: "hook", State: gitOK, What: s.name + " hook", Hint: ""}
	switch s.kind {
	case hookNone:
		f.State, f.Hint = gitMissing, installHint
	case hookStale:
		f.State, f.Hint = gitStale, installHint
		f.What += ": not as gitseal would write it now, or not executable"
	case hookEdited:
		f.What += ": edited since gitseal wrote it"
		if !gitsetup.CallsCheck(s.content) || !s.executable() {
			f.State, f.Hint = gitWrong, "let it run this line: gitseal "+gitsetup.CheckCommand+" || exit 1; or remove it, and "+installHint
			f.What += ", and it does not run gitseal check any more"
		}
	case hookForeign:
		f.State, f.Hint = gitMissing, "add this line to it: gitseal "+gitsetup.CheckCommand+" || exit 1"
		f.What += ": " + s.path + " does not call gitseal check"
	case hookManaged:
		f.State, f.Hint = gitMissing, s.manager.Add
		f.What += ": " + s.manager.Name + " (" + s.manager.File + ") does not call gitseal check"
	}
	return f
}

func (g *gitScope) checkDangers(ctx context.Context) ([]gitFinding, error) {
	have, err := g.effective(ctx)
	if err != nil {
		return nil, err
	}
	var out []gitFinding
	for _, d := range gitsetup.Dangers(have) {
		out = append(out, dangerFinding(d))
	}
	refs, err := g.git(ctx, "for-each-ref", "--format=%(refname)", "refs/notes/textconv/")
	if err != nil {
		return nil, err
	}
	for ref := range strings.Lines(refs) {
		ref = strings.TrimSpace(ref)
		if filepath.Base(ref) == "gitseal" {
			continue // redacted
		}
		out = append(out, gitFinding{ID: "cached-plaintext", State: gitDanger, What: ref + ": git keeps what a textconv driver printed, perhaps plaintext",
			Hint: "git update-ref -d " + ref + " && git reflog expire --expire=now --all && git gc --prune=now; values that were pushed with it have to be changed"})
	}
	return out, nil
}

func dangerFinding(d gitsetup.Danger) gitFinding {
	f := gitFinding{State: gitDanger, What: d.Key}
	switch d.Kind {
	case gitsetup.Cached:
		f.ID, f.Hint = "caching-textconv", "git config --unset diff."+d.Driver+".cachetextconv; then delete refs/notes/textconv/"+d.Driver
		f.What += ": decrypts, and git keeps the plaintext in its object store (cachetextconv)"
	case gitsetup.Shown:
		f.ID, f.Hint = "decrypting-textconv", "use diff=gitseal; gitseal diff --plaintext shows values on demand"
		f.What += ": decrypts, so that git diff, log -p, show and blame print plaintext"
	case gitsetup.Smudged:
		f.ID, f.Hint = "decrypting-filter", "keep files sealed in the work tree; gitseal exec, edit and view open them on demand"
		f.What += ": decrypts, so that the work tree holds plaintext"
	}
	return f
}
