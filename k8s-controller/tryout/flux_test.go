package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
	main "github.com/gitseal/gitseal/k8s-controller/tryout"
	"github.com/gitseal/gitseal/keysources/age"
)

// sourceKinds are what Flux's kustomize-controller watches beside its own kind. Of
// them only the status matters here, so that definitions without fields do.
func sourceKinds() map[string]string {
	return map[string]string{"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets", "ExternalArtifact": "externalartifacts"}
}

const sourceCRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[2]s.source.toolkit.fluxcd.io}
spec:
  group: source.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: %[1]s, plural: %[2]s, listKind: %[1]sList, singular: %[3]s}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// flux is a cluster with Flux's real kustomize-controller, and something that serves
// what is in a repository, in place of its source-controller.
type flux struct {
	desk
	url string
	// reader is the public key of the identity that Flux has, in Secret sops-age.
	reader string

	mu       sync.Mutex // guards archives
	archives map[string][]byte
}

func newFlux(t *testing.T) *flux {
	t.Helper()
	f := &flux{desk: newDesk(t, nil), archives: map[string][]byte{}}
	program := toolcache.Program(toolcache.Flux().Need(t), "kustomize-controller")
	server := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(server.Close)
	f.url = server.URL
	for kind, plural := range sourceKinds() {
		f.apply(fmt.Sprintf(sourceCRD, kind, plural, strings.ToLower(kind)))
	}
	f.apply(fluxCRD(t))
	f.must("kubectl", "wait", "--for=condition=Established", "--timeout=2m", "crd", "--all")
	f.must("kubectl", "create", "namespace", "flux-system")
	f.must("kubectl", "create", "namespace", "shop")
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	f.reader = id.Recipient().String()
	key, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]string{"name": "sops-age", "namespace": "flux-system"},
		"stringData": map[string]string{"flux.agekey": id.SecretText()}})
	if err != nil {
		t.Fatal(err)
	}
	f.apply(string(key))
	f.start(program)
	return f
}

// fluxCRD returns the definition of Kustomizations, which is in the program's source.
func fluxCRD(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/fluxcd/kustomize-controller")
	cmd.Dir = "../../testdata/tools/flux"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		toolcache.Unavailable(t, fmt.Errorf("the source of Flux's kustomize-controller: %w", err))
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start runs Flux until the test ends.
func (f *flux) start(program string) {
	f.Helper()
	log, err := os.Create(filepath.Join(f.TempDir(), "flux.log"))
	if err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command(program, "--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", "--requeue-dependency=1s", "--http-retry=1", "--log-level=info")
	cmd.Env = append(f.Env(), "RUNTIME_NAMESPACE=flux-system")
	cmd.Stdout, cmd.Stderr = log, log
	running, err := main.StartProgram(cmd)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		running.Stop()
		if text, err := os.ReadFile(log.Name()); err == nil && f.Failed() {
			f.Logf("Flux's log:\n%s", text)
		}
	})
}

func (f *flux) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.archives[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data) // Flux checks the digest
}

// push makes what is below folders of the work folder the state of the repository, as
// if source-controller had fetched it.
func (f *flux) push(revision string, folders ...string) {
	f.Helper()
	data := f.archive(folders)
	path := "/" + revision + ".tgz"
	f.mu.Lock()
	f.archives[path] = data
	f.mu.Unlock()
	f.apply("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: shop, namespace: flux-system}\nspec: {interval: 1h, url: https://example.com/shop}\n")
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"observedGeneration": 1,
		"artifact": map[string]any{"url": f.url + path, "path": revision, "revision": "main@sha1:" + revision, "size": len(data),
			"digest": fmt.Sprintf("sha256:%x", sha256.Sum256(data)), "lastUpdateTime": time.Now().UTC().Format(time.RFC3339)},
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "observedGeneration": 1,
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.must("kubectl", "-n", "flux-system", "patch", "gitrepository", "shop", "--subresource=status", "--type=merge", "-p", string(status))
}

func (f *flux) archive(folders []string) []byte {
	f.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	tape := tar.NewWriter(zipped)
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(f.Work, folder), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(f.Work, path)
			if err != nil {
				return err
			}
			if err := tape.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
				return err
			}
			_, err = tape.Write(text)
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := tape.Close(); err != nil {
		f.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		f.Fatal(err)
	}
	return buf.Bytes()
}

// ready returns the condition Ready of the Kustomization for a revision; "" if there is
// none yet.
func (f *flux) ready(revision string) (status, message string) {
	f.Helper()
	var k struct {
		Status struct {
			LastAttemptedRevision string
			Conditions            []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal([]byte(f.must("kubectl", "-n", "flux-system", "get", "kustomization.kustomize.toolkit.fluxcd.io", "shop", "-o", "json")), &k); err != nil {
		f.Fatal(err)
	}
	if !strings.HasSuffix(k.Status.LastAttemptedRevision, revision) {
		return "", ""
	}
	for _, c := range k.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status, c.Message
		}
	}
	return "", ""
}

// waitReady waits until the Kustomization has a status for a revision, and returns the
// message.
func (f *flux) waitReady(revision, status string) string {
	f.Helper()
	var message string
	f.eventually(revision+" is ready: "+status, func() bool {
		var got string
		got, message = f.ready(revision)
		return got == status
	})
	return message
}

// kustomization returns the one that the documentation shows, with less patience.
func (f *flux) kustomization() string {
	f.Helper()
	for _, b := range f.readPage("kubernetes.md").blocks {
		if text, ok := strings.CutPrefix(b.text, "# file: flux/kustomization.yaml\n"); ok {
			return text + "  timeout: 30s\n  retryInterval: 2s\n"
		}
	}
	f.Fatal("docs/kubernetes.md shows no Kustomization of Flux")
	return ""
}

// without removes a field of spec, with all that is below it, from a Kustomization.
func without(text, field string) string {
	var out strings.Builder
	below := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && !strings.HasPrefix(line, "  -") {
			below = strings.HasPrefix(line, "  "+field+":")
		}
		if !below {
			out.WriteString(line)
		}
	}
	return out.String()
}

const fluxPlain = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: shop\nstringData:\n  password: %s\n"
