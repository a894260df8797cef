package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/cmd/internal/workset"
	"github.com/gitseal/gitseal/formats"
)

// runCheckHistory looks for plaintext in the commits of files that are sealed now, or
// that a rule says are. It shows no value. Besides the flags of check it knows --all.
func runCheckHistory(c *cli.Context, s std, u *ui) error {
	failOn, ok := check.ParseLevel(c.String("fail-on"))
	switch {
	case !ok:
		return usageError("there is no level "+quoted(c.String("fail-on")), "error, warning or note")
	case c.Bool("staged") || c.IsSet("range"):
		return usageError("--history is about all versions", "leave out --staged and --range")
	}
	if err := checkModes(c); err != nil {
		return err
	}
	h, err := newHistoryRun(c, s, u)
	if err != nil {
		return err
	}
	h.all = c.Bool("all")
	in, err := h.filesMeant(c.Context)
	if err != nil {
		return err
	}
	report := &check.Report{Files: len(in)}
	versions := 0
	err = h.past(c.Context, in, func(files []pastFile) error {
		return h.eachTrace(c.Context, files, func(f pastFile, t *history.Trace) error {
			h.warnUnreadable(f, t)
			versions += t.Steps
			found, err := h.leaks(f, t)
			report.Findings = append(report.Findings, found...)
			return err
		})
	})
	if err != nil {
		return err
	}
	check.Sort(report.Findings)
	u.note(fmt.Sprintf("%s of %s looked at", counted(versions, "version"), counted(len(in), "file")))
	if err := printHistoryCheck(c, s, u, report); err != nil {
		return err
	}
	return historyResult(report.Findings, failOn)
}

// printHistoryCheck prints findings as check does. In lines, they name their commits
// themselves.
func printHistoryCheck(c *cli.Context, s std, u *ui, r *check.Report) error {
	if c.Bool("json") || c.Bool("sarif") {
		return printCheck(c, s, u, r)
	}
	inLines := &check.Report{Files: r.Files, Findings: slices.Clone(r.Findings)}
	for i := range inLines.Findings {
		inLines.Findings[i].Commit = ""
	}
	return printCheck(c, s, u, inLines)
}

// historyResult fails if there are findings of a level or worse.
func historyResult(list []check.Finding, failOn check.Level) error {
	n := check.AtLeast(list, failOn)
	if n == 0 {
		return nil
	}
	return &commandError{code: exitWrongState, text: counted(n, "finding") + " in the history",
		hint: "what was plain in a commit stays there: make new values where they are used, then gitseal set FILE KEY.PATH"}
}

// meant returns what a rule wants sealed of a plain file.
func (h *historyRun) meant(in input) func(*formats.Document) []bool {
	return func(d *formats.Document) []bool {
		config, err := h.book.config(in.rulePath)
		if err != nil {
			return nil
		}
		e := check.Expect(config, "", in.rulePath)
		if e.Applied.Rule == nil || e.Err != nil {
			return nil
		}
		if e.Selector.IsZero() {
			return cipher.SelectorFor(d).Select(d)
		}
		return e.Selector.Select(d)
	}
}

// filesMeant finds the files whose values are or should be sealed.
func (h *historyRun) filesMeant(ctx context.Context) ([]input, error) {
	args := h.c.Args().Slice()
	if len(args) == 0 {
		args = []string{"."}
	}
	var plain []input
	var rest []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || info.IsDir() {
			rest = append(rest, arg)
			continue
		}
		in, err := h.plainFile(arg)
		if err != nil {
			return nil, err
		}
		if in == nil {
			rest = append(rest, arg)
			continue
		}
		plain = append(plain, *in)
	}
	if len(rest) == 0 {
		return plain, nil
	}
	sealed, err := h.sealedAmong(ctx, rest)
	if err != nil {
		return nil, err
	}
	more, err := h.unsealedByRule(rest, sealed)
	return append(append(sealed, more...), plain...), err
}

// plainFile reads a named file, nil if it is sealed.
func (h *historyRun) plainFile(name string) (*input, error) {
	files, err := workset.Collect([]string{name}, workset.Options{})
	if err != nil || len(files) != 1 {
		return nil, err
	}
	in := input{name: name, path: files[0].Path, rulePath: files[0].Path}
	if in.data, err = readFile(in.path); err == nil {
		err = in.settleFormat(h.c.String("format"), h.book)
	}
	if err != nil {
		return nil, &fileError{name: name, err: err}
	}
	if _, err := metadataOf(&in); !isNotSealed(err) {
		return nil, nil
	}
	return &in, nil
}

// unsealedByRule finds the files in folders that a rule means and that are not among
// those that are sealed.
func (h *historyRun) unsealedByRule(args []string, sealed []input) ([]input, error) {
	known := map[string]bool{}
	for _, in := range sealed {
		known[in.path] = true
	}
	var out []input
	for _, arg := range args {
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			continue
		}
		files, err := workset.Collect([]string{arg}, workset.Options{Match: h.book.matches})
		if asError(err, new(*workset.NoMatchError)) {
			err = nil
		}
		if err == nil {
			err = h.book.matchErr
		}
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if known[f.Path] {
				continue
			}
			known[f.Path] = true
			in := input{name: f.Arg, path: f.Path, rulePath: f.Path}
			in.nameInFolder(f)
			if in.data, err = readFile(in.path); err != nil {
				return nil, &fileError{name: in.name, err: err}
			}
			if err := in.settleFormat(h.c.String("format"), h.book); err != nil {
				return nil, &fileError{name: in.name, err: err}
			}
			if _, err := metadataOf(&in); isNotSealed(err) {
				out = append(out, in)
			}
		}
	}
	return out, nil
}

