package cipher_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
)

const (
	people = "users:\n- name: ann\n  pw: annpw\n- name: bob\n  pw: bobpw\n"
	twoDoc = "a: 1\npw: x\n---\na: 2\npw: y\n"
)

// TestProposalPlace: a proposal is for what stood at its place when it was made. What
// has become of that is told, and a list item or document that has moved is followed;
// never is another item taken for it.
func TestProposalPlace(t *testing.T) {
	for name, tt := range map[string]struct {
		src, path, edited string
		// selector is a regular expression of what is sealed, "": all.
		selector string
		want     cipher.PlaceState
		// at is where the value belongs, "": at its path.
		at string
	}{
		"nothing changed":                  {src: "a: 1\nb: 2\n", path: "a", edited: "a: 1\nb: 2\n"},
		"another key changed":              {src: "a: 1\nb: 2\n", path: "a", edited: "a: 1\nb: 3\n"},
		"keys in another order":            {src: "a: {x: 1, y: 2}\nb: 2\n", path: "a", edited: "b: 2\na: {y: 2, x: 1}\n"},
		"value changed":                    {src: "a: 1\nb: 2\n", path: "a", edited: "a: 7\nb: 2\n", want: cipher.PlaceChanged},
		"kind changed":                     {src: "a: 1\nb: 2\n", path: "a", edited: "a: \"1\"\nb: 2\n", want: cipher.PlaceChanged},
		"value removed":                    {src: "a: 1\nb: 2\n", path: "a", edited: "b: 2\n", want: cipher.PlaceChanged},
		"plain value changed":              {src: "a: 1\npw: 2\n", path: "a", edited: "a: 7\npw: 2\n", selector: "^pw$", want: cipher.PlaceChanged},
		"still absent":                     {src: "a: 1\n", path: "b.c", edited: "a: 3\n"},
		"added meanwhile":                  {src: "a: 1\n", path: "b", edited: "a: 1\nb: 1\n", want: cipher.PlaceChanged},
		"null added meanwhile":             {src: "a: 1\n", path: "b", edited: "a: 1\nb:\n", want: cipher.PlaceChanged},
		"something in a map changed":       {src: "m: {a: 1, b: 2}\nc: 1\n", path: "m", edited: "m: {a: 1, b: 3}\nc: 1\n", want: cipher.PlaceChanged},
		"a comment changed":                {src: "a: 1 # x\nb: 2\n", path: "a", edited: "# z\na: 1 # y\nb: 2\n"},
		"a whole list changed":             {src: "l: [1, 2]\n", path: "l", edited: "l: [1, 2, 3]\n", want: cipher.PlaceChanged},
		"item, another list changed":       {src: "l: [1, 2]\nm: [1]\n", path: "l[1]", edited: "l: [1, 2]\nm: []\n"},
		"item inserted in front":           {src: people, path: "users[1].pw", edited: "users:\n- name: zed\n  pw: zedpw\n" + people[7:], selector: "^pw$", at: "users[2].pw"},
		"item inserted, all sealed":        {src: people, path: "users[1].pw", edited: "users:\n- name: zed\n  pw: zedpw\n" + people[7:], at: "users[2].pw"},
		"new value, item inserted":         {src: people, path: "users[1].key", edited: "users:\n- name: zed\n  pw: zedpw\n" + people[7:], selector: "^(pw|key)$", at: "users[2].key"},
		"items exchanged":                  {src: people, path: "users[1].pw", edited: "users:\n- name: bob\n  pw: bobpw\n- name: ann\n  pw: annpw\n", at: "users[0].pw"},
		"item removed in front":            {src: people, path: "users[1].pw", edited: "users:\n- name: bob\n  pw: bobpw\n", at: "users[0].pw"},
		"item removed":                     {src: people, path: "users[1].pw", edited: "users:\n- name: ann\n  pw: annpw\n", want: cipher.PlaceLost},
		"list removed":                     {src: people, path: "users[1].pw", edited: "a: 1\n", want: cipher.PlaceLost},
		"list made a map":                  {src: people, path: "users[1].pw", edited: "users: {a: 1}\n", want: cipher.PlaceLost},
		"value in an item changed":         {src: people, path: "users[1].pw", edited: strings.Replace(people, "bobpw", "bobnew", 1), want: cipher.PlaceChanged},
		"another value in it changed":      {src: people, path: "users[1].pw", edited: strings.Replace(people, "bob\n", "rob\n", 1), selector: "^pw$", want: cipher.PlaceAround},
		"new value, item changed":          {src: people, path: "users[1].key", edited: strings.Replace(people, "bob\n", "rob\n", 1), selector: "^(pw|key)$", want: cipher.PlaceAround},
		"changed and moved":                {src: people, path: "users[1].pw", edited: "users:\n- name: zed\n  pw: zedpw\n" + strings.Replace(people[7:], "bobpw", "bobnew", 1), want: cipher.PlaceLost},
		"two items changed":                {src: people, path: "users[1].pw", edited: "users:\n- name: x\n  pw: annpw\n- name: y\n  pw: bobpw\n", want: cipher.PlaceLost},
		"equal passwords, inserted":        {src: strings.ReplaceAll(people, "bobpw", "annpw"), path: "users[1].pw", edited: "users:\n- name: zed\n  pw: annpw\n" + strings.ReplaceAll(people, "bobpw", "annpw")[7:], selector: "^pw$", at: "users[2].pw"},
		"equal items, nothing changed":     {src: "l: [x, x]\na: 1\n", path: "l[1]", edited: "l: [x, x]\na: 2\n"},
		"equal items, inserted":            {src: "l: [x, x]\n", path: "l[1]", edited: "l: [z, x, x]\n", want: cipher.PlaceLost},
		"equal items, other one changed":   {src: "l: [x, x]\n", path: "l[1]", edited: "l: [z, x]\n"},
		"equal plain items, one more":      {src: "l: [{n: 1}, {n: 1}]\npw: 1\n", path: "l[1].pw", edited: "l: [{n: 1}, {n: 1}, {n: 1}]\npw: 1\n", selector: "^pw$", want: cipher.PlaceLost},
		"appending":                        {src: "l: [1]\n", path: "l[1]", edited: "l: [2]\n"},
		"appended meanwhile":               {src: "l: [1]\n", path: "l[1]", edited: "l: [1, 2]\n", want: cipher.PlaceTaken},
		"inserted meanwhile":               {src: "l: [1]\n", path: "l[1]", edited: "l: [2, 1]\n", want: cipher.PlaceTaken},
		"appending in a new item":          {src: people, path: "users[2].pw", edited: people + "- name: carl\n  pw: carlpw\n", want: cipher.PlaceTaken},
		"first item of a new list":         {src: "a: 1\n", path: "l[0].x[0]", edited: "a: 2\n"},
		"nested, inner moved":              {src: "l: [[a, b], [c, d]]\n", path: "l[1][1]", edited: "l: [[a, b], [z, c, d]]\n", want: cipher.PlaceAround, at: "l[1][2]"},
		"nested, outer moved":              {src: "l: [[a, b], [c, d]]\n", path: "l[1][1]", edited: "l: [[z], [a, b], [c, d]]\n", at: "l[2][1]"},
		"nested, both moved":               {src: "l: [[a, b], [c, d]]\n", path: "l[1][1]", edited: "l: [[z], [a, b], [z, c, d]]\n", want: cipher.PlaceLost},
		"document inserted":                {src: twoDoc, path: "2:pw", edited: "a: 0\npw: z\n---\n" + twoDoc, at: "3:pw"},
		"document inserted, new value":     {src: twoDoc, path: "2:key", edited: "a: 0\npw: z\n---\n" + twoDoc, at: "3:key"},
		"first document of two":            {src: twoDoc, path: "pw", edited: "a: 0\npw: z\n---\n" + twoDoc, at: "2:pw"},
		"document added to a single one":   {src: "pw: x\n", path: "pw", edited: "pw: z\n---\npw: x\n", at: "2:pw"},
		"document removed":                 {src: twoDoc, path: "2:pw", edited: "a: 1\npw: x\n", want: cipher.PlaceLost},
		"another value of the document":    {src: twoDoc, path: "2:pw", edited: strings.Replace(twoDoc, "a: 2", "a: 3", 1)},
		"new value, the document changed":  {src: twoDoc, path: "2:key", edited: strings.Replace(twoDoc, "a: 2", "a: 3", 1), want: cipher.PlaceAround},
		"the other document changed":       {src: twoDoc, path: "2:key", edited: strings.Replace(twoDoc, "a: 1", "a: 3", 1)},
		"list in a document, item moved":   {src: "b: 1\n---\na: 1\nl: [x, y]\n", path: "2:l[1]", edited: "b: 1\n---\na: 2\nl: [z, x, y]\n", at: "2:l[2]"},
		"list in a document, both changed": {src: "b: 1\n---\na: 1\nl: [x, y]\n", path: "2:l[1]", edited: "b: 2\n---\na: 2\nl: [x, y]\n", want: cipher.PlaceLost},
	} {
		t.Run(name, func(t *testing.T) {
			opts := cipher.SealOptions{}
			if tt.selector != "" {
				var err error
				if opts.Selector, err = cipher.NewSelector(cipher.EncryptedRegex, tt.selector); err != nil {
					t.Fatal(err)
				}
			}
			with := mustPropose(t, "yaml", mustSeal(t, "yaml", []byte(tt.src), opts).Bytes, tt.path, "")
			next := after(t, "yaml", with, tt.edited, nil)
			o := mustOpen(t, "yaml", next)
			list, _ := o.Metadata.Proposals()
			if content, err := openProposal(t, list[0], o.Metadata); err != nil || string(content) != proposed {
				t.Fatalf("the proposal does not open: %v", err)
			}
			at := tt.at
			if at == "" {
				at = tt.path
			}
			if got := o.Places().Of(list[0]); got.State != tt.want || !got.Path.Equal(pathOf(t, at)) {
				t.Errorf("got %s, state %d; want %s, state %d", got.Path, got.State, at, tt.want)
			}
		})
	}
}

