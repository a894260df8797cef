package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// asMessages returns what a call said, that of a call with --editor as if it had
// been said to people, so that the same rules hold for it; and what is wrong with
// the report.
func asMessages(r record) (said string, bad []string) {
	if !slices.Contains(r.Args, "--editor") || !strings.HasPrefix(r.Stderr, "{") {
		return r.Stderr, nil
	}
	var report struct {
		File, Format, Action, Digest, Integrity, Error, Hint, Path string
		Warnings                                                   []string
		Code, Line, Column                                         int
	}
	d := json.NewDecoder(strings.NewReader(r.Stderr))
	d.DisallowUnknownFields()
	if err := d.Decode(&report); err != nil || strings.Count(r.Stderr, "\n") != 1 || !strings.HasSuffix(r.Stderr, "}\n") {
		return "", []string{"standard error is not one line of JSON as it is described"}
	}
	if report.Code != r.Exit {
		bad = append(bad, fmt.Sprintf("the report says code %d, the exit code is %d", report.Code, r.Exit))
	}
	if done := report.Error == ""; done != (report.Action != "") || done != strings.HasPrefix(report.Digest, "sha256:") {
		bad = append(bad, "the report has neither or both of an error and a result")
	}
	for _, w := range report.Warnings {
		said += "gitseal: warning: " + w + "\n"
	}
	if report.Error != "" {
		said += "gitseal: error: " + report.Error + "\n"
	}
	if report.Hint != "" {
		said += "gitseal: hint: " + report.Hint + "\n"
	}
	return said, bad
}

// TestReportsAreChecked is the control of asMessages.
func TestReportsAreChecked(t *testing.T) {
	const done = `{"file":"a","action":"sealed","digest":"sha256:0","code":0}` + "\n"
	const failed = `{"file":"a","error":"e","hint":"h","code":3}` + "\n"
	for _, tt := range []struct {
		name, stderr string
		exit, bad    int
	}{
		{"done", done, 0, 0},
		{"failed", failed, 3, 0},
		{"failed, but code 0", failed, 0, 2},
		{"done, but code 1", done, 1, 2},
		{"two reports", done + done, 0, 1},
		{"a message before", "gitseal: x\n" + done, 0, 1},
		{"no hint", `{"error":"e","code":3}` + "\n", 3, 1},
		{"an unknown field", `{"file":"a","action":"sealed","digest":"sha256:0","code":0,"x":1}` + "\n", 0, 1},
		{"nothing", `{"code":0}` + "\n", 0, 1},
	} {
		r := record{Args: []string{"gitseal", "seal", "--editor"}, Stderr: tt.stderr, Exit: tt.exit}
		if bad := checkContract(r); len(bad) != tt.bad {
			t.Errorf("%s: got %q, want %d", tt.name, bad, tt.bad)
		}
	}
}
