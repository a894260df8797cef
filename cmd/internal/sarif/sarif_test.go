package sarif_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/sarif"
)

var log = sarif.Log{
	Tool: "gitseal", Version: "1", Home: "https://example.com/",
	Rules: []sarif.Rule{{ID: "a", Text: "about a", Level: "error"}, {ID: "b", Text: "about b", Level: "note"}},
	Results: []sarif.Result{
		{Rule: "b", Level: "note", Message: "m <1>", File: "x/ä b#1%.yaml", Line: 3, Column: 4, Key: "b/k"},
		{Rule: "a", Level: "error", Message: "m2", File: "/abs/y.yaml"},
	},
}

// TestRequiredProperties walks the result with what the schema of SARIF 2.1.0 requires
// (sarif-schema-2.1.0.json, "required" of each object used), and its enumerations.
func TestRequiredProperties(t *testing.T) {
	var out bytes.Buffer
	if err := sarif.Write(&out, log); err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	root := object(t, doc, "version", "runs")
	if root["version"] != "2.1.0" {
		t.Errorf("version %v", root["version"])
	}
	for _, r := range list(t, root["runs"]) {
		run := object(t, r, "tool")
		driver := object(t, object(t, run["tool"], "driver")["driver"], "name")
		if !slices.Contains([]any{"utf16CodeUnits", "unicodeCodePoints"}, run["columnKind"]) {
			t.Errorf("columnKind %v", run["columnKind"])
		}
		rules := list(t, driver["rules"])
		for _, x := range rules {
			rule := object(t, x, "id")
			object(t, rule["shortDescription"], "text")
			isLevel(t, object(t, rule["defaultConfiguration"])["level"])
		}
		for _, x := range list(t, run["results"]) {
			checkResult(t, object(t, x, "message"), rules)
		}
	}
}

func checkResult(t *testing.T, result map[string]any, rules []any) {
	object(t, result["message"], "text")
	isLevel(t, result["level"])
	at, ok := result["ruleIndex"].(float64)
	if !ok || rules[int(at)].(map[string]any)["id"] != result["ruleId"] {
		t.Errorf("ruleIndex %v is not that of %v", result["ruleIndex"], result["ruleId"])
	}
	for _, l := range list(t, result["locations"]) {
		physical := object(t, object(t, l)["physicalLocation"], "artifactLocation")
		uri, _ := object(t, physical["artifactLocation"])["uri"].(string)
		if u, err := url.Parse(uri); err != nil || u.Fragment != "" || u.Path == "" {
			t.Errorf("%q is no reference: %v", uri, err)
		}
		region := object(t, physical["region"], "startLine")
		if n, ok := region["startLine"].(float64); !ok || n < 1 {
			t.Errorf("startLine %v", region["startLine"])
		}
		if n, there := region["startColumn"]; there && n.(float64) < 1 {
			t.Errorf("startColumn %v", n)
		}
	}
}

func TestNothingFound(t *testing.T) {
	var out bytes.Buffer
	if err := sarif.Write(&out, sarif.Log{Tool: "x"}); err != nil {
		t.Fatal(err)
	}
	// A run without results means that the tool did not run; null does, too.
	if !bytes.Contains(out.Bytes(), []byte(`"results": []`)) || bytes.Contains(out.Bytes(), []byte("null")) {
		t.Errorf("%s", out.Bytes())
	}
}

func object(t *testing.T, v any, required ...string) map[string]any {
	t.Helper()
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%v is no object", v)
	}
	for _, name := range required {
		if m[name] == nil || m[name] == "" {
			t.Errorf("%s is missing in %v", name, m)
		}
	}
	return m
}

func list(t *testing.T, v any) []any {
	t.Helper()
	l, ok := v.([]any)
	if !ok || len(l) == 0 {
		t.Errorf("%v is no list with items", v)
	}
	return l
}

func isLevel(t *testing.T, v any) {
	t.Helper()
	if !slices.Contains([]any{"none", "note", "warning", "error"}, v) {
		t.Errorf("level %v", v)
	}
}
