package yaml_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/formatstest"
	"github.com/gitseal/gitseal/formats/yaml"
)

// corpus returns the YAML files below $GITSEAL_CORPUS by name.
func corpus(tb testing.TB) map[string]string {
	files := map[string]string{}
	root := os.Getenv("GITSEAL_CORPUS")
	if root == "" {
		return files
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" && ext != ".json" {
			return nil
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// Every file that is accepted reads as yaml.v3 reads it and goes through sealing
// and back; a file is refused only with a reason.
func TestCorpus(t *testing.T) {
	files := corpus(t)
	if len(files) == 0 {
		t.Skip("GITSEAL_CORPUS is not set")
	}
	counts := map[string]int{}
	for name, src := range files {
		d, err := yaml.Format{}.Parse([]byte(src))
		want, oracleErr := oracle([]byte(src))
		if err != nil {
			reason := "refused, yaml.v3 too: "
			if oracleErr == nil {
				reason = "refused, yaml.v3 accepts: "
			}
			var e *formats.Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v is not a *formats.Error", name, err)
				continue
			}
			counts[reason+e.Cause.Error()+": "+e.Msg]++
			if oracleErr == nil && !errors.Is(err, formats.ErrNotSealable) {
				t.Logf("%s: %v", name, err)
			}
			continue
		}
		counts["accepted"]++
		if oracleErr != nil {
			t.Errorf("%s: accepted, but yaml.v3 says %v", name, oracleErr)
			continue
		}
		if diff := cmp.Diff(want, valuesOf(d)); diff != "" {
			t.Errorf("%s: values differ from yaml.v3's (-want +got):\n%s", name, diff)
		}
		checkLaws(t, name, src, counts)
	}
	for reason, n := range counts {
		t.Logf("%5d %s", n, reason)
	}
}

func checkLaws(t *testing.T, name, src string, counts map[string]int) {
	err := formatstest.Suite{Format: yaml.Format{}}.Check([]byte(src))
	var refused *formatstest.Refused
	switch {
	case errors.As(err, &refused):
		counts["sealing refused"]++
		t.Logf("%s: %v", name, err)
	case err != nil:
		msg := err.Error()
		t.Errorf("%s: %v", name, msg[:min(len(msg), 1500)])
	}
}

// What yaml.v3 refuses is refused.
func TestInvalidCorpus(t *testing.T) {
	n := 0
	for name, src := range corpus(t) {
		if !strings.Contains(name, "invalid") {
			continue
		}
		n++
		if _, err := oracle([]byte(src)); err == nil {
			continue
		}
		if _, err := (yaml.Format{}).Parse([]byte(src)); err == nil {
			t.Errorf("%s is accepted; yaml.v3 refuses it", name)
		}
	}
	t.Logf("%d files", n)
}
