package history

import (
	"slices"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

// Reader is somebody who can or could open a file.
type Reader struct {
	// Key is canonical, see [readers.Canonical].
	Key keysources.Stanza
	// Current: they can open it now.
	Current bool
	// Left is the step in which they lost access, nil if there is none: they may have
	// been a reader on a branch only, or on the side of a merge that was not taken.
	Left *Step
	// Last is the newest step that they could read.
	Last Step
	// Branches are those on whose tips they are a reader of the file, if all branches
	// are followed and they are none on the current one.
	Branches []string
	// Alone: they needed nobody else, at least once. If not, other key groups were
	// needed as well.
	Alone bool
	// KeyKept: the file still has a data key that they had, so that they can open it
	// if they have kept that.
	KeyKept bool
	// Seen are the values of today that they could read, for readers who are gone.
	Seen []Seen

	// epochs are the data keys that they had, and whether they needed nobody else.
	epochs map[int]bool
}

// Gone reports whether somebody was a reader and is no more. Who is one on another
// branch, and never lost access to the file, is not gone.
func (r *Reader) Gone() bool {
	return !r.Current && (r.Left != nil || len(r.Branches) == 0)
}

// Seen is a value that a reader who is gone could read.
type Seen struct {
	Value *Value
	// Still is Yes if the value is known to be the one that they could read, and
	// Unknown if it was sealed anew since and nobody here can compare.
	Still Answer
	// With: others were needed, too.
	With bool
	// Why says, of what is Unknown, why it is: Resealed or SetAnew.
	Why Reason
	// At is where they could read it, nil if it has been at its place since.
	At *Sighting
}

// readerTable collects the readers of all versions of a file.
type readerTable struct {
	list []*Reader
	// byText finds them by how a stanza spells them.
	byText map[string]*Reader
	// gone are those whose loss of access was seen.
	gone map[*Reader]bool
}

func newReaderTable() readerTable {
	return readerTable{byText: map[string]*Reader{}, gone: map[*Reader]bool{}}
}

func (t *readerTable) reader(s keysources.Stanza) *Reader {
	text := spelling(s)
	if r := t.byText[text]; r != nil {
		return r
	}
	key := readers.Canonical(s.Key())
	i := slices.IndexFunc(t.list, func(r *Reader) bool { return keysources.SameKey(r.Key, key) })
	if i < 0 {
		i = len(t.list)
		t.list = append(t.list, &Reader{Key: key, epochs: map[int]bool{}})
	}
	t.byText[text] = t.list[i]
	return t.list[i]
}

// spelling is a stanza's key as the file spells it.
func spelling(s keysources.Stanza) string {
	text := s.Type
	for _, list := range [][]keysources.Field{s.Fields, s.Context} {
		text += "\x00"
		for _, f := range list {
			if f.Name != "enc" && f.Name != "created_at" {
				text += f.Name + "\x01" + f.Value + "\x01"
			}
		}
	}
	return text
}

// groupsOf counts the key groups that each reader of a version has a part in.
func (t *readerTable) groupsOf(v *version) map[*Reader]int {
	out := map[*Reader]int{}
	if !v.readable() || !v.sealed() {
		return out
	}
	for _, group := range v.Metadata.Groups {
		seen := map[*Reader]bool{}
		for _, s := range group {
			if r := t.reader(s); !seen[r] {
				seen[r] = true
				out[r]++
			}
		}
	}
	return out
}

// needed is how many key groups open a version.
func (v *version) needed() int {
	if v.Metadata.Threshold == 0 {
		return len(v.Metadata.Groups)
	}
	return v.Metadata.Threshold
}

// meet notes who could read the version of a step. Later calls are about older steps.
func (t *readerTable) meet(s Step, v *version, epoch int) {
	for r, groups := range t.groupsOf(v) {
		if len(r.epochs) == 0 {
			r.Last = s
		}
		r.epochs[epoch] = r.epochs[epoch] || groups >= v.needed()
	}
}

// left notes who lost access in a step, unless a newer step had it already.
func (t *readerTable) left(s Step, is *version, was []*version) {
	if is != nil && !is.readable() {
		return
	}
	now := t.groupsOf(is)
	for _, w := range was {
		for r := range t.groupsOf(w) {
			if now[r] == 0 && !t.gone[r] {
				t.gone[r], r.Left = true, &s
			}
		}
	}
}

// finish settles what is true of readers now, under the data key of the newest
// version.
func (t *readerTable) finish(now *version, epoch int) []*Reader {
	current := t.groupsOf(now)
	for _, r := range t.list {
		r.Current = current[r] > 0
		for _, alone := range r.epochs {
			r.Alone = r.Alone || alone
		}
		_, had := r.epochs[epoch]
		r.KeyKept = !r.Current && had && now.sealed()
	}
	return t.list
}

// expose notes who of those who are gone could read a value.
func (t *tracer) expose(v *Value) {
	for _, r := range t.out.Readers {
		if r.Current {
			continue
		}
		seen := Seen{Value: v, Still: No, With: true}
		for e, alone := range r.epochs {
			certain, had := v.epochs[e]
			if !had {
				continue
			}
			if certain {
				seen.Still = Yes
			} else if seen.Still == No {
				seen.Still = Unknown
			}
			seen.With = seen.With && !alone
		}
		if seen.Still == Unknown {
			seen.Why = Resealed
		}
		if seen.Still != No {
			r.Seen = append(r.Seen, seen)
		}
	}
}
