package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// modulePath is the prefix of all packages of this project.
const modulePath = "github.com/gitseal/gitseal"

// pkg is what the import rule looks at. Paths are relative to the module.
type pkg struct {
	path    string
	imports []string
	// tests are what only the package's tests import.
	tests []string
}

func TestImportsGoOneWay(t *testing.T) {
	pkgs := listPackages(t)
	if len(pkgs) < 3 {
		t.Fatalf("go list knows only %d packages", len(pkgs))
	}
	for _, v := range importViolations(pkgs) {
		t.Error(v)
	}
}

// TestImportRuleCatches is the control: each of these must be found.
func TestImportRuleCatches(t *testing.T) {
	for _, tt := range []struct {
		name string
		pkg  pkg
		want []string
	}{
		{"formats imports nothing", pkg{path: "formats", imports: []string{"keysources"}}, []string{"formats imports keysources"}},
		{"not even its children", pkg{path: "keysources", imports: []string{"keysources/age"}}, []string{"keysources imports keysources/age"}},
		{"a format does not see ciphers", pkg{path: "formats/yaml", imports: []string{"formats", "cipher"}}, []string{"formats/yaml imports cipher"}},
		{"a format does not see its sibling", pkg{path: "formats/ini", imports: []string{"formats/json"}}, []string{"formats/ini imports formats/json"}},
		{"but binary's sealed form is JSON", pkg{path: "formats/binary", imports: []string{"formats/json"}}, nil},
		{"nor do its inner packages", pkg{path: "formats/yaml/scan", imports: []string{"formats/json"}}, []string{"formats/yaml/scan imports formats/json"}},
		{"a format may have inner packages", pkg{path: "formats/yaml", imports: []string{"formats/yaml/scan", "formats"}}, nil},
		{"a key source does not see documents", pkg{path: "keysources/age", imports: []string{"formats"}}, []string{"keysources/age imports formats"}},
		{"key sources may share what is internal to them", pkg{path: "keysources/gcpkms", imports: []string{"keysources/internal/retry", "keysources"}}, nil},
		{"which knows none of them", pkg{path: "keysources/internal/retry", imports: []string{"keysources", "keysources/gcpkms"}}, []string{"keysources/internal/retry imports keysources/gcpkms"}},
		{"the lists see their siblings", pkg{path: "formats/all", imports: []string{"formats", "formats/yaml"}}, nil},
		{"the lists see nothing else", pkg{path: "keysources/all", imports: []string{"formats/yaml", "keysources/age"}}, []string{"keysources/all imports formats/yaml"}},
		{"cipher sees only the parents", pkg{path: "cipher", imports: []string{"formats", "keysources", "formats/yaml"}}, []string{"cipher imports formats/yaml"}},
		{"and the merge of documents, which knows no format", pkg{path: "cipher", imports: []string{"formats", "formats/merge"}}, nil},
		{"cipher does not see its test tool", pkg{path: "cipher", imports: []string{"cipher/sopstest"}}, []string{"cipher imports cipher/sopstest"}},
		{"the test tool sees nearly nothing", pkg{path: "cipher/sopstest", imports: []string{"cipher", "keysources"}}, []string{"cipher/sopstest imports cipher"}},
		{"the controller sees the three", pkg{path: "k8s-controller", imports: []string{"cipher", "formats/yaml", "keysources/all", "k8s-controller/keyring"}}, nil},
		{"the controller does not see commands", pkg{path: "k8s-controller/keyring", imports: []string{"cmd/internal/rules"}}, []string{"k8s-controller/keyring imports cmd/internal/rules"}},
		{"its test tool starts servers", pkg{path: kubeTest, imports: []string{toolCache, "k8s-controller/api/v1alpha1"}}, nil},
		{"and so does what people try", pkg{path: tryOut, imports: []string{toolCache, kubeTest}}, nil},
		{"but not the controller", pkg{path: "k8s-controller", imports: []string{toolCache, kubeTest}}, []string{"k8s-controller imports " + toolCache, "k8s-controller imports " + kubeTest}},
		{"commands see everything but test tools", pkg{path: "cmd/gitseal", imports: []string{"cmd/internal/rules", "cipher", "formats/formatstest"}}, []string{"cmd/gitseal imports formats/formatstest"}},
		{"but for the one that joins sops and us", pkg{path: "cipher/exchangetest", imports: []string{"cipher", "cipher/sopstest", "formats/yaml", "keysources"}}, nil},
		{"which no program sees", pkg{path: "cmd/gitseal", imports: []string{"cipher/exchangetest"}}, []string{"cmd/gitseal imports cipher/exchangetest"}},
		{"the benchmark sees the test tool", pkg{path: "bench", imports: []string{"cipher/sopstest"}}, nil},
		{"the benchmark does not see commands", pkg{path: "bench", imports: []string{"cmd/internal/rules"}}, []string{"bench imports cmd/internal/rules"}},
		{"beside the plugins stand tests, which run the program", pkg{path: "editors", imports: []string{"cipher"}, tests: []string{toolCache, "cmd/internal/rules"}}, []string{"editors imports cipher", "editors imports cmd/internal/rules in its tests"}},
		{"tests see more, but no commands", pkg{path: "cipher", tests: []string{"formats/all", "cipher/sopstest", "cmd/internal/rules"}}, []string{"cipher imports cmd/internal/rules in its tests"}},
		{"test tools share what builds programs", pkg{path: "cipher/sopstest", imports: []string{toolCache}}, nil},
		{"those of key sources too", pkg{path: "keysources/vault/vaulttest", imports: []string{"keysources/vault", toolCache}, tests: []string{toolCache}}, nil},
		{"what builds programs sees nothing", pkg{path: toolCache, imports: []string{"keysources"}}, []string{toolCache + " imports keysources"}},
		{"what is no test tool does not see it", pkg{path: "keysources/vault", imports: []string{toolCache}, tests: []string{toolCache}}, []string{"keysources/vault imports " + toolCache}},
		{"nor do commands", pkg{path: "cmd/gitseal", imports: []string{toolCache}}, []string{"cmd/gitseal imports " + toolCache}},
		{"nothing else is internal to all", pkg{path: "internal/util", imports: nil}, []string{"internal/util has no place in the import rule"}},
		{"a new folder needs a rule", pkg{path: "util", imports: nil}, []string{"util has no place in the import rule"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, importViolations([]pkg{tt.pkg})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// importViolations lists what breaks the rule of the imports' direction.
func importViolations(pkgs []pkg) []string {
	var found []string
	for _, p := range pkgs {
		allowed := mayImport(p.path)
		if allowed == nil {
			found = append(found, p.path+" has no place in the import rule")
			continue
		}
		for _, imp := range p.imports {
			if !allowed(imp) || isTestTool(imp) && !isTestTool(p.path) && top(p.path) != "bench" && p.path != tryOut {
				found = append(found, p.path+" imports "+imp)
			}
		}
		for _, imp := range p.tests {
			if top(imp) == "cmd" && top(p.path) != "cmd" {
				found = append(found, p.path+" imports "+imp+" in its tests")
			}
		}
	}
	return found
}

// mayImport returns the rule for a package, or nil if there is none.
func mayImport(p string) func(string) bool {
	switch top(p) {
	case "formats", "keysources":
		return mayImportInFamily(p)
	case "cipher":
		switch {
		case p == "cipher/exchangetest":
			// What key sources must pass is made of both sides.
			return oneOf("cipher", "cipher/sopstest", "formats/yaml", "keysources")
		case isTestTool(p):
			return oneOf("keysources", toolCache)
		}
		return oneOf("formats", "formats/merge", "keysources")
	case "k8s-controller":
		// The test tool starts real servers, and so does the program to try things out.
		servers := isTestTool(p) || p == tryOut
		return func(imp string) bool {
			return slices.Contains([]string{"formats", "keysources", "cipher", "k8s-controller"}, top(imp)) || servers && imp == toolCache
		}
	case "cmd":
		return func(string) bool { return true }
	case "editors":
		return oneOf() // no Go but tests of the plugins
	case "bench":
		return oneOf("cipher/sopstest", "keysources/awskms/awskmstest", kubeTest, toolCache, "cipher", "formats/yaml", "keysources", "keysources/age", "k8s-controller/api/v1alpha1", "k8s-controller/deploy")
	}
	if p == toolCache {
		return oneOf()
	}
	return nil
}

// mayImportInFamily is the rule for formats and keysources: the parent imports
// nothing, its children only it, and the list of them all imports them.
func mayImportInFamily(p string) func(string) bool {
	family := top(p)
	if p == family {
		return oneOf()
	}
	if p == family+"/all" {
		return func(imp string) bool { return top(imp) == family }
	}
	if strings.HasPrefix(p, family+"/internal/") {
		return oneOf(family) // what several children share
	}
	// What is deeper belongs to its child of the family.
	child := strings.Join(strings.Split(p, "/")[:2], "/")
	return func(imp string) bool {
		// A sealed binary file is a JSON document, and there is one JSON parser.
		envelope := child == "formats/binary" && imp == "formats/json"
		peer := isTestTool(p) && imp == toolCache
		shared := strings.HasPrefix(imp, family+"/internal/")
		return envelope || peer || shared || imp == family || imp == child || strings.HasPrefix(imp, child+"/")
	}
}

// toolCache builds the programs that tests run against, wherever the tests are.
const toolCache = "internal/toolcache"

const (
	// kubeTest starts a Kubernetes control plane.
	kubeTest = "k8s-controller/kubetest"
	// tryOut is a program for people: it starts what tests start.
	tryOut = "k8s-controller/tryout"
)

// isTestTool reports whether only tests, other such tools and the benchmark may
// import a package.
func isTestTool(p string) bool { return strings.HasSuffix(path.Base(p), "test") || p == toolCache }

func oneOf(paths ...string) func(string) bool {
	return func(imp string) bool { return slices.Contains(paths, imp) }
}

// top returns the first element of a path.
func top(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

// listPackages asks the go command for this module's packages.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", modulePath+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	pkgs, err := decodePackages(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

func decodePackages(r io.Reader) ([]pkg, error) {
	dec := json.NewDecoder(r)
	var pkgs []pkg
	for {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		pkgs = append(pkgs, pkg{
			path:    strings.TrimPrefix(p.ImportPath, modulePath+"/"),
			imports: ours(p.Imports),
			tests:   ours(append(p.TestImports, p.XTestImports...)),
		})
	}
}

// ours keeps the module's own packages.
func ours(imports []string) []string {
	var kept []string
	for _, imp := range imports {
		if rel, ok := strings.CutPrefix(imp, modulePath+"/"); ok {
			kept = append(kept, rel)
		}
	}
	return kept
}
