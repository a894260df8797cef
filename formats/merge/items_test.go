package merge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/formats/merge"
)

// list returns a YAML list of maps: items are split by spaces, their fields by commas.
func list(items string) string {
	text := "l:\n"
	for _, item := range strings.Fields(items) {
		lead := "  - "
		for _, field := range strings.Split(item, ",") {
			text += lead + strings.Replace(field, "=", ": ", 1) + "\n"
			lead = "    "
		}
	}
	return text
}

// Fields of one item never get onto another: items are told apart by what identifies
// them, wherever they stand.
func TestItemsAreMergedByIdentity(t *testing.T) {
	const sealedA, sealedB = "ENC[AES256_GCM,data:a,iv:1,tag:x,type:str]", "ENC[AES256_GCM,data:b,iv:2,tag:y,type:str]"
	sealed := func(text string) string {
		return strings.NewReplacer("A!", `"`+sealedA+`"`, "B!", `"`+sealedB+`"`).Replace(text)
	}
	env := list("name=USER,secret=x name=PASS,secret=x name=TOKEN,secret=x")
	for _, tt := range []struct{ name, base, ours, theirs, want string }{
		{"one moves an item, the other changes all", env, list("name=PASS,secret=x name=TOKEN,secret=x name=USER,secret=x"),
			list("name=USER,secret=u name=PASS,secret=p name=TOKEN,secret=t"), list("name=PASS,secret=p name=TOKEN,secret=t name=USER,secret=u")},
		{"the other moves it", env, list("name=USER,secret=u name=PASS,secret=p name=TOKEN,secret=t"),
			list("name=PASS,secret=x name=TOKEN,secret=x name=USER,secret=x"), list("name=PASS,secret=p name=TOKEN,secret=t name=USER,secret=u")},
		{"rules swapped, one changed", list("path_regex=a,pgp=1 path_regex=b,pgp=2"), list("path_regex=b,pgp=2 path_regex=a,pgp=1"),
			list("path_regex=a,pgp=3 path_regex=b,pgp=2"), list("path_regex=b,pgp=2 path_regex=a,pgp=3")},
		{"both change the same item", list("name=a,v=1,w=1 name=b,v=1"), list("name=a,v=2,w=1 name=b,v=1"), list("name=a,v=1,w=2 name=b,v=1"), list("name=a,v=2,w=2 name=b,v=1")},
		{"one removes, one changes another", list("id=1,v=1 id=2,v=1 id=3,v=1"), list("id=2,v=2 id=3,v=1"), list("id=1,v=1 id=2,v=1,w=1 id=3,v=1"), list("id=2,v=2,w=1 id=3,v=1")},
		{"one removes what one moves", list("name=a,v=1 name=b,v=1 name=c,v=1"), list("name=b,v=1 name=c,v=1 name=a,v=1"), list("name=b,v=1 name=c,v=2"), list("name=b,v=1 name=c,v=2")},
		{"one moves, one appends", list("name=a,v=1 name=b,v=1"), list("name=b,v=1 name=a,v=1"), list("name=a,v=2 name=b,v=1 name=c,v=1"), list("name=b,v=1 name=a,v=2 name=c,v=1")},
		{"both move in the same way", list("name=a,v=1 name=b,v=1"), list("name=b,v=1 name=a,v=2"), list("name=b,v=2 name=a,v=1"), list("name=b,v=2 name=a,v=2")},
		{"both add, the same too", list("name=a,v=1"), list("name=n,v=1 name=a,v=2 name=o,v=1"), list("name=a,v=1 name=n,v=1 name=t,v=1"), list("name=n,v=1 name=a,v=2 name=o,v=1 name=t,v=1")},
		{"a number and a text are not the same", list("id=1,v=1 id='1',v=2"), list("id='1',v=2 id=1,v=1"), list("id=1,v=3 id='1',v=4"), list("id='1',v=4 id=1,v=3")},
		{"sealed identities", sealed("l:\n- {name: A!, v: 1}\n- {name: B!, v: 2}\n"), sealed("l:\n- {name: B!, v: 2}\n- {name: A!, v: 1}\n"),
			sealed("l:\n- {name: A!, v: 3}\n- {name: B!, v: 2}\n"), sealed("l:\n- {name: B!, v: 2}\n- {name: A!, v: 3}\n")},
		{"Kubernetes objects in a list", "items:\n- {kind: Secret, metadata: {name: a}, v: 1}\n- {kind: Role, metadata: {name: a}, v: 1}\n",
			"items:\n- {kind: Role, metadata: {name: a}, v: 1}\n- {kind: Secret, metadata: {name: a}, v: 1}\n",
			"items:\n- {kind: Secret, metadata: {name: a}, v: 2}\n- {kind: Role, metadata: {name: a}, v: 1}\n",
			"items:\n- {kind: Role, metadata: {name: a}, v: 1}\n- {kind: Secret, metadata: {name: a}, v: 2}\n"},
		{"no identity, but surely the same", list("a=1,b=1,c=1 a=2,b=2,c=2"), list("a=1,b=9,c=1 a=2,b=2,c=2"), list("a=1,b=1,c=8 a=2,b=2,c=2"), list("a=1,b=9,c=8 a=2,b=2,c=2")},
		{"no identity, one moves what the other leaves", "l: [a, b, c]\n", "l: [b, c, a]\n", "l: [a, x, c]\n", "l: [x, c, a]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName("yaml")
			r := mustMerge(t, f, []byte(tt.base), []byte(tt.ours), []byte(tt.theirs))
			if diff := cmp.Diff(tt.want, string(r.Ours)); diff != "" {
				t.Error(diff)
			}
			if len(r.Conflicts) > 0 || string(r.Theirs) != string(r.Ours) {
				t.Errorf("conflicts: %v", paths(r.Conflicts))
			}
		})
	}
}

