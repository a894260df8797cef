package deploy_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

const sealed = `apiVersion: gitseal.dev/v1alpha1
kind: SealedManifest
metadata: {name: db, namespace: default}
stringData: {password: "ENC[AES256_GCM,data:AAAA,iv:BBBB,tag:CCCC,type:str]"}
sops: {mac: "ENC[AES256_GCM,data:AAAA,iv:BBBB,tag:CCCC,type:str]", mac_only_encrypted: true}
`

// lax is the CustomResourceDefinition without rules of its own, as somebody might
// have it.
const lax = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sealedmanifests.gitseal.dev}
spec:
  group: gitseal.dev
  names: {kind: SealedManifest, plural: sealedmanifests}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func TestCRDsAreProtected(t *testing.T) {
	c := kubetest.Start(t)
	c.InstallCRDs(t)
	c.Kubectl(t, sealed, "apply", "-f", "-")
	c.Kubectl(t, kustomizeFile(t), "apply", "--server-side", "-f", "-")
	remove := func() error {
		_, err := c.TryKubectl(t, "", "delete", "crd", "sealedmanifests.gitseal.dev", "--dry-run=server")
		return err
	}
	// The API server takes a moment to see a policy.
	eventually(t, "the deletion is refused", func() bool { return remove() != nil })
	if err := remove(); !strings.Contains(err.Error(), "annotate the CustomResourceDefinition with gitseal.dev/allow-delete=true first") {
		t.Errorf("the refusal does not say the way out: %v", err)
	}
	for _, args := range [][]string{
		{"delete", "crd", "--all"},
		{"delete", "crd", "sealedmanifests.gitseal.dev", "--force", "--grace-period=0"},
	} {
		if _, err := c.TryKubectl(t, "", args...); err == nil {
			t.Errorf("kubectl %v was let through", args)
		}
	}
	if got := c.Kubectl(t, "", "get", "sealedmanifests", "-o", "name"); got != "sealedmanifest.gitseal.dev/db\n" {
		t.Errorf("afterwards there are %q", got)
	}
	c.Kubectl(t, strings.ReplaceAll(lax, "gitseal.dev", "example.com"), "create", "-f", "-")
	c.Kubectl(t, "", "delete", "crd", "sealedmanifests.example.com")
	c.Kubectl(t, "", "annotate", "crd", "sealedmanifests.gitseal.dev", "gitseal.dev/allow-delete=true")
	eventually(t, "the deletion is let through", func() bool { return remove() == nil })
}

func TestPolicySaysNoToPlainValues(t *testing.T) {
	c := kubetest.Start(t)
	c.Kubectl(t, lax, "create", "-f", "-")
	c.Kubectl(t, lax, "wait", "--for=condition=Established", "--timeout=1m", "-f", "-")
	plain := strings.Replace(sealed, "ENC[AES256_GCM,", "plain", 1)
	c.Kubectl(t, plain, "create", "--dry-run=server", "-f", "-") // the control
	c.Kubectl(t, kustomizeFile(t), "apply", "--server-side", "-f", "-")
	create := func(text string) error {
		data, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		// As it is: kubectl would mend the annotation.
		_, err = c.TryKubectl(t, string(data), "create", "--raw", "/apis/gitseal.dev/v1alpha1/namespaces/default/sealedmanifests?dryRun=All", "-f", "-")
		return err
	}
	eventually(t, "plain values are refused", func() bool { return create(plain) != nil })
	head, _, _ := strings.Cut(sealed, "stringData")
	_, sops, _ := strings.Cut(sealed, "sops:")
	annotated := strings.Replace(sealed, "namespace: default", `namespace: default, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Secret"}'}`, 1)
	for name, tt := range map[string]struct{ text, message string }{
		"sealed":             {sealed, ""},
		"sealed document":    {head + "spec: {document: 'a: ENC[AES256_GCM,x]'}\n", ""},
		"plain stringData":   {plain, "a plain value stands in data or stringData"},
		"plain data":         {head + "data: {a: cGxhaW4=}\nsops:" + sops, "a plain value stands in data or stringData"},
		"no sops":            {strings.Replace(sealed, "sops:", "other:", 1), "data without a sops block"},
		"plain document":     {head + "spec: {document: 'a: b'}\n", "spec.document holds no sealed value"},
		"plain copy of all":  {annotated, "last-applied-configuration holds a plain Secret"},
		"values of any kind": {head + "data: {a: 5}\nsops:" + sops, "denied"},
	} {
		err := create(tt.text)
		if (err == nil) != (tt.message == "") || err != nil && !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: the answer is %v, want %q", name, err, tt.message)
		}
	}
}

// kustomizeFile is what the component holds.
func kustomizeFile(t *testing.T) string {
	t.Helper()
	return kustomize(t, "components/admission-policies")
}
