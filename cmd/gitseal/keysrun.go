package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// keysRun is one call that changes who can read files, or their data keys.
type keysRun struct {
	rewriter
	in []input
	// skipped are files of folders that are not sealed.
	skipped []input
	// change is what is to change; nil: the files are brought to their rules.
	change *readersChange
	// rotate: every file gets a new data key, and nothing else changes.
	rotate bool
	// after is what the rules are to be, as files of a changed configuration see it.
	after *planner
	// configs are the configurations that change with the files.
	configs []configChange
	changes []*fileChange
	// leftOut are the sealed files below the folders named that are not in.
	leftOut []foundFile
}

// newKeysRun reads the inputs of a command.
func newKeysRun(c *cli.Context, s std, u *ui) (*keysRun, error) {
	u.quiet = c.Bool("quiet")
	ids, err := newIdentities(c, s, u)
	if err != nil {
		return nil, err
	}
	k := &keysRun{rewriter: rewriter{planner: planner{c: c, ids: ids}, std: s, ui: u}}
	if k.book, err = newRuleBook(c.String("config")); err != nil {
		return nil, err
	}
	if slices.Contains(c.Args().Slice(), stdinArg) {
		return nil, usageError("standard input cannot be changed in place", "name a file or folder")
	}
	in, err := readSealed(c, s, u)
	if err != nil {
		return nil, err
	}
	for _, f := range in {
		if f.fromFolder && !isSealed(f) {
			k.skipped = append(k.skipped, f)
			continue
		}
		k.in = append(k.in, f)
	}
	if len(k.in) == 0 {
		return nil, &commandError{code: exitWrongState, text: "none of the files found is sealed", hint: "gitseal seal seals them"}
	}
	tuneCollector(k.in, 50)
	return k, nil
}

// isSealed reports whether a file of a folder is to be worked on. One that cannot be
// read is: what is wrong with it has to be told.
func isSealed(in input) bool {
	doc, err := in.format.Parse(in.data)
	return err != nil || doc.Meta != nil
}

// target is how a file is to be sealed.
type target struct {
	readers  readerSet
	selector cipher.Selector
	macOnly  bool
}

// run does the work. If somebody else changes a file or a rule meanwhile, all of it
// is done again.
func (k *keysRun) run(ctx context.Context) error {
	for deadline := time.Now().Add(maxRewriting); ; {
		err := k.once(ctx)
		var partial *atomicfile.PartialError
		if err == nil || errors.As(err, &partial) || time.Now().After(deadline) {
			return err
		}
		lost := errors.Is(err, atomicfile.ErrChanged)
		if !lost && (k.change == nil || !isWrongState(err)) {
			return err
		}
		// Somebody may be about to change a file after its rule.
		time.Sleep(maxPause + rand.N(maxPause))
		changed, readErr := k.reload()
		if readErr != nil {
			return readErr
		}
		if !lost && !changed {
			return err
		}
	}
}

func isWrongState(err error) bool {
	var own *commandError
	return errors.As(err, &own) && own.code == exitWrongState
}

// reload reads the files and rules again, and reports whether any have changed.
func (k *keysRun) reload() (changed bool, err error) {
	if k.book, err = newRuleBook(k.c.String("config")); err != nil {
		return false, err
	}
	for _, c := range k.configs {
		now, err := readFile(c.config.Path)
		if err != nil {
			return false, &fileError{name: c.config.Path, err: err}
		}
		changed = changed || !bytes.Equal(now, c.old)
	}
	for i := range k.in {
		f := &k.in[i]
		before := f.file()
		if err := f.reread(); err != nil {
			return false, &fileError{name: f.name, err: err}
		}
		changed = changed || !bytes.Equal(before, f.file())
	}
	return changed, nil
}

func (k *keysRun) once(ctx context.Context) error {
	k.changes, k.configs, k.after = make([]*fileChange, len(k.in)), nil, &k.planner
	if k.change != nil {
		if err := k.changeRules(); err != nil {
			return err
		}
	}
	results, err := k.prepareAll(ctx)
	if err != nil {
		return err
	}
	if err := k.checkOwn(ctx, results); err != nil {
		return err
	}
	if err := k.confirm(ctx); err != nil {
		return err
	}
	if k.c.Bool("dry-run") {
		return k.report(ctx)
	}
	var jobs []atomicfile.Job
	for _, c := range k.configs {
		jobs = append(jobs, c.job())
	}
	for _, r := range results {
		if !r.changed() {
			continue
		}
		j, err := r.job()
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	if err := writeAll(k.ui, jobs); err != nil {
		return err
	}
	return k.report(ctx)
}

// prepareAll makes the new versions of all files in memory.
func (k *keysRun) prepareAll(ctx context.Context) ([]*rewriteResult, error) {
	r := k.rewriter
	r.dryRun, r.tellsExposed = true, true
	// What sync is for is files that are not as their rule says.
	r.ignoreRule = k.change == nil && !k.rotate
	at := map[string]int{}
	for i := range k.in {
		at[k.in[i].path] = i
	}
	results, err := r.rewriteAll(ctx, k.in, "sealing", func(in input) change {
		return func(o *cipher.Opened, opts *cipher.SealOptions) ([]byte, error) {
			fc := &fileChange{in: in, readers: readersBefore(o.Metadata)}
			k.changes[at[in.path]] = fc
			return k.prepareOne(o, opts, fc)
		}
	})
	if errors.Is(err, cipher.ErrProposals) {
		return nil, openProposals(err)
	}
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		k.changes[i].changed = r.changed()
		k.changes[i].newKey = r.changed() && r.sealed.NewKey
	}
	return results, nil
}

