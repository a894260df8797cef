package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
)

// The colours of lines, by their mark.
func markColor(mark byte) string {
	return map[byte]string{'+': "32", '-': "31", '~': "33", '!': "1;31"}[mark]
}

// diffPrinter prints reports for people.
type diffPrinter struct {
	out   io.Writer
	color bool
	err   error
}

func (r *diffRun) showText(list []*fileDiff) error {
	rep := reporter{newCensus(r.book)}
	p := &diffPrinter{out: r.std.out}
	p.color = isTerminal(r.std.out) && r.std.getenv("TERM") != "dumb" && r.std.getenv("NO_COLOR") == ""
	for i, d := range list {
		if i > 0 {
			p.print("\n")
		}
		p.report(rep.report(d))
	}
	if p.err != nil {
		return fmt.Errorf("writing to standard output: %w", p.err)
	}
	return nil
}

func (r *diffRun) showJSON(list []*fileDiff) error {
	rep := reporter{newCensus(r.book)}
	out := []diffReport{}
	for _, d := range list {
		out = append(out, rep.report(d))
	}
	return r.ui.json(out)
}

func (p *diffPrinter) print(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.out, text)
	}
}

func (p *diffPrinter) paint(color, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// line prints what became of something, with a mark in front.
func (p *diffPrinter) line(mark byte, format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	p.print("  " + p.paint(markColor(mark), string(mark)+" "+text) + "\n")
}

func (p *diffPrinter) report(d diffReport) {
	head := d.Status + ": " + d.File
	if d.OldFile != "" {
		head = d.Status + ": " + d.OldFile + " → " + d.File
	}
	p.print(p.paint("1", oneLine(head)) + "\n")
	for _, e := range d.Errors {
		p.line('!', "%s", e)
	}
	was, is := d.WasSealed, d.IsSealed
	if was != nil && is != nil && *was != *is {
		if *was {
			p.line('!', "the file is PLAIN now; it was sealed")
		} else {
			p.line('~', "the file is sealed now; what it held before stays readable in the history")
		}
	}
	for _, v := range d.Values {
		p.value(v)
	}
	p.others(d)
	p.metadata(d)
	if len(d.Errors) == 0 && d.nothingTold() {
		p.line('~', "nothing but the time and the MAC, or the layout")
	}
}

// nothingTold reports whether nothing is known to differ.
func (d *diffReport) nothingTold() bool {
	return len(d.Values)+len(d.Joined)+len(d.Left)+len(d.Metadata)+len(d.Proposed)+len(d.Settled)+d.Comments+d.Rewrapped == 0 &&
		!d.NewKey && d.Merged == "" && d.Status == statusText('M')
}

func (p *diffPrinter) value(v diffValue) {
	switch v.Change {
	case changes.Added:
		p.side('+', "added", v.name, v.Is)
	case changes.Removed:
		p.side('-', "removed", v.name, v.Was)
	case changes.BecamePlain:
		p.line('!', "%s: PLAIN now, was sealed (%s)", v.name, v.Is.Kind)
	case changes.BecameSealed:
		p.line('~', "%s: sealed now, was plain (%s)", v.name, v.Is.Kind)
	default:
		p.changed(v)
	}
}

// side prints a value that is there in one version only.
func (p *diffPrinter) side(mark byte, what, name string, s *diffState) {
	switch s.State {
	case cipher.StateExposed:
		p.line(loud(mark), "%s: %s, PLAIN where the selector wants it sealed (%s)", name, what, s.Kind)
	case cipher.StateMalformed:
		p.line(loud(mark), "%s: %s, sealed but not well-formed", name, what)
	case cipher.StateSealed:
		p.line(mark, "%s: %s (sealed %s)", name, what, s.Kind)
	default:
		if s.Text == nil {
			p.line(mark, "%s: %s (plain %s)", name, what, s.Kind)
			return
		}
		p.line(mark, "%s: %s", name, plainText(s))
	}
}

// loud is the mark of what should not be there, if it is.
func loud(mark byte) byte {
	if mark == '-' {
		return mark
	}
	return '!'
}

func (p *diffPrinter) changed(v diffValue) {
	sealed := func(s *diffState) bool { return s.State == cipher.StateSealed }
	switch {
	case v.Is.State == cipher.StateExposed:
		p.line('!', "%s: changed, PLAIN where the selector wants it sealed (%s)", v.name, v.Is.Kind)
	case v.Is.State == cipher.StateMalformed:
		p.line('!', "%s: changed, sealed but not well-formed", v.name)
	case sealed(v.Was) && sealed(v.Is) && v.Was.Kind != v.Is.Kind:
		p.line('~', "%s: changed (sealed %s → sealed %s)", v.name, v.Was.Kind, v.Is.Kind)
	case sealed(v.Was) && sealed(v.Is):
		p.line('~', "%s: changed (sealed %s)", v.name, v.Is.Kind)
	default:
		p.line('~', "%s: %s → %s", v.name, stateText(v.Was), stateText(v.Is))
	}
}

func stateText(s *diffState) string {
	if s.Text != nil {
		return plainText(s)
	}
	if s.Kind == string(s.State) || s.State == cipher.StateEmpty {
		return s.Kind
	}
	return string(s.State) + " " + s.Kind
}

// others prints what is neither a value nor of the metadata's policy.
func (p *diffPrinter) others(d diffReport) {
	if d.Comments > 0 {
		p.line('~', "%s changed", counted(d.Comments, "comment"))
	}
	for _, r := range d.Joined {
		p.line('+', "reader %s%s", r.text, groupText(r.readerInfo))
	}
	for _, r := range d.Left {
		p.line('-', "reader %s%s", r.text, groupText(r.readerInfo))
	}
	if d.Rewrapped > 0 {
		p.line('~', "wrapped anew for %s", counted(d.Rewrapped, "reader"))
	}
	switch {
	case d.NewKey && d.Told:
		p.line('~', "new data key: %s sealed again and the same as before", counted(d.Resealed, "other value"))
	case d.NewKey:
		p.line('~', "new data key: %s sealed again; whether they changed cannot be told without a key", counted(d.Resealed, "value"))
	}
}

func groupText(r readerInfo) string {
	if r.Group == 0 {
		return ""
	}
	return fmt.Sprintf(" (key group %d)", r.Group)
}

func (p *diffPrinter) metadata(d diffReport) {
	for _, f := range d.Metadata {
		mark := byte('~')
		if f.Field == "integrity" && strings.Contains(f.Is, "no sops.seal") || strings.Contains(f.Is, "not covered") {
			mark = '!'
		}
		p.line(mark, "%s: %s → %s", f.Field, orNone(f.Was), orNone(f.Is))
	}
	for _, x := range d.Proposed {
		p.line('+', "proposal %s for %s by %s", x.ID, x.Path, byText(x.By))
	}
	for _, x := range d.Settled {
		p.line('-', "proposal %s for %s by %s", x.ID, x.Path, byText(x.By))
	}
	switch d.Merged {
	case "half-merged":
		p.line('!', "half-merged: needs gitseal reseal %s", hintName(d.File))
	case "resealed":
		p.line('~', "resealed after a merge or an edit without its key")
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
