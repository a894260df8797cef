package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/keysources"
)

// leftFiles finds the sealed files below the folders that a command names which the
// command does not take: those without a rule, and those of other repositories.
type leftFiles struct {
	c    *cli.Context
	std  std
	ui   *ui
	book *ruleBook
	// taken are the files that the command works on.
	taken []input
}

// find returns them; none if no folder was named. What cannot be read is none of
// them.
func (l leftFiles) find(ctx context.Context) ([]foundFile, error) {
	var folders []string
	for _, arg := range l.c.Args().Slice() {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			folders = append(folders, arg)
		}
	}
	if len(folders) == 0 {
		return nil, nil
	}
	who := newWhoRun(l.c, l.std, l.ui, l.book, folders)
	who.except = map[string]bool{}
	for _, in := range l.taken {
		who.except[in.path] = true
	}
	return who.find(ctx)
}

// tell says that there are some.
func (l leftFiles) tell(left []foundFile) {
	if len(left) > 0 {
		l.ui.note(counted(len(left), "sealed file") + " left out: no rule matches, or it is another git repository's; gitseal who lists all, and named files are taken")
	}
}

// findLeft looks for what this call leaves out.
func (k *keysRun) findLeft(ctx context.Context) error {
	l := leftFiles{c: k.c, std: k.std, ui: k.ui, book: k.book, taken: slices.Concat(k.in, k.skipped)}
	left, err := l.find(ctx)
	if err != nil && ctx.Err() == nil {
		k.ui.warn("what else is sealed below the folders is not known: " + err.Error())
		err = nil
	}
	k.leftOut = left
	if err != nil {
		return err
	}
	return k.warnOfSparse(ctx)
}

// stillReads returns those of the files left out that a reader can open, alone or
// together with others.
func (k *keysRun) stillReads(key keysources.Stanza) []foundFile {
	var out []foundFile
	for _, f := range k.leftOut {
		if namesReader(f.meta, key) {
			out = append(out, f)
		}
	}
	return out
}

func namesReader(m *cipher.Metadata, key keysources.Stanza) bool {
	return slices.ContainsFunc(m.Groups, func(group []keysources.Stanza) bool {
		return slices.ContainsFunc(group, func(s keysources.Stanza) bool { return meansReader(key, s) })
	})
}

// removedReaders are the readers whom the call takes out as a whole: not only out of
// one key group.
func (k *keysRun) removedReaders() []keysources.Stanza {
	if k.change == nil || k.change.group > 0 {
		return nil
	}
	return k.change.remove
}

// tellLeftOut says what was left out, and who still reads it.
func (k *keysRun) tellLeftOut() {
	leftFiles{ui: k.ui}.tell(k.leftOut)
	for _, key := range k.removedReaders() {
		if n := len(k.stillReads(key)); n > 0 {
			k.ui.warn(fmt.Sprintf("%s still has a part in %s below these folders, left out here; gitseal who --reader %s lists what they can read; keys remove takes files by name, too",
				shortReader(key.Reader()), counted(n, "sealed file"), argumentFor(key)))
		}
	}
}

// argumentFor is how a reader is named on a command line that people can copy, a
// placeholder for one that would fill the screen.
func argumentFor(key keysources.Stanza) string {
	text := readers.RuleText(key)
	switch {
	case shortReader(text) != text:
		return "READER"
	case strings.Contains(text, " "):
		return quoted(text)
	}
	return text
}

// leftOutJSON lists the files left out.
func (k *keysRun) leftOutJSON() []keysResult {
	var out []keysResult
	for _, f := range k.leftOut {
		r := keysResult{File: f.in.name, Action: actionLeftOut}
		for _, key := range k.removedReaders() {
			if namesReader(f.meta, key) {
				r.StillRead = append(r.StillRead, readerInfo{Type: key.Type, Reader: key.Reader()})
			}
		}
		out = append(out, r)
	}
	return out
}
