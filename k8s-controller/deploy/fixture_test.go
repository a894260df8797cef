package deploy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/gitseal/gitseal/internal/toolcache"
)

const (
	system     = "gitseal-system"
	controller = "gitseal-controller"
)

// kustomize returns what the real kustomize makes of a folder.
func kustomize(t *testing.T, dir string) string {
	t.Helper()
	out, err := try(t, toolcache.Program(toolcache.Kustomize().Need(t), "kustomize"), "build", dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// helm runs the real helm of a major version.
type helm struct{ program, home, kubeconfig string }

func newHelm(t *testing.T, major int, kubeconfig string) helm {
	t.Helper()
	return helm{toolcache.Program(toolcache.Helm(major).Need(t), "helm"), t.TempDir(), kubeconfig}
}

func (h helm) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return tryEnv(t, []string{"HOME=" + h.home, "KUBECONFIG=" + h.kubeconfig}, h.program, args...)
}

func (h helm) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.try(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try runs a program in an environment of the test's own.
func try(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	return tryEnv(t, nil, program, args...)
}

func tryEnv(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// eventually polls for what takes a moment on an idle machine.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until ", what)
		}
	}
}

// object is one of a stream.
type object = unstructured.Unstructured

func parse(t *testing.T, stream string) []*object {
	t.Helper()
	var out []*object
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(stream), 4096)
	for {
		o := &object{}
		err := d.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

// find returns the objects of a kind.
func find(objects []*object, kind string) []*object {
	var out []*object
	for _, o := range objects {
		if o.GetKind() == kind {
			out = append(out, o)
		}
	}
	return out
}

// only returns the one object of a kind, as the type that T is.
func only[T any](t *testing.T, objects []*object, kind string) *T {
	t.Helper()
	found := find(objects, kind)
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s, want one", len(found), kind)
	}
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(found[0].Object, out, true); err != nil {
		t.Fatal(err)
	}
	return out
}
