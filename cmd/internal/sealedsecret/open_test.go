package sealedsecret_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/sealedsecret"
)

// manifest is a SealedSecret shop/db with a value password and more lines.
func manifest(meta, value, more string) string {
	return "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: db\n" + meta +
		"spec:\n  encryptedData:\n    password: " + value + "\n" + more
}

const inShop = "  namespace: shop\n"

func wide(scope string) string {
	return "  annotations: {sealedsecrets.bitnami.com/" + scope + ": \"true\"}\n"
}

func open(t testing.TB, text string, opts sealedsecret.OpenOptions) (*sealedsecret.Secret, error) {
	t.Helper()
	f, err := sealedsecret.Read([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(f.Manifests) != 1 {
		t.Fatalf("got %d manifests, want 1", len(f.Manifests))
	}
	return f.Manifests[0].Open(t.Context(), keysOf(t, pkcs1(testKey())), opts)
}

func TestOpensEachScope(t *testing.T) {
	for _, tt := range []struct {
		name, meta, label string
		namespace         string
		want              sealedsecret.Scope
	}{
		{"strict", inShop, "shop/db", "", sealedsecret.Strict},
		{"namespace-wide", inShop + wide("namespace-wide"), "shop", "", sealedsecret.NamespaceWide},
		{"cluster-wide", inShop + wide("cluster-wide"), "", "", sealedsecret.ClusterWide},
		{"cluster-wide without a namespace", wide("cluster-wide"), "", "", sealedsecret.ClusterWide},
		{"the wider scope wins", inShop + strings.TrimSuffix(wide("cluster-wide"), "}\n") + ", sealedsecrets.bitnami.com/namespace-wide: \"true\"}\n", "", "", sealedsecret.ClusterWide},
		{"only \"true\" is true", inShop + "  annotations: {sealedsecrets.bitnami.com/cluster-wide: \"yes\"}\n", "shop/db", "", sealedsecret.Strict},
		{"namespace from outside", "", "shop/db", "shop", sealedsecret.Strict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := manifest(tt.meta, seal(t, tt.label, "pässword\x00"), "")
			f, err := sealedsecret.Read([]byte(text))
			if err != nil || f.Manifests[0].Scope != tt.want {
				t.Fatalf("got %v, error %v", f, err)
			}
			s, err := open(t, text, sealedsecret.OpenOptions{Namespace: tt.namespace})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string][]byte{"password": []byte("pässword\x00")}, s.Data); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusesWithTheReason(t *testing.T) {
	good := sealRaw(t, "shop/db", "secret-value")
	b64 := base64.StdEncoding.EncodeToString
	flipped := func(at int) string {
		out := append([]byte{}, good...)
		if at < 0 {
			at += len(out)
		}
		out[at] ^= 1
		return b64(out)
	}
	ok := seal(t, "shop/db", "x")
	for _, tt := range []struct {
		name, text string
		namespace  string
		cause      error
		msg        string
	}{
		{"nothing", manifest(inShop, `""`, ""), "", sealedsecret.ErrDamaged, "shorter than any"},
		{"two bytes", manifest(inShop, "AAA=", ""), "", sealedsecret.ErrDamaged, "shorter than it says"},
		{"not base64", manifest(inShop, "'*'", ""), "", sealedsecret.ErrDamaged, "not base64"},
		{"cut within the RSA part", manifest(inShop, b64(good[:100]), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"cut before the tag", manifest(inShop, b64(good[:2+256+15]), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"cut at the end", manifest(inShop, b64(good[:len(good)-1]), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"bit of the value", manifest(inShop, flipped(2+256), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"bit of the tag", manifest(inShop, flipped(-1), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"bit of the RSA part", manifest(inShop, flipped(50), ""), "", sealedsecret.ErrNoKey, "none of the 1 sealing keys opens it"},
		{"length of zero", manifest(inShop, flipped(0), ""), "", sealedsecret.ErrDamaged, "cut or changed"},
		{"length of another key", manifest(inShop, flipped(1), ""), "", sealedsecret.ErrNoKey, "a key of 2056 bits"},
		{"other name", strings.Replace(manifest(inShop, ok, ""), "name: db", "name: dc", 1), "", sealedsecret.ErrNoKey, "shop/dc"},
		{"other namespace", manifest("  namespace: prod\n", ok, ""), "", sealedsecret.ErrNoKey, "than prod/db"},
		{"scope widened by hand", manifest(inShop+wide("cluster-wide"), ok, ""), "", sealedsecret.ErrScope, "sealed with the scope strict, and the manifest says cluster-wide"},
		{"annotation lost", manifest(inShop, seal(t, "", "x"), ""), "", sealedsecret.ErrScope, "sealed with the scope cluster-wide, and the manifest says strict"},
		{"one value of elsewhere", manifest(inShop, ok, "    zz: "+seal(t, "prod/db", "x")+"\n"), "", sealedsecret.ErrScope, "though they open others"},
		{"no namespace", manifest("", ok, ""), "", sealedsecret.ErrNamespace, "missing"},
		{"another namespace asked for", manifest(inShop, ok, ""), "prod", sealedsecret.ErrNamespace, "shop, not prod"},
		{"template", manifest(inShop, ok, "  template: {data: {cfg: 'p={{ .password }}'}}\n"), "", sealedsecret.ErrTemplate, "spec.template.data.cfg"},
		{"both generations", manifest(inShop, ok, "  data: AAAA\n"), "", sealedsecret.ErrManifest, "both"},
		{"value that is a number", manifest(inShop, "12", ""), "", sealedsecret.ErrManifest, "not a map of strings"},
		{"values that are a list", strings.Replace(manifest(inShop, ok, ""), "password:", "- a #", 1), "", sealedsecret.ErrManifest, "not a map"},
		{"sealed by sops as well", manifest(inShop, ok, "sops: {mac: x}\n"), "", sealedsecret.ErrManifest, "sealed by sops"},
		{"name that is a path", strings.Replace(manifest(inShop, ok, ""), "name: db", "name: ../../db", 1), "", sealedsecret.ErrManifest, "no name"},
		{"namespace that is a path", manifest("  namespace: ../x\n", ok, ""), "", sealedsecret.ErrManifest, "metadata.namespace"},
		{"key that is a path", manifest(inShop, ok, "    ../x: "+ok+"\n"), "", sealedsecret.ErrManifest, "a key is not"},
		{"key twice", manifest(inShop, ok, "    password: "+ok+"\n"), "", sealedsecret.ErrManifest, "twice"},
		{"other version", strings.Replace(manifest(inShop, ok, ""), "v1alpha1", "v2", 1), "", sealedsecret.ErrManifest, "bitnami.com/v2"},
		{"not YAML", "a: [", "", sealedsecret.ErrManifest, "not valid YAML"},
		{"Helm template", "{{- if .x }}\n" + manifest(inShop, ok, ""), "", sealedsecret.ErrManifest, "not valid YAML"},
		{"whole that is no Secret", whole(seal(t, "shop/db", `{"kind":"Pod"}`)), "", sealedsecret.ErrManifest, "not a Secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := open(t, tt.text, sealedsecret.OpenOptions{Namespace: tt.namespace})
			if s != nil || !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), tt.msg) {
				t.Errorf("got %v, error %v, want %v with %q", s, err, tt.cause, tt.msg)
			}
			if err != nil && strings.Contains(err.Error(), "secret-value") {
				t.Error("the error holds a value")
			}
		})
	}
}

// whole is a SealedSecret of the first generation.
func whole(blob string) string {
	return "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db, namespace: shop}\nspec: {data: " + blob + "}\n"
}

func TestWholeSecrets(t *testing.T) {
	s, err := open(t, whole(seal(t, "shop/db", `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"other","namespace":"other","labels":{"a":"b"},"creationTimestamp":null},
		"data":{"p":"cHc=","q":"eA==","nothing":null},"stringData":{"q":"y"},"type":"Opaque"}`)), sealedsecret.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := &sealedsecret.Secret{
		Name: "db", Namespace: "shop", Type: "Opaque", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{},
		Data: map[string][]byte{"p": []byte("pw"), "nothing": {}}, StringData: map[string]string{"q": "y"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestTemplate(t *testing.T) {
	more := "    gone: " + seal(t, "shop/db", "gone") + `
  template:
    metadata:
      name: ignored
      creationTimestamp: null
      labels: {app: db}
      annotations: {note: kept, sealedsecrets.bitnami.com/managed: "true", sealedsecrets.bitnami.com/cluster-wide: "true",
        kubectl.kubernetes.io/last-applied-configuration: "{}"}
      finalizers: [a/b]
      odd: x
    type: kubernetes.io/basic-auth
    immutable: true
    data: {username: admin, password: loses, gone: null, cfg: "{{ .password }}"}
`
	text := manifest(inShop, seal(t, "shop/db", "wins"), more)
	s, err := open(t, text, sealedsecret.OpenOptions{DropTemplates: true})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := &sealedsecret.Secret{
		Name: "db", Namespace: "shop", Type: "kubernetes.io/basic-auth", Immutable: &yes, Finalizers: []string{"a/b"},
		Labels: map[string]string{"app": "db"}, Annotations: map[string]string{"note": "kept"},
		Data: map[string][]byte{"password": []byte("wins")}, StringData: map[string]string{"username": "admin"},
		Warnings: []string{
			"spec.template.data.cfg: a template, left out",
			"spec.template.metadata.odd: not known here, and left out",
			"metadata.annotations: kubectl.kubernetes.io/last-applied-configuration: left out, since it repeats the object",
			"metadata.annotations: sealedsecrets.bitnami.com/managed: left out, since it is for the controller of SealedSecrets",
		},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestListsDocumentsAndOthers(t *testing.T) {
	item := `{"apiVersion":"bitnami.com/v1alpha1","kind":"SealedSecret","metadata":{"name":"%s"},"spec":{"encryptedData":{}}}`
	pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}`
	list := fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[`+item+`,`+item+`,`+pod+`]}`, "a", "b")
	for _, tt := range []struct {
		name, text     string
		manifests, pod int
	}{
		{"list", list, 2, 1},
		{"typed list", strings.Replace(strings.Replace(list, "v1", "bitnami.com/v1alpha1", 1), "List", "SealedSecretList", 1), 2, 1},
		{"documents", "# c\n---\n" + fmt.Sprintf(item, "a") + "\n---\n\n---\n" + pod + "\n---\n# nothing\n", 1, 1},
		{"JSON stream", fmt.Sprintf(item+"\n"+item, "a", "b"), 2, 0},
		{"byte order mark", "\xef\xbb\xbf" + fmt.Sprintf(item, "a"), 1, 0},
		{"alias", "apiVersion: v1\nkind: List\nitems:\n- &a " + fmt.Sprintf(item, "a") + "\n- *a\n", 2, 0},
		{"nothing", "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := sealedsecret.Read([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Manifests) != tt.manifests || len(f.Others) != tt.pod {
				t.Errorf("got %d manifests and %q", len(f.Manifests), f.Others)
			}
		})
	}
}

func TestOpenEndsWithTheContext(t *testing.T) {
	f, err := sealedsecret.Read([]byte(manifest(inShop, seal(t, "shop/db", "x"), "")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Manifests[0].Open(ctx, keysOf(t, pkcs1(testKey())), sealedsecret.OpenOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

func TestPrintsRedacted(t *testing.T) {
	s := sealedsecret.Secret{Name: "db", StringData: map[string]string{"a": "secret-value"}, Data: map[string][]byte{"b": []byte("secret-value")}}
	k := keysOf(t, pkcs1(testKey()))
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %v", s, s, &s), fmt.Sprintf("%v %+v %#v", k, k, k)} {
		if strings.Contains(text, "secret-value") || len(text) > 100 {
			t.Errorf("got %s", text)
		}
	}
}
