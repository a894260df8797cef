package lsp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
)

// The commands. Their one argument is a commandArgument.
const (
	commandSeal     = "gitseal.seal"
	commandGenerate = "gitseal.generate"
	commandSync     = "gitseal.sync"
	commandResolve  = "gitseal.resolve"
	commandReaders  = "gitseal.readers"
	// commandSet is one of the client: only it can ask for a value.
	commandSet = "gitseal.set"
)

func commandNames() []string {
	return []string{commandSeal, commandGenerate, commandSync, commandResolve, commandReaders}
}

// The kinds of code actions.
const (
	kindQuickFix = "quickfix"
	kindRewrite  = "refactor.rewrite"
)

// The sides of a conflict.
const (
	sideOurs   = "ours"
	sideTheirs = "theirs"
)

// codeActions offers what can be done at a place.
func (s *server) codeActions(_ context.Context, p actionParams) (any, error) {
	out := []codeAction{}
	v := s.view(p.Document.URI)
	if v != nil && !v.tooLong && v.format != nil && !v.shadow {
		out = append(out, s.offers(v, p)...)
	}
	out = slices.DeleteFunc(out, func(a codeAction) bool {
		return len(p.Context.Only) > 0 && !slices.ContainsFunc(p.Context.Only, func(k string) bool { return a.Kind == k || strings.HasPrefix(a.Kind, k+".") })
	})
	if s.clientInfo().Capabilities.TextDocument.CodeAction.LiteralSupport != nil {
		return out, nil
	}
	// Clients of before LSP 3.8 know only commands.
	commands := []command{}
	for _, a := range out {
		commands = append(commands, a.Command)
	}
	return commands, nil
}

func (s *server) offers(v *view, p actionParams) []codeAction {
	switch {
	case v.conflicted:
		return v.conflictOffers()
	case v.meta == nil:
		return v.plainOffers()
	}
	i := v.leafAt(v.lines.offset(p.Range.Start))
	out := v.exposedOffers(i)
	if v.has(check.IDMissing, check.IDStale, check.IDGroups) && len(out) == 0 {
		out = append(out, v.offer("Bring the readers to the rule", kindQuickFix, commandSync, commandArgument{}, check.IDMissing, check.IDStale, check.IDGroups))
	}
	if i < 0 || len(v.exposed()) > 0 {
		return out
	}
	return append(out, s.valueOffers(v, i)...)
}

// offer makes an action with the diagnostics that it ends.
func (v *view) offer(title, kind, name string, arg commandArgument, ends ...string) codeAction {
	arg.URI, arg.Version = v.uri, &v.version
	a := codeAction{Title: oneLine(title), Kind: kind}
	a.Command = command{Title: a.Title, Command: name, Arguments: []commandArgument{arg}}
	for _, d := range v.diagnostics {
		if slices.Contains(ends, d.Code) {
			a.Diagnostics = append(a.Diagnostics, d)
		}
	}
	return a
}

func (v *view) plainOffers() []codeAction {
	if v.expected.Applied.Rule == nil || v.isConfig() || len(v.Text) == 0 {
		return nil
	}
	title := fmt.Sprintf("Seal this file for the readers of %s:%d", v.expected.Source, v.expected.Applied.Rule.Line)
	a := v.offer(title, kindRewrite, commandSeal, commandArgument{}, check.IDNotSealed, check.IDName)
	if len(a.Diagnostics) > 0 {
		a.Kind, a.Preferred = kindQuickFix, true
	}
	return []codeAction{a}
}

// exposedOffers are for plain values in a sealed text.
func (v *view) exposedOffers(at int) []codeAction {
	list := v.exposed()
	if len(list) == 0 {
		return nil
	}
	title := fmt.Sprintf("Seal the %d plain values of this file", len(list))
	if len(list) == 1 {
		title = "Seal the value of " + v.leaves[list[0]].Path.String()
	} else if slices.Contains(list, at) {
		title = fmt.Sprintf("Seal the value of %s, and %d more", v.leaves[at].Path, len(list)-1)
	}
	a := v.offer(title, kindQuickFix, commandSeal, commandArgument{}, check.IDPlainValue)
	a.Preferred = true
	return []codeAction{a}
}

// valueOffers are for the value at a place of a text in which nothing is wrong.
func (s *server) valueOffers(v *view, i int) []codeAction {
	info := v.leaves[i]
	if info.State != cipher.StateSealed && info.State != cipher.StateEmpty {
		return nil
	}
	var out []codeAction
	if slices.Contains(s.clientInfo().Options.ClientCommands, commandSet) {
		out = append(out, v.offer("Set the value of "+info.Path.String(), kindRewrite, commandSet, commandArgument{Key: info.Path.Text()}))
	}
	if len(s.Generators) > 0 {
		out = append(out, v.offer("Generate a new "+s.Generators[0]+" for "+info.Path.String(), kindRewrite, commandGenerate, commandArgument{Key: info.Path.Text(), Kind: s.Generators[0]}))
	}
	return out
}

// maxConflicts bounds for how many conflicts an action of their own is offered.
const maxConflicts = 10

// conflictOffers settle conflicts, one by one or all of them.
func (v *view) conflictOffers() []codeAction {
	left, err := cipher.ReadUndecided(v.format, v.Text)
	if err != nil {
		return nil
	}
	var out []codeAction
	for _, side := range []string{sideOurs, sideTheirs} {
		title := "Keep " + side + " of all " + fmt.Sprint(len(left.Conflicts)) + " conflicts"
		if left.Whole {
			title = "Keep " + side + ": the whole file is in conflict"
		} else if len(left.Conflicts) == 1 {
			title = "Keep " + side + " of " + left.Conflicts[0].Path.String()
		}
		out = append(out, v.offer(title, kindQuickFix, commandResolve, commandArgument{Side: side}, check.IDConflict))
	}
	if left.Whole || len(left.Conflicts) == 1 {
		return out
	}
	for _, c := range left.Conflicts[:min(len(left.Conflicts), maxConflicts)] {
		for _, side := range []string{sideOurs, sideTheirs} {
			out = append(out, v.offer("Keep "+side+" of "+c.Path.String(), kindQuickFix, commandResolve, commandArgument{Side: side, Key: c.Path.Text()}))
		}
	}
	return out
}

// codeLenses says on the metadata block, and on the first line, who can read the file.
func (s *server) codeLenses(_ context.Context, p documentParams) (any, error) {
	out := []codeLens{}
	v := s.view(p.Document.URI)
	if v == nil || v.meta == nil {
		return out, nil
	}
	n := 0
	for _, g := range v.meta.Groups {
		n += len(g)
	}
	arg := commandArgument{URI: v.uri}
	return append(out, codeLens{Range: v.lineOf(0), Command: command{Title: oneLine(readersTitle(v, n)), Command: commandReaders, Arguments: []commandArgument{arg}}}), nil
}

func readersTitle(v *view, n int) string {
	const most = 3
	var names []string
	for _, g := range v.meta.Groups {
		names = append(names, v.readerNames(g[:min(len(g), maxReaders)])...)
	}
	for i := range names {
		// The name will do, or the beginning of what has none.
		name, _, _ := strings.Cut(names[i], " (")
		if len(name) > 16 {
			name = name[:16] + "…"
		}
		names[i] = name
	}
	title := "sealed for " + strings.Join(names[:min(len(names), most)], ", ")
	if n > most {
		title += fmt.Sprintf(" and %d more", n-most)
	}
	return title
}
