package opening_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// target sets spec.target of a manifest.
func target(m *v1alpha1.SealedManifest, t v1alpha1.Target) *v1alpha1.SealedManifest {
	m.Spec.Target = &t
	return m
}

const twoSecrets = `# one
apiVersion: v1
kind: Secret
metadata:
  name: first
  labels: {app: x, gitseal.dev/managed: "true"}
  uid: 1234
type: kubernetes.io/basic-auth
data:
  a: b2xk
stringData:
  a: new canary
---
apiVersion: v1
kind: Secret
metadata: {name: second, namespace: prod, annotations: {note: "1"}}
immutable: true
stringData:
  text: |
    canary
    lines
`

func TestDocumentOfSeveralSecrets(t *testing.T) {
	o := mustOpen(t, document(t, "yaml", twoSecrets, cipher.SealOptions{}))
	yes := true
	first, second := corev1.Secret{}, corev1.Secret{}
	for _, s := range []*corev1.Secret{&first, &second} {
		s.APIVersion, s.Kind, s.Namespace = "v1", "Secret", "prod"
	}
	first.Name, first.Type, first.Labels = "first", corev1.SecretTypeBasicAuth, map[string]string{"app": "x"}
	first.Data = map[string][]byte{"a": []byte("new canary")}
	second.Name, second.Type, second.Annotations = "second", corev1.SecretTypeOpaque, map[string]string{"note": "1"}
	second.Immutable, second.Data = &yes, map[string][]byte{"text": []byte("canary\nlines\n")}
	var got []corev1.Secret
	for _, obj := range o.Objects {
		got = append(got, *obj.Secret)
	}
	if diff := cmp.Diff([]corev1.Secret{first, second}, got); diff != "" {
		t.Error(diff)
	}
	if want := (v1alpha1.Integrity{MAC: opening.MACVerified, Context: opening.ContextStrict}); o.Integrity != want {
		t.Errorf("got %+v", o.Integrity)
	}
}

