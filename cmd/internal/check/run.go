package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// RunOptions are how a set is checked.
type RunOptions struct {
	// Identities open sealed files, to check their MACs; without any, nothing is opened.
	Identities []keysources.Identity
	// Opened is asked for: a file that no identity opens is a finding.
	Opened bool
	// Timeout bounds each call to a key source.
	Timeout time.Duration
	// Merging: a merge is being committed. A file that it half-merged is a warning then,
	// if no identity opens the file, and else an error as always.
	Merging bool
	// Step, if not nil, is told how many files are done, from several goroutines.
	Step func(done, total int)
}

// Report is what was found.
type Report struct {
	Findings []Finding
	// Files and Sealed count the files that were looked at, and the sealed ones among
	// them; Opened counts those that were opened.
	Files, Sealed, Opened int
}

// Run checks the files of a set. Its error is about files that cannot be read; whatever
// is wrong with what they hold is a finding.
func Run(ctx context.Context, s *Set, o RunOptions) (*Report, error) {
	r := &runner{options: o, set: s}
	results := make([]result, len(s.targets))
	err := each(ctx, len(s.targets), func(i int) (err error) {
		results[i], err = r.check(ctx, &s.targets[i])
		r.step(len(s.targets))
		return err
	})
	if err != nil {
		return nil, err
	}
	report := &Report{}
	for _, res := range results {
		report.add(res)
	}
	report.Findings = append(report.Findings, r.leftoversOnDisk(results)...)
	report.Findings = unique(report.Findings)
	Sort(report.Findings)
	return report, nil
}

// each calls work for 0 … n-1, a few at a time, until one fails or ctx ends.
func each(ctx context.Context, n int, work func(i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, 2*runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := work(i); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// result is what was found in one file.
type result struct {
	findings              []Finding
	there, sealed, opened bool
}

func (r *Report) add(res result) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	r.Findings = append(r.Findings, res.findings...)
	count(&r.Files, res.there)
	count(&r.Sealed, res.sealed)
	count(&r.Opened, res.opened)
}

// unique drops repeated findings about configurations: each file finds them again.
func unique(list []Finding) []Finding {
	seen := map[Finding]bool{}
	return slices.DeleteFunc(list, func(f Finding) bool {
		if f.ID != IDConfig {
			return false
		}
		f.Hint = ""
		repeated := seen[f]
		seen[f] = true
		return repeated
	})
}

type runner struct {
	options RunOptions
	set     *Set

	mu   sync.Mutex // guards done
	done int
}

func (r *runner) step(total int) {
	if r.options.Step == nil {
		return
	}
	r.mu.Lock()
	r.done++
	done := r.done
	r.mu.Unlock()
	r.options.Step(done, total)
}

func (r *runner) check(ctx context.Context, t *target) (result, error) {
	data, err := t.tree.read(t)
	switch {
	case errors.Is(err, errNotThere):
		return result{}, nil // it has gone since it was listed
	case errors.Is(err, errTooLarge):
		return unread(t, tooLarge()), nil
	case errors.Is(err, errMissing):
		return unread(t, notHere()), nil
	case err != nil:
		return result{}, fmt.Errorf("%s: %w", t.name, cause(err))
	}
	res := result{there: true}
	config, source, err := t.tree.config(t.path)
	if err != nil {
		res.findings = append(res.findings, ConfigFinding(source, err))
	}
	in := Input{Name: t.name, Data: data, Expected: Expect(config, source, t.path)}
	if e := in.Expected; e.Err != nil && config != nil {
		res.findings = append(res.findings, Finding{ID: IDConfig, Level: Error, File: source, Line: e.Applied.Rule.Line, Message: e.Err.Error(), Hint: "until it is corrected, readers cannot be compared"})
	}
	found, is := file(in)
	res.sealed = is.sealed
	found = append(found, unsealed(t, in, is)...)
	r.excuseHalfMerged(ctx, in, found)
	if t.rulesOnly {
		found = slices.DeleteFunc(found, func(f Finding) bool { return f.ID == IDSecret })
	}
	if is.sound && len(r.options.Identities) > 0 {
		opened, f := r.open(ctx, in)
		res.opened = opened
		found = append(found, f...)
	}
	found = append(found, leftoverInTree(t, data, in.Expected)...)
	for i := range found {
		found[i].Commit = t.commit
	}
	res.findings = append(res.findings, found...)
	return res, ctx.Err()
}

// unread is about a file of which nothing was read. If a rule says that it is sealed,
// nobody knows whether it is.
func unread(t *target, f Finding) result {
	f.File, f.Commit = t.name, t.commit
	res := result{there: true}
	config, source, err := t.tree.config(t.path)
	expected := Expect(config, source, t.path)
	if f.Message == notHere().Message && expected.Applied.Meant {
		f.Level = Error
	}
	if err != nil || !expected.ignores(f) {
		res.findings = []Finding{f}
	}
	return res
}

// cause leaves out what an error of the file system repeats of the name.
func cause(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// leftoverInTree finds a plain copy of a sealed file that is about to be committed, or
// was.
func leftoverInTree(t *target, data []byte, e Expected) []Finding {
	if _, onDisk := t.tree.(*workTree); onDisk || LooksSealed(data) || len(data) == 0 {
		return nil
	}
	folder, base := filepath.Split(t.path)
	for _, of := range Leftovers(base) {
		other, err := t.tree.beside(filepath.Join(folder, of))
		if err == nil && LooksSealed(other) {
			return leftover(t.name, of, Error, e)
		}
	}
	return nil
}

func leftover(name, of string, l Level, e Expected) []Finding {
	f := Finding{ID: IDLeftover, Level: l, File: name, Message: "it looks like a plain copy or an editor's trace of " + of + ", which is sealed", Hint: "remove it; if it was committed, what stands in it must be replaced"}
	if e.ignores(f) {
		return nil
	}
	return []Finding{f}
}

// leftoversOnDisk looks beside the sealed files of a work tree, also among what git
// ignores.
func (r *runner) leftoversOnDisk(results []result) []Finding {
	sealed := map[string]bool{}
	listed := map[string]bool{}
	var folders []string
	var disk *workTree
	for i, t := range r.set.targets {
		tree, onDisk := t.tree.(*workTree)
		if !onDisk {
			continue
		}
		disk = tree
		listed[t.path] = true
		if !results[i].sealed {
			continue
		}
		sealed[t.path] = true
		if dir := filepath.Dir(t.path); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	var out []Finding
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if !entry.Type().IsRegular() || sealed[path] {
				continue
			}
			out = append(out, leftoverOnDisk(disk, path, sealed, listed[path])...)
		}
	}
	return out
}

func leftoverOnDisk(t *workTree, path string, sealed map[string]bool, listed bool) []Finding {
	dir, base := filepath.Split(path)
	for _, of := range Leftovers(base) {
		if !sealed[filepath.Join(dir, of)] || !listed && isTwin(base, of) {
			continue // git ignores it: people have their plain copy there on purpose
		}
		data, err := t.beside(path)
		if err != nil || len(data) == 0 || LooksSealed(data) {
			return nil
		}
		config, source, _ := t.config(path)
		return leftover(shown(path), of, Warning, Expect(config, source, path))
	}
	return nil
}
