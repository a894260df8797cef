package history

import (
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// Traced is a file with its trace.
type Traced struct {
	Repo  *Repo
	File  *File
	Trace *Trace
}

// Sighting is a place where somebody could read a value.
type Sighting struct {
	// File is the file's number among those that were compared.
	File int
	// Path is the value's there, as text; Step is the newest one of its kind.
	Path string
	Step Step

	epoch int
}

// Exposure is what somebody who is gone from a file knows of the values that one, the
// same or another, has now.
type Exposure struct {
	Key keysources.Stanza
	// File is the number of the file whose values these are.
	File int
	// Reader is what the file's own history says of them, nil if they never were a
	// reader of it.
	Reader *Reader
	// Seen are the values that they know, or perhaps do.
	Seen []Seen
	// Uncompared are the others of which nobody here can tell whether they are copies
	// of what they could read at another place.
	Uncompared []*Value
}

// Expose compares the values that files have now with every value that those who are
// gone from one of them could read, in any version of any of the files, at any path.
// The values that many places have by chance count at their own place only, see
// isUsual. The Repos share a [Key].
func Expose(list []Traced) ([]*Exposure, error) {
	x := &exposer{list: list, seen: map[print][]Sighting{}}
	x.people()
	for i := range list {
		if err := x.read(i); err != nil {
			return nil, err
		}
	}
	var out []*Exposure
	for _, p := range x.gone {
		for i := range list {
			if r := p.in[i]; r != nil && !r.Gone() {
				continue
			}
			e := &Exposure{Key: p.key, File: i, Reader: p.in[i]}
			for _, v := range list[i].Trace.Values {
				if err := x.compare(e, p, v); err != nil {
					return nil, err
				}
			}
			if e.Reader != nil || len(e.Seen)+len(e.Uncompared) > 0 {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// person is somebody who is gone from a file, with what each file says of them.
type person struct {
	key keysources.Stanza
	in  map[int]*Reader
}

// exposer is one call of Expose.
type exposer struct {
	list []Traced
	gone []*person
	// seen is where values could be read, closed where they could by others, and
	// cannot be compared here: file, path, data key.
	seen   map[print][]Sighting
	closed []map[string][]int
	// met are the data keys under which each file had something at a path.
	met []map[string][]int
}

// people finds who is gone from any file.
func (x *exposer) people() {
	var all []*person
	for i, t := range x.list {
		for _, r := range t.Trace.Readers {
			at := slices.IndexFunc(all, func(p *person) bool { return keysources.SameKey(p.key, r.Key) })
			if at < 0 {
				at = len(all)
				all = append(all, &person{key: r.Key, in: map[int]*Reader{}})
			}
			all[at].in[i] = r
		}
	}
	for _, p := range all {
		for _, r := range p.in {
			if r.Gone() {
				x.gone = append(x.gone, p)
				break
			}
		}
	}
}

// read collects what those who are gone could read in the versions of one file.
func (x *exposer) read(number int) error {
	x.closed, x.met = append(x.closed, map[string][]int{}), append(x.met, map[string][]int{})
	t := x.list[number]
	could := map[int]bool{}
	for _, p := range x.gone {
		if r := p.in[number]; r != nil {
			for e := range r.epochs {
				could[e] = true
			}
		}
	}
	if len(could) == 0 {
		return nil
	}
	known := map[knownValue]bool{}
	for _, s := range t.File.Steps {
		v, err := t.Repo.load.version(s.Is)
		if err != nil {
			return err
		}
		epoch, ok := t.Trace.epochs[s.Is]
		if !ok || !could[epoch] || !v.readable() || !v.sealed() {
			continue
		}
		x.readVersion(Sighting{File: number, Step: s, epoch: epoch}, v, known)
	}
	return nil
}

// knownValue is a value that was met already, so that its version need not be opened.
type knownValue struct {
	token
	path  string
	epoch int
}

func (x *exposer) readVersion(at Sighting, v *version, known map[knownValue]bool) {
	note := func(m map[string][]int) {
		if !slices.Contains(m[at.Path], at.epoch) {
			m[at.Path] = append(m[at.Path], at.epoch)
		}
	}
	for i := range v.Leaves {
		tok, ok := v.tokenOf(i)
		at.Path = v.Leaves[i].Path.Text()
		key := knownValue{tok, at.Path, at.epoch}
		if !ok || known[key] {
			continue
		}
		known[key] = true
		note(x.met[at.File])
		p, ok := x.list[at.File].Repo.load.print(v, i)
		if !ok {
			note(x.closed[at.File])
			continue
		}
		if !slices.ContainsFunc(x.seen[p], func(s Sighting) bool { return s.File == at.File && s.Path == at.Path && s.epoch == at.epoch }) {
			x.seen[p] = append(x.seen[p], at)
		}
	}
}

// compare says what a person knows of one value.
func (x *exposer) compare(e *Exposure, p *person, v *Value) error {
	load := x.list[e.File].Repo.load
	now, path := x.list[e.File].Trace.now, v.Path.Text()
	s := Seen{Value: v}
	if e.Reader != nil {
		if i := slices.IndexFunc(e.Reader.Seen, func(s Seen) bool { return s.Value == v }); i >= 0 {
			s = e.Reader.Seen[i]
		}
	}
	if s.Still == Yes && !s.With {
		e.Seen = append(e.Seen, s)
		return load.ctx.Err()
	}
	i, ok := now.byPath[path]
	var mine print
	if ok {
		mine, ok = load.print(now, i)
	}
	if ok {
		if at, with := x.find(p, e.File, path, mine, load.usual[mine]); at != nil && (s.Still != Yes || !with) {
			s = Seen{Value: v, Still: Yes, With: with, At: at}
		}
	}
	if s.Still != Yes {
		s = x.doubt(e, p, s, ok, load.usual[mine])
	}
	if s.Still != "" && s.Still != No {
		e.Seen = append(e.Seen, s)
	}
	return load.ctx.Err()
}

// find looks for a value among those that a person could read: at its own place, else
// in its own file, else anywhere, the newest sighting.
func (x *exposer) find(p *person, file int, path string, value print, usual bool) (at *Sighting, with bool) {
	best, with := -1, true
	for i, s := range x.seen[value] {
		r := p.in[s.File]
		if r == nil {
			continue
		}
		alone, could := r.epochs[s.epoch]
		near := 0
		if s.File == file {
			near++
		}
		if s.File == file && s.Path == path {
			near++
		}
		if !could || usual && near < 2 {
			continue
		}
		with = with && !alone
		if near > best {
			best, at = near, &x.seen[value][i]
		}
	}
	return at, with
}

// doubt says what is known of a value that was found nowhere. It could be compared if
// it was opened.
func (x *exposer) doubt(e *Exposure, p *person, s Seen, opened, usual bool) Seen {
	path := s.Value.Path.Text()
	metHere := x.met[e.File][path]
	if opened {
		metHere = x.closed[e.File][path]
	}
	if e.Reader != nil {
		here, with := false, true
		for _, epoch := range metHere {
			if alone, could := e.Reader.epochs[epoch]; could {
				here, with = true, with && !alone
			}
		}
		if here {
			if s.Still == "" {
				s.With, s.Why = with, SetAnew
			}
			s.Still = Unknown
			return s
		}
	}
	if opened && (usual || !x.anyClosed(p)) {
		return Seen{}
	}
	if s.Still == Unknown {
		return s
	}
	e.Uncompared = append(e.Uncompared, s.Value)
	return Seen{}
}

// anyClosed reports whether there are values that a person could read and that cannot
// be compared here.
func (x *exposer) anyClosed(p *person) bool {
	for i, r := range p.in {
		for _, epochs := range x.closed[i] {
			if slices.ContainsFunc(epochs, func(e int) bool { _, could := r.epochs[e]; return could }) {
				return true
			}
		}
	}
	return false
}
