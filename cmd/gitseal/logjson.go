package main

import (
	"github.com/gitseal/gitseal/cmd/internal/history"
	"github.com/gitseal/gitseal/keysources"
)

// logJSON is the JSON form of what log shows.
type logJSON struct {
	File string `json:"file"`
	Path string `json:"path,omitempty"`
	// Shallow: the history ends early.
	Shallow bool           `json:"shallow"`
	Commits []logEntryJSON `json:"commits"`
}

type logEntryJSON struct {
	commitJSON
	RenamedFrom string         `json:"renamed_from,omitempty"`
	Removed     bool           `json:"removed,omitempty"`
	Values      []logValueJSON `json:"values"`
	NewKey      bool           `json:"new_data_key,omitempty"`
	Joined      []readerJSON   `json:"joined,omitempty"`
	Left        []readerJSON   `json:"left,omitempty"`
	Selector    bool           `json:"selector_changed,omitempty"`
	Groups      bool           `json:"key_groups_changed,omitempty"`
	// Error says why the version, or those before it, cannot be read.
	Error string `json:"error,omitempty"`
}

type logValueJSON struct {
	Path string `json:"path"`
	// What is added, changed, removed, re-sealed, sealed or became plain.
	What history.What `json:"what"`
	// Same is yes, no or unknown where What leaves it open whether the value changed.
	Same  history.Answer `json:"same_value,omitempty"`
	State string         `json:"state"`
}

func (r *logRun) showJSON(f pastFile, entries []*history.Entry) error {
	out := logJSON{File: f.in.name, Shallow: f.Shallow, Commits: []logEntryJSON{}}
	if r.path != nil {
		out.Path = r.path.Text()
	}
	for _, e := range entries {
		j := logEntryJSON{
			commitJSON: newCommitJSON(e.Step), RenamedFrom: e.RenamedFrom, Removed: e.Removed,
			NewKey: e.NewKey, Selector: e.Selector, Groups: e.Groups, Values: []logValueJSON{},
		}
		if e.Err != nil {
			j.Error = oneLine(e.Err.Error())
		}
		for _, v := range e.Values {
			j.Values = append(j.Values, logValueJSON{Path: v.Path.Text(), What: v.What, Same: v.Same, State: string(v.State)})
		}
		var err error
		if j.Joined, err = r.readersJSON(f.in, e.Joined); err != nil {
			return err
		}
		if j.Left, err = r.readersJSON(f.in, e.Left); err != nil {
			return err
		}
		out.Commits = append(out.Commits, j)
	}
	return r.ui.json(out)
}

func (h *historyRun) readersJSON(in input, list []keysources.Stanza) ([]readerJSON, error) {
	var out []readerJSON
	for _, s := range list {
		who, err := h.reader(in, s)
		if err != nil {
			return nil, err
		}
		out = append(out, newReaderJSON(who))
	}
	return out, nil
}
