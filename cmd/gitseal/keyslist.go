package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/keysources"
)

func keysListCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "show the readers of sealed files and how they compare with the rules",
		UsageText: "gitseal keys list [FLAGS] FILE|FOLDER…",
		Description: `No key is needed, and nothing that is shown is verified: opening the file does that.
A reader whom the rule does not name is marked as stale, one whom the file lacks as
missing; gitseal keys sync settles both.

Examples:
   gitseal keys list secret.yaml
   gitseal keys list --json . | jq '.[] | select(.differences)'`,
		Flags: append([]cli.Flag{jsonFlag(), quietFlag()}, inputFlags()...),
		Action: func(c *cli.Context) error {
			u.quiet = c.Bool("quiet")
			return runKeysList(c, s, u)
		},
	}
}

// keysListing is the JSON form of the readers of one file.
type keysListing struct {
	File      string        `json:"file"`
	Format    string        `json:"format"`
	KeyGroups int           `json:"key_groups"`
	Threshold int           `json:"threshold,omitempty"`
	Readers   []readerEntry `json:"readers"`
	// Rule says where the rule stands, "" if there is none.
	Rule        string   `json:"rule,omitempty"`
	Differences []string `json:"differences,omitempty"`
}

type readerEntry struct {
	readerInfo
	// Created is when the data key was wrapped, as far as the file says.
	Created string `json:"created_at,omitempty"`
	// State compares with the rule, if there is one.
	State readerState `json:"state,omitempty"`
}

// readerState is how a reader of a file compares with the rule.
type readerState string

const (
	readerCurrent readerState = "current"
	readerStale   readerState = "stale"
	readerMissing readerState = "missing"
)

func runKeysList(c *cli.Context, s std, u *ui) error {
	book, err := newRuleBook(c.String("config"))
	if err != nil {
		return err
	}
	in, err := readSealed(c, s, u)
	if err != nil {
		return err
	}
	// Nothing is opened or wrapped, so that no key source is needed.
	r := &planner{c: c, ids: &identities{sources: &sources{}}, book: book}
	out, skipped := []keysListing{}, 0
	for _, f := range in {
		if err := c.Context.Err(); err != nil {
			return err
		}
		if f.fromFolder && !isSealed(f) {
			skipped++
			continue
		}
		l, err := r.listKeys(f)
		if err != nil {
			return &fileError{name: f.name, unsealing: true, err: err}
		}
		out = append(out, l)
	}
	l := leftFiles{c: c, std: s, ui: u, book: book, taken: in}
	left, err := l.find(c.Context)
	if err != nil {
		return err
	}
	defer l.tell(left)
	if c.Bool("json") {
		return u.json(out)
	}
	for i, l := range out {
		if i > 0 {
			fmt.Fprintln(u.out)
		}
		l.print(u)
	}
	if skipped > 0 {
		u.note(counted(skipped, "file") + " not sealed, skipped")
	}
	return nil
}

func (r *planner) listKeys(in input) (keysListing, error) {
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return keysListing{}, err
	}
	m, err := cipher.ParseMetadata(doc)
	if err != nil {
		return keysListing{}, err
	}
	p, err := r.ruleOf(in)
	if err != nil {
		return keysListing{}, err
	}
	l := keysListing{File: in.name, Format: in.formatName, KeyGroups: len(m.Groups), Differences: p.differences(m, doc)}
	if len(m.Groups) > 1 {
		l.Threshold = neededOf(m)
	}
	if p.rule != nil {
		config, err := r.book.config(in.rulePath)
		if err != nil {
			return l, err
		}
		l.Rule = fmt.Sprintf("%s:%d", config.Path, p.rule.Line)
	}
	l.Readers = entries(m, p)
	return l, nil
}

// entries lists the readers of a file group by group, each group with those whom the
// rule wants there.
func entries(m *cipher.Metadata, p plan) []readerEntry {
	var out []readerEntry
	for i := range max(len(m.Groups), len(p.readers.groups)) {
		var have []keysources.Stanza
		var want []keysources.Recipient
		if i < len(m.Groups) {
			have = m.Groups[i]
		}
		if i < len(p.readers.groups) {
			want = p.readers.groups[i]
		}
		groups := max(len(m.Groups), len(p.readers.groups))
		for _, s := range have {
			e := readerEntry{readerInfo: newReaderInfo(s.Key(), i, groups), Created: s.Get("created_at")}
			if p.chosen {
				e.State = readerStale
				if slices.ContainsFunc(want, func(r keysources.Recipient) bool { return keysources.IsFor(r, s) }) {
					e.State = readerCurrent
				}
			}
			out = append(out, e)
		}
		for _, r := range want {
			key, _ := keysources.KeyOf(r)
			if !slices.ContainsFunc(have, func(s keysources.Stanza) bool { return keysources.IsFor(r, s) }) {
				out = append(out, readerEntry{readerInfo: newReaderInfo(key, i, groups), State: readerMissing})
			}
		}
	}
	return out
}

func (l keysListing) print(u *ui) {
	fmt.Fprintln(u.out, oneLine(l.File))
	if l.Threshold > 0 {
		fmt.Fprintf(u.out, "  %d key groups, of which %d open it\n", l.KeyGroups, l.Threshold)
	}
	for _, e := range l.Readers {
		line := fmt.Sprintf("  %-8s  %s", e.Type, shortReader(e.Reader))
		if e.Group > 0 {
			line = fmt.Sprintf("  group %d %s", e.Group, line)
		}
		if t, err := time.Parse(time.RFC3339, e.Created); err == nil {
			line += "  since " + t.Format(time.DateOnly)
		}
		switch e.State {
		case readerStale:
			line += "  STALE: its rule does not name it"
		case readerMissing:
			line += "  MISSING: its rule names it"
		}
		fmt.Fprintln(u.out, oneLine(line))
	}
	switch {
	case l.Rule == "":
		fmt.Fprintln(u.out, "  no rule applies")
	case len(l.Differences) == 0:
		fmt.Fprintln(u.out, "  as the rule at "+oneLine(l.Rule)+" says")
	}
	for _, d := range l.Differences {
		fmt.Fprintln(u.out, "  differs from the rule at "+oneLine(l.Rule)+": "+oneLine(d))
	}
}
