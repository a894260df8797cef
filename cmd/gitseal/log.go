package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

func logCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "list the commits in which a value of a file, or its readers, changed",
		UsageText: "gitseal log [FLAGS] FILE [KEY.PATH]",
		Description: historyKeysHelp + `

The file is followed through renames and merges, and what is not committed comes first. With a
key path, only that value counts, or all below it. re-sealed means that the data key is
a new one, and that it is not known whether the value is, too.

` + pathHelp + `

Examples:
   gitseal log prod.yaml
   gitseal log prod.yaml db.password
   gitseal log --reader bob prod.yaml       # when bob joined and left`,
		Flags: slices.Concat([]cli.Flag{
			&cli.IntFlag{Name: "n", Usage: "at most `NUMBER` commits"},
			&cli.BoolFlag{Name: "reverse", Usage: "the oldest first"},
			&cli.StringFlag{Name: "reader", Usage: "only commits in which `READER` joined or left: a name, an age recipient, a fingerprint, an ARN, …"},
			&cli.BoolFlag{Name: "all", Usage: "all branches and tags, not only the current one"},
			verifyFlag(), jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runLog(c.Context, c, s, u)
		},
	}
}

// logRun is one call of log.
type logRun struct {
	*historyRun
	// path is the value that is asked for, nil for all.
	path *formats.Path
	// wanted is whom --reader means.
	wanted []keysources.Stanza
}

func runLog(ctx context.Context, c *cli.Context, s std, u *ui) error {
	r := &logRun{}
	args := c.Args().Slice()
	switch {
	case len(args) == 0:
		return usageError("name a file", "gitseal log FILE, or FILE KEY.PATH")
	case len(args) > 2:
		return usageError("too many arguments", "gitseal log FILE KEY.PATH, for one key at a time")
	case args[0] == stdinArg:
		return usageError("standard input has no history", "name the file")
	case c.Int("n") < 0:
		return usageError("-n is a number of commits", "leave it out for all")
	}
	var err error
	if len(args) == 2 {
		if r.path, err = parsePath(args[1]); err != nil {
			return err
		}
	}
	if r.historyRun, err = newHistoryRun(c, s, u); err != nil {
		return err
	}
	r.all = c.Bool("all")
	in, err := r.input(args[0])
	if err != nil {
		return err
	}
	if r.wanted, err = r.wantedReader([]input{in}); err != nil {
		return err
	}
	return r.past(ctx, []input{in}, func(files []pastFile) error { return r.show(ctx, files[0]) })
}

// input reads the file. It may be gone: git still has its history.
func (r *logRun) input(name string) (input, error) {
	files, err := workset.Collect([]string{name}, workset.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		path, err := filepath.Abs(name)
		if err != nil {
			return input{}, err
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			path = filepath.Join(dir, filepath.Base(path))
		}
		return input{name: name, path: path, rulePath: path}, nil
	}
	if asError(err, new(*workset.NoMatchError)) || len(files) != 1 && err == nil {
		return input{}, usageError(name+" is a folder", "name one file")
	}
	if err != nil {
		return input{}, err
	}
	in := input{name: name, path: files[0].Path, rulePath: files[0].Path}
	if in.data, err = readFile(in.path); err != nil {
		return in, &fileError{name: name, err: err}
	}
	return in, nil
}

// show prints the commits that are asked for.
func (r *logRun) show(ctx context.Context, f pastFile) error {
	if len(f.Steps) == 0 {
		return &fileError{name: f.in.name, err: failure("git knows nothing of it", "check the name; gitseal log FILE takes one that is or was in the repository")}
	}
	r.warnShallow([]pastFile{f})
	var entries []*history.Entry
	most := r.c.Int("n")
	for i := range f.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.ui.step("reading commit", i+1, len(f.Steps))
		e, err := f.repo.Entry(f.File, i)
		if err != nil {
			return &fileError{name: f.in.name, err: err}
		}
		if e = r.narrow(e); e == nil {
			continue
		}
		entries = append(entries, e)
		if len(entries) == most {
			break
		}
	}
	r.ui.stepsDone()
	if err := r.checkPath(f, len(entries)); err != nil {
		return err
	}
	if r.c.Bool("reverse") {
		slices.Reverse(entries)
	}
	if r.c.Bool("json") {
		return r.showJSON(f, entries)
	}
	for i, e := range entries {
		if i > 0 {
			fmt.Fprintln(r.ui.out)
		}
		if err := r.print(f.in, e); err != nil {
			return err
		}
	}
	r.note(entries)
	return nil
}