// leaks are the findings about one file.
func (h *historyRun) leaks(f pastFile, t *history.Trace) ([]check.Finding, error) {
	config, err := h.book.config(f.in.rulePath)
	if err != nil {
		return nil, err
	}
	ignored := func(id string) bool {
		if config == nil {
			return false
		}
		name := config.At(f.in.rulePath, isStructured).Name
		for _, i := range config.Ignores {
			if i.Covers(name, id) {
				return true
			}
		}
		return false
	}
	var out []check.Finding
	var keys []string
	was := span{}
	for _, v := range t.Values {
		for still, s := range plainSpans(v) {
			if still == history.No || ignored(check.IDLeaked) {
				continue
			}
			out = append(out, leakedValue(f.in.name, v.Path, still, s))
		}
		if all := committed(v.Plain); all.count > 0 {
			was = was.join(all)
			keys = append(keys, v.Path.String())
		}
	}
	for _, p := range t.PlainSteps {
		if p.Step.Commit == nil {
			continue
		}
		was = was.with(p.Step)
		for _, gone := range p.Gone {
			keys = append(keys, gone.String())
		}
	}
	if was.count > 0 && len(keys) > 0 && !ignored(check.IDAncestor) {
		out = append(out, plainAncestor(f.in.name, keys, was))
	}
	return out, nil
}

// span is a run of commits, the newest met first.
type span struct {
	newest, oldest history.Step
	count          int
	seen           map[string]bool
}

func (s span) with(step history.Step) span {
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	if s.seen[step.Commit.Hash] {
		return s
	}
	s.seen[step.Commit.Hash] = true
	s.count++
	if s.newest.Commit == nil || timeOf(step).After(timeOf(s.newest)) {
		s.newest = step
	}
	if s.oldest.Commit == nil || timeOf(step).Before(timeOf(s.oldest)) {
		s.oldest = step
	}
	return s
}

func (s span) join(o span) span {
	if o.count == 0 {
		return s
	}
	hashes := o.seen
	s = s.with(o.newest).with(o.oldest)
	for hash := range hashes {
		if !s.seen[hash] {
			s.seen[hash] = true
			s.count++
		}
	}
	return s
}

// text names the commits and the file's name there, if that was another.
func (s span) text(now string) string {
	one := func(step history.Step) string {
		text := commitText(step) + " (" + dateText(step)
		if base := step.Is.Path; base != "" && !strings.HasSuffix(now, base) && !strings.HasSuffix(base, now) {
			text += ", as " + base
		}
		return text + ")"
	}
	if s.count == 1 {
		return "in commit " + one(s.newest)
	}
	return fmt.Sprintf("in %s, from %s to %s", counted(s.count, "commit"), one(s.oldest), one(s.newest))
}

// committed is the run of the commits in which a value stood plain.
func committed(list []history.Plain) span {
	s := span{}
	for _, p := range list {
		if p.Step.Commit != nil {
			s = s.with(p.Step)
		}
	}
	return s
}

// plainSpans says when a value's place held what plainly is, or may be, the value of
// today. Where one is certain, what may be does not matter.
func plainSpans(v *history.Value) map[history.Answer]span {
	by := map[history.Answer]span{}
	for _, p := range v.Plain {
		if p.Step.Commit != nil {
			by[p.Still] = by[p.Still].with(p.Step)
		}
	}
	if _, sure := by[history.Yes]; sure {
		delete(by, history.Unknown)
	}
	return by
}

func leakedValue(name string, path *formats.Path, still history.Answer, s span) check.Finding {
	f := check.Finding{
		ID: check.IDLeaked, Level: check.Error, File: name, Path: path.Text(), Commit: s.newest.Commit.Hash,
		Message: path.String() + " stood plain " + s.text(name) + " and is still the leaked value",
		Hint:    "everybody with a clone has it: make a new value where it is used, then gitseal set",
	}
	if still == history.Unknown {
		f.Message = path.String() + " stood plain " + s.text(name) + ", and may still be the leaked value"
		f.Hint = "a key of the file can tell (--identity, --verify); without one, make a new value"
	}
	return f
}

func plainAncestor(name string, keys []string, s span) check.Finding {
	if len(keys) > maxPathsShown {
		keys = append(keys[:maxPathsShown:maxPathsShown], fmt.Sprintf("%d more", len(keys)-maxPathsShown))
	}
	return check.Finding{
		ID: check.IDAncestor, Level: check.Warning, File: name, Commit: s.newest.Commit.Hash,
		Message: "was plain " + s.text(name) + ": " + strings.Join(keys, ", "),
		Hint:    "sealing a file does not take it out of the history; what stood there has to be changed",
	}
}
