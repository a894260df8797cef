package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// sealMerger merges with gitseal's driver.
type sealMerger struct {
	bin string
	// keyless: whoever merges has no identity; somebody who has one runs gitseal
	// reseal afterwards.
	keyless bool
	// peer, if not empty, is a sops that must open the result, too.
	peer string
}

func (m sealMerger) setUp(ctx context.Context, l *lane) error {
	if _, _, err := l.run(ctx, l.editing, []string{m.bin, "seal", "-q", mergedFile}); err != nil {
		return err
	}
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "git", "install", "--no-hook", "-q"})
	return err
}

func (m sealMerger) edit(ctx context.Context, l *lane) error {
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "edit", "-q", mergedFile})
	return err
}

func (m sealMerger) changeReader(ctx context.Context, l *lane, e edits) error {
	verb := "remove"
	if e.joins {
		verb = "add"
	}
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "keys", verb, "-q", "--age", e.reader, mergedFile})
	return err
}

// settle takes our side of all keys in conflict. If gitseal made one conflict of
// the whole file, it is asked again with an identity, which it says would help.
func (m sealMerger) settle(ctx context.Context, l *lane, e expectation) (*conflict, error) {
	out, err := l.git(ctx, "ls-files", "-u", mergedFile)
	if err != nil {
		return nil, err
	}
	var c *conflict
	if len(out) > 0 {
		if c, err = m.settleKeys(ctx, l); err != nil {
			return nil, err
		}
	}
	if !m.keyless {
		return c, nil
	}
	// A merge that nobody can open is committed, and resealed later on.
	if err := l.commit(ctx, "merged without a key"); err != nil {
		return nil, err
	}
	_, _, err = l.run(ctx, l.editing, []string{m.bin, "reseal", "-q", mergedFile})
	return c, err
}

func (m sealMerger) settleKeys(ctx context.Context, l *lane) (*conflict, error) {
	status, err := m.conflicts(ctx, l, l.merging)
	if err != nil {
		return nil, err
	}
	c := &conflict{whole: status.Whole}
	if status.Whole {
		if status, err = m.conflicts(ctx, l, l.editing); err != nil {
			return nil, err
		}
		if status.Whole {
			return nil, fmt.Errorf("the whole file stays in conflict: %s", status.Why)
		}
	}
	for _, s := range status.Conflicts {
		c.paths = append(c.paths, s.Path)
	}
	if len(c.paths) == 0 {
		// With an identity, resolve has merged the file again by itself.
		c.whole = true
		return c, nil
	}
	_, _, err = l.run(ctx, l.merging, []string{m.bin, "resolve", "-q", "--all", "--ours", mergedFile})
	return c, err
}

// conflictList is what gitseal resolve --json prints.
type conflictList struct {
	Whole     bool `json:"whole_file"`
	Why       string
	Conflicts []struct{ Path string }
}

func (m sealMerger) conflicts(ctx context.Context, l *lane, env []string) (conflictList, error) {
	var list conflictList
	const foundSome = 3
	out, _, err := l.run(ctx, env, []string{m.bin, "resolve", "--json", mergedFile}, foundSome)
	if err != nil {
		return list, err
	}
	return list, json.Unmarshal(out, &list)
}

func (m sealMerger) open(ctx context.Context, l *lane) ([]byte, error) {
	plain, _, err := l.run(ctx, l.editing, []string{m.bin, "unseal", "-q", mergedFile})
	if err != nil || m.peer == "" {
		return plain, err
	}
	theirs, _, err := l.run(ctx, l.editing, []string{m.peer, "decrypt", mergedFile})
	if err != nil {
		return nil, err
	}
	a, _, errA := readModel(plain)
	b, _, errB := readModel(theirs)
	if errA != nil || errB != nil || len(a.differences(b, nil)) > len(a.names(commentEntry)) {
		return nil, fmt.Errorf("%w: sops reads something else", errWrong)
	}
	return plain, nil
}

// textMerger merges files of sops as git does without any driver.
type textMerger struct{ bin string }

