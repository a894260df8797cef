package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gitseal/gitseal/cipher/sopstest"
)

// mergesName selects the merges with -only.
const mergesName = "merges"

// defaultRounds is how many merges there are in the history.
const defaultRounds = 500

// progressStep is after how many merges something is logged.
const progressStep = 100

// wantsMerges reports whether -only selects the merges.
func wantsMerges(only string) bool {
	return len(selectCases([]benchCase{{name: mergesName}}, only)) > 0
}

// laneResult is what became of the history in one repository.
type laneResult struct {
	Name   string `json:"name"`
	Merges int    `json:"merges"`
	// BothChanged counts the merges in which both sides had changed the same value,
	// and differently.
	BothChanged int `json:"both_changed"`
	// Conflicts counts the merges that somebody had to settle in the sealed file: in
	// SameKey of them both sides had changed the same value, in SameList the same list,
	// in Needless neither. In Whole of them the conflict was the file, not keys of it;
	// in OnlyMetadata it was in the metadata block alone.
	Conflicts    int `json:"conflicts"`
	SameKey      int `json:"same_key"`
	SameList     int `json:"same_list"`
	Needless     int `json:"needless"`
	Whole        int `json:"whole_file"`
	OnlyMetadata int `json:"only_metadata"`
	// RulesConflicts are those in the rules, which git merges as text in all lanes.
	RulesConflicts int `json:"rules_conflicts"`
	rulesBefore    int
	// Missed counts values that both sides had changed without a conflict there.
	Missed int `json:"missed"`
	// Unreadable counts merges that git called clean and whose file does not open.
	Unreadable int `json:"unreadable"`
	// Wrong counts merges whose file differs from the model, and WrongEntries where.
	Wrong        int `json:"wrong"`
	WrongEntries int `json:"wrong_entries"`
	WrongReaders int `json:"wrong_readers"`
	// OursTried and so on are about git merge -X ours: what it makes of the
	// conflicts does not open, or lacks edits.
	OursTried      int    `json:"ours_tried,omitempty"`
	OursUnreadable int    `json:"ours_unreadable,omitempty"`
	OursLost       int    `json:"ours_lost,omitempty"`
	Wall           figure `json:"wall_ns"`
}

// good reports whether nothing was lost.
func (r laneResult) good() bool {
	return r.Missed+r.Unreadable+r.Wrong+r.WrongReaders == 0
}

// mergeReport is the part of the report about merges.
type mergeReport struct {
	Rounds int          `json:"rounds"`
	Seed   uint64       `json:"seed"`
	Lanes  []laneResult `json:"lanes"`
}

// mergeBench is what the lanes share.
type mergeBench struct {
	self string
	log  io.Writer
}

// runMerges plays the same history in three repositories, at the same time.
func (b *bench) runMerges(ctx context.Context) (*mergeReport, error) {
	rounds := b.options.rounds
	if b.options.small {
		rounds = max(1, rounds/smallDivisor)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	lanes, err := b.lanes(&mergeBench{self: self, log: &lockedWriter{to: b.log}})
	if err != nil {
		return nil, err
	}
	strangers, err := newStrangers()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "merges: %d rounds in %d repositories\n", rounds, len(lanes))
	seed := b.options.seed
	first, history := newHistory(rounds, seed, lanes[0].owner, strangers)
	errs := make([]error, len(lanes))
	var wg sync.WaitGroup
	for i, l := range lanes {
		wg.Go(func() {
			if err := l.playAll(ctx, first, history); err != nil {
				errs[i] = fmt.Errorf("%s: %w", l.Name, err)
				fmt.Fprintln(l.b.log, "bench: error:", errs[i])
			}
		})
	}
	wg.Wait()
	rep := &mergeReport{Rounds: rounds, Seed: seed}
	for i, l := range lanes {
		l.Wall = summarize(l.walls).Wall
		rep.Lanes = append(rep.Lanes, l.laneResult)
		if _, ours := l.merger.(sealMerger); ours && !l.good() {
			errs[i] = errors.Join(errs[i], fmt.Errorf("%s: %w", l.Name, errWrong))
		}
	}
	return rep, errors.Join(errs...)
}

func (l *lane) playAll(ctx context.Context, first model, history []round) error {
	if err := errors.Join(l.begin(ctx, first), l.tag(ctx, 0)); err != nil {
		return err
	}
	for _, r := range history {
		if err := l.play(ctx, r); err != nil {
			return fmt.Errorf("round %d: %w", r.number, err)
		}
		if r.number%progressStep == 0 {
			fmt.Fprintf(l.b.log, "  %s: %d merges\n", l.Name, r.number)
		}
	}
	return nil
}

