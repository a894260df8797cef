package sealedsecret_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
	"github.com/gitseal/gitseal/cmd/internal/sealedsecret/sealedsecrettest"
)

// kubeSecret is a Secret as Kubernetes writes it.
type kubeSecret struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	} `json:"metadata"`
	Type      string            `json:"type,omitempty"`
	Immutable *bool             `json:"immutable,omitempty"`
	Data      map[string][]byte `json:"data"`
}

func example() kubeSecret {
	s := kubeSecret{APIVersion: "v1", Kind: "Secret", Type: "kubernetes.io/basic-auth"}
	s.Metadata.Name, s.Metadata.Namespace = "db", "shop"
	s.Metadata.Labels = map[string]string{"app": "db"}
	s.Metadata.Annotations = map[string]string{"note": "kept"}
	yes := true
	s.Immutable = &yes
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	s.Data = map[string][]byte{"username": []byte("admin"), "password": []byte("p\"ä: #\n two\n"), "bytes": all, "empty": {}, "number": []byte("1234")}
	return s
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func decode(t *testing.T, data []byte) kubeSecret {
	t.Helper()
	var s kubeSecret
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// openAll opens every SealedSecret of a file.
func openAll(t *testing.T, src, keys []byte) []*sealedsecret.Secret {
	t.Helper()
	f, err := sealedsecret.Read(src)
	if err != nil {
		t.Fatal(err)
	}
	var out []*sealedsecret.Secret
	for _, m := range f.Manifests {
		s, err := m.Open(t.Context(), keysOf(t, keys), sealedsecret.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// same compares what we opened with what Kubernetes would hold.
func same(t *testing.T, got *sealedsecret.Secret, want kubeSecret) {
	t.Helper()
	text, err := sealedsecret.PlaintextJSON(got)
	if err != nil {
		t.Fatal(err)
	}
	for key := range want.Metadata.Annotations {
		if key != "note" {
			delete(want.Metadata.Annotations, key) // the scope
		}
	}
	if diff := cmp.Diff(want, decode(t, text), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestOpensWhatKubesealSeals(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	bits := 4096 // as the controller makes them
	if testing.Short() {
		bits = 3072
	}
	old, current := sealedsecrettest.NewController(t, 2048), sealedsecrettest.NewController(t, bits)
	backup := sealedsecrettest.Backup(old, current)
	for _, scope := range []string{"strict", "namespace-wide", "cluster-wide"} {
		for _, format := range []string{"json", "yaml"} {
			t.Run(scope+" "+format, func(t *testing.T) {
				sealed := sealedsecrettest.Run(t, encode(t, example()), tools.Kubeseal, "--cert", current.Certificate, "--scope", scope, "-o", format)
				secrets := openAll(t, sealed, backup)
				if len(secrets) != 1 {
					t.Fatalf("got %d Secrets, want 1", len(secrets))
				}
				same(t, secrets[0], example())
				back := sealedsecrettest.Run(t, sealed, tools.Kubeseal, "--recovery-unseal", "--recovery-private-key", current.KeyFile, "-o", "json")
				same(t, secrets[0], decode(t, back))
			})
		}
	}
}

func TestOpensSeveralDocumentsOfKubeseal(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	c := sealedsecrettest.NewController(t, 2048)
	other := example()
	other.Metadata.Name = "cache"
	input := append(append(encode(t, example()), "\n---\n"...), encode(t, other)...)
	secrets := openAll(t, sealedsecrettest.Run(t, input, tools.Kubeseal, "--cert", c.Certificate, "-o", "yaml"), c.PEM)
	if len(secrets) != 2 {
		t.Fatalf("got %d Secrets, want 2", len(secrets))
	}
	same(t, secrets[0], example())
	same(t, secrets[1], other)
}

// TestOpensRawValues: kubeseal --raw seals one value, which people paste.
func TestOpensRawValues(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	c := sealedsecrettest.NewController(t, 2048)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("raw\xff value"), 0o600); err != nil {
		t.Fatal(err)
	}
	for scope, args := range map[string][]string{
		"strict":         {"--namespace", "shop", "--name", "db"},
		"namespace-wide": {"--namespace", "shop"},
		"cluster-wide":   {},
	} {
		t.Run(scope, func(t *testing.T) {
			args = append([]string{"--raw", "--cert", c.Certificate, "--scope", scope, "--from-file", file}, args...)
			raw := sealedsecrettest.Run(t, nil, tools.Kubeseal, args...)
			meta := inShop
			if scope != "strict" {
				meta += wide(scope)
			}
			secrets := openAll(t, []byte(manifest(meta, string(raw), "")), c.PEM)
			if diff := cmp.Diff(map[string][]byte{"password": []byte("raw\xff value")}, secrets[0].Data); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTemplateDataLikeTheController compares plain spec.template.data with what the
// controller's code makes of it.
func TestTemplateDataLikeTheController(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	c := sealedsecrettest.NewController(t, 2048)
	sealed := sealedsecrettest.Run(t, encode(t, example()), tools.Kubeseal, "--cert", c.Certificate, "-o", "json")
	var tree map[string]any
	if err := json.Unmarshal(sealed, &tree); err != nil {
		t.Fatal(err)
	}
	tree["spec"].(map[string]any)["template"].(map[string]any)["data"] = map[string]any{
		"extra": "plain }} text\n", "password": "loses", "number": nil, "absent": nil,
	}
	sealed = encode(t, tree)
	got := openAll(t, sealed, c.PEM)[0]
	for key, value := range got.StringData { // as the API server does
		got.Data[key] = []byte(value)
		delete(got.StringData, key)
	}
	want := decode(t, sealedsecrettest.Run(t, sealed, tools.Kubeseal, "--recovery-unseal", "--recovery-private-key", c.KeyFile, "-o", "json"))
	if _, ok := want.Data["number"]; ok || string(want.Data["extra"]) != "plain }} text\n" {
		t.Fatalf("the controller's code gave other keys than expected: %d", len(want.Data))
	}
	same(t, got, want)
}

// TestWholeSecretsLikeTheController: SealedSecrets of the first generation.
func TestWholeSecretsLikeTheController(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	c := sealedsecrettest.NewController(t, 2048)
	for _, scope := range []string{"", "namespace-wide", "cluster-wide"} {
		t.Run("scope "+scope, func(t *testing.T) {
			in := example()
			if scope != "" {
				in.Metadata.Annotations["sealedsecrets.bitnami.com/"+scope] = "true"
			}
			sealed := sealedsecrettest.Run(t, encode(t, in), tools.SealV1, "seal", c.Certificate)
			got := openAll(t, sealed, c.PEM)[0]
			same(t, got, in)
			same(t, got, decode(t, sealedsecrettest.Run(t, sealed, tools.SealV1, "unseal", c.KeyFile)))
		})
	}
}

// TestKubesealRefusesWhatWeRefuse keeps the two from drifting apart.
func TestKubesealRefusesWhatWeRefuse(t *testing.T) {
	tools := sealedsecrettest.Build(t)
	c := sealedsecrettest.NewController(t, 2048)
	sealed := sealedsecrettest.Run(t, encode(t, example()), tools.Kubeseal, "--cert", c.Certificate, "-o", "json")
	for name, change := range map[string]func(meta, spec map[string]any){
		"name":      func(meta, _ map[string]any) { meta["name"] = "dc" },
		"namespace": func(meta, _ map[string]any) { meta["namespace"] = "prod" },
		"scope": func(meta, _ map[string]any) {
			meta["annotations"] = map[string]string{"sealedsecrets.bitnami.com/cluster-wide": "true"}
		},
		"value": func(_, spec map[string]any) {
			values := spec["encryptedData"].(map[string]any)
			raw, err := base64.StdEncoding.DecodeString(values["password"].(string))
			if err != nil {
				t.Fatal(err)
			}
			values["password"] = base64.StdEncoding.EncodeToString(raw[:len(raw)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			var tree map[string]any
			if err := json.Unmarshal(sealed, &tree); err != nil {
				t.Fatal(err)
			}
			change(tree["metadata"].(map[string]any), tree["spec"].(map[string]any))
			changed := encode(t, tree)
			f, err := sealedsecret.Read(changed)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := f.Manifests[0].Open(t.Context(), keysOf(t, c.PEM), sealedsecret.OpenOptions{}); err == nil {
				t.Errorf("got %v, want an error", s)
			}
			if out, err := sealedsecrettest.Try(t, changed, tools.Kubeseal, "--recovery-unseal", "--recovery-private-key", c.KeyFile); err == nil {
				t.Errorf("kubeseal opened it: %d bytes", len(out))
			}
		})
	}
}