func (m textMerger) setUp(ctx context.Context, l *lane) error {
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "encrypt", "-i", mergedFile})
	return err
}

func (m textMerger) open(ctx context.Context, l *lane) ([]byte, error) {
	plain, _, err := l.run(ctx, l.editing, []string{m.bin, "decrypt", mergedFile})
	return plain, err
}

func (m textMerger) edit(ctx context.Context, l *lane) error {
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "edit", mergedFile})
	return err
}

func (m textMerger) changeReader(ctx context.Context, l *lane, e edits) error {
	if err := l.writeRules(e.after); err != nil {
		return err
	}
	return m.syncReaders(ctx, l, !e.joins)
}

// syncReaders brings the file to its rule, with a new data key if somebody left.
func (m textMerger) syncReaders(ctx context.Context, l *lane, left bool) error {
	if _, _, err := l.run(ctx, l.editing, []string{m.bin, "updatekeys", "-y", mergedFile}); err != nil || !left {
		return err
	}
	_, _, err := l.run(ctx, l.editing, []string{m.bin, "rotate", "-i", mergedFile})
	return err
}

// settle takes our file, and makes the other side's edits again.
func (m textMerger) settle(ctx context.Context, l *lane, e expectation) (*conflict, error) {
	out, err := l.git(ctx, "ls-files", "-u", mergedFile)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	if err := m.tryOurs(ctx, l, e); err != nil {
		return nil, err
	}
	marked, err := os.ReadFile(l.path(mergedFile))
	if err != nil {
		return nil, err
	}
	if onlyInMetadata(marked) {
		l.OnlyMetadata++
	}
	if _, err := l.git(ctx, "checkout", "-q", "--ours", "--", mergedFile); err != nil {
		return nil, err
	}
	if err := l.redo(ctx, e.merged); err != nil {
		return nil, err
	}
	if l.checkReaders(e.merged) != nil {
		err = m.syncReaders(ctx, l, true)
	}
	return &conflict{whole: true}, err
}

// onlyInMetadata reports whether all conflicts of a file are in sops's own block.
func onlyInMetadata(marked []byte) bool {
	first, block := bytes.Index(marked, []byte("\n<<<<<<< ")), bytes.Index(marked, []byte("\nsops:\n"))
	return block >= 0 && first > block
}

// tryOurs finds out what the file of git merge -X ours would be: clean to git,
// with the edits of both sides wherever git sees no conflict.
func (m textMerger) tryOurs(ctx context.Context, l *lane, e expectation) error {
	var names []string
	for i, stage := range []string{":2:", ":1:", ":3:"} {
		data, err := l.git(ctx, "show", stage+mergedFile)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s.stage%d.yaml", l.dir, i)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
		names = append(names, name)
	}
	if _, err := l.git(ctx, append([]string{"merge-file", "--ours"}, names...)...); err != nil {
		return err
	}
	l.OursTried++
	failed := slices.Concat(exitCodes(1, 127), exitCodes(128, 255))
	plain, code, err := l.run(ctx, l.editing, []string{m.bin, "decrypt", names[0]}, failed...)
	if err != nil {
		return err
	}
	if code != 0 {
		l.OursUnreadable++
		return nil
	}
	got, comments, err := readModel(plain)
	if err != nil || len(e.merged.differences(got, comments)) > 0 {
		l.OursLost++
	}
	return nil
}

func exitCodes(from, to int) []int {
	var out []int
	for code := from; code <= to; code++ {
		out = append(out, code)
	}
	return out
}

// environ returns the variables of everybody in the history.
func environ(l *lane, path string, identity string) []string {
	env := []string{
		"PATH=" + path, "HOME=" + l.dir + ".home", "EDITOR=" + l.b.self, editorEnv + "=" + l.stepsFile(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@example.invalid",
		"GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@example.invalid", "GITSEAL_DOORS=open",
	}
	if identity != "" {
		env = append(env, "SOPS_AGE_KEY="+strings.TrimSpace(identity))
	}
	return env
}
