package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/sarif"
)

// checkReport is the JSON form of what check found.
type checkReport struct {
	Files    int            `json:"files"`
	Sealed   int            `json:"sealed"`
	Opened   int            `json:"opened"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Notes    int            `json:"notes"`
	Findings []checkFinding `json:"findings"`
}

type checkFinding struct {
	ID      string `json:"id"`
	Level   string `json:"level"`
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Commit  string `json:"commit,omitempty"`
}

// checkKind is the JSON form of a kind of findings.
type checkKind struct {
	ID    string `json:"id"`
	Level string `json:"level"`
	About string `json:"about"`
}

func listKinds(u *ui, asJSON bool) error {
	var list []checkKind
	for _, k := range check.Kinds() {
		list = append(list, checkKind{k.ID, k.Level.String(), k.About})
	}
	if asJSON {
		return u.json(list)
	}
	for _, k := range list {
		fmt.Fprintf(u.out, "%-20s  %-7s  %s\n", k.ID, k.Level, k.About)
	}
	return nil
}

func printCheck(c *cli.Context, s std, u *ui, r *check.Report) error {
	switch {
	case c.Bool("json"):
		return u.json(newCheckReport(r))
	case c.Bool("sarif"):
		return sarif.Write(u.out, sarifLog(r))
	case c.Bool("quiet"):
		return nil
	}
	failOn, _ := check.ParseLevel(c.String("fail-on"))
	least := check.Warning
	if c.Bool("notes") || failOn == check.Note {
		least = check.Note
	}
	printFindings(u, r.Findings, least, u.color && isTerminal(s.out))
	return nil
}

func newCheckReport(r *check.Report) checkReport {
	errs, warnings := check.AtLeast(r.Findings, check.Error), check.AtLeast(r.Findings, check.Warning)
	out := checkReport{
		Files: r.Files, Sealed: r.Sealed, Opened: r.Opened,
		Errors: errs, Warnings: warnings - errs, Notes: len(r.Findings) - warnings, Findings: []checkFinding{},
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, checkFinding{
			ID: f.ID, Level: f.Level.String(), File: f.File, Line: f.Line, Column: f.Column,
			Path: f.Path, Pattern: f.Pattern, Message: f.Message, Hint: f.Hint, Commit: f.Commit,
		})
	}
	return out
}

// printFindings prints one line for each finding, as compilers do, an empty line
// between files, and each hint once: below the last of those that have it in common.
func printFindings(u *ui, list []check.Finding, least check.Level, color bool) {
	var shown []check.Finding
	for _, f := range list {
		if f.Level >= least {
			shown = append(shown, f)
		}
	}
	said := map[string]bool{}
	for i, f := range shown {
		if i > 0 && shown[i-1].File != f.File {
			fmt.Fprintln(u.out)
		}
		fmt.Fprintln(u.out, findingText(f, color))
		if f.Hint != "" && !said[f.Hint] && (i+1 == len(shown) || shown[i+1].Hint != f.Hint || shown[i+1].File != f.File) {
			said[f.Hint] = true
			fmt.Fprintln(u.out, "    hint: "+oneLine(f.Hint))
		}
	}
}

func findingText(f check.Finding, color bool) string {
	where := f.File
	if f.Line > 0 {
		where += ":" + strconv.Itoa(f.Line)
		if f.Column > 0 {
			where += ":" + strconv.Itoa(f.Column)
		}
	}
	level := f.Level.String()
	if color {
		level = "\x1b[" + [...]string{"36", "33", "31"}[f.Level] + "m" + level + "\x1b[0m"
	}
	text := f.Message
	if f.Path != "" && !strings.Contains(text, f.Path) {
		text += " (" + f.Path + ")"
	}
	if f.Pattern != "" {
		text += " [" + f.Pattern + "]"
	}
	if f.Commit != "" {
		text += " in commit " + f.Commit[:min(len(f.Commit), 12)]
	}
	return oneLine(where) + ": " + level + " " + f.ID + ": " + oneLine(text)
}

// sarifLog names files from the top of the repository, as code scanning services want
// them.
func sarifLog(r *check.Report) sarif.Log {
	log := sarif.Log{Tool: "gitseal", Version: versionText(), Home: "https://github.com/gitseal/gitseal"}
	for _, k := range check.Kinds() {
		log.Rules = append(log.Rules, sarif.Rule{ID: k.ID, Text: k.About, Level: k.Level.String()})
	}
	root, _ := checkRoot()
	for _, f := range r.Findings {
		message := f.Message
		if f.Path != "" && !strings.Contains(message, f.Path) {
			message += " (" + f.Path + ")"
		}
		if f.Hint != "" {
			message += "; " + f.Hint
		}
		result := sarif.Result{Rule: f.ID, Level: f.Level.String(), Message: message, File: fromRoot(root, f.File), Line: f.Line, Column: f.Rune}
		if f.Path != "" {
			result.Key = strings.Join([]string{f.ID, f.Pattern, f.Path}, "/")
		}
		log.Results = append(log.Results, result)
	}
	return log
}

// fromRoot returns a file's name as seen from a folder, with slashes, or the name as it
// is if the file lies elsewhere.
func fromRoot(root, file string) string {
	abs, err := filepath.Abs(file)
	if err != nil || root == "" {
		return filepath.ToSlash(file)
	}
	if folder, ok := gitrepo.Root(abs); ok && folder != root {
		if real, err := filepath.EvalSymlinks(folder); err == nil && real == root {
			abs = filepath.Join(real, strings.TrimPrefix(abs, folder))
		}
	}
	if rel, err := filepath.Rel(root, abs); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(abs)
}
