package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
)

func inspectCommand(s std, u *ui) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show what a sealed file says without opening it: readers, selector, what is sealed",
		UsageText: "gitseal inspect [FLAGS] FILE…",
		Description: `No key is needed. Nothing that is shown is verified: opening the file does that.

Example:
   gitseal inspect --json deploy/secret.yaml`,
		Flags: append([]cli.Flag{jsonFlag()}, inputFlags()...),
		Action: func(c *cli.Context) error {
			in, err := readSealed(c, s, u)
			if err != nil {
				return err
			}
			return runInspect(c.Context, u, in, c.Bool("json"))
		},
	}
}

// inspection is the JSON form of what inspect shows of one file.
type inspection struct {
	File      string     `json:"file"`
	Format    string     `json:"format"`
	Readers   []string   `json:"readers"`
	Groups    [][]string `json:"readers_by_group"`
	KeyGroups int        `json:"key_groups"`
	Threshold int        `json:"threshold,omitempty"`
	Selector  string     `json:"selector"`
	Pattern   string     `json:"pattern"`
	MACOnly   bool       `json:"mac_only_encrypted"`
	Seal      bool       `json:"seal"`
	Context   string     `json:"context,omitempty"`
	// HalfMerged: the file was merged or edited without its key, and waits for gitseal reseal.
	HalfMerged   bool          `json:"half_merged,omitempty"`
	LastModified time.Time     `json:"last_modified"`
	Version      string        `json:"sops_version"`
	Documents    int           `json:"documents"`
	Values       []valueStatus `json:"values"`
	Comments     int           `json:"sealed_comments"`
	// Proposals are open, see gitseal accept; Malformed counts entries that are none.
	Proposals []proposalStatus `json:"proposals"`
	Malformed int              `json:"malformed_proposals,omitempty"`
}

// proposalStatus is what can be said of a proposal without a key. Nobody vouches
// for By and At.
type proposalStatus struct {
	ID   string    `json:"id"`
	Path string    `json:"path"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at"`
}

// proposalsOf lists the proposals of a file.
func proposalsOf(m *cipher.Metadata) (out []proposalStatus, malformed int) {
	list, malformed := m.Proposals()
	out = []proposalStatus{}
	for _, p := range list {
		out = append(out, proposalStatus{ID: p.ID(), Path: p.Path.Text(), By: p.By, At: p.At})
	}
	return out, malformed
}

type valueStatus struct {
	Path  string       `json:"path"`
	State cipher.State `json:"state"`
	Kind  string       `json:"kind"`
}

func runInspect(ctx context.Context, u *ui, in []input, asJSON bool) error {
	var out []inspection
	for _, f := range in {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := cipher.Inspect(f.format, f.data)
		if err != nil {
			return &fileError{name: f.name, unsealing: true, err: err}
		}
		out = append(out, newInspection(f, r))
	}
	if asJSON {
		return u.json(out)
	}
	for i, r := range out {
		if i > 0 {
			fmt.Fprintln(u.out)
		}
		printInspection(u, r)
	}
	return nil
}

func newInspection(f input, r *cipher.Report) inspection {
	m := r.Metadata
	out := inspection{
		File: f.name, Format: f.formatName, Readers: m.Readers(), KeyGroups: len(m.Groups), Threshold: m.Threshold,
		Selector: string(m.Selector.Kind), Pattern: m.Selector.Pattern, MACOnly: m.MACOnlyEncrypted,
		Seal: m.Seal != nil, LastModified: m.LastModified, Version: m.Version, Documents: r.Documents,
		Values: []valueStatus{}, Groups: [][]string{},
	}
	out.HalfMerged = m.Merged() != nil
	if m.Seal != nil {
		out.Context = m.Seal.Context
	}
	for _, g := range m.Groups {
		var names []string
		for _, s := range g {
			names = append(names, s.Reader())
		}
		out.Groups = append(out.Groups, names)
	}
	out.Proposals, out.Malformed = proposalsOf(m)
	for _, v := range r.Values {
		out.Values = append(out.Values, valueStatus{Path: v.Path.String(), State: v.State, Kind: v.Kind.String()})
	}
	for _, v := range r.Comments {
		if v.State == cipher.StateSealed {
			out.Comments++
		}
	}
	return out
}

func printInspection(u *ui, r inspection) {
	row := func(label, text string) { fmt.Fprintf(u.out, "  %-12s %s\n", label, oneLine(text)) }
	fmt.Fprintln(u.out, oneLine(r.File))
	row("format", r.Format)
	for i, group := range r.Groups {
		label := "readers"
		if r.KeyGroups > 1 {
			label = fmt.Sprintf("group %d", i+1)
		}
		for j, reader := range group {
			row([]string{label, ""}[min(j, 1)], shortReader(reader))
		}
	}
	if r.KeyGroups > 1 {
		row("key groups", fmt.Sprintf("%d, of which %d must be opened", r.KeyGroups, needed(r.KeyGroups, r.Threshold)))
	}
	row("selector", r.Selector+": "+r.Pattern)
	row("changed", r.LastModified.Format(time.RFC3339))
	row("guarantees", guarantees(r))
	if r.Context != "" {
		row("context", r.Context)
	}
	counts := map[cipher.State]int{}
	for _, v := range r.Values {
		counts[v.State]++
	}
	row("values", countsText(counts, r.Comments))
	for _, v := range r.Values {
		fmt.Fprintf(u.out, "    %-9s %-7s %s\n", v.State, v.Kind, oneLine(v.Path))
	}
	for i, p := range r.Proposals {
		row([]string{"proposals", ""}[min(i, 1)], p.ID+"  "+p.Path+", by "+byText(p.By)+", "+p.At.UTC().Format(time.RFC3339))
	}
	if r.Malformed > 0 {
		u.warn(r.File + ": " + counted(r.Malformed, "proposal") + " not well-formed")
	}
	if n := counts[cipher.StateExposed] + counts[cipher.StateMalformed]; n > 0 {
		u.warn(r.File + ": " + strconv.Itoa(n) + " values are not sealed as the file's selector says; it will not open")
	}
}

func guarantees(r inspection) string {
	switch {
	case r.HalfMerged:
		return "single values only: it was merged or edited without its key, and waits for gitseal reseal"
	case !r.Seal:
		return "sops's MAC only: values, not keys, structure, kinds, comments or readers (no sops.seal entry)"
	case r.MACOnly:
		return "sealed values with their keys, places and kinds, and the metadata; plain values may change (mac_only_encrypted)"
	}
	return "every value with its key, place and kind, comments, and the metadata (sops.seal)"
}

func countsText(counts map[cipher.State]int, comments int) string {
	text := fmt.Sprintf("%d sealed, %d plain, %d empty", counts[cipher.StateSealed], counts[cipher.StatePlain], counts[cipher.StateEmpty])
	if comments > 0 {
		text += fmt.Sprintf("; %d sealed comments", comments)
	}
	if n := counts[cipher.StateExposed]; n > 0 {
		text += fmt.Sprintf("; %d EXPOSED", n)
	}
	if n := counts[cipher.StateMalformed]; n > 0 {
		text += fmt.Sprintf("; %d malformed", n)
	}
	return text
}
