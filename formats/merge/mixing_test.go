package merge_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats/merge"
)

// record is an item of a list. Values of its fields say which record they are of, but
// for those that all records have in common.
type record struct {
	fields []string
	values map[string]string
}

func (r record) copied() record {
	values := map[string]string{}
	for k, v := range r.values {
		values[k] = v
	}
	return record{slices.Clone(r.fields), values}
}

// records makes lists of records and changes them.
type records struct {
	*generator
	// shape is what the records have to be told apart by.
	shape string
	made  int
}

const (
	withNames = "names"
	unnamed   = "no names"
	alike     = "no names, and much in common"
	objects   = "documents"
)

func (g *records) record() record {
	g.made++
	r := record{values: map[string]string{}}
	set := func(field, value string) {
		r.fields = append(r.fields, field)
		r.values[field] = value
	}
	own := func(field string) { set(field, fmt.Sprintf("of%d-%s", g.made, field)) }
	if g.shape == withNames || g.shape == objects {
		own("name")
	}
	common := 1
	if g.shape == alike {
		common = 3
	}
	for i := range common {
		set(fmt.Sprintf("common%d", i), "x")
	}
	for i := range 1 + g.IntN(4) {
		own(fmt.Sprintf("field%d", i))
	}
	return r
}

// change makes one random change of a list.
func (g *records) change(list []record, side string) []record {
	i := g.IntN(len(list) + 1)
	if i == len(list) || len(list) < 2 {
		return slices.Insert(list, i, g.record())
	}
	switch g.IntN(8) {
	case 0:
		return slices.Insert(list, i, g.record())
	case 1:
		return slices.Delete(list, i, i+1)
	case 2:
		moved := list[i]
		list = slices.Delete(list, i, i+1)
		return slices.Insert(list, g.IntN(len(list)+1), moved)
	case 3:
		j := g.IntN(len(list))
		list[i], list[j] = list[j], list[i]
	case 4:
		list[i] = g.record()
	default:
		list[i] = g.changed(list[i], side)
	}
	return list
}

// changed changes or adds a field of a record; it stays one of that record.
func (g *records) changed(r record, side string) record {
	r = r.copied()
	g.n++
	field := fmt.Sprintf("field%d", g.IntN(4))
	if _, has := r.values[field]; !has {
		r.fields = append(r.fields, field)
	}
	of := ""
	for _, v := range r.values {
		if o, ok := originOf(v); ok {
			of = o
		}
	}
	r.values[field] = fmt.Sprintf("%s-%s%d", of, side, g.n)
	return r
}

// originOf returns the record that a value is of.
func originOf(value string) (string, bool) {
	if !strings.HasPrefix(value, "of") {
		return "", false
	}
	of, _, ok := strings.Cut(value, "-")
	return of, ok
}

func (g *records) text(list []record) []byte {
	var b strings.Builder
	head := map[string]string{"yaml": "l:\n", "json": "{\n  \"l\": [\n"}[g.name]
	if g.shape != objects {
		b.WriteString(head)
	}
	for i, r := range list {
		switch {
		case g.shape == objects:
			fmt.Fprintf(&b, "---\nkind: Secret\nmetadata:\n  name: %s\n", r.values["name"])
			for _, f := range r.fields[1:] {
				fmt.Fprintf(&b, "%s: %s\n", f, r.values[f])
			}
		case g.name == "yaml":
			lead := "  - "
			for _, f := range r.fields {
				fmt.Fprintf(&b, "%s%s: %s\n", lead, f, r.values[f])
				lead = "    "
			}
		default:
			b.WriteString("    {\n")
			for k, f := range r.fields {
				fmt.Fprintf(&b, "      %q: %q%s\n", f, r.values[f], strings.Repeat(",", min(1, len(r.fields)-1-k)))
			}
			b.WriteString("    }" + strings.Repeat(",", min(1, len(list)-1-i)) + "\n")
		}
	}
	if g.shape != objects && g.name == "json" {
		b.WriteString("  ]\n}\n")
	}
	return []byte(b.String())
}

