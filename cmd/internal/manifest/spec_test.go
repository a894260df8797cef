package manifest_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
)

// schema is what we need of that of a CRD.
type schema struct {
	Type       string
	Enum       []string
	Properties map[string]schema
}

// specOfCRD returns the schema of a SealedManifest's spec.
func specOfCRD(t *testing.T) schema {
	t.Helper()
	src, err := os.ReadFile("../../../k8s-controller/deploy/crd/gitseal.dev_sealedmanifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	if err := yaml.Unmarshal(src, &crd); err != nil {
		t.Fatal(err)
	}
	for _, v := range crd.Spec.Versions {
		if strings.HasSuffix(manifest.APIVersion, "/"+v.Name) {
			return v.Schema.OpenAPIV3Schema.Properties["spec"]
		}
	}
	t.Fatal("the CRD has no such version")
	return schema{}
}

// walk calls f for each field of a schema that is none but a map.
func (s schema) walk(path string, f func(path string, s schema)) {
	for name, p := range s.Properties {
		where := strings.TrimPrefix(path+"."+name, ".")
		if p.Type == "object" {
			p.walk(where, f)
			continue
		}
		f(where, p)
	}
}

// TestSpecAsInTheCRD: what we take for a field of spec is one in the API, and the other way
// round, with the same values.
func TestSpecAsInTheCRD(t *testing.T) {
	var inCRD []string
	specOfCRD(t).walk("", func(path string, s schema) {
		inCRD = append(inCRD, path)
		good, bad := []string{"x"}, []string{"12", "[x]", "{x: y}"}
		switch {
		case s.Type == "boolean":
			good, bad = []string{"true", "false"}, []string{"yes", "12", "\"true\""}
		case len(s.Enum) > 0:
			good, bad = s.Enum, append(bad, "x", strings.ToUpper(s.Enum[0]))
		}
		for _, value := range good {
			if got := problemsOfSpec(t, path, value); len(got) > 0 {
				t.Errorf("%s: %s: %q", path, value, got)
			}
		}
		for _, value := range bad {
			if got := problemsOfSpec(t, path, value); len(got) == 0 {
				t.Errorf("%s: %s is not refused", path, value)
			}
		}
	})
	ours := manifest.SpecFields()
	slices.Sort(ours)
	slices.Sort(inCRD)
	if diff := cmp.Diff(inCRD, ours); diff != "" {
		t.Error(diff)
	}
}

// problemsOfSpec returns what is said about one field of spec.
func problemsOfSpec(t *testing.T, path, value string) []string {
	t.Helper()
	src := "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata: {name: a, namespace: b}\nspec:\n"
	if path != "document" {
		src += "  document: x\n"
	}
	parent, name, deep := strings.Cut(path, ".")
	if deep {
		src += "  " + parent + ": {" + name + ": " + value + "}\n"
	} else {
		src += "  " + path + ": " + value + "\n"
	}
	d, err := format(t, "yaml").Parse([]byte(src))
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	var out []string
	for _, p := range manifest.Problems(d, []byte(src)) {
		out = append(out, p.Error())
	}
	return out
}

// manyKeys returns n lines of a map.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  k%d: x\n", i)
	}
	return b.String()
}

// TestProblemsOfForm: what would not open in the cluster, and what does not go together.
func TestProblemsOfForm(t *testing.T) {
	const head = manifestHead
	checkProblems(t, []problemCase{
		{"a tagged value", head + "stringData: {a: !!str 1234}\n", "stringData.a: an explicit tag"},
		{"a tag of somebody's own", head + "stringData:\n  a: !foo x\n", "stringData.a: an explicit tag"},
		{"a tagged key", head + "stringData:\n  !!str a: x\n", "stringData.a: an explicit tag"},
		{"a tagged map", head + "data: !!map {a: eA==}\n", "data: an explicit tag"},
		{"a tag elsewhere", strings.Replace(head, "name: db", "name: !!str db", 1) + "stringData: {a: x}\n", ""},
		{"type is a word of YAML 1.1", head + "type: yes\nstringData: {a: x}\n", "type: kubectl reads this word"},
		{"bits left over in base64", head + "data: {a: eB==}\n", "data.a: not base64"},
		{"nothing", head, "it has no values"},
		{"an empty map", head + "data: {}\nstringData: {a: x}\n", "data: there is nothing in it"},
		{"null for a map", head + "data:\nstringData: {a: x}\n", "data: there is nothing in it"},
		{"spec of an inline manifest", head + "spec: {class: a, suspend: true, keyring: b, rollout: Annotate}\nstringData: {a: x}\n", ""},
		{"an unknown field of spec", head + "spec: {a: b}\nstringData: {a: x}\n", "spec.a: the spec of a SealedManifest has no such field"},
		{"a list in spec", head + "spec: {class: [b]}\nstringData: {a: x}\n", "no such field"},
		{"spec is no map", head + "spec: x\nstringData: {a: x}\n", "no such field"},
		{"a word in spec", head + "spec: {class: on}\nstringData: {a: x}\n", "spec.class: not a string"},
		{"a string for a boolean", head + "spec: {suspend: \"yes\"}\nstringData: {a: x}\n", "spec.suspend: neither true nor false"},
		{"a policy that is none", head + "spec: {driftPolicy: Ignore}\nstringData: {a: x}\n", "spec.driftPolicy: not a word that it may hold"},
		{"target without a document", head + "spec: {target: {name: x}}\nstringData: {a: x}\n", "are for spec.document"},
		{"format without a document", head + "spec: {format: yaml}\nstringData: {a: x}\n", "are for spec.document"},
		{"type beside a document", head + "type: Opaque\nspec: {document: x}\n", "type and immutable do not go with spec.document"},
		{"a token made of a document", head + "spec: {document: x, format: dotenv, target: {type: kubernetes.io/service-account-token}}\n", "no keyring allows them"},
		{"too many keys", head + "stringData:\n" + manyKeys(1025), "1024 keys"},
	})
}
