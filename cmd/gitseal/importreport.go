package main

import "fmt"

// importResult is the JSON form of what import did to make one file.
type importResult struct {
	Source    string   `json:"source"`
	From      string   `json:"from"`
	File      string   `json:"file"`
	Action    string   `json:"action"`
	DryRun    bool     `json:"dry_run"`
	Removed   bool     `json:"source_removed"`
	Format    string   `json:"format"`
	Name      string   `json:"name,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Keys      []string `json:"keys,omitempty"`
	Readers   []string `json:"readers,omitempty"`
	Selector  string   `json:"selector,omitempty"`
	Values    int      `json:"values_sealed"`
	Plain     int      `json:"values_plain"`
	Warnings  []string `json:"warnings,omitempty"`
}

func (r *importRun) report(sources []*importSource, items []*importItem) error {
	results := make([]importResult, len(items))
	counts := map[string]int{}
	for i, it := range items {
		counts[it.job.action]++
		var err error
		if results[i], err = r.result(it); err != nil {
			return err
		}
	}
	if r.c.Bool("json") {
		return r.ui.json(results)
	}
	for i, it := range items {
		r.warn(it)
		if it.make != nil {
			warnOfMix(r.ui, it.target(), it.job.plan.recipients())
		}
		if len(items) <= maxFilesTold {
			r.ui.note(it.source.in.name + ": " + it.text(results[i]))
		}
	}
	if len(items)+len(r.skipped) > 1 {
		r.ui.note(fmt.Sprintf("%d files: %d imported, %d unchanged, %d skipped",
			len(items)+len(r.skipped), counts[actionImported], counts[actionUnchanged], len(r.skipped)))
	}
	if r.c.Bool("dry-run") {
		r.ui.note("nothing was written: this was a dry run")
	}
	for _, s := range sources {
		if s.removed {
			r.ui.note(s.in.name + ": removed")
		}
	}
	return nil
}

// warn tells what of one file people should know.
func (r *importRun) warn(it *importItem) {
	for i, w := range it.warnings {
		if i == maxWarnings {
			r.ui.warn(fmt.Sprintf("%s: and %d more like these", it.source.in.name, len(it.warnings)-maxWarnings))
			return
		}
		r.ui.warn(it.source.in.name + ": " + w)
	}
}

func (r *importRun) result(it *importItem) (importResult, error) {
	out := importResult{
		Source: it.source.in.name, From: it.source.from, File: it.target(), Action: it.job.action, DryRun: r.c.Bool("dry-run"),
		Removed: it.source.removed, Format: it.job.in.formatName, Name: it.name, Namespace: it.namespace, Scope: it.scope,
		Keys: it.values, Warnings: it.warnings,
	}
	s := it.job.sealed
	if s == nil {
		return out, nil
	}
	out.Selector, out.Values, out.Plain = s.Selector.String(), s.Values, s.Plain
	var err error
	out.Readers, err = readersOf(it.job.in.format, s.Bytes)
	return out, err
}

// text tells what was made of a source.
func (it *importItem) text(r importResult) string {
	if it.job.sealed == nil {
		return "has its sops.seal entry already, unchanged"
	}
	if it.make == nil {
		return fmt.Sprintf("verified, and gave it a sops.seal entry; still sealed for %s", readersText(r.Readers))
	}
	what := it.source.from
	if it.name != "" {
		what = "Secret " + it.name
	}
	text := fmt.Sprintf("%s, sealed %s, into %s", what, counted(r.Values, "value"), it.target())
	if it.name == "" && r.Plain > 0 {
		text += fmt.Sprintf(", %d left plain by %s", r.Plain, r.Selector)
	}
	return text
}
