package applying_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

// other returns an object that is no Secret.
func other(apiVersion, kind, name string, fields map[string]any) opening.Object {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	for key, value := range fields {
		u.Object[key] = value
	}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetName(name)
	return opening.Object{Other: u}
}

func configMap(name string, data map[string]any) opening.Object {
	return other("v1", "ConfigMap", name, map[string]any{"data": data})
}

// impersonating gives the applier clients that act as service accounts.
func (b *bed) impersonating(o *applying.Options) {
	o.Impersonate = func(user string) (client.Client, error) {
		config := b.cluster.Config()
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return b.calls.wrap(next) })
		return newClient(b.t, config), nil
	}
}

func account(name string) func(*v1alpha1.SealedManifestSpec) {
	return func(s *v1alpha1.SealedManifestSpec) { s.ServiceAccountName = name }
}

// allow lets a service account do things with ConfigMaps.
func (b *bed) allow(name string, verbs ...string) {
	b.kubectl("create", "serviceaccount", name)
	b.kubectl("create", "role", name, "--resource=configmaps", "--verb="+strings.Join(verbs, ","))
	b.kubectl("create", "rolebinding", name, "--role="+name, "--serviceaccount="+b.ns+":"+name)
}

func (b *bed) configMap(name string) *corev1.ConfigMap {
	b.t.Helper()
	o := &corev1.ConfigMap{}
	if err := b.admin.Get(b.t.Context(), types.NamespacedName{Namespace: b.ns, Name: name}, o); client.IgnoreNotFound(err) != nil {
		b.t.Fatal(err)
	}
	return o
}

func TestOtherKindsAreAppliedAsTheServiceAccount(t *testing.T) {
	b := newBed(t)
	b.use(b.cluster.Config(), b.impersonating)
	b.allow("deployer", "get", "create", "patch", "delete")
	m := b.manifest("app", account("deployer"))
	out := b.apply(m, configMap("one", map[string]any{"k": "1"}), configMap("two", map[string]any{"k": "1"}), b.secret("db", "a=1"))
	wantList(t, "wrote", out.Wrote, "ConfigMap/one", "ConfigMap/two", "Secret/db")
	one := b.configMap("one")
	if one.Data["k"] != "1" || len(one.OwnerReferences) != 1 || one.Annotations[v1alpha1.ManifestAnnotation] != "app" {
		t.Errorf("got %v, owners %v, annotations %v", one.Data, one.OwnerReferences, one.Annotations)
	}
	if r := out.Resources[0]; r.Kind != "ConfigMap" || r.APIVersion != "v1" || r.UID != one.UID {
		t.Errorf("got %+v", r)
	}

	b.edit(m)
	out = b.apply(m, configMap("one", map[string]any{"k2": "2"}))
	wantList(t, "pruned", out.Pruned, "ConfigMap/two", "Secret/db")
	if one := b.configMap("one"); one.Data["k2"] != "2" || len(one.Data) != 1 {
		t.Errorf("got %v", one.Data)
	}
	if b.configMap("two").Name != "" || b.live("db") != nil {
		t.Error("what was pruned is there")
	}
	b.kubectl("patch", "configmap", "one", "--type=merge", "-p", `{"data":{"k2":"x"}}`)
	out = b.keep(m, configMap("one", map[string]any{"k2": "2"}))
	wantList(t, "drifted", out.Drifted, "ConfigMap/one")
}

func TestServiceAccountWithoutRightsIsNamed(t *testing.T) {
	b := newBed(t)
	b.use(b.cluster.Config(), b.impersonating)
	b.allow("reader", "get")
	m := b.manifest("app", account("reader"))
	f := b.fails(v1alpha1.ReasonForbidden, true, m, configMap("one", map[string]any{"k": "canary-1"}))
	for _, want := range []string{"ConfigMap/one", "system:serviceaccount:" + b.ns + ":reader", "patch"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("%q does not say %s", f.Message, want)
		}
	}
}

func TestKindsThatAreNotApplied(t *testing.T) {
	b := newBed(t)
	b.use(b.cluster.Config(), b.impersonating)
	b.allow("deployer", "get", "create", "patch", "delete")
	m := b.manifest("app", account("deployer"))
	b.fails(v1alpha1.ReasonKindNotAllowed, false, m, other("v1", "Namespace", "mine", nil))
	b.fails(v1alpha1.ReasonKindNotAllowed, false, m, other("rbac.authorization.k8s.io/v1", "ClusterRole", "mine", nil))
	f := b.fails(v1alpha1.ReasonAPIError, true, m, other("example.com/v1", "Nothing", "x", nil))
	if !strings.Contains(f.Message, "Nothing/x") {
		t.Errorf("got %s", f.Message)
	}
	b.fails(v1alpha1.ReasonForbidden, false, b.manifest("nobody"), configMap("x", nil))
	b.use(b.cluster.Config())
	b.fails(v1alpha1.ReasonForbidden, false, m, configMap("x", nil))
	wantList(t, "requests", b.calls.take())
}

func TestOtherKindsMergeAndRelease(t *testing.T) {
	b := newBed(t)
	b.use(b.cluster.Config(), b.impersonating)
	b.allow("deployer", "get", "create", "patch", "delete")
	b.kubectl("create", "configmap", "shared", "--from-literal=theirs=1")
	m := b.manifest("app", account("deployer"), conflict(v1alpha1.ConflictMerge))
	b.apply(m, configMap("shared", map[string]any{"ours": "1"}))
	if got := b.configMap("shared"); len(got.Data) != 2 || len(got.OwnerReferences) > 0 {
		t.Errorf("got %v, owners %v", got.Data, got.OwnerReferences)
	}
	b.markDeleted(m)
	if err := b.applier.Release(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := b.configMap("shared")
	if fmt.Sprint(got.Data) != "map[theirs:1]" || len(got.Labels)+len(got.Annotations) > 0 {
		t.Errorf("got %v, labels %v, annotations %v", got.Data, got.Labels, got.Annotations)
	}
}