// TestProposalPlaceInEveryFormat: in every format, the place of a proposal is the same
// until its value changes.
func TestProposalPlaceInEveryFormat(t *testing.T) {
	for name, tt := range map[string]struct{ path, src, other, changed string }{
		"yaml":   {"a.b", "a:\n  b: x\nc: y\n", "a:\n  b: x\nc: z\n", "a:\n  b: z\nc: y\n"},
		"json":   {"a.b", `{"a": {"b": "x"}, "c": "y"}`, `{"a": {"b": "x"}, "c": "z"}`, `{"a": {"b": "z"}, "c": "y"}`},
		"dotenv": {"A", "A=x\nB=y\n", "A=x\nB=z\n", "A=z\nB=y\n"},
		"ini":    {"s.a", "[s]\na = x\nb = y\n", "[s]\na = x\nb = z\n", "[s]\na = z\nb = y\n"},
		"binary": {".", "x", "x", "z"},
	} {
		with := mustPropose(t, name, mustSeal(t, name, []byte(tt.src), cipher.SealOptions{}).Bytes, tt.path, "")
		for src, want := range map[string]cipher.PlaceState{tt.src: cipher.PlaceSame, tt.other: cipher.PlaceSame, tt.changed: cipher.PlaceChanged} {
			o := mustOpen(t, name, after(t, name, with, src, nil))
			list, _ := o.Metadata.Proposals()
			if got := o.Places().Of(list[0]); got.State != want {
				t.Errorf("%s: %q: state %d, want %d", name, src, got.State, want)
			}
		}
	}
}

