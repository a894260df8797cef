package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats/json"
	"github.com/gitseal/gitseal/formats/yaml"
)

const standing = `# ours
apiVersion: gitseal.dev/v1alpha1
kind: SealedManifest
metadata: {name: app, labels: {team: shop}}
spec:
  deletionPolicy: Orphan # stays
  target:
    name: other
  document: |
    A=1
  format: dotenv
`

func TestInChangesNothingElse(t *testing.T) {
	d := &manifest.Document{Format: "ini", Key: "app.ini", Type: "t/u", ServiceAccount: "d", Text: []byte("[s]\na = 1\n\n")}
	got, err := d.In(yaml.Format{}, []byte(standing))
	if err != nil {
		t.Fatal(err)
	}
	held, err := manifest.Held(yaml.Format{}, got)
	if err != nil {
		t.Fatal(err)
	}
	want := &manifest.Document{Name: "app", Format: "ini", Key: "app.ini", Type: "t/u", Target: "other", ServiceAccount: "d", Text: d.Text}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{"# ours\n", "metadata: {name: app, labels: {team: shop}}\n", "  deletionPolicy: Orphan # stays\n", "    name: other\n"} {
		if !strings.Contains(string(got), line) {
			t.Errorf("without %q:\n%s", line, got)
		}
	}
}

func TestInOfTheSameIsTheSame(t *testing.T) {
	held, err := manifest.Held(yaml.Format{}, []byte(standing))
	if err != nil {
		t.Fatal(err)
	}
	got, err := held.In(yaml.Format{}, []byte(standing))
	if err != nil || string(got) != standing {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestInRefusesWhatOthersRepeat(t *testing.T) {
	src := strings.Replace(standing, "format: dotenv", "format: &f dotenv\n  class: *f", 1)
	d := &manifest.Document{Format: "ini", Text: []byte("a = 1\n")}
	got, err := d.In(yaml.Format{}, []byte(src))
	if err == nil {
		t.Errorf("class has changed, too:\n%s", got)
	}
}

func TestInJSON(t *testing.T) {
	src := `{"apiVersion": "gitseal.dev/v1alpha1", "kind": "SealedManifest", "spec": {"document": "a: 1\n"}}`
	d := &manifest.Document{Format: "yaml", Key: "k", Text: []byte("b: 2\n")}
	got, err := d.In(json.Format{}, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if held, err := manifest.Held(json.Format{}, got); err != nil || held.Key != "k" || string(held.Text) != "b: 2\n" {
		t.Errorf("%v\n%s", err, got)
	}
}
