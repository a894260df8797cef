package main

import (
	"fmt"
	"slices"

	"github.com/gitseal/gitseal/keysources"
)

// whoJSON is the JSON form of what who shows: readers with their files, or files
// with their readers (--by-file), or the keys that --reader means and what their
// holder can open.
type whoJSON struct {
	Readers    []readerJSON  `json:"readers,omitzero"`
	Files      []fileJSON    `json:"files,omitzero"`
	Opens      []accessJSON  `json:"opens,omitzero"`
	Unreadable []skippedFile `json:"unreadable"`
}

// readerJSON is a reader, with what they can open or should.
type readerJSON struct {
	Type   string `json:"type"`
	Reader string `json:"reader"`
	Name   string `json:"name,omitempty"`
	// Role, Profile and Context belong to AWS KMS keys.
	Role    string            `json:"role,omitempty"`
	Profile string            `json:"aws_profile,omitempty"`
	Context map[string]string `json:"context,omitempty"`
	Files   []accessJSON      `json:"files,omitzero"`
}

// accessJSON is one file of a reader.
type accessJSON struct {
	File string `json:"file"`
	// State is current, stale or missing.
	State string `json:"state"`
	// Alone: no other reader is needed.
	Alone bool `json:"alone"`
	// Groups are the numbers of the reader's key groups, from 1, of KeyGroups.
	Groups    []int `json:"groups,omitempty"`
	KeyGroups int   `json:"key_groups"`
	Threshold int   `json:"threshold"`
}

// fileJSON is a file with its readers.
type fileJSON struct {
	File        string         `json:"file"`
	Rule        string         `json:"rule,omitempty"`
	KeyGroups   int            `json:"key_groups"`
	Threshold   int            `json:"threshold"`
	Readers     []fileReadJSON `json:"readers"`
	Differences []string       `json:"differences,omitempty"`
}

// fileReadJSON is one reader of a file.
type fileReadJSON struct {
	readerJSON
	Group int    `json:"group"`
	State string `json:"state"`
}

func newReaderJSON(r *whoReader) readerJSON {
	out := readerJSON{Type: r.key.Type, Reader: r.key.Reader(), Name: r.name, Role: r.key.Get("role"), Profile: r.key.Get("aws_profile")}
	for _, f := range r.key.Context {
		if out.Context == nil {
			out.Context = map[string]string{}
		}
		out.Context[f.Name] = f.Value
	}
	return out
}

// access is what a reader, or the holder of some keys, has to do with a file.
type access struct {
	file   *whoFile
	groups []int
	alone  bool
	state  string
}

func (a access) json() accessJSON {
	return accessJSON{
		File: a.file.name, State: a.state, Alone: a.alone, Groups: a.groups,
		KeyGroups: a.file.groups, Threshold: a.file.needed,
	}
}

// notes are what there is to say of a file beside its name.
func (a access) notes() string {
	switch a.state {
	case stateMissing:
		return "missing: its rule names this reader, the file does not"
	case stateStale:
		if text := a.file.together(a.groups, a.alone); text != "" {
			return text + "; stale: its rule does not name this reader there"
		}
		return "stale: its rule does not name this reader"
	}
	return a.file.together(a.groups, a.alone)
}

// byReader returns the files of each reader. A reader who is missing in one key
// group and has another is one who has the file.
func (c *census) byReader() map[*whoReader][]access {
	out := map[*whoReader][]access{}
	for _, f := range c.files {
		seen := map[*whoReader]int{} // where in out the file stands, and 1 more
		for _, e := range f.entries {
			at := seen[e.reader]
			if at == 0 {
				a := access{file: f, state: e.state}
				out[e.reader] = append(out[e.reader], a)
				at = len(out[e.reader])
				seen[e.reader] = at
			}
			a := &out[e.reader][at-1]
			if e.state == stateMissing {
				continue
			}
			a.groups = append(a.groups, e.group)
			a.alone = len(a.groups) >= f.needed
			if e.state == stateStale {
				a.state = stateStale
			}
		}
	}
	return out
}

// showReaders lists the files of each reader.
func (r *whoRun) showReaders(c *census) error {
	files := c.byReader()
	if r.c.Bool("json") {
		out := whoJSON{Unreadable: r.unreadable(), Readers: []readerJSON{}}
		for _, reader := range c.inOrder() {
			j := newReaderJSON(reader)
			for _, a := range files[reader] {
				j.Files = append(j.Files, a.json())
			}
			out.Readers = append(out.Readers, j)
		}
		return r.ui.json(out)
	}
	for i, reader := range c.inOrder() {
		if i > 0 {
			fmt.Fprintln(r.ui.out)
		}
		fmt.Fprintln(r.ui.out, oneLine(reader.text()))
		for _, a := range files[reader] {
			r.line("    ", a)
		}
	}
	r.summary(c)
	return nil
}

