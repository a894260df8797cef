package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/keysources"
)

func reportExposureCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "exposure",
		Usage:     "list what readers who are gone could read and is still valid",
		UsageText: "gitseal report exposure [--reader READER | --removed] [FLAGS] [FILE|FOLDER]…",
		Description: historyKeysHelp + `

Whoever could read a file once knows its values, and has its data key, as long as they keep a copy.
Listed are, for everybody who was a reader of a file and is no more, the values that are still
what they could read. Compared are the values of all files that are looked at with all that
they could read in any version of any of these files, at any key: a value that came back, or was
moved or copied, is found, but those shorter than 6 characters or made of one or two, such as true
or 5432, only at their own key. Where no key is there to compare with, it says perhaps. Files that
are gone are not looked at, and of values that are parts of others nothing is said.

Of files with key groups it says where they needed others. With --all, who is a reader on another
branch is named so; if they never lost access, they are not gone. If a value is listed, the exit
code is 3.

Examples:
   gitseal report exposure
   gitseal report exposure --reader bob prod/`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "reader", Usage: "only `READER`: a name, an age recipient, a fingerprint, an ARN, …"},
			&cli.BoolFlag{Name: "removed", Usage: "every reader who is gone (what is done without --reader)"},
			&cli.BoolFlag{Name: "all", Usage: "all branches and tags, not only the current one"},
			verifyFlag(), jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			if c.IsSet("reader") && c.Bool("removed") {
				return usageError("--reader and --removed exclude each other", "--removed is every reader who is gone")
			}
			h, err := newHistoryRun(c, s, u)
			if err != nil {
				return err
			}
			h.all = c.Bool("all")
			return (&exposureRun{historyRun: h}).run(c.Context)
		},
	}
}

// exposureRun is one call of report exposure.
type exposureRun struct {
	*historyRun
	// wanted is whom --reader means, nil for all.
	wanted []keysources.Stanza
	files  []pastFile
	traced []history.Traced
	// elsewhere are readers on other branches only.
	elsewhere []exposure
	// unreadable counts the versions that were passed over; shallow says that there is
	// a file whose history may be cut off.
	unreadable int
	shallow    bool
}

// exposure is what one reader who is gone knows of one file.
type exposure struct {
	*history.Exposure
	in  input
	who *whoReader
}

func (x *exposureRun) run(ctx context.Context) error {
	in, err := x.sealedFiles(ctx)
	if err != nil {
		return err
	}
	if x.wanted, err = x.wantedReader(in); err != nil {
		return err
	}
	return x.past(ctx, in, func(files []pastFile) error {
		x.files = files
		if err := x.eachTrace(ctx, files, x.take); err != nil {
			return err
		}
		if err := x.noteReaders(); err != nil {
			return err
		}
		found, err := history.Expose(x.traced)
		if err != nil {
			return err
		}
		var list []exposure
		for _, e := range found {
			if x.wanted != nil && !meansAny(x.wanted, e.Key) {
				continue
			}
			who, err := x.reader(files[e.File].in, e.Key)
			if err != nil {
				return err
			}
			list = append(list, exposure{e, files[e.File].in, who})
		}
		return x.show(list)
	})
}

func (x *exposureRun) take(f pastFile, t *history.Trace) error {
	x.warnUnreadable(f, t)
	x.unreadable += len(t.Unreadable)
	x.shallow = x.shallow || f.repo.Shallow()
	x.traced = append(x.traced, history.Traced{Repo: f.repo, File: f.File, Trace: t})
	return nil
}

// noteReaders says what there is to say of those who are not gone: who was asked for,
// and who is a reader on another branch.
func (x *exposureRun) noteReaders() error {
	met := x.wanted == nil
	for i, t := range x.traced {
		for _, r := range t.Trace.Readers {
			if x.wanted != nil && !meansAny(x.wanted, r.Key) {
				continue
			}
			met = true
			switch {
			case r.Current && x.wanted != nil:
				x.ui.note(x.files[i].in.name + ": can still be read by " + shortReader(r.Key.Reader()))
			case !r.Current && !r.Gone():
				who, err := x.reader(x.files[i].in, r.Key)
				if err != nil {
					return err
				}
				x.elsewhere = append(x.elsewhere, exposure{&history.Exposure{Key: r.Key, File: i, Reader: r}, x.files[i].in, who})
			}
		}
	}
	if !met {
		x.ui.note("no version of these files was ever sealed for this reader" + x.asFar())
	}
	return nil
}

// asFar limits what is said to what the history tells.
func (x *exposureRun) asFar() string {
	switch {
	case x.shallow:
		return ", as far as the history of this clone tells, which is cut off (git fetch --unshallow gets the rest)"
	case x.unreadable > 0:
		return ", as far as the versions tell that can be read"
	}
	return ""
}

// tally is what is counted of exposures.
type tally struct {
	gone, elsewhere, sure, perhaps, uncompared int
}

