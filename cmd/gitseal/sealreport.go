package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/cipher"
)

// sealResult is the JSON form of what seal did to one file.
type sealResult struct {
	File     string   `json:"file"`
	Action   string   `json:"action"`
	Format   string   `json:"format"`
	Readers  []string `json:"readers,omitempty"`
	Selector string   `json:"selector,omitempty"`
	Values   int      `json:"values_sealed"`
	Reused   int      `json:"values_reused"`
	Plain    int      `json:"values_plain"`
	Empty    int      `json:"values_empty"`
	NewKey   bool     `json:"new_data_key"`
	// Context is what a SealedManifest is sealed for.
	Context string `json:"context,omitempty"`
}

func (r *sealRun) report(jobs []*sealJob) error {
	results := make([]sealResult, len(jobs))
	counts := map[string]int{}
	for i, j := range jobs {
		if j.unchanged() {
			j.action = actionUnchanged
		}
		counts[j.action]++
		results[i] = j.result()
	}
	if r.c.Bool("json") {
		return r.ui.json(results)
	}
	for _, j := range jobs {
		if j.sealed != nil {
			warnOfMix(r.ui, j.in.name, j.plan.recipients())
		}
		if len(jobs) <= maxFilesTold {
			text := j.text()
			if out := r.c.String("output"); out != "" && out != stdinArg {
				text += ", into " + out
			}
			r.ui.note(j.in.name + ": " + text)
		}
	}
	if len(jobs) > 1 {
		r.ui.note(fmt.Sprintf("%d files: %d sealed, %d unchanged", len(jobs), counts[actionSealed], counts[actionUnchanged]))
	}
	if r.empty > 0 {
		r.ui.note(counted(r.empty, "empty file") + " left out")
	}
	return nil
}

// maxFilesTold is how many files get a line of their own in a summary.
const maxFilesTold = 20

func (j *sealJob) result() sealResult {
	out := sealResult{File: j.in.name, Action: j.action, Format: j.in.formatName, Context: j.context}
	if s := j.sealed; s != nil {
		out.Selector, out.NewKey = s.Selector.String(), s.NewKey
		out.Values, out.Reused, out.Plain, out.Empty = s.Values, s.Reused, s.Plain, s.Empty
		for _, r := range j.plan.recipients() {
			out.Readers = append(out.Readers, r.String())
		}
	}
	return out
}

// unchanged reports whether what was made is what there was before.
func (j *sealJob) unchanged() bool {
	return j.sealed != nil && j.sealed.Unchanged && (j.there == nil || bytes.Equal(j.outer, j.there.data))
}

// text tells what was done to the file.
func (j *sealJob) text() string {
	s := j.sealed
	if s == nil {
		return "already sealed, unchanged"
	}
	if j.unchanged() {
		return "nothing has changed: sealed as before, to the byte"
	}
	parts := []string{fmt.Sprintf("sealed %s (%s)", counted(s.Values, "value"), j.in.formatName)}
	if !s.NewKey {
		parts = append(parts, fmt.Sprintf("%d of them unchanged", s.Reused))
	}
	if s.Plain > 0 {
		parts = append(parts, fmt.Sprintf("%d left plain by %s", s.Plain, s.Selector))
	}
	if j.plan.kept {
		parts = append(parts, j.plan.keptText())
	}
	if j.context != "" {
		return strings.Join(append(parts, "as a SealedManifest for "+strings.TrimPrefix(j.context, "k8s:")), ", ")
	}
	if j.plan.selector.IsZero() && s.Selector.Kind == cipher.EncryptedRegex {
		parts = append(parts, "as a Kubernetes Secret: only data and stringData")
	}
	return strings.Join(parts, ", ")
}

// counted returns a number and a noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
