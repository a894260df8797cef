package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of a repository in the history.
const (
	mergedFile = "secret.yaml"
	rulesFile  = ".sops.yaml"
)

// lane is one repository in which the history happens, and what was counted.
type lane struct {
	b     *mergeBench
	dir   string
	owner string
	// editing are the variables of whoever edits, merging those of whoever merges.
	editing, merging []string
	merger           merger
	laneResult
	walls []measurement
}

// merger is what differs between the ways to merge.
type merger interface {
	// setUp makes a plain file a sealed one, and prepares the repository.
	setUp(ctx context.Context, l *lane) error
	// edit runs the editor, which takes the steps of stepsFile.
	edit(ctx context.Context, l *lane) error
	// changeReader lets somebody in, or puts them out.
	changeReader(ctx context.Context, l *lane, e edits) error
	// settle ends a merge that git left with this exit code, and which should come to
	// e. It returns nil if the merge was clean.
	settle(ctx context.Context, l *lane, e expectation) (*conflict, error)
	// open returns the plain file.
	open(ctx context.Context, l *lane) ([]byte, error)
}

// conflict is what a person had to look at.
type conflict struct {
	// paths are the keys in conflict; whole: the tool named none.
	paths []string
	whole bool
}

// begin makes the repository, with the file that the history begins with.
func (l *lane) begin(ctx context.Context, first model) error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	plain, err := applySteps([]byte("{}\n"), first.stepsTo(model{}, nil))
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.path(mergedFile), plain, 0o600); err != nil {
		return err
	}
	if err := l.writeRules(first); err != nil {
		return err
	}
	if _, err := l.git(ctx, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if err := l.merger.setUp(ctx, l); err != nil {
		return err
	}
	return l.commit(ctx, "first")
}

func (l *lane) path(name string) string { return filepath.Join(l.dir, name) }

// writeRules makes the rule name the model's readers, one a line, the owner first.
func (l *lane) writeRules(m model) error {
	readers := m.names(readerEntry)
	slices.SortStableFunc(readers, func(a, b string) int {
		switch l.owner {
		case a:
			return -1
		case b:
			return 1
		}
		return 0
	})
	text := "creation_rules:\n  - age:\n      - " + strings.Join(readers, "\n      - ") + "\n"
	return os.WriteFile(l.path(rulesFile), []byte(text), 0o600)
}

// run runs a program in the repository. Exit codes in allowed are no errors.
func (l *lane) run(ctx context.Context, env []string, args []string, allowed ...int) ([]byte, int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, env, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(allowed, exit.ExitCode()) {
		return stdout.Bytes(), exit.ExitCode(), nil
	}
	if err != nil {
		return nil, -1, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), 0, nil
}

func (l *lane) git(ctx context.Context, args ...string) ([]byte, error) {
	out, _, err := l.run(ctx, l.editing, append([]string{"git"}, args...))
	return out, err
}

func (l *lane) commit(ctx context.Context, message string) error {
	_, err := l.git(ctx, "add", "-A")
	if err != nil {
		return err
	}
	_, err = l.git(ctx, "commit", "-q", "--allow-empty", "-m", message)
	return err
}

// take makes the edits of one person, and commits them.
func (l *lane) take(ctx context.Context, e edits) error {
	if err := l.apply(ctx, e.steps); err != nil {
		return err
	}
	if e.reader != "" {
		if err := l.merger.changeReader(ctx, l, e); err != nil {
			return err
		}
	}
	return l.commit(ctx, "edit")
}

// apply edits the sealed file with the tool's own edit command.
func (l *lane) apply(ctx context.Context, steps []step) error {
	if len(steps) == 0 {
		return nil
	}
	data, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.stepsFile(), data, 0o600); err != nil {
		return err
	}
	return l.merger.edit(ctx, l)
}

func (l *lane) stepsFile() string { return l.dir + ".steps" }

// round is one round of the history.
type round struct {
	number int
	// base is the round whose result the side branch begins with.
	base         int
	ours, theirs edits
	// want is what the merge should come to.
	want expectation
}

// play edits on both branches, merges them, counts, and checks the result.
func (l *lane) play(ctx context.Context, r round) error {
	if _, err := l.git(ctx, "checkout", "-q", "-B", "side", fmt.Sprint("round-", r.base)); err != nil {
		return err
	}
	if err := l.take(ctx, r.theirs); err != nil {
		return err
	}
	if _, err := l.git(ctx, "checkout", "-q", "main"); err != nil {
		return err
	}
	if err := l.take(ctx, r.ours); err != nil {
		return err
	}
	if err := l.merge(ctx, r); err != nil {
		return err
	}
	return l.tag(ctx, r.number)
}

// tag names the state after a round.
func (l *lane) tag(ctx context.Context, number int) error {
	_, err := l.git(ctx, "tag", fmt.Sprint("round-", number))
	return err
}