// lanes returns the three ways to merge.
func (b *bench) lanes(shared *mergeBench) ([]*lane, error) {
	ours, ok := b.ours.(gitseal)
	if !ok {
		return nil, fmt.Errorf("no gitseal to measure")
	}
	key := b.sops.Key
	// The driver is called by the name gitseal, as people have it.
	path := filepath.Dir(ours.bin) + string(filepath.ListSeparator) + os.Getenv("PATH")
	all := []*lane{
		{laneResult: laneResult{Name: "gitseal"}, merger: sealMerger{bin: ours.bin, peer: b.sops.Bin}},
		{laneResult: laneResult{Name: "gitseal without a key"}, merger: sealMerger{bin: ours.bin, keyless: true, peer: b.sops.Bin}},
		{laneResult: laneResult{Name: "sops, merged by git"}, merger: textMerger{bin: b.sops.Bin}},
	}
	for i, l := range all {
		l.b, l.owner, l.dir = shared, key.Recipient, filepath.Join(b.dir, fmt.Sprint("merges", i))
		l.editing = environ(l, path, key.Identity)
		l.merging = l.editing
		if m, ok := l.merger.(sealMerger); ok && m.keyless {
			l.merging = environ(l, path, "")
		}
	}
	return all, nil
}

// newStrangers makes people who join and leave.
func newStrangers() ([]string, error) {
	const howMany = 4
	var out []string
	for range howMany {
		key, err := sopstest.NewKey()
		if err != nil {
			return nil, err
		}
		out = append(out, key.Recipient)
	}
	return out, nil
}

// newHistory makes up what happens. Three in four side branches begin where the
// other branch is, the others with an older state.
func newHistory(rounds int, seed uint64, owner string, strangers []string) (model, []round) {
	r := rand.New(rand.NewPCG(seed, seed))
	first := firstModel(r, owner)
	states := []model{first}
	var out []round
	for n := 1; n <= rounds; n++ {
		base := n - 1
		if r.IntN(4) == 0 {
			base = max(0, base-1-r.IntN(3))
		}
		next := round{number: n, base: base}
		next.ours = randomEdits(r, states[n-1], strangers)
		next.theirs = randomEdits(r, states[base], strangers)
		next.want = expect(states[base], next.ours.after, next.theirs.after)
		states = append(states, next.want.merged)
		out = append(out, next)
	}
	return first, out
}

// lockedWriter lets several lanes write lines to one writer.
type lockedWriter struct {
	mu sync.Mutex // guards to
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// markdown is a table with a column for each way to merge.
func (r *mergeReport) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d merges", r.Rounds)
	for _, l := range r.Lanes {
		fmt.Fprintf(&b, " | %s", cell(l.Name))
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(r.Lanes)) + "|\n")
	row := func(name string, of func(laneResult) string) {
		fmt.Fprintf(&b, "| %s", name)
		for _, l := range r.Lanes {
			fmt.Fprintf(&b, " | %s", of(l))
		}
		b.WriteString(" |\n")
	}
	count := func(name string, of func(laneResult) int) {
		row(name, func(l laneResult) string { return fmt.Sprint(of(l)) })
	}
	count("both sides changed the same value", func(l laneResult) int { return l.BothChanged })
	count("conflicts in the sealed file", func(l laneResult) int { return l.Conflicts })
	count("… the same value was changed by both", func(l laneResult) int { return l.SameKey })
	count("… the same list was changed by both", func(l laneResult) int { return l.SameList })
	count("… nothing was changed by both", func(l laneResult) int { return l.Needless })
	count("conflicts of the file as a whole", func(l laneResult) int { return l.Whole })
	count("conflicts in the metadata block only", func(l laneResult) int { return l.OnlyMetadata })
	count("changed by both, and no conflict", func(l laneResult) int { return l.Missed })
	count("clean for git, and does not open", func(l laneResult) int { return l.Unreadable })
	count("merged, and not what the model says", func(l laneResult) int { return l.Wrong })
	count("readers not those of the model", func(l laneResult) int { return l.WrongReaders })
	row("with `-X ours`: does not open; opens, lacks edits", func(l laneResult) string {
		if l.OursTried == 0 {
			return "–"
		}
		return fmt.Sprintf("%d; %d of %d", l.OursUnreadable, l.OursLost, l.OursTried)
	})
	row("`git merge` takes", func(l laneResult) string { return withSpread(l.Wall, duration) })
	fmt.Fprintf(&b, "\nConflicts in the rules, which git merges as text: %d. Seed %d.\n", r.Lanes[0].RulesConflicts, r.Seed)
	return b.String()
}