// Where it is not sure which items belong together, the list is one conflict, and
// each side of it is a list that somebody has written.
func TestItemsThatMayBeOthersConflict(t *testing.T) {
	for _, tt := range []struct{ name, base, ours, theirs, at string }{
		{"one replaces an item, one changes it", list("name=alice,role=user"), list("name=carol,role=user"), list("name=alice,role=admin"), "l"},
		{"in fields that are not known to identify", list("who=alice,role=user"), list("who=carol,role=user"), list("who=alice,role=admin"), "l[0]"},
		{"more fields", list("user=alice,role=user,team=x"), list("user=carol,role=user,team=x"), list("user=alice,role=admin,team=x"), "l"},
		{"both move", list("name=a,v=1 name=b,v=1 name=c,v=1"), list("name=c,v=1 name=a,v=1 name=b,v=1"), list("name=b,v=1 name=a,v=1 name=c,v=2"), "l"},
		{"one moves, one inserts between", list("name=a,v=1 name=b,v=1 name=c,v=1"), list("name=b,v=1 name=c,v=1 name=a,v=1"), list("name=a,v=1 name=n,v=1 name=b,v=1 name=c,v=1"), "l"},
		{"moved items without identity", list("a=1,b=1,c=1 a=2,b=1,c=1"), list("a=2,b=1,c=1 a=1,b=1,c=1"), list("a=1,b=5,c=1 a=2,b=6,c=1"), "l"},
		{"items that have too much in common", list("a=1,b=1,c=1 a=2,b=1,c=1"), list("a=3,b=1,c=1 a=4,b=1,c=1"), list("a=1,b=5,c=1 a=2,b=6,c=1"), "l"},
		{"identities that stand twice", list("name=a,v=1 name=a,v=2"), list("name=a,v=2 name=a,v=1"), list("name=a,v=3 name=a,v=4"), "l"},
		{"scalars both change", "l: [a, b]\n", "l: [c, d]\n", "l: [e, f]\n", "l"},
		{"scalars, one moves and one changes", "l: [a, b, c]\n", "l: [b, c, a]\n", "l: [x, b, c]\n", "l"},
		{"scalars, one moves and one removes", "l: [a, b, c]\n", "l: [b, c, a]\n", "l: [b, c]\n", "l"},
		{"scalars, both move", "l: [a, b, c, d]\n", "l: [b, c, d, a]\n", "l: [b, a, c, d]\n", "l"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := all.ByName("yaml")
			for _, v := range [2][2]string{{tt.ours, tt.theirs}, {tt.theirs, tt.ours}} {
				r := mustMerge(t, f, []byte(tt.base), []byte(v[0]), []byte(v[1]))
				if got := strings.Join(paths(r.Conflicts), " "); got != tt.at {
					t.Errorf("got conflicts %q, want %q; ours:\n%s\ntheirs:\n%s", got, tt.at, r.Ours, r.Theirs)
				}
			}
		})
	}
}

