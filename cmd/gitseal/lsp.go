package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/lsp"
)

func lspCommand(s std) *cli.Command {
	return &cli.Command{
		Name:      "lsp",
		Usage:     "serve editors: what is wrong with sealed files, and what can be done about it",
		UsageText: "gitseal lsp [FLAGS]",
		Description: `A server of the Language Server Protocol on standard input and output; editors start it. It shows
what gitseal check finds in the text as it is typed, says of a sealed value what is known without
a key (kind, readers, age), seals plain values, generates new ones, brings readers to the rule,
and settles conflicts. No value is in what it says, and it writes no file: what it makes is an
edit of the editor's text. Nothing is opened with a key until you ask for a new sealed text.

editors/README.md says how editors are set up. For Neovim:
   vim.lsp.start_client { cmd = { 'gitseal', 'lsp' } }`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "rules `FILE` in place of the .sops.yaml above each file", EnvVars: []string{"SOPS_CONFIG"}},
			&cli.BoolFlag{Name: "stdio", Usage: "use standard input and output; there is nothing else", Value: true},
		}, keyFlags()),
		Action: func(c *cli.Context) error { return runLSP(c, s) },
	}
}

func runLSP(c *cli.Context, s std) error {
	if c.NArg() > 0 {
		return usageError("gitseal lsp takes no arguments", "an editor starts it, and names the files itself")
	}
	server := &languageServer{c: c, std: s}
	err := lsp.Serve(c.Context, lsp.Options{
		In: s.in, Out: s.out, Version: versionText(), Rules: server, Sealer: server, History: server, Generators: generatorKinds(),
	})
	if errors.Is(err, lsp.ErrNoShutdown) {
		return failure(err.Error(), "an editor starts gitseal lsp and talks to it; editors/README.md says how")
	}
	return err
}

// languageServer is what gitseal lsp knows and does of rules, keys and git.
type languageServer struct {
	c   *cli.Context
	std std
}

var (
	_ lsp.Rules   = (*languageServer)(nil)
	_ lsp.Sealer  = (*languageServer)(nil)
	_ lsp.History = (*languageServer)(nil)
)

// Expect reads the configurations each time: they may have changed.
func (l *languageServer) Expect(path string) (check.Expected, error) {
	book, err := newRuleBook(l.c.String("config"))
	if err != nil {
		return check.Expected{}, err
	}
	config, err := book.config(path)
	if err != nil || config == nil {
		return check.Expected{}, err
	}
	name := config.Path
	if rel, err := filepath.Rel(filepath.Dir(path), name); err == nil {
		name = filepath.ToSlash(rel)
	}
	return check.Expect(config, name, path), nil
}

// quietUI is for work that nobody watches: nothing is printed and nobody is asked.
// Warnings are kept.
func quietUI() *ui {
	return &ui{out: io.Discard, err: io.Discard, quiet: true, report: &editorReport{}}
}

// warned appends what was warned of to what people are told.
func (u *ui) warned(note string) string {
	for _, w := range u.report.Warnings {
		note += "; " + w
	}
	return note
}

// newCall prepares the work on one text: nothing is left of what was read for others.
func (l *languageServer) newCall(f lsp.File) (rewriter, input, error) {
	r, err := newRewriter(l.c, l.std, quietUI())
	in := input{name: f.Name, path: f.Path, rulePath: f.Path, data: f.Text}
	if err == nil {
		err = in.settleFormat("", r.book)
	}
	return r, in, err
}

// shown is an error as people are told it, with the way out.
func shown(f lsp.File, err error) error {
	if err == nil {
		return nil
	}
	e := explain(&fileError{name: f.Name, unsealing: true, err: err})
	return errors.New(oneLine(f.Name + ": " + strings.TrimPrefix(e.text, f.Name+": ") + "; " + strings.Join(e.hints, "; ")))
}

// Ages asks git for the history of a text, without any key.
func (l *languageServer) Ages(ctx context.Context, f lsp.File) (map[string]lsp.Age, error) {
	r, in, err := l.newCall(f)
	if err != nil {
		return nil, err
	}
	if _, ok := gitrepo.Root(filepath.Dir(f.Path)); !ok {
		return nil, gitrepo.ErrNone
	}
	h := &historyRun{c: l.c, std: l.std, ui: r.ui, book: r.book, census: newCensus(r.book)}
	out := map[string]lsp.Age{}
	err = h.past(ctx, []input{in}, func(files []pastFile) error {
		t, err := files[0].repo.Trace(files[0].File, nil)
		if err != nil {
			return err
		}
		limit, err := h.rotateAfter(in)
		for _, v := range t.Values {
			age := lsp.Age{AtLeast: v.AtLeast, Limit: limit, Commit: commitText(v.Since)}
			if v.Since.Commit != nil {
				age.Since = v.Since.Commit.Time
			}
			out[v.Path.Text()] = age
		}
		return err
	})
	return out, err
}

// Sync seals a text for the readers of its rule.
func (l *languageServer) Sync(ctx context.Context, f lsp.File) (lsp.Made, error) {
	r, in, err := l.newCall(f)
	if err != nil {
		return lsp.Made{}, shown(f, err)
	}
	k := &keysRun{rewriter: r, in: []input{in}, changes: make([]*fileChange, 1)}
	k.after = &k.planner
	results, err := k.prepareAll(ctx)
	if err == nil {
		err = k.checkOwn(ctx, results)
	}
	if err != nil {
		return lsp.Made{}, shown(f, err)
	}
	if doubts := k.doubts(); len(doubts) > 0 {
		return lsp.Made{}, shown(f, failure(strings.Join(doubts, "; "), "gitseal keys sync "+f.Name+" asks about that"))
	}
	if !results[0].changed() {
		return lsp.Made{Text: f.Text, Note: "its readers are those of the rule already"}, nil
	}
	return madeOf(r.ui, results[0].sealed, "sealed for "+readersText(readersOfSealed(results[0].sealed, in)))
}

// madeOf checks a sealed file as it is before one is stored.
func madeOf(u *ui, s *cipher.Sealed, note string) (lsp.Made, error) {
	if err := s.Check(s.Bytes); err != nil {
		return lsp.Made{}, err
	}
	return lsp.Made{Text: s.Bytes, Note: u.warned(note)}, nil
}

func readersOfSealed(s *cipher.Sealed, in input) []string {
	report, err := cipher.Inspect(in.format, s.Bytes)
	if err != nil {
		return nil
	}
	return report.Metadata.Readers()
}