func (x *exposureRun) count(list []exposure) tally {
	var t tally
	gone, elsewhere := map[*whoReader]bool{}, map[*whoReader]bool{}
	open := map[*history.Value]bool{}
	for _, e := range list {
		gone[e.who] = gone[e.who] || e.Reader != nil && len(e.Reader.Branches) == 0
		if e.Reader != nil && len(e.Reader.Branches) > 0 {
			elsewhere[e.who] = true
		}
		for _, s := range e.Seen {
			if s.Still == history.Yes {
				t.sure++
			} else {
				t.perhaps++
			}
		}
		for _, v := range e.Uncompared {
			open[v] = true
		}
	}
	for _, e := range x.elsewhere {
		elsewhere[e.who] = true
	}
	for _, is := range gone {
		t.gone += count(is)
	}
	t.elsewhere, t.uncompared = len(elsewhere), len(open)
	return t
}

func (x *exposureRun) show(list []exposure) error {
	t := x.count(list)
	list = slices.DeleteFunc(list, func(e exposure) bool { return e.Reader == nil && len(e.Seen) == 0 })
	list = append(list, x.elsewhere...)
	order := x.census.inOrder()
	slices.SortStableFunc(list, func(a, b exposure) int { return slices.Index(order, a.who) - slices.Index(order, b.who) })
	if x.c.Bool("json") {
		if err := x.ui.json(x.newJSON(list, t)); err != nil {
			return err
		}
	} else {
		x.print(list)
	}
	text := counted(t.gone, "reader") + " gone"
	if t.elsewhere > 0 {
		text += fmt.Sprintf(", %d still on other branches", t.elsewhere)
	}
	x.ui.note(text + fmt.Sprintf("; of the values that they could read, %d surely still valid, %d perhaps", t.sure, t.perhaps) + x.asFar())
	if t.uncompared > 0 {
		x.ui.note("perhaps a copy of what they could read under another key or in another file: " + counted(t.uncompared, "other value") + "; a key of all versions can tell (--identity, --verify)")
	}
	if t.sure+t.perhaps == 0 {
		return nil
	}
	hint := "make new values where these are used, then gitseal set FILE KEY.PATH"
	if t.perhaps > 0 && t.sure == 0 {
		hint = "a key of all versions can tell which are new since (--identity, --verify); of the others, make new values"
	}
	return &commandError{code: exitWrongState, text: "readers who are gone could read what is still valid, or perhaps is", hint: hint}
}

func (x *exposureRun) print(list []exposure) {
	var last *whoReader
	line := func(indent, text string) { fmt.Fprintln(x.ui.out, indent+oneLine(text)) }
	for _, e := range list {
		if e.who != last {
			if last != nil {
				fmt.Fprintln(x.ui.out)
			}
			line("", e.who.text())
			last = e.who
		}
		line("    ", e.in.name+": "+accessText(e.Reader))
		if e.Reader != nil && e.Reader.KeyKept && e.Reader.Gone() {
			line("        ", "the file still has the data key that they had: gitseal rotate makes a new one")
		}
		if len(e.Seen) == 0 && (e.Reader == nil || e.Reader.Gone()) {
			known := ""
			if len(e.Uncompared) > 0 || x.shallow || x.unreadable > 0 {
				known = "known to be "
			}
			line("        ", "nothing that they could read is "+known+"still valid")
		}
		for _, s := range e.Seen {
			line("        ", s.Value.Path.String()+"  "+x.seenText(e, s))
		}
	}
}

// accessText says since when somebody is no reader of a file.
func accessText(r *history.Reader) string {
	if r == nil {
		return "never a reader"
	}
	var parts []string
	switch {
	case r.Left != nil:
		parts = append(parts, "lost access on "+dateText(*r.Left)+" ("+commitText(*r.Left)+")")
	case len(r.Branches) == 0:
		parts = append(parts, "last had access on "+dateText(r.Last)+" ("+commitText(r.Last)+"), beside the current branch")
	}
	if len(r.Branches) > 0 {
		names := r.Branches
		if len(names) > maxPathsShown {
			names = append(slices.Clone(names[:maxPathsShown]), fmt.Sprintf("%d more", len(names)-maxPathsShown))
		}
		word := "branch "
		if len(r.Branches) > 1 {
			word = "branches "
		}
		parts = append(parts, "still a reader on "+word+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

func (x *exposureRun) seenText(e exposure, s history.Seen) string {
	text := "still valid"
	switch {
	case s.Still == history.Unknown && s.Why == history.SetAnew:
		text = "perhaps still valid: set anew since, perhaps to what they had"
	case s.Still == history.Unknown:
		text = "perhaps still valid, re-sealed since"
	case s.At != nil:
		place := ""
		switch here := s.At.Path == s.Value.Path.Text(); {
		case s.At.File != e.File:
			place = " as " + x.files[s.At.File].in.name + ": " + s.At.Path
		case !here:
			place = " as " + s.At.Path
		}
		text += ": they could read it" + place + " on " + dateText(s.At.Step) + " (" + commitText(s.At.Step) + ")"
	}
	if s.With {
		text += "; they needed readers of other key groups"
	}
	return text
}