// TestProposalPlaceAfterAMerge: what one side has set counts as set after the proposal
// of the other, and what it has inserted moves the place.
func TestProposalPlaceAfterAMerge(t *testing.T) {
	for name, tt := range map[string]struct {
		path, theirs string
		want         cipher.PlaceState
		at           string
	}{
		"same value":     {"users[1].pw", people + "other: 1\n", cipher.PlaceSame, "users[1].pw"},
		"value set":      {"users[1].pw", strings.Replace(people, "bobpw", "theirs", 1), cipher.PlaceChanged, "users[1].pw"},
		"item inserted":  {"users[1].pw", "users:\n- name: zed\n  pw: zedpw\n" + people[7:], cipher.PlaceSame, "users[2].pw"},
		"same new place": {"users[2]", people + "- theirs\n", cipher.PlaceTaken, "users[2]"},
	} {
		base := mustSeal(t, "yaml", []byte(people), cipher.SealOptions{}).Bytes
		ours := mustPropose(t, "yaml", base, tt.path, "")
		theirs := after(t, "yaml", base, tt.theirs, nil)
		for side, v := range map[string][2][]byte{"ours": {ours, theirs}, "theirs": {theirs, ours}} {
			versions := merge.Versions{Base: base, Ours: v[0], Theirs: v[1]}
			r, err := cipher.Merge(t.Context(), format(t, "yaml"), versions, mergeOptions(t, store{}, versions))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			o := mustOpen(t, "yaml", r.Ours)
			list, _ := o.Metadata.Proposals()
			if got := o.Places().Of(list[0]); got.State != tt.want || !got.Path.Equal(pathOf(t, tt.at)) {
				t.Errorf("%s, proposed in %s: got %s, state %d; want %s, state %d", name, side, got.Path, got.State, tt.at, tt.want)
			}
		}
	}
}