// A conflict in an item is one of that item on both sides.
func TestConflictsInMovedItems(t *testing.T) {
	f, _ := all.ByName("yaml")
	r := mustMerge(t, f, []byte(list("name=a,v=1 name=b,v=2")), []byte(list("name=b,v=2 name=a,v=5")), []byte(list("name=a,v=9 name=b,v=2")))
	if diff := cmp.Diff([]string{"l[1].v"}, paths(r.Conflicts)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(list("name=b,v=2 name=a,v=9"), string(r.Theirs)); diff != "" {
		t.Error(diff)
	}
}

// What must be settled as a whole is neither listed in parts nor settled so.
func TestListsOutOfStepAreSettledWhole(t *testing.T) {
	f, _ := all.ByName("yaml")
	for _, tt := range []struct{ name, ours, theirs, conflicts, refused string }{
		{"other order", list("name=b,v=2 name=a,v=1"), list("name=a,v=9 name=b,v=2"), "l", "l[0].v"},
		{"replaced", list("name=a,v=1 name=b,v=1"), list("name=a,v=1 name=c,v=2"), "l[1]", "l[1].v"},
		{"scalars", "l: [a, b]\n", "l: [c, d]\n", "l", "l[1]"},
		{"one scalar", "l: [a, b]\n", "l: [a, d]\n", "l[1]", ""},
		{"same items", list("name=a,v=1,w=1 name=b,v=1"), list("name=a,v=2,w=2 name=b,v=2"), "l[0].v l[0].w l[1].v", ""},
		{"no identity, alike", list("a=1,b=1,c=1 a=2,b=2,c=2"), list("a=9,b=1,c=1 a=2,b=2,c=8"), "l[0].a l[1].c", ""},
		{"no identity, a mess", list("a=1,b=1,c=1 a=2,b=2,c=2"), list("a=2,b=2,c=1 a=1,b=1,c=8"), "l", "l[0].a"},
		{"documents", "a: 1\nb: 1\n---\na: 2\nb: 2\n---\na: 3\n", "a: 1\nb: 1\n---\na: 7\nb: 7\n---\na: 3\n", "document 2: a document 2: b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := merge.Conflicts(f, []byte(tt.ours), []byte(tt.theirs))
			if diff := cmp.Diff(tt.conflicts, strings.Join(paths(got), " ")); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if tt.refused == "" {
				return
			}
			p, err := formats.ParsePath(tt.refused)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := merge.Settle(f, []byte(tt.ours), []byte(tt.theirs), p, true); !errors.Is(err, formats.ErrPlace) {
				t.Errorf("settling %s: got %v, want %v", p, err, formats.ErrPlace)
			}
		})
	}
}

const (
	secretA = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nv: 1\n"
	secretB = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: b\nv: 1\n"
	secretC = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: c\nv: 1\n"
)

// Documents are the same one if they are the same Kubernetes object, others if
// nothing has moved.
func TestDocumentsAreToldApart(t *testing.T) {
	f, _ := all.ByName("yaml")
	docs := func(texts ...string) []byte { return []byte(strings.Join(texts, "---\n")) }
	changed := func(text string) string { return strings.Replace(text, "v: 1", "v: 2", 1) }
	other := func(text string) string { return strings.Replace(text, "v: 1", "v: 1\nw: 2", 1) }
	for _, tt := range []struct {
		name               string
		base, ours, theirs []byte
		want               []byte
		err                error
	}{
		{"moved", docs(secretA, secretB), docs(secretB, secretA), docs(changed(secretA), secretB), docs(secretB, changed(secretA)), nil},
		{"namespaces", docs(secretA, secretC), docs(secretC, secretA), docs(other(secretA), changed(secretC)), docs(changed(secretC), other(secretA)), nil},
		{"moved, removed and added", docs(secretA, secretB), docs(secretB, secretA), docs(changed(secretB), secretC), docs(changed(secretB), secretC), nil},
		{"replaced, and changed", docs(secretA, secretB), docs(secretC, secretB), docs(changed(secretA), secretB), nil, merge.ErrDocuments},
		{"both move", docs(secretA, secretB, secretC), docs(secretB, secretA, secretC), docs(secretA, secretC, secretB), nil, merge.ErrDocuments},
		{"others, moved", docs("a: 1\nb: 1\n", "a: 2\nb: 2\n"), docs("a: 2\nb: 2\n", "a: 1\nb: 1\n"), docs("a: 1\nb: 8\n", "a: 2\nb: 9\n"), nil, merge.ErrDocuments},
		{"others, in place", docs("a: 1\nb: 1\n", "a: 2\nb: 2\n"), docs("a: 5\nb: 1\n", "a: 6\nb: 2\n"), docs("a: 1\nb: 8\n", "a: 2\nb: 9\n"), docs("a: 5\nb: 8\n", "a: 6\nb: 9\n"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := merge.Merge(f, merge.Versions{Base: tt.base, Ours: tt.ours, Theirs: tt.theirs}, merge.Options{})
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err == nil && (len(r.Conflicts) > 0 || cmp.Diff(string(tt.want), string(r.Ours)) != "") {
				t.Errorf("%v: %s", paths(r.Conflicts), cmp.Diff(string(tt.want), string(r.Ours)))
			}
		})
	}
	if _, err := merge.Conflicts(f, docs(secretA, secretB), docs(changed(secretB), changed(secretA))); !errors.Is(err, merge.ErrDocuments) {
		t.Errorf("got %v, want %v", err, merge.ErrDocuments)
	}
}
