package main

import (
	"context"
	"fmt"
	"strings"
)

// maxPathsTold bounds the key paths that a message lists.
const maxPathsTold = 20

// doubts says what should be asked about before anything is written.
func (k *keysRun) doubts() []string {
	var out []string
	for _, c := range k.changes {
		if n := len(c.nowPlain); n > 0 {
			out = append(out, fmt.Sprintf("%s: the rule leaves plain what is sealed now, so that everybody could read it: %s", c.in.name, pathsText(c.nowPlain)))
		}
		if c.weaker != "" {
			out = append(out, c.in.name+": "+c.weaker)
		}
		if c.lost {
			out = append(out, c.in.name+": with the keys at hand, you could not open it any more")
		}
		if c.unvouched && (c.differs || k.rotate) {
			out = append(out, fmt.Sprintf("%s: nothing vouches for its readers, neither a rule nor a sops.seal entry; it would stay readable by %s", c.in.name, namesOf(c.readers)))
		}
	}
	return out
}

// confirm warns of what should not happen unnoticed, and asks.
func (k *keysRun) confirm(ctx context.Context) error {
	doubts := k.doubts()
	for i, d := range doubts {
		if i == maxFilesTold {
			k.ui.warn(fmt.Sprintf("and %d more like these", len(doubts)-i))
			break
		}
		k.ui.warn(d)
	}
	if len(doubts) == 0 || k.c.Bool("yes") || k.c.Bool("dry-run") {
		return nil
	}
	declined := failure("nothing was changed: "+counted(len(doubts), "thing")+" should be agreed to first", "look at the warnings; --yes agrees to them")
	if !k.ui.canAsk() {
		return declined
	}
	yes, err := k.ui.confirm(ctx, "go on")
	if err == nil && !yes {
		err = declined
	}
	return err
}

func pathsText(paths []string) string {
	if len(paths) <= maxPathsTold {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more (--json lists all)", strings.Join(paths[:maxPathsTold], ", "), len(paths)-maxPathsTold)
}

// The actions that only these commands name.
const (
	actionChanged = "changed"
	actionWould   = "would change"
	actionRotated = "rotated"
	actionLeftOut = "left out"
)

// keysResult is the JSON form of what became of one file.
type keysResult struct {
	File    string       `json:"file"`
	Action  string       `json:"action"`
	Added   []readerInfo `json:"added,omitempty"`
	Removed []readerInfo `json:"removed,omitempty"`
	// Changes says what else became different.
	Changes   []string `json:"changes,omitempty"`
	NowPlain  []string `json:"now_plain,omitempty"`
	NowSealed []string `json:"now_sealed,omitempty"`
	NewKey    bool     `json:"new_data_key"`
	// ToChange are the values that the removed readers have seen.
	ToChange []string `json:"values_to_change,omitempty"`
	// FilesLeft counts, for a configuration, the files that were not named and that
	// its changed rules govern.
	FilesLeft int `json:"files_left,omitempty"`
	// StillRead are, of a file left out, those of the removed readers who have a part
	// in opening it.
	StillRead []readerInfo `json:"still_read_by,omitempty"`
}

func (k *keysRun) action(changed bool) string {
	switch {
	case !changed:
		return actionUnchanged
	case k.c.Bool("dry-run"):
		return actionWould
	case k.rotate:
		return actionRotated
	}
	return actionChanged
}

func (k *keysRun) report(ctx context.Context) error {
	if err := k.findLeft(ctx); err != nil {
		return err
	}
	if k.c.Bool("json") {
		return k.reportJSON()
	}
	changed := 0
	for _, c := range k.changes {
		changed += count(c.changed)
		if c.changed {
			warnOfMix(k.ui, c.in.name, c.recipients)
		}
	}
	for _, c := range k.configs {
		text := fmt.Sprintf("%s: %s", c.config.Path, k.action(true))
		if n := len(c.numbers); n == 1 {
			text += fmt.Sprintf(" (rule %d)", c.numbers[0])
		} else {
			text += fmt.Sprintf(" (%d rules)", n)
		}
		k.ui.note(text)
	}
	for i, c := range k.changes {
		if i == maxFilesTold && len(k.changes) > maxFilesTold {
			break
		}
		k.ui.note(c.in.name + ": " + k.line(c))
	}
	if n := len(k.changes) + len(k.skipped); n > 1 {
		k.ui.note(fmt.Sprintf("%d files: %d %s, %d unchanged, %d not sealed", n, changed, k.action(true), len(k.changes)-changed, len(k.skipped)))
	}
	k.tellSeen()
	k.tellOldKey()
	k.tellLeftOut()
	return k.tellLeft(ctx)
}

func (k *keysRun) line(c *fileChange) string {
	text := k.action(c.changed)
	if what := c.text(); c.changed && what != "" {
		text += ": " + what
	}
	return text
}

// tellSeen says which values should be changed because somebody knows them who
// should not any more.
func (k *keysRun) tellSeen() {
	var paths []string
	for _, c := range k.changes {
		if c.changed {
			for _, p := range c.seen {
				paths = append(paths, c.in.name+": "+p)
			}
		}
	}
	if len(paths) == 0 {
		return
	}
	k.ui.warn(fmt.Sprintf("those who were removed have seen, and may have kept, %s: change what should stay secret from them", counted(len(paths), "value")))
	for i, p := range paths {
		if i == maxPathsTold {
			k.ui.note(fmt.Sprintf("  and %d more (gitseal inspect FILE shows all)", len(paths)-i))
			return
		}
		k.ui.note("  " + p)
	}
}

// tellLeft says which other files follow the rules that were changed.
func (k *keysRun) tellLeft(ctx context.Context) error {
	for _, c := range k.configs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if folder, n := k.left(c); n > 0 {
			k.ui.warn(fmt.Sprintf("%s: what was changed also governs %s that you did not name; gitseal keys sync %s applies it there",
				c.config.Path, counted(n, "file"), folder))
		}
	}
	return nil
}

func (k *keysRun) reportJSON() error {
	out := []keysResult{}
	for _, c := range k.configs {
		_, left := k.left(c)
		out = append(out, keysResult{File: c.config.Path, Action: k.action(true), FilesLeft: left})
	}
	for _, c := range k.changes {
		r := keysResult{File: c.in.name, Action: k.action(c.changed)}
		if c.changed {
			r.Added, r.Removed, r.Changes, r.NowPlain, r.NowSealed = c.added, c.removed, c.parts, c.nowPlain, c.nowSealed
			r.NewKey, r.ToChange = c.newKey, c.seen
		}
		out = append(out, r)
	}
	for _, f := range k.skipped {
		out = append(out, keysResult{File: f.name, Action: actionSkipped})
	}
	return k.ui.json(append(out, k.leftOutJSON()...))
}