// openProposals says what to do about proposals that a new data key would lose.
func openProposals(err error) error {
	name := "FILE"
	var file *fileError
	if errors.As(err, &file) {
		name = file.name
	}
	return &commandError{code: exitWrongState, text: err.Error(), hint: fmt.Sprintf("gitseal accept %s takes them in; gitseal accept --drop %s turns them down", name, name)}
}

func (k *keysRun) prepareOne(o *cipher.Opened, opts *cipher.SealOptions, fc *fileChange) ([]byte, error) {
	plan, err := k.after.ruleOf(fc.in)
	if err != nil {
		return nil, err
	}
	fc.unvouched = !plan.chosen && o.Metadata.Seal == nil
	if k.rotate {
		opts.NewKey = true
		fc.recipients = slices.Concat(opts.Groups...)
		return o.PlaintextBytes(), nil
	}
	want, err := k.targetOf(o, plan, fc.in)
	if err != nil {
		return nil, err
	}
	if err := fc.compare(o, want); err != nil || !fc.differs {
		return nil, err
	}
	opts.Groups, opts.Threshold = want.readers.groups, want.readers.threshold
	opts.Selector, opts.MACOnlyEncrypted = want.selector, want.macOnly
	return o.PlaintextBytes(), nil
}

// targetOf says how a file is to be sealed: by its rule or, if there is none, as it
// is but for the change.
func (k *keysRun) targetOf(o *cipher.Opened, p plan, in input) (target, error) {
	m := o.Metadata
	t := target{readers: p.readers, selector: p.selector, macOnly: p.macOnly}
	if p.chosen && p.inside {
		t.selector, t.macOnly = m.Selector, false
		return t, nil
	}
	if p.chosen {
		doc, err := in.format.Parse(o.PlaintextBytes())
		if err != nil {
			return t, err
		}
		if t.macOnly = p.wantsMACOnly(doc); !t.selector.IsZero() {
			return t, nil
		}
		t.selector = cipher.SelectorFor(doc)
		if slices.ContainsFunc(usualSelectors(doc), func(s cipher.Selector) bool { return sameSelector(s, m.Selector) }) {
			t.selector = m.Selector
		}
		return t, nil
	}
	if k.change == nil {
		return t, failure("no rule applies to it", "add a creation rule for it to .sops.yaml (gitseal init), or change its readers with gitseal keys add and remove")
	}
	t.selector, t.macOnly = m.Selector, m.MACOnlyEncrypted
	edit, err := k.change.on(keysOf(m), neededOf(m))
	if err != nil {
		return t, err
	}
	threshold := edit.threshold
	groups := edit.apply(keysOf(m))
	if threshold == 0 && neededOf(m) < len(m.Groups) {
		threshold = neededOf(m)
	}
	if len(groups) == 1 {
		threshold = 0
	}
	t.readers, err = recipientsOf(groups, threshold, func(key keysources.Stanza) (keysources.Recipient, error) { return k.ids.standing(key), nil })
	return t, err
}

// keysOf returns the keys of a file, without what wrapping has added.
func keysOf(m *cipher.Metadata) [][]keysources.Stanza {
	var out [][]keysources.Stanza
	for _, group := range m.Groups {
		var keys []keysources.Stanza
		for _, s := range group {
			keys = append(keys, s.Key())
		}
		out = append(out, keys)
	}
	return out
}

// neededOf is the number of key groups that open a file.
func neededOf(m *cipher.Metadata) int { return needed(len(m.Groups), m.Threshold) }

func sameSelector(a, b cipher.Selector) bool { return a.Kind == b.Kind && a.Pattern == b.Pattern }

// checkOwn finds out whether who does this could still open the files with new data
// keys.
func (k *keysRun) checkOwn(ctx context.Context, results []*rewriteResult) error {
	if k.rotate {
		return nil
	}
	return forAll(ctx, len(results), inFlight(k.in), func(i int) error {
		if !k.changes[i].newKey {
			return nil
		}
		opts := k.ids.openOptions()
		opts.PlainOnly = true
		_, err := cipher.Open(ctx, k.in[i].format, results[i].sealed.Bytes, opts)
		var none *cipher.NoIdentityError
		if errors.As(err, &none) {
			k.changes[i].lost = true
			return nil
		}
		if err != nil {
			return &fileError{name: k.in[i].name, err: err}
		}
		return nil
	})
}

// sealedPlaces counts the places of values and comments that are sealed by the
// selector in a plain document, by their paths.
func sealedPlaces(s cipher.Selector, doc *formats.Document) map[place]int {
	out := map[place]int{}
	for i, selected := range s.Select(doc) {
		l := &doc.Leaves[i]
		if selected && !l.Kind.Empty() && l.Text != "" {
			out[placeOf(l)]++
		}
	}
	return out
}

// place is where a value stands, or a comment.
type place struct {
	path    string
	comment bool
}

func placeOf(l *formats.Leaf) place { return place{l.Path.Text(), l.Kind == formats.Comment} }

func (p place) String() string {
	switch {
	case p.comment && p.path == formats.Root(0).Text():
		return "a comment at the top"
	case p.comment:
		return "a comment in " + p.path
	}
	return p.path
}
