package lsp

import (
	"github.com/gitseal/gitseal/cmd/internal/check"
)

// The severities of diagnostics.
const (
	severityError       = 1
	severityWarning     = 2
	severityInformation = 3
)

const (
	source = "gitseal"
	// maxDiagnostics bounds how many an editor is given.
	maxDiagnostics = 1000
)

// diagnose returns what is wrong with a text.
func (v *view) diagnose() []diagnostic {
	out := []diagnostic{}
	whole := diagnostic{Range: textRange{}, Source: source}
	if v.tooLong {
		whole.Severity, whole.Code, whole.Message = severityInformation, check.IDNotScanned, "too large to be checked in the editor\ngitseal check "+v.Name+" looks at it"
		return append(out, whole)
	}
	if v.configErr != nil && !v.isConfig() {
		whole.Severity, whole.Code, whole.Message = severityError, check.IDConfig, v.configErr.Error()+"\nuntil it is corrected, nothing says which files are sealed"
		out = append(out, whole)
	}
	leaves := v.leafByPath()
	meta := v.metaAt()
	exposed := map[string]bool{}
	for _, i := range v.exposed() {
		exposed[v.leaves[i].Path.Text()] = true
	}
	for _, f := range v.findings {
		if len(out) == maxDiagnostics {
			break
		}
		if f.ID == check.IDSecret && exposed[f.Path] {
			continue // that it is plain is said already
		}
		out = append(out, v.diagnostic(f, leaves, meta))
	}
	return out
}

// diagnostic says where in the text a finding is.
func (v *view) diagnostic(f check.Finding, leaves map[string]int, meta int) diagnostic {
	d := diagnostic{Severity: severityInformation, Code: f.ID, Source: source, Message: f.Message}
	switch f.Level {
	case check.Error:
		d.Severity = severityError
	case check.Warning:
		d.Severity = severityWarning
	}
	if f.Hint != "" {
		d.Message += "\n" + f.Hint
	}
	i, isLeaf := leaves[f.Path]
	switch {
	case isLeaf && f.Path != "" && v.format != nil:
		d.Range = v.lines.span(v.parsed.Leaves[i].Start, v.parsed.Leaves[i].End)
	case f.Line > 0:
		d.Range = v.lineOf(place(v.Text, f.Line, max(f.Column, 1)))
	case meta >= 0:
		d.Range = v.lineOf(meta)
	default:
		d.Range = v.lineOf(0)
	}
	return d
}
