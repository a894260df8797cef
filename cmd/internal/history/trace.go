package history

import (
	"maps"
	"slices"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// Value is a sealed value as it is now, and where it comes from.
type Value struct {
	Path *formats.Path
	Kind formats.Kind
	// Since is the oldest step that is known to have had this value.
	Since Step
	// AtLeast: it may be older, because of Why.
	AtLeast bool
	Why     Reason
	// Perhaps is the oldest step that may have had it; it is Since if none is older.
	Perhaps Step
	// Resealed counts the new data keys that the value is known to have outlived.
	Resealed int
	// Plain are the versions in which the value, or another one at its place, stood
	// plain, the newest first.
	Plain []Plain

	// chain holds the tokens that the value had, and whether that is certain.
	chain map[token]bool
	// epochs are the data keys under which the value was sealed, and whether it is
	// certain that it was this value.
	epochs map[int]bool
}

// Reason says why it is not known how old a value is.
type Reason string

// The reasons.
const (
	// Resealed: it got a new data key, and nobody here can open both versions.
	Resealed Reason = "resealed"
	// WasPlain: it was plain before, and nobody here can open the sealed version.
	WasPlain Reason = "was-plain"
	// Shallow: the history ends there, the clone being a shallow one.
	Shallow Reason = "shallow"
	// SetAnew: it was set after somebody had read another one at its place, or perhaps
	// the same, which nobody here can compare.
	SetAnew Reason = "set-anew"
	// Unreadable: the version before cannot be read.
	Unreadable Reason = "unreadable"
)

// Plain is a version in which a value stood plain.
type Plain struct {
	Step Step
	// Still says whether it is the value of today.
	Still Answer
}

// Trace is the history of all values that a file has now.
type Trace struct {
	// Values are the sealed values, and in a plain file those that should be sealed,
	// in the order of the file.
	Values []*Value
	// Readers are all readers that the file ever had.
	Readers []*Reader
	// PlainSteps are the versions that were not sealed at all, the newest first.
	PlainSteps []PlainStep
	// Unreadable are the versions that could not be read.
	Unreadable []Skipped
	// Shallow: the history ends early.
	Shallow bool
	// Steps counts the versions.
	Steps int

	now *version
	// epochs number the data keys of versions.
	epochs map[Side]int
}

// PlainStep is a version that was not sealed.
type PlainStep struct {
	Step Step
	// Gone are the values that the file does not have any more, neither sealed nor
	// plain.
	Gone []*formats.Path
}

// Skipped is a version that could not be read.
type Skipped struct {
	Step Step
	Err  error
}

// tracer goes through a history, the newest step first.
type tracer struct {
	*Repo
	out *Trace
	now *version
	// epoch numbers the data keys of versions, and met has one version for each.
	epoch map[Side]int
	met   []*version
	who   readerTable
}

// Trace follows the values of a file's newest version. meant says which values of a
// plain file should be sealed; it may be nil. The error is that of reading git, or
// the newest version's.
func (r *Repo) Trace(f *File, meant func(*formats.Document) []bool) (*Trace, error) {
	t := &tracer{Repo: r, out: &Trace{Shallow: f.Shallow, Steps: len(f.Steps)}, epoch: map[Side]int{}, who: newReaderTable()}
	if len(f.Steps) == 0 || f.Now.Blob == "" {
		return t.out, nil
	}
	var err error
	if t.now, err = r.load.version(f.Now); err != nil {
		return nil, err
	}
	if !t.now.readable() {
		return nil, t.now.err
	}
	now := t.epochOf(t.now, nil)
	t.values(meant, f.Steps[0])
	for i := range f.Steps {
		if err := t.step(f, i); err != nil {
			return nil, err
		}
	}
	t.out.now, t.out.epochs = t.now, t.epoch
	t.out.Readers = t.who.finish(t.now, now)
	if err := t.branches(f); err != nil {
		return nil, err
	}
	for _, v := range t.out.Values {
		t.expose(v)
	}
	return t.out, nil
}

func (t *tracer) values(meant func(*formats.Document) []bool, newest Step) {
	var wanted []bool
	if !t.now.sealed() && meant != nil {
		wanted = meant(t.now.Document)
	}
	for i := range t.now.Leaves {
		tok, ok := t.now.tokenOf(i)
		if !ok || !tok.sealed && (wanted == nil || !wanted[i]) {
			continue
		}
		t.out.Values = append(t.out.Values, &Value{
			Path: t.now.Leaves[i].Path, Kind: t.now.Leaves[i].Kind, Since: newest, Perhaps: newest,
			chain: map[token]bool{tok: true}, epochs: map[int]bool{},
		})
	}
}

// step looks at one step for all values.
func (t *tracer) step(f *File, number int) error {
	s := f.Steps[number]
	is, err := t.load.version(s.Is)
	if err != nil {
		return err
	}
	was, err := t.parents(f, number)
	if err != nil {
		return err
	}
	t.who.left(s, is, was)
	switch {
	case is == nil:
		return nil
	case !is.readable():
		t.out.Unreadable = append(t.out.Unreadable, Skipped{s, is.err})
		return nil
	}
	epoch := t.epochOf(is, was)
	t.who.meet(s, is, epoch)
	if !is.sealed() {
		t.plainStep(s, is)
	}
	for _, v := range t.out.Values {
		t.follow(v, s, is, was, epoch)
	}
	return nil
}

// epochOf numbers the data keys: a version has the key of another unless nothing of
// the two agrees.
func (t *tracer) epochOf(is *version, was []*version) int {
	e, known := t.epoch[is.side]
	if !known {
		e = slices.IndexFunc(t.met, func(v *version) bool { return v.sealed() && is.sealed() && !rotated(v, is) })
		if e < 0 {
			e = len(t.met)
			t.met = append(t.met, is)
		}
		t.epoch[is.side] = e
	}
	for _, w := range was {
		if !w.readable() {
			continue
		}
		if _, known := t.epoch[w.side]; known {
			continue
		}
		if is.sealed() && w.sealed() && !rotated(is, w) {
			t.epoch[w.side] = e
		}
	}
	return e
}

// follow looks for a value in one step.
func (t *tracer) follow(v *Value, s Step, is *version, was []*version, epoch int) {
	at := v.Path.Text()
	for _, tok := range slices.Collect(maps.Keys(v.chain)) {
		i, ok := is.find(tok, at)
		if !ok {
			continue
		}
		certain := v.chain[tok]
		if tok.sealed {
			v.epochs[epoch] = v.epochs[epoch] || certain
		}
		if hadBefore(was, tok, at) {
			continue
		}
		v.begins(s, certain)
		t.extend(v, s, is, i, was)
	}
	t.plainAt(v, s, is)
}

func hadBefore(was []*version, tok token, at string) bool {
	return slices.ContainsFunc(was, func(w *version) bool {
		if !w.readable() {
			return false
		}
		_, ok := w.find(tok, at)
		return ok
	})
}

// begins notes that a token came into the file with a step. Later calls are about
// older steps.
func (v *Value) begins(s Step, certain bool) {
	v.Perhaps = s
	if certain {
		v.Since, v.AtLeast, v.Why = s, false, ""
	}
}

// extend follows a value beyond the step that gave it its token.
func (t *tracer) extend(v *Value, s Step, is *version, i int, was []*version) {
	tok, _ := is.tokenOf(i)
	certain := v.chain[tok]
	doubt := func(why Reason) {
		if certain {
			v.AtLeast, v.Why = true, why
		}
	}
	if s.Shallow {
		doubt(Shallow)
	}
	for _, w := range was {
		if w == nil {
			continue
		}
		if !w.readable() {
			doubt(Unreadable)
			continue
		}
		j, ok := w.byPath[is.Leaves[i].Path.Text()]
		if !ok {
			continue
		}
		before, ok := w.tokenOf(j)
		if !ok {
			continue
		}
		switch t.load.same(is, i, w, j) {
		case Yes:
			v.Resealed++
			v.chain[before] = v.chain[before] || certain
		case Unknown:
			if _, known := v.chain[before]; !known {
				v.chain[before] = false
			}
			if before.sealed {
				doubt(Resealed)
			} else {
				doubt(WasPlain)
			}
		}
	}
}

// plainAt notes whether the value's place was plain in a version.
func (t *tracer) plainAt(v *Value, s Step, is *version) {
	i, ok := is.byPath[v.Path.Text()]
	if !ok || is.Leaves[i].State != cipher.StatePlain && is.Leaves[i].State != cipher.StateExposed {
		return
	}
	tok, ok := is.tokenOf(i)
	if !ok {
		return
	}
	v.Plain = append(v.Plain, Plain{s, t.still(v, tok)})
}

// still says whether a plain value is the value of today.
func (t *tracer) still(v *Value, plain token) Answer {
	if i, ok := t.now.byPath[v.Path.Text()]; ok {
		if p, ok := t.load.print(t.now, i); ok {
			if p == t.load.printOf(plain.text) {
				return Yes
			}
			return No
		}
	}
	certain, followed := v.chain[plain]
	switch {
	case followed && certain:
		return Yes
	case followed || v.Why == Unreadable || v.Why == Shallow:
		return Unknown
	}
	return No
}

// plainStep notes a version that was not sealed.
func (t *tracer) plainStep(s Step, is *version) {
	p := PlainStep{Step: s}
	for i := range is.Leaves {
		if _, ok := is.tokenOf(i); !ok {
			continue
		}
		if _, there := t.now.byPath[is.Leaves[i].Path.Text()]; !there {
			p.Gone = append(p.Gone, is.Leaves[i].Path)
		}
	}
	t.out.PlainSteps = append(t.out.PlainSteps, p)
}
