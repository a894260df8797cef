package v1alpha1_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/internal/toolcache"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	program := toolcache.Program(toolcache.ControllerGen().Need(t), "controller-gen")
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "object", "crd", "paths=.", "output:dir="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const crds = "../../deploy/crd"
	for name, folder := range map[string]string{
		"zz_generated.deepcopy.go":         ".",
		"gitseal.dev_sealedmanifests.yaml": crds,
		"gitseal.dev_sealkeyrings.yaml":    crds,
	} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is out of date; see doc.go for the command (-want +got):\n%s", name, diff)
		}
	}
	for _, folder := range []string{crds, dir} {
		if files, err := filepath.Glob(filepath.Join(folder, "gitseal.dev_*.yaml")); err != nil || len(files) != 2 {
			t.Errorf("%s has %v (error %v), want two files", folder, files, err)
		}
	}
}
