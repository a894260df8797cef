package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
	"github.com/gitseal/gitseal/keysources"
)

// rewriter changes sealed files. Whatever changes one goes the same way: the file
// is opened and verified, compared with its rule, sealed again with the change, and
// replaced only if it is still what was read; else all of it is done again.
type rewriter struct {
	planner
	std std
	ui  *ui
	// ignoreRule: files that are not sealed as their rule says are changed all the
	// same, and stay different.
	ignoreRule bool
	// dryRun: nothing is written.
	dryRun bool
	// tellsExposed: the command itself says which sealed values it leaves plain.
	tellsExposed bool
}

// rewriteResult is what became of a file.
type rewriteResult struct {
	in     input
	opened *cipher.Opened
	// sealed is the new version, nil if the change was none.
	sealed *cipher.Sealed
}

// changed reports whether the file has other bytes now.
func (r *rewriteResult) changed() bool { return r.sealed != nil && !r.sealed.Unchanged }

// change makes the new plain file and the options to seal it with, which are those
// of the file as it is. A nil plain file leaves the file alone.
type change func(o *cipher.Opened, opts *cipher.SealOptions) (plain []byte, err error)

// errUnlikeRule is what a file that is not sealed as its rule says is refused with.
func errUnlikeRule(parts []string) error {
	return &commandError{code: exitWrongState, text: "not sealed as its rule says: " + strings.Join(parts, ", "),
		hint: "somebody may have changed the file or the rule; look who (git log), then bring the file to its rule with gitseal keys sync, or the rule to the file"}
}

// open opens and verifies a file, and checks it against its rule.
func (r *rewriter) open(ctx context.Context, in input) (*cipher.Opened, plan, error) {
	opts := r.ids.openOptions()
	required, err := r.book.requiresIntegrity(in.rulePath)
	if err != nil {
		return nil, plan{}, err
	}
	opts.RequireSeal = required
	o, err := cipher.Open(ctx, in.format, in.data, opts)
	if err != nil {
		return nil, plan{}, err
	}
	p, err := r.ruleOf(in)
	if err != nil {
		return nil, p, err
	}
	parts, err := r.drift(in, o.Metadata, p)
	if err == nil && len(parts) > 0 && !r.ignoreRule {
		err = errUnlikeRule(parts)
	}
	if err != nil {
		return nil, p, err
	}
	return o, p, nil
}

// drift says in what a file is not as its rule wants it.
func (r *rewriter) drift(in input, m *cipher.Metadata, p plan) ([]string, error) {
	if !p.chosen {
		return nil, nil
	}
	doc, err := in.format.Parse(in.data)
	if err != nil {
		return nil, err
	}
	return p.differences(m, doc), nil
}

// ruleOf returns the plan of the rule that applies to a file; it is not chosen if
// there is none.
func (r *planner) ruleOf(in input) (plan, error) {
	p := plan{inside: in.around != nil}
	config, err := r.book.config(in.rulePath)
	if err != nil || config == nil {
		return p, err
	}
	rule, err := config.RuleFor(in.rulePath)
	if isNoRule(err) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.chosen = true
	if err := r.applyLazily(&p, rule); err != nil {
		return p, fmt.Errorf("%s:%d: %w", config.Path, rule.Line, err)
	}
	if p.inside {
		p.selector, p.macOnly = cipher.Selector{}, false
	}
	return p, nil
}

// optionsOf are the options that seal a file as it is sealed.
func (r *planner) optionsOf(o *cipher.Opened) cipher.SealOptions {
	m := o.Metadata
	opts := cipher.SealOptions{
		Threshold: m.Threshold, Selector: m.Selector, MACOnlyEncrypted: m.MACOnlyEncrypted, Previous: o, Timeout: r.ids.timeout,
	}
	if m.Seal != nil {
		opts.Context = m.Seal.Context
	}
	for _, group := range m.Groups {
		var recipients []keysources.Recipient
		for _, s := range group {
			recipients = append(recipients, r.ids.standing(s))
		}
		opts.Groups = append(opts.Groups, recipients)
	}
	return opts
}

// prepare makes the new version of one file in memory.
func (r *rewriter) prepare(ctx context.Context, in input, make change) (*rewriteResult, error) {
	o, _, err := r.open(ctx, in)
	if err != nil {
		return nil, err
	}
	result := &rewriteResult{in: in, opened: o}
	opts := r.optionsOf(o)
	plain, err := make(o, &opts)
	if err != nil || plain == nil {
		return result, err
	}
	if err := r.keepBound(in, o, plain, &opts); err != nil {
		return result, err
	}
	if result.sealed, err = cipher.Seal(ctx, in.format, plain, opts); err != nil {
		return result, err
	}
	if _, err := in.filed(result.sealed.Bytes); err != nil {
		return result, err
	}
	return result, r.passExposing(in, result.sealed.Exposed)
}

// rewrite changes one file on disk. If somebody else writes it meanwhile, the
// change is made again on what they wrote, so that nothing is lost.
func (r *rewriter) rewrite(ctx context.Context, in input, make change) (*rewriteResult, error) {
	wait := time.Millisecond
	for deadline := time.Now().Add(maxRewriting); ; {
		result, err := r.prepare(ctx, in, make)
		if err != nil || !result.changed() || r.dryRun {
			return result, err
		}
		err = r.store(result)
		if !errors.Is(err, atomicfile.ErrChanged) || time.Now().After(deadline) {
			return result, err
		}
		// Those who wait for different times do not all come back at once.
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		wait = min(2*wait, maxPause)
		if err = in.reread(); err != nil {
			return result, err
		}
	}
}

const (
	// maxRewriting is for how long a file that others keep changing is tried.
	maxRewriting = time.Minute
	maxPause     = 50 * time.Millisecond
)

func (r *rewriter) store(result *rewriteResult) error {
	job, err := result.job()
	if err != nil {
		return err
	}
	return writeAll(r.ui, []atomicfile.Job{job})
}

// job is the write of a result.
func (r *rewriteResult) job() (atomicfile.Job, error) {
	return jobFor(r.in, r.sealed.Bytes, r.sealed.Check)
}

// rewriteAll changes many files, all of them or, if one fails before anything is
// written, none.
func (r *rewriter) rewriteAll(ctx context.Context, in []input, doing string, make func(input) change) ([]*rewriteResult, error) {
	results := newResults(len(in))
	err := forAll(ctx, len(in), inFlight(in), func(i int) error {
		defer r.ui.step(doing, i+1, len(in))
		var err error
		if results[i], err = r.prepare(ctx, in[i], make(in[i])); err != nil {
			return &fileError{name: in[i].name, unsealing: true, err: err}
		}
		return nil
	})
	r.ui.stepsDone()
	if err != nil {
		return results, err
	}
	for _, result := range results {
		// What is sealed anew is vouched for from then on: now is the time to doubt it.
		if result.changed() {
			warnAbout(r.ui, result.in.name, result.opened)
		}
	}
	if r.dryRun {
		return results, nil
	}
	var jobs []atomicfile.Job
	for _, result := range results {
		if !result.changed() {
			continue
		}
		job, err := result.job()
		if err != nil {
			return results, &fileError{name: result.in.name, err: err}
		}
		jobs = append(jobs, job)
	}
	return results, writeAll(r.ui, jobs)
}

func newResults(n int) []*rewriteResult { return make([]*rewriteResult, n) }
