package v1alpha1_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	formatsyaml "github.com/gitseal/gitseal/formats/yaml"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// plainManifest is a Secret with two lines changed.
const plainManifest = `apiVersion: gitseal.dev/v1alpha1
kind: SealedManifest
metadata:
  name: db
type: Opaque
data:
  blob: aHVudGVyMg==
stringData:
  password: canary-hunter2
  empty: ""
`

// sealedManifest returns it as gitseal seals it.
func sealedManifest(t *testing.T) map[string]any {
	t.Helper()
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := age.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cipher.Seal(t.Context(), formatsyaml.Format{}, []byte(plainManifest), cipher.SealOptions{
		Recipients: []keysources.Recipient{recipient}, Selector: cipher.KubernetesSelector(),
		MACOnlyEncrypted: true, Context: "k8s:*/*",
	})
	if err != nil {
		t.Fatal(err)
	}
	return fromYAML(t, string(sealed.Bytes))
}

func fromYAML(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	// This one reads whole numbers as int64, as the client does.
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u.Object
}

func manifests() schema.GroupVersionResource {
	return v1alpha1.GroupVersion().WithResource("sealedmanifests")
}

func keyrings() schema.GroupVersionResource {
	return v1alpha1.GroupVersion().WithResource("sealkeyrings")
}

// server is a namespace of the real API server.
type server struct {
	client dynamic.Interface
	ns     string
}

func newServer(t *testing.T) server {
	t.Helper()
	c := kubetest.Shared(t)
	client, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return server{client: client, ns: c.Namespace(t)}
}

// try returns the API server's answer to the creation of an object, which it does
// not keep.
func (s server) try(t *testing.T, object map[string]any) error {
	t.Helper()
	u := &unstructured.Unstructured{Object: object}
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	var err error
	if u.GetKind() == "SealKeyring" {
		_, err = s.client.Resource(keyrings()).Create(t.Context(), u, options)
	} else {
		_, err = s.client.Resource(manifests()).Namespace(s.ns).Create(t.Context(), u, options)
	}
	return err
}

// set puts a value at a path such as "spec.target.key", or removes what is there if
// the value is nil.
func set(t *testing.T, object map[string]any, path string, value any) {
	t.Helper()
	keys := strings.Split(path, ".")
	if value == nil {
		unstructured.RemoveNestedField(object, keys...)
		return
	}
	if err := unstructured.SetNestedField(object, value, keys...); err != nil {
		t.Fatal(err)
	}
}

// verdict checks that the server refused an object with a message, or took it if the
// message is "". The answer may hold nothing of what was to be sealed.
func verdict(t *testing.T, err error, message string) {
	t.Helper()
	switch {
	case message == "" && err != nil:
		t.Errorf("refused: %v", err)
	case message != "" && err == nil:
		t.Errorf("taken; it has to be refused: %s", message)
	case message != "" && !strings.Contains(err.Error(), message):
		t.Errorf("refused with %q, want %q in it", err, message)
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("the refusal repeats a value: %v", err)
	}
}
