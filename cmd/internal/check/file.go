package check

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
)

// Input is one file to check.
type Input struct {
	// Name is what findings call the file; its last part says the format where the
	// configuration does not.
	Name string
	Data []byte
	// Expected is what the rules say about it.
	Expected Expected
}

// ConfigName is the name of configuration files.
const ConfigName = ".sops.yaml"

// File checks one file. It never fails: what cannot be read is a finding.
func File(in Input) []Finding {
	list, _ := file(in)
	return list
}

// nature is what a file turned out to be.
type nature struct {
	// sealed: it has a metadata block that can be read. sound: nothing was found that
	// opening it would only say again.
	sealed, sound bool
	// plain: it is plain, and nothing was found that says that it should not be.
	plain bool
}

func file(in Input) ([]Finding, nature) {
	c := &checker{Input: in}
	c.run()
	plain := !c.sealed && !c.broken && len(in.Data) > 0 && !slices.ContainsFunc(c.list, saysPlain)
	list := slices.DeleteFunc(c.list, func(f Finding) bool { return in.Expected.ignores(f) })
	return list, nature{sealed: c.sealed, sound: c.sealed && !c.broken, plain: plain}
}

// saysPlain reports whether a finding says of a whole file that it is plain, or why that
// cannot be told.
func saysPlain(f Finding) bool {
	return slices.Contains([]string{IDNotSealed, IDName, IDManifest, IDMalformed, IDDuplicate, IDConflict}, f.ID)
}

// checker collects the findings of one file.
type checker struct {
	Input
	list []Finding
	doc  *formats.Document
	// lines are the offsets at which lines begin; see place.
	lines []int
	// sealed: the file has a metadata block that could be read. broken: opening it
	// would only say again what was found.
	sealed, broken bool
}

func (c *checker) run() {
	if len(c.Data) == 0 {
		return
	}
	if isConfig(c.Name) {
		c.config()
	}
	marked := LooksSealed(c.Data)
	if at := conflictAt(c.Data); at >= 0 && (marked && c.formatName() != "binary" || c.Expected.Applied.Meant) {
		c.broken = true
		c.add(at, Finding{ID: IDConflict, Message: "a merge conflict was left here", Hint: "settle it with gitseal resolve, or merge the two sides again with gitseal merge"})
		c.secrets()
		return
	}
	name := c.formatName()
	var err error
	stray := bytes.Contains(c.Data, []byte(cipher.SealedPrefix))
	if marked || c.Expected.Applied.Meant || name != "binary" && (stray || manifest.MayBe(c.Data) || suggestsSealed(c.Name) || mayHoldSecrets(c.Data) || mayHide(c.Data)) {
		format, _ := all.ByName(name)
		c.doc, err = format.Parse(c.Data)
	}
	switch {
	case c.doc != nil && c.doc.Meta != nil:
		c.sealedFile()
	case marked && err != nil && name != "binary":
		c.unreadable(err)
	case c.isManifest():
		c.unsealedManifest()
	default:
		c.plainFile(err)
	}
	c.secrets()
}

func (c *checker) formatName() string {
	if f := c.Expected.Applied.Format; f != "" {
		return f
	}
	return all.NameForFile(c.Name)
}

// add adds a finding at an offset, or at no place if that is negative.
func (c *checker) add(at int, f Finding) {
	f.File = c.Name
	if f.Level == 0 {
		f.Level = level(f.ID)
	}
	if at >= 0 {
		f.Line, f.Column = c.place(at)
	}
	if f.Column > 0 {
		f.Rune = c.runeColumn(f.Line, f.Column)
	}
	c.list = append(c.list, f)
}

// place returns the line and column of an offset.
func (c *checker) place(at int) (line, column int) {
	c.findLines()
	line = sort.SearchInts(c.lines, at+1)
	return line, at - c.lines[line-1] + 1
}

func (c *checker) findLines() {
	if c.lines != nil {
		return
	}
	c.lines = append(c.lines, 0)
	for i, b := range c.Data {
		if b == '\n' {
			c.lines = append(c.lines, i+1)
		}
	}
}

// runeColumn returns the column of a place in Unicode code points, of which a byte order mark
// is none.
func (c *checker) runeColumn(line, column int) int {
	c.findLines()
	if line < 1 || line > len(c.lines) {
		return column
	}
	begin := c.lines[line-1]
	before := c.Data[begin:min(len(c.Data), begin+column-1)]
	if line == 1 {
		before = bytes.TrimPrefix(before, []byte("\ufeff"))
	}
	return utf8.RuneCount(before) + 1
}

