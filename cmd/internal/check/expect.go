package check

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// Expected is what the rules say about a file. The zero value says nothing.
type Expected struct {
	// Config is the configuration that applies, nil if there is none, and Source what
	// it is called.
	Config *rules.Config
	Source string
	// Applied is what it says about the file.
	Applied rules.Applied
	// Groups are the readers that the rule names, Selector its selector (zero for the
	// usual one).
	Groups   [][]keysources.Stanza
	Selector cipher.Selector
	// Err is why the rule cannot be used, nil if it can.
	Err error
}

// Expect returns what a configuration, which may be nil, says about the file at an
// absolute path whose links are resolved. source is what messages call the
// configuration.
func Expect(config *rules.Config, source, path string) Expected {
	if config == nil {
		return Expected{}
	}
	e := Expected{Config: config, Source: source, Applied: config.At(path, isStructured)}
	r := e.Applied.Rule
	if r == nil {
		return e
	}
	if r.Selector.Kind != "" {
		e.Selector, e.Err = cipher.NewSelector(cipher.SelectorKind(r.Selector.Kind), r.Selector.Pattern)
	}
	if e.Err == nil {
		e.Groups, e.Err = readers.OfRule(r)
	}
	return e
}

func isStructured(file string) bool { return all.NameForFile(file) != "binary" }

// rule names the file's rule.
func (e Expected) rule() string {
	if e.Applied.Rule == nil {
		return e.Source
	}
	return fmt.Sprintf("%s:%d", e.Source, e.Applied.Rule.Line)
}

// ignores reports whether the configuration lets a finding pass.
func (e Expected) ignores(f Finding) bool {
	if e.Config == nil || f.ID == IDConfig {
		return false
	}
	ids := []string{f.ID}
	if f.Pattern != "" {
		ids = append(ids, f.ID+":"+f.Pattern)
	}
	return slices.ContainsFunc(e.Config.Ignores, func(i rules.Ignore) bool { return i.Covers(e.Applied.Name, ids...) })
}

// compare returns who should be among the readers and is not, and who is and should not
// be.
func compare(want, have []keysources.Stanza) (missing, stale []keysources.Stanza) {
	among := func(s keysources.Stanza, list []keysources.Stanza) bool {
		return slices.ContainsFunc(list, func(o keysources.Stanza) bool { return readers.Same(s, o) })
	}
	for _, w := range want {
		if !among(w, have) {
			missing = append(missing, w)
		}
	}
	for _, h := range have {
		if !among(h, want) {
			stale = append(stale, h)
		}
	}
	return missing, stale
}

// names lists readers, by the names that the configuration gives them.
func (e Expected) names(list []keysources.Stanza) string {
	const most = 5
	named, _ := readers.NamesOf(e.Config) // without names there are the readers
	var out []string
	for i, s := range list {
		if i == most {
			out = append(out, fmt.Sprintf("%d more", len(list)-most))
			break
		}
		text := short(s.Reader())
		if n := slices.IndexFunc(named, func(n readers.Named) bool { return readers.Same(n.Key, s) }); n >= 0 {
			text = named[n].Name + " (" + text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// short abbreviates post-quantum recipients, which have 1,960 characters.
func short(r string) string {
	if len(r) > 100 {
		return r[:24] + "…" + r[len(r)-8:]
	}
	return r
}

// ConfigFinding is the finding about a configuration that cannot be used. name is what
// the configuration is called.
func ConfigFinding(name string, err error) Finding {
	f := Finding{ID: IDConfig, Level: Error, File: name, Message: err.Error(), Hint: "until it is corrected, nothing says which files are sealed"}
	if e := (*rules.ConfigError)(nil); errors.As(err, &e) {
		f.Line, f.Message = e.Line, e.Msg
		if base := filepath.Base(e.Path); base != filepath.Base(name) {
			f.Message = base + ": " + e.Msg
		}
	}
	return f
}

// ignoreFindings reports entries of a configuration's ignore list that name no finding.
func ignoreFindings(name string, c *rules.Config) []Finding {
	var list []Finding
	for _, i := range c.Ignores {
		for _, id := range i.IDs {
			kind, _, _ := strings.Cut(id, ":")
			if !slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.ID == kind }) {
				list = append(list, Finding{ID: IDConfig, Level: Error, File: name, Line: i.Line, Message: fmt.Sprintf("gitseal.check.ignore: there is no finding %q", id), Hint: "gitseal check --list names them"})
			}
		}
	}
	return list
}
