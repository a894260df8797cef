package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/history"
)

func reportCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "say how old values are, and what readers who are gone have seen",
		UsageText: "gitseal report COMMAND [FLAGS] [FILE|FOLDER]…",
		Description: `What is told comes from the commits of the git repository; whoever may write that can forge
them, and their dates.`,
		Subcommands: []*cli.Command{reportAgeCommand(s, u), reportExposureCommand(s, u)},
	}
}

func reportAgeCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "age",
		Usage:     "list how old each sealed value is, the oldest first",
		UsageText: "gitseal report age [--overdue] [FLAGS] [FILE|FOLDER]…",
		Description: historyKeysHelp + `

A value is as old as the commit that set it, by the day its author made that; it stays as old when
its file is renamed or sealed anew, or when the file or the key goes and the same ciphertext comes
back. One that moves to another key, or is set to a value it had before, begins anew. What is not
committed is as old as now. Where a key would be needed to tell whether the value is older,
"at least" stands before the age. A rule says when values are overdue; sops passes over it:
   creation_rules:
     - path_regex: ^prod/
       rotate_after: 90d        # or 12w, 6m (of 30 days), 1y, 36h
       age: age1…
With --overdue only those are listed that are overdue, or perhaps are; if one surely is, the exit
code is 3.

Examples:
   gitseal report age
   gitseal report age --overdue prod/
   gitseal report age --json | jq '.values[] | select(.age_days > 365)'`,
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "overdue", Usage: "list only values that are older than their rule's rotate_after; exit code 3 if there are any"},
			&cli.BoolFlag{Name: "all", Usage: "all branches and tags, not only the current one"},
			verifyFlag(), jsonFlag(), quietFlag(),
		}, keyFlags(), inputFlags()),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			h, err := newHistoryRun(c, s, u)
			if err != nil {
				return err
			}
			h.all = c.Bool("all")
			return h.reportAge(c.Context)
		},
	}
}

// agedValue is a value with its age.
type agedValue struct {
	in    input
	value *history.Value
	after time.Duration
	now   time.Time
}

// day is what ages are counted in.
const day = 24 * time.Hour

// ageOf is how long ago a step was made.
func ageOf(s history.Step, now time.Time) time.Duration { return max(0, now.Sub(timeOf(s))) }

func (v agedValue) age() time.Duration { return ageOf(v.value.Since, v.now) }

// overdue compares the age with the rule's limit.
func (v agedValue) overdue() history.Answer {
	switch {
	case v.after == 0:
		return ""
	case v.age() > v.after:
		return history.Yes
	case v.value.AtLeast && (v.value.Why == history.Shallow || v.value.Why == history.Unreadable || ageOf(v.value.Perhaps, v.now) > v.after):
		return history.Unknown
	}
	return history.No
}

// eachTrace follows the values of files, and tells what could not be read.
func (h *historyRun) eachTrace(ctx context.Context, files []pastFile, use func(pastFile, *history.Trace) error) error {
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.ui.step("reading the history of file", i+1, len(files))
		t, err := f.repo.Trace(f.File, h.meant(f.in))
		if err == nil {
			err = use(f, t)
		}
		if err != nil {
			h.ui.stepsDone()
			return &fileError{name: f.in.name, err: err}
		}
	}
	h.ui.stepsDone()
	h.warnShallow(files)
	return ctx.Err()
}

// warnUnreadable says which versions of a file were passed over.
func (h *historyRun) warnUnreadable(f pastFile, t *history.Trace) {
	if n := len(t.Unreadable); n > 0 {
		first := t.Unreadable[0]
		h.ui.warn(fmt.Sprintf("%s: %s not readable and passed over, such as that of %s (%v)", f.in.name, counted(n, "version"), commitText(first.Step), first.Err))
	}
}