// checkPath refuses a path that is in no version. Where there are commits that changed
// it, it is in one.
func (r *logRun) checkPath(f pastFile, found int) error {
	if r.path == nil || found > 0 && r.wanted == nil {
		return nil
	}
	doc, err := f.repo.Everything(f.File)
	if err != nil {
		return &fileError{name: f.in.name, err: err}
	}
	if slices.ContainsFunc(doc.Leaves, func(l formats.Leaf) bool { return below(l.Path, r.path) }) {
		return nil
	}
	hint := "gitseal log " + f.in.name + " lists the keys of all versions"
	if near := nearPaths(doc, r.path); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", or ") + "?"
	}
	return &fileError{name: f.in.name, err: failure("there is no key "+r.path.String()+" in any version that can be read", hint)}
}

// narrow leaves of an entry what is asked for, nil if that is nothing.
func (r *logRun) narrow(e *history.Entry) *history.Entry {
	if r.wanted != nil {
		other := func(s keysources.Stanza) bool { return !meansAny(r.wanted, s) }
		e.Joined, e.Left = slices.DeleteFunc(e.Joined, other), slices.DeleteFunc(e.Left, other)
		if len(e.Joined)+len(e.Left) == 0 {
			return nil
		}
		return &history.Entry{Step: e.Step, Joined: e.Joined, Left: e.Left}
	}
	if r.path == nil {
		if e.Empty() && e.RenamedFrom == "" && !e.Removed {
			return nil
		}
		return e
	}
	e.Values = slices.DeleteFunc(e.Values, func(v history.Event) bool { return !below(v.Path, r.path) })
	if len(e.Values) == 0 {
		return nil
	}
	e.Joined, e.Left, e.Selector, e.Groups = nil, nil, false, false
	return e
}

// below reports whether a path is another one or lies below it.
func below(p, top *formats.Path) bool {
	for ; p != nil; p = p.Parent {
		if p.Equal(top) {
			return true
		}
	}
	return false
}

// maxPathsShown bounds the paths that are listed of one thing that a commit did.
const maxPathsShown = 10

func (r *logRun) print(in input, e *history.Entry) error {
	author := ""
	if e.Step.Commit != nil {
		author = "  " + e.Step.Commit.Author
	}
	fmt.Fprintln(r.ui.out, oneLine(commitText(e.Step)+"  "+dateText(e.Step)+author))
	row := func(label, text string) { fmt.Fprintf(r.ui.out, "    %-13s %s\n", label, oneLine(text)) }
	switch {
	case e.Err != nil:
		row("unreadable", e.Err.Error())
	case e.Removed:
		row("file removed", "")
	case e.RenamedFrom != "":
		row("renamed", "from "+e.RenamedFrom)
	}
	for _, g := range groupEvents(e.Values) {
		row(string(g.what), g.text())
	}
	if e.NewKey {
		row("new data key", "every sealed value has a new ciphertext")
	}
	for i, s := range slices.Concat(e.Joined, e.Left) {
		who, err := r.reader(in, s)
		if err != nil {
			return err
		}
		label := "joined"
		if i >= len(e.Joined) {
			label = "left"
		}
		row(label, who.text())
	}
	if e.Selector {
		row("selector", "another one says what is sealed")
	}
	if e.Groups {
		row("key groups", "others, or another number of them is needed")
	}
	return nil
}

// note says what is left open.
func (r *logRun) note(entries []*history.Entry) {
	open := slices.ContainsFunc(entries, func(e *history.Entry) bool {
		return slices.ContainsFunc(e.Values, func(v history.Event) bool { return v.Same == history.Unknown })
	})
	r.ui.note(counted(len(entries), "change"))
	if open {
		r.ui.note("whether a value that was re-sealed is another one can be told with a key of both versions (--identity, --verify)")
	}
}

// eventGroup is the values to which the same was done.
type eventGroup struct {
	what  history.What
	same  history.Answer
	paths []string
}

func groupEvents(events []history.Event) []*eventGroup {
	var out []*eventGroup
	for _, v := range events {
		i := slices.IndexFunc(out, func(g *eventGroup) bool { return g.what == v.What && g.same == v.Same })
		if i < 0 {
			i = len(out)
			out = append(out, &eventGroup{what: v.What, same: v.Same})
		}
		out[i].paths = append(out[i].paths, v.Path.String())
	}
	return out
}

func (g *eventGroup) text() string {
	paths := g.paths
	if len(paths) > maxPathsShown {
		paths = append(slices.Clone(paths[:maxPathsShown]), fmt.Sprintf("%d more", len(paths)-maxPathsShown))
	}
	text := strings.Join(paths, ", ")
	if suffix := sameText(g.what, g.same); suffix != "" {
		text += "  (" + suffix + ")"
	}
	return text
}

func sameText(what history.What, same history.Answer) string {
	switch {
	case same == history.Yes:
		return "the same value"
	case same == history.No:
		return "another value"
	case same == history.Unknown && what == history.Rekeyed:
		return "perhaps changed"
	}
	return ""
}