// checkNotMixed checks that each item of a text has values of one record, and that
// no record is there twice.
func (g *records) checkNotMixed(t *testing.T, text []byte) {
	t.Helper()
	seen := map[string]bool{}
	current, of := "", ""
	for _, l := range parse(g.format, text).Leaves {
		p := l.Path
		for p.Parent != nil && (p.Parent.Parent != nil || g.shape == objects) && !(p.Parent.Parent != nil && p.Parent.Parent.Parent == nil && g.shape != objects) {
			p = p.Parent
		}
		item := p.Text()
		if g.shape == objects {
			item = fmt.Sprint(p.Document())
		}
		if item != current {
			current, of = item, ""
		}
		origin, ok := originOf(l.Text)
		switch {
		case !ok || origin == of:
		case of != "":
			t.Errorf("item %s has values of %s and %s:\n%s", item, of, origin, text)
		case seen[origin]:
			t.Errorf("%s is there twice:\n%s", origin, text)
		default:
			of, seen[origin] = origin, true
		}
	}
}

// No merged item combines values of two items, whatever was moved, replaced and
// changed, in either result and however conflicts are settled.
func TestMergedItemsAreNotMixed(t *testing.T) {
	for _, shape := range []string{withNames, unnamed, alike, objects} {
		t.Run(shape, func(t *testing.T) {
			clean, conflicts, unwritten := 0, 0, 0
			rounds(t, 400, func(t *testing.T, gen *generator) {
				if gen.name != "yaml" && (gen.name != "json" || shape == objects) {
					return
				}
				g := &records{generator: gen, shape: shape}
				var base []record
				for range 2 + g.IntN(6) {
					base = append(base, g.record())
				}
				ours, theirs := g.side(base, "o"), g.side(base, "t")
				r, err := merge.Merge(g.format, merge.Versions{Base: g.text(base), Ours: g.text(ours), Theirs: g.text(theirs)}, merge.Options{})
				if errors.Is(err, merge.ErrDocuments) && shape == objects {
					conflicts++
					return
				}
				if errors.Is(err, merge.ErrNotWritten) && shape == objects {
					unwritten++ // a format cannot add or remove documents
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if clean++; len(r.Conflicts) > 0 {
					clean--
					conflicts++
				}
				g.checkNotMixed(t, r.Ours)
				g.checkNotMixed(t, r.Theirs)
				if shape == withNames {
					g.checkByName(t, base, ours, theirs, r)
				}
				g.settleMixed(t, r)
				if t.Failed() {
					t.Logf("base:\n%s\nours:\n%s\ntheirs:\n%s", g.text(base), g.text(ours), g.text(theirs))
				}
			})
			t.Logf("%d merges clean, %d with conflicts, %d not written", clean, conflicts, unwritten)
			if clean == 0 || conflicts == 0 || unwritten > clean/4 {
				t.Error("one kind of merge never happened")
			}
		})
	}
}

func (g *records) side(base []record, side string) []record {
	list := slices.Clone(base)
	for range 1 + g.IntN(4) {
		list = g.change(list, side)
	}
	return list
}

// settleMixed settles conflicts for sides at random.
func (g *records) settleMixed(t *testing.T, r *merge.Result) {
	t.Helper()
	ours, theirs := r.Ours, r.Theirs
	for {
		left, err := merge.Conflicts(g.format, ours, theirs)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		ours, theirs, err = merge.Settle(g.format, ours, theirs, left[g.IntN(len(left))].Path, g.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		g.checkNotMixed(t, ours)
		g.checkNotMixed(t, theirs)
	}
}

// checkByName compares a clean result with a merge of maps with the names as keys.
func (g *records) checkByName(t *testing.T, base, ours, theirs []record, r *merge.Result) {
	t.Helper()
	byName := func(list []any) any {
		m := map[string]any{}
		for _, item := range list {
			fields := item.(map[string]any)
			m[fields["name"].(string)] = fields
		}
		return m
	}
	of := func(text []byte) any { return byName(tree(g.format, text).(map[string]any)["l"].([]any)) }
	var want reference
	want.merge(of(g.text(base)), of(g.text(ours)), of(g.text(theirs)))
	if len(want.conflicts) > 0 && len(r.Conflicts) == 0 {
		t.Errorf("conflicts in %v went unnoticed", want.conflicts)
	}
	if len(r.Conflicts) > 0 {
		return
	}
	if diff := cmp.Diff(want.result(0), of(r.Ours)); diff != "" {
		t.Error(diff)
	}
}