func (h *historyRun) reportAge(ctx context.Context) error {
	in, err := h.sealedFiles(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	var list []agedValue
	err = h.past(ctx, in, func(files []pastFile) error {
		return h.eachTrace(ctx, files, func(f pastFile, t *history.Trace) error {
			h.warnUnreadable(f, t)
			after, err := h.rotateAfter(f.in)
			for _, v := range t.Values {
				list = append(list, agedValue{f.in, v, after, now})
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return h.showAges(list)
}

// rotateAfter is how long the values of a file may stay the same, 0 without a limit.
func (h *historyRun) rotateAfter(in input) (time.Duration, error) {
	config, err := h.book.config(in.rulePath)
	if err != nil || config == nil {
		return 0, err
	}
	rule, err := config.RuleFor(in.rulePath)
	if isNoRule(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return rule.RotateAfter, nil
}

func (h *historyRun) showAges(list []agedValue) error {
	slices.SortStableFunc(list, func(a, b agedValue) int { return cmp.Compare(b.age(), a.age()) })
	sure, perhaps, open := 0, 0, 0
	for _, v := range list {
		switch v.overdue() {
		case history.Yes:
			sure++
		case history.Unknown:
			perhaps++
		}
		if v.value.AtLeast && (v.value.Why == history.Resealed || v.value.Why == history.WasPlain) {
			open++
		}
	}
	total := len(list)
	only := h.c.Bool("overdue")
	if only {
		list = slices.DeleteFunc(list, func(v agedValue) bool { o := v.overdue(); return o != history.Yes && o != history.Unknown })
	}
	if h.c.Bool("json") {
		if err := h.ui.json(newAgesJSON(list)); err != nil {
			return err
		}
	} else {
		h.printAges(list)
	}
	h.ui.note(fmt.Sprintf("%s, %d overdue, %d perhaps", counted(total, "sealed value"), sure, perhaps))
	if open > 0 {
		h.ui.note(fmt.Sprintf("%d of them may be older than the new data key or the sealing that hides it: a key of both versions can tell (--identity, --verify)", open))
	}
	if only && sure > 0 {
		return &commandError{code: exitWrongState, text: counted(sure, "value") + " overdue", hint: "make new ones where they are used, then gitseal set FILE KEY.PATH"}
	}
	return nil
}

func (h *historyRun) printAges(list []agedValue) {
	for _, v := range list {
		age := fmt.Sprintf("%dd", v.age()/day)
		if v.value.AtLeast {
			age = "at least " + age
		}
		text := fmt.Sprintf("%14s  %s  %-11s  %s: %s", age, dateText(v.value.Since), commitText(v.value.Since), v.in.name, v.value.Path)
		if note := v.notes(); note != "" {
			text += "  (" + note + ")"
		}
		fmt.Fprintln(h.ui.out, oneLine(text))
	}
}

// notes are what there is to say of a value beside its age.
func (v agedValue) notes() string {
	why := map[history.Reason]string{
		history.Resealed: "re-sealed then", history.WasPlain: "sealed then", history.Shallow: "the clone's history ends there",
		history.Unreadable: "the version before cannot be read",
	}[v.value.Why]
	if v.value.AtLeast && v.value.Perhaps.Is != v.value.Since.Is {
		why += ", perhaps since " + dateText(v.value.Perhaps)
	}
	limit := fmt.Sprintf("rotate after %dd", v.after/day)
	if v.after%day != 0 {
		limit = "rotate after " + v.after.String()
	}
	switch v.overdue() {
	case history.Yes:
		limit = "overdue: " + limit
	case history.Unknown:
		limit = "perhaps overdue: " + limit
	default:
		limit = ""
	}
	switch {
	case why == "" || limit == "":
		return why + limit
	}
	return limit + "; " + why
}

// agesJSON is the JSON form of what report age shows.
type agesJSON struct {
	Values []ageJSON `json:"values"`
}

type ageJSON struct {
	File  string     `json:"file"`
	Path  string     `json:"path"`
	Since commitJSON `json:"since"`
	// AgeDays is rounded down.
	AgeDays int64 `json:"age_days"`
	// AtLeast: the value may be older, because of Why: resealed, was-plain, shallow or
	// unreadable.
	AtLeast bool           `json:"at_least"`
	Why     history.Reason `json:"why,omitempty"`
	// Perhaps is the oldest commit that may have had it, if it is another.
	Perhaps *commitJSON `json:"perhaps_since,omitempty"`
	// RotateAfter is the rule's, in seconds.
	RotateAfter int64 `json:"rotate_after_seconds,omitempty"`
	// Overdue is yes, no or unknown, and missing without a limit.
	Overdue history.Answer `json:"overdue,omitempty"`
}

func newAgesJSON(list []agedValue) agesJSON {
	out := agesJSON{Values: []ageJSON{}}
	for _, v := range list {
		j := ageJSON{
			File: v.in.name, Path: v.value.Path.Text(), Since: newCommitJSON(v.value.Since), AgeDays: int64(v.age() / day),
			AtLeast: v.value.AtLeast, Why: v.value.Why, RotateAfter: int64(v.after / time.Second), Overdue: v.overdue(),
		}
		if v.value.Perhaps.Is != v.value.Since.Is {
			perhaps := newCommitJSON(v.value.Perhaps)
			j.Perhaps = &perhaps
		}
		out.Values = append(out.Values, j)
	}
	return out
}
