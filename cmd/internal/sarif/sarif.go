// Package sarif writes findings in the format that code scanning services read: SARIF
// 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0), the small part of it that they need.
package sarif

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// Schema is where the format's schema is.
const Schema = "https://json.schemastore.org/sarif-2.1.0.json"

// Log is one run of one tool.
type Log struct {
	// Tool, Version and Home say which tool it was.
	Tool, Version, Home string
	Rules               []Rule
	Results             []Result
}

// Rule is a kind of finding.
type Rule struct {
	ID, Text string
	// Level is error, warning or note.
	Level string
}

// Result is a finding.
type Result struct {
	// Rule is the ID of one of the log's rules.
	Rule, Level, Message string
	// File is seen from the top of the repository, with slashes. An absolute path
	// becomes a file URI.
	File string
	// Line and Column count from 1, Column in Unicode code points; 0 means none.
	Line, Column int
	// Key says what the finding is beyond its place, so that it is known again when
	// lines have moved.
	Key string
}

type (
	text struct {
		Text string `json:"text"`
	}
	logJSON struct {
		Schema  string    `json:"$schema"`
		Version string    `json:"version"`
		Runs    []runJSON `json:"runs"`
	}
	runJSON struct {
		Tool struct {
			Driver driverJSON `json:"driver"`
		} `json:"tool"`
		ColumnKind string       `json:"columnKind"`
		Results    []resultJSON `json:"results"`
	}
	driverJSON struct {
		Name    string     `json:"name"`
		Version string     `json:"version,omitempty"`
		Home    string     `json:"informationUri,omitempty"`
		Rules   []ruleJSON `json:"rules"`
	}
	ruleJSON struct {
		ID            string `json:"id"`
		Short         text   `json:"shortDescription"`
		Configuration struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	resultJSON struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      text              `json:"message"`
		Locations    []locationJSON    `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints,omitempty"`
	}
	locationJSON struct {
		Physical physicalJSON `json:"physicalLocation"`
	}
	physicalJSON struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *regionJSON `json:"region,omitempty"`
	}
	regionJSON struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn,omitempty"`
	}
)

// Write writes a log as JSON.
func Write(w io.Writer, l Log) error {
	var run runJSON
	run.Tool.Driver = driverJSON{Name: l.Tool, Version: l.Version, Home: l.Home, Rules: []ruleJSON{}}
	run.ColumnKind = "unicodeCodePoints"
	run.Results = []resultJSON{}
	index := map[string]int{}
	for i, r := range l.Rules {
		j := ruleJSON{ID: r.ID, Short: text{r.Text}}
		j.Configuration.Level = r.Level
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, j)
		index[r.ID] = i
	}
	for _, r := range l.Results {
		i, known := index[r.Rule]
		if !known {
			i = -1
		}
		run.Results = append(run.Results, result(r, i))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(logJSON{Schema: Schema, Version: "2.1.0", Runs: []runJSON{run}})
}

func result(r Result, index int) resultJSON {
	j := resultJSON{RuleID: r.Rule, RuleIndex: index, Level: r.Level, Message: text{r.Message}}
	var at locationJSON
	at.Physical.Artifact.URI = uri(r.File)
	// GitHub's code scanning wants a line in any case.
	at.Physical.Region = &regionJSON{Line: max(1, r.Line), Column: r.Column}
	j.Locations = []locationJSON{at}
	if r.Key != "" {
		j.Fingerprints = map[string]string{"gitseal/v1": r.Key}
	}
	return j
}

// uri returns a file's name as a reference: relative, or with the scheme file.
func uri(file string) string {
	u := url.URL{Path: strings.ReplaceAll(file, `\`, "/")}
	if strings.HasPrefix(u.Path, "/") {
		u.Scheme = "file"
	}
	return u.String()
}
