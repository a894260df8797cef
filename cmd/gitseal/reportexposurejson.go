package main

import (
	"github.com/gitseal/gitseal/cmd/internal/history"
)

// exposureJSON is the JSON form of what report exposure shows.
type exposureJSON struct {
	Readers []exposedReaderJSON `json:"readers"`
	// Shallow: the clone is a shallow one, so that there may be more.
	Shallow bool `json:"shallow"`
	// Unreadable counts versions that were passed over.
	Unreadable int `json:"unreadable_versions"`
	// Uncompared counts values that nobody could compare with what those who are gone
	// could read under other keys and in other files.
	Uncompared int `json:"uncompared_values"`
}

type exposedReaderJSON struct {
	readerJSON
	File string `json:"file"`
	// Gone: they were a reader of the file, and are none; on no branch with --all,
	// unless they lost access to the current one.
	Gone bool `json:"gone"`
	// Left is missing if no commit took their access away; Last is the newest they
	// could read. Both are missing if they never were a reader of this file.
	Left *commitJSON `json:"lost_access,omitempty"`
	Last *commitJSON `json:"last_access,omitempty"`
	// Branches are those on which they are still a reader.
	Branches []string `json:"reader_on_branches,omitempty"`
	// Alone: they needed no reader of another key group, in one version at least.
	Alone bool `json:"alone"`
	// KeyKept: the file still has a data key that they had.
	KeyKept bool       `json:"has_data_key"`
	Values  []seenJSON `json:"values"`
}

type seenJSON struct {
	Path string `json:"path"`
	// Valid is yes, or unknown where a key would be needed to tell, for Why: resealed
	// or set-anew.
	Valid history.Answer `json:"still_valid"`
	Why   history.Reason `json:"why,omitempty"`
	Alone bool           `json:"alone"`
	// At is where they could read it, if it has not been at its place since.
	At *seenAtJSON `json:"seen_at,omitempty"`
}

type seenAtJSON struct {
	File string `json:"file"`
	Path string `json:"path"`
	commitJSON
}

func (x *exposureRun) newJSON(list []exposure, t tally) exposureJSON {
	out := exposureJSON{Readers: []exposedReaderJSON{}, Shallow: x.shallow, Unreadable: x.unreadable, Uncompared: t.uncompared}
	for _, e := range list {
		j := exposedReaderJSON{readerJSON: newReaderJSON(e.who), File: e.in.name, Values: []seenJSON{}}
		if r := e.Reader; r != nil {
			last := newCommitJSON(r.Last)
			j.Gone, j.Last, j.Branches, j.Alone, j.KeyKept = r.Gone(), &last, r.Branches, r.Alone, r.KeyKept
			if r.Left != nil {
				left := newCommitJSON(*r.Left)
				j.Left = &left
			}
		}
		for _, s := range e.Seen {
			v := seenJSON{Path: s.Value.Path.Text(), Valid: s.Still, Why: s.Why, Alone: !s.With}
			if s.At != nil {
				v.At = &seenAtJSON{x.files[s.At.File].in.name, s.At.Path, newCommitJSON(s.At.Step)}
			}
			j.Values = append(j.Values, v)
		}
		out.Readers = append(out.Readers, j)
	}
	return out
}