// unreadable is about a sealed file that is not well-formed.
func (c *checker) unreadable(err error) {
	c.broken = true
	f := Finding{ID: IDMalformed, Message: "the sealed file cannot be read: " + err.Error(), Hint: "restore it from the last good version (git log -p)"}
	if errors.Is(err, formats.ErrLineEnds) {
		f.Hint = "gitseal git install tells git to leave sealed files as they are (-text); then give the lines their old ends: perl -pi -e 's/\\r$//' " + c.Name + " && git add " + c.Name
	}
	if errors.Is(err, formats.ErrDuplicate) {
		f.ID, f.Message = IDDuplicate, err.Error()
		f.Hint = "which of the two counts depends on the reader; remove one"
	}
	if e := (*formats.Error)(nil); errors.As(err, &e) {
		f.Line, f.Column = e.Line, e.Column
		if e.Path != nil && e.Path.Parent != nil {
			f.Path = e.Path.Text()
		}
	}
	c.add(-1, f)
}

// plainFile is about a file without metadata; err says why it has no document.
func (c *checker) plainFile(err error) {
	if at := c.strayAt(); at >= 0 {
		c.add(at, Finding{ID: IDMalformed, Message: "sealed values stand here, but the file has no metadata block", Hint: "restore the sops block from git, or remove the sealed values"})
		return
	}
	meant, suggested := c.Expected.Applied.Meant, suggestsSealed(c.Name) && c.formatName() != "binary"
	if !meant && !suggested || isConfig(c.Name) {
		return
	}
	if err == nil && !c.selectsAnything() {
		if meant {
			c.add(-1, Finding{ID: IDNothing, Message: c.Expected.rule() + " means this file, but its selector selects no value of it", Hint: "narrow the rule's path_regex, or correct its selector"})
		}
		return
	}
	if !meant {
		if !sealedElsewhere(c.Data) {
			c.add(-1, Finding{ID: IDName, Message: "the name says that the file is sealed, and it is plain", Hint: "seal it (gitseal seal " + c.Name + "), or give it another name"})
		}
		return
	}
	f := Finding{ID: IDNotSealed, Message: c.Expected.rule() + " says that this file is sealed, and it is plain", Hint: "gitseal seal " + c.Name}
	if c.Expected.Applied.Any {
		f.Hint += "; the rule fits any name: a path_regex says which files are meant"
	}
	c.add(-1, f)
}

// strayAt returns where the first sealed value of a file without metadata stands.
func (c *checker) strayAt() int {
	if c.doc == nil || c.formatName() == "binary" || !bytes.Contains(c.Data, []byte(cipher.SealedPrefix)) {
		return -1
	}
	for i := range c.doc.Leaves {
		if l := &c.doc.Leaves[i]; l.Kind == formats.String && strings.HasPrefix(l.Text, cipher.SealedPrefix) && strings.HasSuffix(strings.TrimSpace(l.Text), "]") && strings.Contains(l.Text, ",type:") {
			return l.Start
		}
	}
	return -1
}

// selectsAnything reports whether sealing the plain file would seal a value.
func (c *checker) selectsAnything() bool {
	if c.doc == nil {
		return true
	}
	selector := c.Expected.Selector
	if selector.IsZero() {
		selector = cipher.SelectorFor(c.doc)
	}
	for i, selected := range selector.Select(c.doc) {
		if l := &c.doc.Leaves[i]; selected && l.Kind != formats.Comment && !l.Kind.Empty() && l.Text != "" {
			return true
		}
	}
	return false
}

// config checks a configuration file itself.
func (c *checker) config() {
	if path.Base(slashed(c.Name)) != ConfigName {
		c.add(-1, Finding{ID: IDConfig, Message: "a configuration file must be called " + ConfigName, Hint: "rename it: sops and gitseal do not read it"})
		return
	}
	config, err := rules.Parse(c.Name, c.Data)
	if err != nil {
		c.list = append(c.list, ConfigFinding(c.Name, err))
		return
	}
	c.list = append(c.list, ignoreFindings(c.Name, config)...)
}

func isConfig(name string) bool {
	base := path.Base(slashed(name))
	return base == ConfigName || base == ".sops.yml"
}

func slashed(name string) string { return strings.ReplaceAll(name, `\`, "/") }