func TestDocumentFormats(t *testing.T) {
	object := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"j"},"stringData":{"a":"canary"}}`
	for _, c := range []struct {
		name, format, plain string
		target              *v1alpha1.Target
		secret              string
		want                map[string]string
	}{
		{"JSON", "json", object, nil, "j", map[string]string{"a": "canary"}},
		{"the default is YAML", "", "apiVersion: v1\nkind: Secret\nmetadata: {name: y}\nstringData: {a: canary}\n", nil, "y", map[string]string{"a": "canary"}},
		{"dotenv", "dotenv", "# c\nUSER=admin\nPASS=can ary=x\nEMPTY=\n", nil, "db", map[string]string{"USER": "admin", "PASS": "can ary=x", "EMPTY": ""}},
		{"dotenv, literally", "dotenv", "P=C:\\new\\dir\r\nK=\"BEGIN\\nabc\\n\"\nX=x\\\\ny\n", nil, "db", map[string]string{"P": `C:\new\dir`, "K": `"BEGIN\nabc\n"`, "X": `x\\ny`}},
		{"dotenv, named", "dotenv", "USER=admin\n", &v1alpha1.Target{Name: "env"}, "env", map[string]string{"USER": "admin"}},
		{"dotenv, whole", "dotenv", "USER=admin\n# c\n", &v1alpha1.Target{Key: ".env"}, "db", map[string]string{".env": "USER=admin\n# c\n"}},
		{"INI", "ini", "[a]\nb = canary\n", &v1alpha1.Target{Key: "app.ini"}, "db", map[string]string{"app.ini": "[a]\nb = canary\n"}},
		{"binary", "binary", "\x00\xff canary", &v1alpha1.Target{Key: "key.bin", Name: "bin"}, "bin", map[string]string{"key.bin": "\x00\xff canary"}},
		{"YAML as a file", "yaml", "a: 0x1F # c\nb:   [canary]\n", &v1alpha1.Target{Key: "conf.yaml"}, "db", map[string]string{"conf.yaml": "a: 0x1F # c\nb:   [canary]\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			format := c.format
			if format == "" {
				format = "yaml"
			}
			m := document(t, format, c.plain, cipher.SealOptions{})
			m.Spec.Format, m.Spec.Target = c.format, c.target
			m.Labels = map[string]string{"app": "db"}
			o := mustOpen(t, m)
			if diff := cmp.Diff(c.want, content(t, o)); diff != "" {
				t.Error(diff)
			}
			if s := o.Objects[0].Secret; s.Name != c.secret || s.Namespace != "prod" {
				t.Errorf("got %s/%s", s.Namespace, s.Name)
			} else if own := c.format == "json" || c.format == ""; !own && s.Labels["app"] != "db" {
				t.Error("a Secret that is made of a document gets the manifest's labels")
			}
		})
	}
}

// secretWith is a Secret in YAML with more lines.
func secretWith(lines string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n" + lines
}

func TestDocumentsThatHoldNoSecretAsItShouldBe(t *testing.T) {
	const data = "stringData: {a: canary}\n"
	for name, c := range map[string]struct{ plain, reason, says string }{
		"no object":          {"a: canary\n", v1alpha1.ReasonInvalidDocument, "metadata is missing"},
		"no kind":            {"apiVersion: v1\nmetadata: {name: s}\n" + data, v1alpha1.ReasonInvalidDocument, "kind is missing"},
		"no name":            {"apiVersion: v1\nkind: Secret\nmetadata: {labels: {a: b}}\n" + data, v1alpha1.ReasonInvalidDocument, "name is missing"},
		"kind is a list":     {"apiVersion: v1\nkind: [Secret]\nmetadata: {name: s}\n" + data, v1alpha1.ReasonInvalidDocument, "kind is no string"},
		"another kind":       {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {a: canary}\n", v1alpha1.ReasonKindNotAllowed, "allows Secret (v1)"},
		"another version":    {"apiVersion: v2\nkind: Secret\nmetadata: {name: s}\n" + data, v1alpha1.ReasonKindNotAllowed, ""},
		"a List":             {"apiVersion: v1\nkind: List\nmetadata: {name: s}\nitems: [{a: canary}]\n", v1alpha1.ReasonKindNotAllowed, ""},
		"another namespace":  {secretWith("  namespace: test\n" + data), v1alpha1.ReasonInvalidDocument, "metadata.namespace"},
		"generateName":       {secretWith("  generateName: s-\n" + data), v1alpha1.ReasonInvalidDocument, "generateName"},
		"a bad name":         {"apiVersion: v1\nkind: Secret\nmetadata: {name: ../s}\n" + data, v1alpha1.ReasonInvalidDocument, "metadata.name"},
		"a name in capitals": {"apiVersion: v1\nkind: Secret\nmetadata: {name: Canary}\n" + data, v1alpha1.ReasonInvalidDocument, "name of the Secret"},
		"a label is a bool":  {secretWith("  labels: {a: true}\n" + data), v1alpha1.ReasonInvalidDocument, "labels.a"},
		"labels are a list":  {secretWith("  labels: [canary]\n" + data), v1alpha1.ReasonInvalidDocument, "labels is no map"},
		"an unknown field":   {secretWith("spec: {a: canary}\n"), v1alpha1.ReasonInvalidDocument, "spec: Secrets have no such field"},
		"no base64":          {secretWith("data: {a: 'canary!'}\n"), v1alpha1.ReasonInvalidDocument, "data.a: this is not base64"},
		"cut base64":         {secretWith("data: {a: Y2FuYXJ}\n"), v1alpha1.ReasonInvalidDocument, "data.a: this is not base64"},
		"loose base64":       {secretWith("data: {a: YW==}\n"), v1alpha1.ReasonInvalidDocument, "data.a: this is not base64"},
		"a number":           {secretWith("stringData: {a: 5432}\n"), v1alpha1.ReasonInvalidDocument, "stringData.a: this is no string"},
		"a null":             {secretWith("stringData: {a: null, b: canary}\n"), v1alpha1.ReasonInvalidDocument, "stringData.a: this is no string"},
		"a map":              {secretWith("stringData: {a: {b: canary}}\n"), v1alpha1.ReasonInvalidDocument, "stringData.a: this is no string"},
		"data is a text":     {secretWith("data: canary\n"), v1alpha1.ReasonInvalidDocument, "data is no map"},
		"a bad key":          {secretWith("stringData: {a/b: canary}\n"), v1alpha1.ReasonInvalidDocument, "a key of a Secret"},
		"a key of dots":      {secretWith("stringData: {\"..\": canary}\n"), v1alpha1.ReasonInvalidDocument, "a key of a Secret"},
		"immutable: 1":       {secretWith("immutable: 1\n" + data), v1alpha1.ReasonInvalidDocument, "immutable"},
		"a token":            {secretWith("type: kubernetes.io/service-account-token\n" + data), v1alpha1.ReasonKindNotAllowed, "type"},
		"a bootstrap token":  {secretWith("type: bootstrap.kubernetes.io/token\n" + data), v1alpha1.ReasonKindNotAllowed, "type"},
		"two of a name":      {secretWith(data) + "---\n" + secretWith(data), v1alpha1.ReasonInvalidDocument, "document 2: this is the same object as in document 1"},
		"too large":          {secretWith("stringData: {a: " + strings.Repeat("x", 1<<19) + ", b: " + strings.Repeat("y", 1<<19) + "z}\n"), v1alpha1.ReasonInvalidDocument, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, document(t, "yaml", c.plain, cipher.SealOptions{}))
			r := wantRefusal(t, err, c.reason, c.says)
			if r.Transient || strings.Contains(strings.ToLower(r.Message), "canary") {
				t.Errorf("transient %v: %s", r.Transient, r.Message)
			}
		})
	}
}

func TestOwnersAndFinalizersAreNotTakenFromTheFile(t *testing.T) {
	plain := secretWith("  ownerReferences: [{apiVersion: v1, kind: Node, name: n, uid: u}]\n  finalizers: [a/b]\n  managedFields: [{manager: m}]\nstringData: {a: canary}\n")
	o := mustOpen(t, document(t, "yaml", plain, cipher.SealOptions{}))
	s := o.Objects[0].Secret
	if len(s.OwnerReferences)+len(s.Finalizers)+len(s.ManagedFields) > 0 || len(o.Warnings) != 1 {
		t.Errorf("got %+v, warnings %q", s.ObjectMeta, o.Warnings)
	}
}

func TestFormsAreNotMixed(t *testing.T) {
	dotenv := func() *v1alpha1.SealedManifest { return document(t, "dotenv", "A=canary\n", cipher.SealOptions{}) }
	secret := func() *v1alpha1.SealedManifest { return inline(t, "stringData: {a: canary}\n") }
	yes := true
	for name, m := range map[string]*v1alpha1.SealedManifest{
		"both":               func() *v1alpha1.SealedManifest { m := secret(); m.Spec.Document = dotenv().Spec.Document; return m }(),
		"neither":            {ObjectMeta: secret().ObjectMeta},
		"type":               func() *v1alpha1.SealedManifest { m := dotenv(); m.Type = "x"; return m }(),
		"immutable":          func() *v1alpha1.SealedManifest { m := dotenv(); m.Immutable = &yes; return m }(),
		"target":             target(secret(), v1alpha1.Target{Key: "a"}),
		"format":             func() *v1alpha1.SealedManifest { m := secret(); m.Spec.Format = "json"; return m }(),
		"an unknown format":  func() *v1alpha1.SealedManifest { m := dotenv(); m.Spec.Format = "toml"; return m }(),
		"INI without a key":  document(t, "ini", "a = canary\n", cipher.SealOptions{}),
		"YAML without a key": target(document(t, "yaml", secretWith("stringData: {a: canary}\n"), cipher.SealOptions{}), v1alpha1.Target{Name: "x"}),
		"a bad target key":   target(dotenv(), v1alpha1.Target{Key: "a/b"}),
		"a bad target name":  target(dotenv(), v1alpha1.Target{Name: "A b"}),
		"another format":     func() *v1alpha1.SealedManifest { m := dotenv(); m.Spec.Format = "yaml"; return m }(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, m)
			wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "")
		})
	}
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {app: x}, ownerReferences: [{}]}\ndata: {a: canary}\nstatus: {x: y}\n"

func TestOtherKindsNeedThePolicyAndAServiceAccount(t *testing.T) {
	allowed := v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{{APIVersion: "v1", Kind: "ConfigMap"}, {APIVersion: "apps/v1", Kind: "Deployment"}}}
	m := document(t, "yaml", configMap, cipher.SealOptions{})
	_, err := openWith(m, set(t, allowed, clusterKey))
	wantRefusal(t, err, v1alpha1.ReasonKindNotAllowed, "spec.serviceAccountName")
	m.Spec.ServiceAccountName = "deployer"
	_, err = openWith(m, set(t, v1alpha1.Policy{}, clusterKey))
	wantRefusal(t, err, v1alpha1.ReasonKindNotAllowed, "")
	o, err := openWith(m, set(t, allowed, clusterKey))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "canary"},
		"metadata": map[string]any{"name": "c", "namespace": "prod", "labels": map[string]any{"app": "x"}},
	}
	if diff := cmp.Diff(want, o.Objects[0].Other.Object); diff != "" {
		t.Error(diff)
	}
}

func TestOtherKindsKeepTheirTypes(t *testing.T) {
	policy := v1alpha1.Policy{AllowedKinds: []v1alpha1.AllowedKind{{APIVersion: "apps/v1", Kind: "Deployment"}}}
	plain := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: 3\n  weight: 1.5\n  paused: false\n  none: null\n  list: [a, 0x10, {}]\n  text: \"5\"\n"
	m := document(t, "yaml", plain, cipher.SealOptions{})
	m.Spec.ServiceAccountName = "deployer"
	o, err := openWith(m, set(t, policy, clusterKey))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"replicas": int64(3), "weight": 1.5, "paused": false, "none": nil, "text": "5",
		"list": []any{"a", int64(16), map[string]any{}},
	}
	if diff := cmp.Diff(want, o.Objects[0].Other.Object["spec"]); diff != "" {
		t.Error(diff)
	}
	for name, spec := range map[string]string{"a date": "a: 2026-01-02", "infinity": "a: [.inf]", "a large number": "a: 123456789012345678901234567890"} {
		m := document(t, "yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {"+spec+", b: canary}\n", cipher.SealOptions{})
		m.Spec.ServiceAccountName = "deployer"
		_, err := openWith(m, set(t, policy, clusterKey))
		if name == "a large number" && err == nil {
			continue // a float, as everywhere in Kubernetes
		}
		wantRefusal(t, err, v1alpha1.ReasonInvalidDocument, "put quotes around it")
	}
}