// merge runs git merge, settles what it leaves, and compares the file.
func (l *lane) merge(ctx context.Context, r round) error {
	start := time.Now()
	_, code, err := l.run(ctx, l.merging, []string{"git", "merge", "-q", "--no-ff", "--no-commit", "side"}, 1)
	if err != nil {
		return err
	}
	l.walls = append(l.walls, measurement{Wall: time.Since(start)})
	l.Merges++
	if err := l.settleRules(ctx, r); err != nil {
		return err
	}
	c, err := l.merger.settle(ctx, l, r.want)
	if err != nil {
		return err
	}
	if c == nil && code != 0 && l.RulesConflicts == l.rulesBefore {
		return fmt.Errorf("git merge failed, but nothing is in conflict")
	}
	l.rulesBefore = l.RulesConflicts
	l.count(r, c)
	if err := l.check(ctx, r, c); err != nil {
		return err
	}
	return l.commit(ctx, "merged")
}

// settleRules settles a conflict in the rules, which are plain and git's business.
func (l *lane) settleRules(ctx context.Context, r round) error {
	out, err := l.git(ctx, "ls-files", "-u", rulesFile)
	if err != nil || len(out) == 0 {
		return err
	}
	l.RulesConflicts++
	if err := l.writeRules(r.want.merged); err != nil {
		return err
	}
	_, err = l.git(ctx, "add", rulesFile)
	return err
}

// count sorts the round by what git said and what both sides have touched.
func (l *lane) count(r round, c *conflict) {
	touched := map[string]bool{}
	for path := range r.want.same {
		touched[path] = true
	}
	if len(touched) > 0 {
		l.BothChanged++
	}
	if c == nil {
		if len(touched) > 0 {
			l.Missed++
		}
		return
	}
	l.Conflicts++
	if c.whole {
		l.Whole++
	}
	maps.Copy(touched, r.want.lists)
	switch {
	case len(r.want.same) > 0:
		l.SameKey++
	case c.whole && len(r.want.lists) > 0, slices.ContainsFunc(c.paths, func(p string) bool { return isIn(p, touched) }):
		l.SameList++
	default:
		l.Needless++
		if !c.whole {
			fmt.Fprintf(l.b.log, "  %s: round %d: conflict at %q, which one side has not changed\n", l.Name, r.number, c.paths)
		}
	}
	if c.whole {
		return
	}
	for path := range r.want.same {
		if !slices.ContainsFunc(c.paths, func(p string) bool { return isIn(path, map[string]bool{p: true}) }) {
			l.Missed++
		}
	}
}

// isIn reports whether a path, or one above it, is in a set.
func isIn(path string, set map[string]bool) bool {
	path, _, _ = strings.Cut(path, "[")
	for p := range set {
		if path == p || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// check opens the file and compares it with the model. Lists that were in
// conflict are brought to what the model says: there a person has to decide.
func (l *lane) check(ctx context.Context, r round, c *conflict) error {
	plain, err := l.merger.open(ctx, l)
	if err != nil && c == nil {
		l.Unreadable++
		return l.repair(ctx, r)
	}
	if err != nil {
		return err
	}
	got, comments, err := readModel(plain)
	if err != nil {
		return err
	}
	wrong := 0
	for _, name := range r.want.merged.differences(got, comments) {
		list, isItem := strings.CutPrefix(name, listEntry)
		decided := isItem && c != nil && slices.ContainsFunc(c.paths, func(p string) bool { return isIn(p, map[string]bool{listOf(list): true}) })
		if !decided {
			wrong++
			fmt.Fprintf(l.b.log, "bench: %s: round %d: differs from the model at %q\n", l.Name, r.number, name)
		}
	}
	if wrong > 0 {
		l.Wrong++
		l.WrongEntries += wrong
	}
	if err := l.checkReaders(r.want.merged); err != nil {
		l.WrongReaders++
		fmt.Fprintf(l.b.log, "bench: %s: round %d: %v\n", l.Name, r.number, err)
	}
	return l.apply(ctx, r.want.merged.stepsTo(got, comments))
}

// repair makes a merged file that does not open one that does: our side, and the
// other's edits made again.
func (l *lane) repair(ctx context.Context, r round) error {
	if _, err := l.git(ctx, "checkout", "-q", "main", "--", mergedFile); err != nil {
		return err
	}
	return l.redo(ctx, r.want.merged)
}

// redo edits the file until it holds what the model says.
func (l *lane) redo(ctx context.Context, want model) error {
	plain, err := l.merger.open(ctx, l)
	if err != nil {
		return err
	}
	got, comments, err := readModel(plain)
	if err != nil {
		return err
	}
	return l.apply(ctx, want.stepsTo(got, comments))
}

// checkReaders compares the recipients that stand in the sealed file.
func (l *lane) checkReaders(want model) error {
	data, err := os.ReadFile(l.path(mergedFile))
	if err != nil {
		return err
	}
	readers := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
		if name, ok := strings.CutPrefix(line, "recipient: "); ok {
			readers[name] = true
		}
	}
	for _, name := range want.names(readerEntry) {
		if !readers[name] {
			return fmt.Errorf("a reader is missing")
		}
		delete(readers, name)
	}
	if len(readers) > 0 {
		return fmt.Errorf("somebody who left is still a reader")
	}
	return nil
}
