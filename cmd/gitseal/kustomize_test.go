package main_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

const (
	unsealHead = "apiVersion: gitseal.dev/v1alpha1\nkind: Unseal\nmetadata:\n  name: unseal\n"
	asExec     = "  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: gitseal, args: [kustomize]}\n"
	secretDB   = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\nstringData:\n  password: correct-horse\ndata:\n  token: dG9wLXNlY3JldA==\n"
	webApp     = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      imagePullSecrets: [{name: db}]
      serviceAccountName: web
      containers:
      - name: web
        image: x
        envFrom: [{secretRef: {name: db}}]
        env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]
      volumes:
      - {name: a, secret: {secretName: db}}
      - {name: b, projected: {sources: [{secret: {name: db}}]}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
imagePullSecrets: [{name: db}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  tls: [{secretName: db}]
`
)

func newKustomizeDesk(t *testing.T) *deployDesk {
	t.Helper()
	return newDeployDesk(t, map[string]toolcache.Tool{"kustomize": toolcache.Kustomize()})
}

// build runs kustomize build on a folder.
func (d *deployDesk) build(dir string, env ...string) said {
	d.t.Helper()
	return d.run(env, "kustomize", "build", "--enable-alpha-plugins", "--enable-exec", dir)
}

// mustBuild returns the objects by kind and name.
func (d *deployDesk) mustBuild(dir string, env ...string) map[string]map[string]any {
	d.t.Helper()
	s := d.build(dir, env...)
	if s.code != 0 {
		d.t.Fatalf("kustomize build %s: exit code %d: %s", dir, s.code, s.err)
	}
	return objectsOf(d.t, s.out)
}

func objectsOf(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for dec := yaml.NewDecoder(strings.NewReader(text)); ; {
		var n map[string]any
		if err := dec.Decode(&n); err != nil {
			return out
		}
		meta, _ := n["metadata"].(map[string]any)
		kind, _ := n["kind"].(string)
		name, _ := meta["name"].(string)
		out[kind+" "+name] = n
	}
}

// sealedFor seals an object as a SealedManifest is, for a place.
func (d *deployDesk) sealedFor(text, context string) string {
	d.t.Helper()
	return d.seal("yaml", text, cipher.SealOptions{Selector: cipher.KubernetesSelector(), MACOnlyEncrypted: true, Context: context})
}

func (d *deployDesk) seal(format, text string, o cipher.SealOptions) string {
	d.t.Helper()
	keys, err := os.ReadFile(filepath.Join(d.home, ".config", "sops", "age", "keys.txt"))
	if err != nil {
		d.t.Fatal(err)
	}
	ids, err := age.ParseIdentities(strings.NewReader(string(keys)))
	if err != nil || len(ids) != 1 {
		d.t.Fatal(len(ids), err)
	}
	o.Recipients = []keysources.Recipient{ids[0].Recipient()}
	f, _ := all.ByName(format)
	sealed, err := cipher.Seal(d.t.Context(), f, []byte(text), o)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(sealed.Bytes)
}

func asManifest(text string) string {
	return strings.Replace(strings.Replace(text, "apiVersion: v1", "apiVersion: gitseal.dev/v1alpha1", 1), "kind: Secret", "kind: SealedManifest", 1)
}

// references returns the names of Secrets that the objects of webApp refer to.
func references(t *testing.T, objects map[string]map[string]any, prefix string) []string {
	t.Helper()
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, item := range v {
				m, isMap := item.(map[string]any)
				name, _ := m["name"].(string)
				text, _ := item.(string)
				switch {
				case isMap && (key == "secretRef" || key == "secretKeyRef") || isMap && key == "secret" && name != "":
					out = append(out, name)
				case key == "secretName":
					out = append(out, text)
				case key == "imagePullSecrets":
					for _, ref := range item.([]any) {
						out = append(out, ref.(map[string]any)["name"].(string))
					}
				}
				walk(item)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	for _, name := range []string{"Deployment ", "ServiceAccount ", "Ingress "} {
		walk(objects[name+prefix+"web"])
	}
	return out
}

// checkReferences fails if not all references are to a name.
func checkReferences(t *testing.T, objects map[string]map[string]any, prefix, want string) {
	t.Helper()
	refs := references(t, objects, prefix)
	const all = 7
	if len(refs) != all {
		t.Errorf("%d references were found, want %d: %q", len(refs), all, refs)
	}
	for _, ref := range refs {
		if ref != want {
			t.Errorf("a reference to %q, want %q", ref, want)
		}
	}
}

// TestKustomizeGeneratorMergesAndHashes: a generated Secret takes the place that behavior
// gives it, and what a file says of itself counts.
func TestKustomizeGeneratorMergesAndHashes(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("base/kustomization.yaml", "secretGenerator: [{name: db, namespace: shop, literals: [token=old, host=h]}]\nresources: [web.yaml]\n")
	d.write("base/web.yaml", webApp)
	d.write("kustomization.yaml", "resources: [base]\nnamePrefix: pre-\ngenerators: [gen.yaml]\n")
	d.write("gen.yaml", unsealHead+asExec+"files: [db.yaml]\noptions: {needsHash: true, behavior: merge, labels: {l: x}, annotations: {a: 'y'}}\n")
	d.write("db.yaml", secretDB)
	d.must("gitseal", "seal", "db.yaml")
	objects := d.mustBuild(".")
	var name string
	for key := range objects {
		if n, ok := strings.CutPrefix(key, "Secret "); ok {
			name = n
		}
	}
	if !strings.HasPrefix(name, "pre-db-") {
		t.Fatalf("the Secret is called %q", name)
	}
	data, _ := objects["Secret "+name]["data"].(map[string]any)
	if data["token"] != "dG9wLXNlY3JldA==" || data["host"] != "aA==" {
		t.Errorf("not merged: keys %d", len(data))
	}
	checkReferences(t, objects, "pre-", name)
	meta := objects["Secret "+name]["metadata"].(map[string]any)
	if labels, _ := meta["labels"].(map[string]any); labels["l"] != "x" {
		t.Error("the label is missing")
	}

	d.write("own.yaml", strings.Replace(secretDB, "  name: db\n", "  name: own\n  annotations: {kustomize.config.k8s.io/needs-hash: 'true'}\n", 1))
	d.must("gitseal", "seal", "own.yaml")
	d.write("hash/kustomization.yaml", "generators: [gen.yaml]\n")
	d.write("hash/gen.yaml", unsealHead+asExec+"files: [own.yaml]\n")
	d.must("cp", "own.yaml", "hash/own.yaml")
	for key := range d.mustBuild("hash") {
		if !strings.HasPrefix(key, "Secret own-") {
			t.Errorf("%s has no hash", key)
		}
	}
}

// TestKustomizeTransformerOpensOnly: sealed items are opened, references follow, and
// kustomize gets every other item as it gave it.
func TestKustomizeTransformerOpensOnly(t *testing.T) {
	d := newKustomizeDesk(t)
	env := d.seal("dotenv", "A=one\nB=two\n", cipher.SealOptions{Context: "k8s:shop/app"})
	d.write("db.yaml", d.sealedFor(asManifest(secretDB), "k8s:shop/db"))
	d.write("app.yaml", "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata: {name: app, namespace: shop}\nspec:\n  format: dotenv\n  document: |\n    "+
		strings.ReplaceAll(strings.TrimSpace(env), "\n", "\n    ")+"\n")
	d.write("web.yaml", webApp)
	d.write("unseal.yaml", unsealHead+asExec)
	common := "namePrefix: pre-\nlabels: [{pairs: {team: x}}]\nresources: [web.yaml, db.yaml, app.yaml]\n"
	d.write("kustomization.yaml", common+"transformers: [unseal.yaml]\n")
	objects := d.mustBuild(".")
	checkReferences(t, objects, "pre-", "pre-db")
	data, _ := objects["Secret pre-app"]["data"].(map[string]any)
	if one, err := base64.StdEncoding.DecodeString(data["A"].(string)); err != nil || string(one) != "one" {
		t.Error("the dotenv document is not opened")
	}
	if text, _ := objects["Secret pre-db"]["stringData"].(map[string]any); text["password"] != "correct-horse" {
		t.Error("the inline form is not opened")
	}
	// Left to the cluster, references follow by configuration.
	d.must("cp", filepath.Join(repoRoot(t), "k8s-controller/deploy/kustomize-config/namereference.yaml"), ".")
	d.write("kustomization.yaml", common+"configurations: [namereference.yaml]\n")
	objects = d.mustBuild(".")
	checkReferences(t, objects, "pre-", "pre-db")
	if objects["SealedManifest pre-db"] == nil {
		t.Error("the SealedManifest is gone")
	}
	// Without it they do not: the control.
	d.write("kustomization.yaml", common)
	checkReferences(t, d.mustBuild("."), "pre-", "db")
}

func repoRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestKustomizeComponentForSops: the component makes SealedManifests into Secrets that
// sops itself opens, and references follow.
func TestKustomizeComponentForSops(t *testing.T) {
	d := newKustomizeDesk(t)
	d.write("web.yaml", webApp)
	d.write("db.yaml", d.sealedFor(asManifest(secretDB), "k8s:shop/db"))
	if err := os.CopyFS(d.dir, os.DirFS(filepath.Join(repoRoot(t), "k8s-controller", "deploy", "kustomize-config"))); err != nil {
		t.Fatal(err)
	}
	d.write("kustomization.yaml", "namePrefix: pre-\nresources: [web.yaml, db.yaml]\ncomponents: [sops-secrets]\n")
	objects := d.mustBuild(".")
	checkReferences(t, objects, "pre-", "pre-db")
	text, err := yaml.Marshal(objects["Secret pre-db"])
	if err != nil {
		t.Fatal(err)
	}
	d.write("flux.yaml", string(text))
	bin, err := sopsBinary("")
	if err != nil {
		toolcache.Unavailable(t, err)
	}
	// Flux does not check sops's MAC, since kustomize sorts keys, which that one notices.
	out := d.must(bin, "decrypt", "--ignore-mac", "flux.yaml")
	if !strings.Contains(out, "password: correct-horse") || !strings.Contains(out, "kind: Secret") {
		t.Error("sops does not open it")
	}
}
