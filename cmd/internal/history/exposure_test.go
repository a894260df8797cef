package history_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// exposed is what a reader who is gone knows of files, in a line each.
func (r *repo) exposed(withKey bool, who keysources.Recipient, names ...string) []string {
	r.t.Helper()
	h := r.open(withKey)
	current := map[string][]byte{}
	for _, name := range names {
		current[name] = r.read(name)
	}
	files, err := h.Files(names, current)
	if err != nil {
		r.t.Fatal(err)
	}
	var list []history.Traced
	for _, f := range files {
		tr, err := h.Trace(f, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, history.Traced{Repo: h, File: f, Trace: tr})
	}
	found, err := history.Expose(list)
	if err != nil {
		r.t.Fatal(err)
	}
	out := []string{}
	for _, e := range found {
		if e.Key.Reader() != who.String() {
			continue
		}
		for _, s := range e.Seen {
			line := fmt.Sprintf("%s %s %s", names[e.File], s.Value.Path, s.Still)
			if s.Why != "" {
				line += " " + string(s.Why)
			}
			if s.At != nil {
				line += fmt.Sprintf(" as %s %s", names[s.At.File], s.At.Path)
			}
			if s.With {
				line += " with others"
			}
			out = append(out, line)
		}
		for _, v := range e.Uncompared {
			out = append(out, fmt.Sprintf("%s %s ?", names[e.File], v.Path))
		}
	}
	return out
}

func newReader(t *testing.T) age.Identity {
	t.Helper()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// twoFiles has bob in a.yaml, and never in b.yaml.
func twoFiles(t *testing.T) (*repo, keysources.Recipient) {
	r, bob := newRepo(t), newReader(t).Recipient()
	r.seal("a.yaml", "kept: one-value\nback: one-back\nname: one-name\nshort: true\nother: one-other\n", bob)
	r.seal("b.yaml", "own: own-value\n")
	r.commit("both")
	r.seal("a.yaml", "kept: one-value\nback: two-back\nname: one-name\nshort: true\nother: one-other\n", bob)
	r.commit("changed while he is there")
	r.seal("a.yaml", "kept: one-value\nback: two-back\nname: one-name\nshort: true\nother: one-other\n")
	r.commit("bob leaves")
	return r, bob
}

func TestValuesAreComparedWithAllThatSomebodyCouldRead(t *testing.T) {
	r, bob := twoFiles(t)
	r.seal("a.yaml", "kept: one-value\nback: one-back\nnew-name: one-name\nshort: false\nother: new-other\nlater: true\n")
	r.seal("b.yaml", "own: own-value\ncopy: two-back\nflag: true\n")
	r.commit("changed")
	check(t, "with a key", r.exposed(true, bob, "a.yaml", "b.yaml"), []string{
		"a.yaml kept yes", "a.yaml back yes as a.yaml back", "a.yaml new-name yes as a.yaml name", "b.yaml copy yes as a.yaml back",
	})
	check(t, "without a key", r.exposed(false, bob, "a.yaml", "b.yaml"), []string{
		"a.yaml kept unknown resealed", "a.yaml back unknown set-anew", "a.yaml short unknown set-anew", "a.yaml other unknown set-anew",
		"a.yaml new-name ?", "a.yaml later ?", "b.yaml own ?", "b.yaml copy ?", "b.yaml flag ?",
	})
	check(t, "of a file that he never could read", r.exposed(true, bob, "b.yaml"), []string{})
}

// What came after somebody had left is another's to know, whoever had it before.
func TestValuesThatCameLaterWereNotSeen(t *testing.T) {
	r, bob := twoFiles(t)
	r.seal("a.yaml", "kept: later-value\n")
	r.commit("later")
	r.seal("a.yaml", "kept: last-value\nmoved: later-value\n")
	r.commit("last")
	check(t, "exposed", r.exposed(true, bob, "a.yaml", "b.yaml"), []string{})
}

func TestVersionsThatCannotBeOpenedLeaveItOpen(t *testing.T) {
	r, bob := newRepo(t), newReader(t).Recipient()
	mine := r.id
	r.id = newReader(t)
	r.seal("a.yaml", "x: one-value\ny: one-other\n", bob)
	r.commit("before my time")
	r.git("rm", "-q", "a.yaml")
	r.commit("gone")
	r.id = mine
	r.seal("a.yaml", "x: one-value\nz: one-more\n")
	r.commit("mine")
	check(t, "exposed", r.exposed(true, bob, "a.yaml"), []string{"a.yaml x unknown set-anew", "a.yaml z ?"})
}

func TestReadersOnOtherBranchesAreNotGone(t *testing.T) {
	r, bob := newRepo(t), newReader(t).Recipient()
	r.seal("a.yaml", "x: one-value\n")
	r.commit("first")
	r.git("checkout", "-q", "-b", "side")
	r.seal("a.yaml", "x: one-value\n", bob)
	r.commit("bob joins")
	r.git("checkout", "-q", "main")
	h, err := history.Open(t.Context(), history.Options{Root: r.dir, Format: formatOf, All: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	tr, err := h.Trace(r.file(h, "a.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(tr.Readers, func(x *history.Reader) bool { return x.Key.Reader() == bob.String() })
	if i < 0 {
		t.Fatal("bob is not known")
	}
	got := tr.Readers[i]
	check(t, "branches", got.Branches, []string{"side"})
	if got.Gone() || got.Current || got.Left != nil || got.Last.Commit == nil {
		t.Errorf("got %+v", got)
	}
}