// TestProposalReplacesWhatIsForTheSame: who proposes at a path where another item stands
// by now does not take the place of what they proposed for the item that has moved.
func TestProposalReplacesWhatIsForTheSame(t *testing.T) {
	with := mustPropose(t, "yaml", mustSeal(t, "yaml", []byte(people), cipher.SealOptions{}).Bytes, "users[1].pw", "x")
	next := after(t, "yaml", with, "users:\n- name: zed\n  pw: zedpw\n"+people[7:], nil)
	for path, want := range map[string]int{"users[1].pw": 2, "users[2].pw": 1} {
		if list, _ := proposalsIn(t, "yaml", mustPropose(t, "yaml", next, path, "x")); len(list) != want {
			t.Errorf("proposing for %s: %d proposals, want %d", path, len(list), want)
		}
	}
	lost := after(t, "yaml", with, "users: [a, b]\n", nil)
	if list, _ := proposalsIn(t, "yaml", mustPropose(t, "yaml", lost, "users[1].pw", "x")); len(list) != 1 {
		t.Errorf("in place of one that could not be accepted any more: %d proposals, want 1", len(list))
	}
}

// TestProposalTellsNothingOfSecrets: what is to be sealed and stands plain all the same
// has no part in what a proposal is made against: a hash of it could be guessed.
func TestProposalTellsNothingOfSecrets(t *testing.T) {
	sealed := mustSeal(t, "yaml", []byte("a: b\nl: [c, d]\n"), cipher.SealOptions{}).Bytes
	value := parse(t, "yaml", sealed).Leaves[0].Text
	base := func(exposed string) string {
		with := mustPropose(t, "yaml", []byte(strings.Replace(string(sealed), value, exposed, 1)), "a", "")
		return parse(t, "yaml", with).Meta.Get("seal").Get("proposals").Items[0].Get("base").Text
	}
	if base("secret") != base("other") {
		t.Error("the hash depends on a secret that stands plain")
	}
}

// sum hashes as docs/FORMAT.md says.
func (s *specified) sum() string {
	sum := sha256.Sum256(s.b)
	return string(sum[:])
}

// hashed begins to hash what stands at a place.
func hashed(kind byte) *specified {
	s := &specified{}
	s.s("gitseal/place/v1")
	s.b = append(s.b, kind)
	return s
}

// TestProposalBaseIsAsSpecified computes what a proposal is made against anew.
func TestProposalBaseIsAsSpecified(t *testing.T) {
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, "^pw$")
	if err != nil {
		t.Fatal(err)
	}
	const src = "x: 1.50\n---\n# comment\nn: {}\nl:\n- {pw: one, b: null}\n- [true]\n"
	sealed := mustSeal(t, "yaml", []byte(src), cipher.SealOptions{Selector: selector}).Bytes
	one, _ := parse(t, "yaml", sealed).Node(pathOf(t, "2:l[0].pw"))
	leaf := func(kind byte, text string) string {
		s := hashed(kind)
		s.s(text)
		return s.sum()
	}
	raw := func(s *specified, parts ...string) string {
		for _, p := range parts {
			s.b = append(s.b, p...)
		}
		return s.sum()
	}
	keyed := func(pairs ...string) string {
		s := hashed('m')
		s.u(len(pairs) / 2)
		for i := 0; i < len(pairs); i += 2 {
			s.s(pairs[i])
			s.b = append(s.b, pairs[i+1]...)
		}
		return s.sum()
	}
	list := func(kind byte, numbers []int, items ...string) string {
		s := hashed(kind)
		for _, n := range numbers {
			s.u(n)
		}
		return raw(s, items...)
	}
	target := leaf('s', one.Scalar.Text)
	first := keyed("b", leaf('z', ""), "pw", target)
	second := list('l', []int{1}, leaf('b', "True"))
	document := keyed("l", list('l', []int{2}, first, second), "n", leaf('m', ""))
	other := keyed("x", leaf('f', "1.5"))
	absent := hashed('-').sum()
	for path, want := range map[string]string{
		"2:l[0].pw": target + document + list('r', []int{1, 2}, other) + first + list('r', []int{0, 2}, second),
		"2:l[2].a":  absent + document + list('r', []int{1, 2}, other) + absent + list('r', []int{2, 2}, first, second),
		"y[0]":      absent + other + list('r', []int{0, 2}, document) + absent + list('r', []int{0, 0}),
		"2:.":       document + document + list('r', []int{1, 2}, other),
	} {
		with := mustPropose(t, "yaml", sealed, path, "")
		got := parse(t, "yaml", with).Meta.Get("seal").Get("proposals").Items[0].Get("base").Text
		if got != base64.StdEncoding.EncodeToString([]byte(want)) {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