func (r *whoRun) line(indent string, a access) {
	text := indent + oneLine(a.file.name)
	if notes := a.notes(); notes != "" {
		text += "  (" + notes + ")"
	}
	fmt.Fprintln(r.ui.out, text)
}

// showFiles lists the readers of each file.
func (r *whoRun) showFiles(c *census) error {
	if r.c.Bool("json") {
		out := whoJSON{Unreadable: r.unreadable(), Files: []fileJSON{}}
		for _, f := range c.files {
			j := fileJSON{File: f.name, Rule: f.rule, KeyGroups: f.groups, Threshold: f.needed, Differences: f.differences, Readers: []fileReadJSON{}}
			for _, e := range f.entries {
				j.Readers = append(j.Readers, fileReadJSON{readerJSON: newReaderJSON(e.reader), Group: e.group, State: e.state})
			}
			out.Files = append(out.Files, j)
		}
		return r.ui.json(out)
	}
	for i, f := range c.files {
		if i > 0 {
			fmt.Fprintln(r.ui.out)
		}
		r.showFile(f)
	}
	r.summary(c)
	return nil
}

func (r *whoRun) showFile(f *whoFile) {
	title := f.name
	if f.groups > 1 {
		title += fmt.Sprintf("  (%d of %d key groups are needed)", f.needed, f.groups)
	}
	fmt.Fprintln(r.ui.out, oneLine(title))
	entries := slices.SortedStableFunc(slices.Values(f.entries), func(a, b whoEntry) int { return a.group - b.group })
	for _, e := range entries {
		text := "    "
		if f.groups > 1 {
			text += fmt.Sprintf("group %d  ", e.group)
		}
		text += oneLine(e.reader.text())
		switch e.state {
		case stateStale:
			text += "  (stale: the rule does not name this reader)"
		case stateMissing:
			text += "  (missing: the rule names this reader, the file does not)"
		}
		fmt.Fprintln(r.ui.out, text)
	}
	for _, d := range f.differences {
		fmt.Fprintln(r.ui.out, "    "+d)
	}
}

// showReader lists what the holder of the keys that --reader means can open.
func (r *whoRun) showReader(c *census, text string) error {
	keys, err := r.wanted(c, text)
	if err != nil {
		return err
	}
	meant := c.meant(keys)
	var list []access
	missing := 0
	for _, f := range c.files {
		a := access{file: f, state: stateCurrent}
		if a.groups, a.alone = f.opens(meant); len(a.groups) == 0 {
			if f.names(meant, stateMissing) {
				missing++
			}
			continue
		}
		if f.names(meant, stateStale) {
			a.state = stateStale
		}
		list = append(list, a)
	}
	if r.c.Bool("json") {
		return r.ui.json(r.readerAnswer(c, keys, list))
	}
	for _, a := range list {
		r.line("", a)
	}
	if missing > 0 {
		r.ui.note(counted(missing, "file") + " whose rule names this reader cannot be opened by them; gitseal keys sync applies the rule")
	}
	r.ui.note(fmt.Sprintf("%d of %s", len(list), counted(len(c.files), "sealed file")))
	return nil
}

// readerAnswer is what --reader prints with --json.
func (r *whoRun) readerAnswer(c *census, keys []keysources.Stanza, list []access) whoJSON {
	out := whoJSON{Unreadable: r.unreadable(), Opens: []accessJSON{}}
	for _, key := range keys {
		j := newReaderJSON(&whoReader{key: key})
		meant := c.meant([]keysources.Stanza{key})
		for _, known := range c.readers {
			if j.Name == "" && meant[known] {
				j.Name = known.name
			}
		}
		out.Readers = append(out.Readers, j)
	}
	for _, a := range list {
		out.Opens = append(out.Opens, a.json())
	}
	return out
}

// names reports whether one of some readers is an entry of the file in a state.
func (f *whoFile) names(some map[*whoReader]bool, state string) bool {
	return slices.ContainsFunc(f.entries, func(e whoEntry) bool { return e.state == state && some[e.reader] })
}

func (r *whoRun) unreadable() []skippedFile { return append([]skippedFile{}, r.skipped...) }

// summary says how much there is, and what is not as it should be.
func (r *whoRun) summary(c *census) {
	r.ui.note(counted(len(c.files), "sealed file") + ", " + counted(len(c.readers), "reader"))
	drifted := 0
	for _, f := range c.files {
		if f.drifted() {
			drifted++
		}
	}
	if drifted > 0 {
		r.ui.warn(counted(drifted, "file") + " not as the rule says: gitseal keys sync applies it")
	}
}
