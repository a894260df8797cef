package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// TestKubernetesPage: what docs/kubernetes.md shows works, from installing to losing a
// cluster, in the order of the page.
func TestKubernetesPage(t *testing.T) {
	d := newDesk(t, map[string]toolcache.Tool{"helm": toolcache.Helm(4)})
	// The Deployment has no node here: its program starts and ends as it comes and goes.
	d.follow("kubernetes.md", func(command string) {
		if strings.HasPrefix(command, "kubectl") {
			d.sync()
		}
	})
}

// TestKubernetesPageExplainsEveryReason: of manifests and of keyrings.
func TestKubernetesPageExplainsEveryReason(t *testing.T) {
	text := docs(t, "kubernetes.md")
	reasons := 0
	for _, file := range []string{"../api/v1alpha1/sealedmanifest.go", "../keyring/load.go"} {
		for _, reason := range constants(t, file, "Reason") {
			reasons++
			if !strings.Contains(text, "\n| `"+reason+"` | ") {
				t.Errorf("%s is not in the tables of reasons", reason)
			}
		}
	}
	const fewest = 20
	if reasons < fewest {
		t.Errorf("only %d reasons were found", reasons)
	}
}

// constants returns the texts of a file's constants whose names begin with a prefix.
func constants(t *testing.T, file, prefix string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	return out
}

// TestPagesPointAtWhatExists: files, and headings of pages.
func TestPagesPointAtWhatExists(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	for _, name := range []string{"kubernetes.md", "migrate.md"} {
		for _, m := range link.FindAllStringSubmatch(docs(t, name), -1) {
			target, anchor := m[1], m[2]
			if strings.HasPrefix(target, "https://") {
				continue
			}
			if target == "" {
				target = name
			}
			path := filepath.Join("../../docs", filepath.FromSlash(target))
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if anchor != "" && !hasHeading(docs(t, target), anchor[1:]) {
				t.Errorf("%s: %s has no heading for %s", name, target, anchor)
			}
		}
	}
}

// hasHeading reports whether a page has a heading that GitHub gives an anchor.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		slug := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}

func docs(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
