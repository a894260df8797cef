package controller_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// patience is for things that take a second on an idle machine.
const patience = 90 * time.Second

// world is what one test has of the shared cluster: a namespace for the controller,
// one for manifests, and a keyring that serves it.
type world struct {
	t          *testing.T
	cluster    *kubetest.Cluster
	api        client.Client
	system, ns string
	keyring    string
	id         age.Identity
	canaries   map[string]bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := emptyWorld(t)
	w.addKeyring(w.keyring, v1alpha1.Policy{ConflictPolicies: []v1alpha1.ConflictPolicy{v1alpha1.ConflictAdopt, v1alpha1.ConflictMerge}}, w.id)
	return w
}

// newWorldIn is a world in a cluster of its own.
func newWorldIn(t *testing.T, c *kubetest.Cluster) *world {
	t.Helper()
	c.InstallCRDs(t)
	w := emptyWorldIn(t, c)
	w.addKeyring(w.keyring, v1alpha1.Policy{ConflictPolicies: []v1alpha1.ConflictPolicy{v1alpha1.ConflictAdopt, v1alpha1.ConflictMerge}}, w.id)
	return w
}

// emptyWorld is a world without a keyring.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	return emptyWorldIn(t, kubetest.Shared(t))
}

func emptyWorldIn(t *testing.T, c *kubetest.Cluster) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(c.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cluster: c, api: api, system: c.Namespace(t), id: id, canaries: map[string]bool{}}
	w.ns = w.namespace()
	w.keyring = w.ns
	t.Cleanup(func() {
		_ = api.DeleteAllOf(context.Background(), &v1alpha1.SealedManifest{}, client.InNamespace(w.ns))
	})
	return w
}

// namespace makes a namespace that the world's keyring serves.
func (w *world) namespace() string {
	w.t.Helper()
	ns := w.cluster.Namespace(w.t)
	w.label(ns, map[string]string{"world": w.system})
	return ns
}

func (w *world) label(ns string, labels map[string]string) {
	w.t.Helper()
	o := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	w.check(w.api.Get(w.t.Context(), client.ObjectKeyFromObject(o), o))
	before := o.DeepCopy()
	for k, v := range labels {
		metav1.SetMetaDataLabel(&o.ObjectMeta, k, v)
		if v == "" {
			delete(o.Labels, k)
		}
	}
	w.check(w.api.Patch(w.t.Context(), o, client.MergeFrom(before)))
}

// addKeyring makes a SealKeyring for the world's namespaces, with one identity.
func (w *world) addKeyring(name string, policy v1alpha1.Policy, id age.Identity) {
	w.t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.system, Name: "key-" + name, Labels: map[string]string{keyring.Label: name}},
		Data:       map[string][]byte{keyring.PlainKey: []byte(id.SecretText() + "\n")},
	}
	w.canaries[id.SecretText()] = true
	w.check(w.api.Create(w.t.Context(), secret))
	ring := &v1alpha1.SealKeyring{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.SealKeyringSpec{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"world": w.system}},
			Identities:        []v1alpha1.IdentitySource{{Name: "main", Age: &v1alpha1.SecretKey{SecretName: secret.Name}}},
			Policy:            policy,
		},
	}
	w.check(w.api.Create(w.t.Context(), ring))
	w.t.Cleanup(func() { _ = w.api.Delete(context.Background(), ring) })
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// value returns a value that is looked for wherever it must not be.
func (w *world) value(name string) string {
	v := "canary-" + name + "-" + w.ns
	w.canaries[v] = true
	return v
}

// sealed is a SealedManifest as somebody would have it in git.
type sealed struct {
	name string
	data map[string]string // plain values
	// context, if not Strict; head is more YAML between metadata and stringData.
	context, head string
	meta          string // more lines of metadata, indented by two
}

// manifest seals s for the world's namespace.
func (w *world) manifest(s sealed) *unstructured.Unstructured {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: gitseal.dev/v1alpha1\nkind: SealedManifest\nmetadata:\n  name: %s\n  namespace: %s\n%s%sstringData:\n", s.name, w.ns, s.meta, s.head)
	for _, k := range slices.Sorted(maps.Keys(s.data)) {
		w.canaries[s.data[k]] = true
		fmt.Fprintf(&b, "  %s: %s\n", k, s.data[k])
	}
	selector, err := cipher.NewSelector(cipher.EncryptedRegex, `^(data|stringData)$`)
	w.check(err)
	if s.context == "" {
		s.context = "k8s:" + w.ns + "/" + s.name
	}
	text := w.seal("yaml", b.String(), cipher.SealOptions{Selector: selector, MACOnlyEncrypted: true, Context: s.context})
	u := &unstructured.Unstructured{}
	w.check(sigsyaml.Unmarshal([]byte(text), &u.Object))
	return u
}

// document makes a SealedManifest that holds a sealed file.
func (w *world) document(name, format, plain string, spec map[string]any) *unstructured.Unstructured {
	w.t.Helper()
	sealed := w.seal(format, plain, cipher.SealOptions{Context: "k8s:" + w.ns + "/" + name})
	all := map[string]any{"document": sealed, "format": format}
	maps.Copy(all, spec)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gitseal.dev/v1alpha1", "kind": "SealedManifest",
		"metadata": map[string]any{"name": name, "namespace": w.ns}, "spec": all,
	}}
}

func (w *world) seal(format, plain string, o cipher.SealOptions) string {
	w.t.Helper()
	f, _ := all.ByName(format)
	o.Recipients = []keysources.Recipient{w.id.Recipient()}
	s, err := cipher.Seal(w.t.Context(), f, []byte(plain), o)
	w.check(err)
	return string(s.Bytes)
}

// apply does what kubectl apply --server-side does.
func (w *world) apply(u *unstructured.Unstructured) {
	w.t.Helper()
	u = u.DeepCopy()
	w.check(w.api.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("git"), client.ForceOwnership))
}

// put seals and applies.
func (w *world) put(s sealed) {
	w.t.Helper()
	w.apply(w.manifest(s))
}

// edit changes a SealedManifest.
func (w *world) edit(name string, change func(*v1alpha1.SealedManifest)) {
	w.t.Helper()
	m := w.get(name)
	before := m.DeepCopy()
	change(m)
	w.check(w.api.Patch(w.t.Context(), m, client.MergeFrom(before)))
}

func (w *world) get(name string) *v1alpha1.SealedManifest {
	w.t.Helper()
	m := &v1alpha1.SealedManifest{}
	w.check(w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, m))
	return m
}

// secret returns a Secret, nil if there is none.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil
	}
	w.check(err)
	return s
}

// await waits until a SealedManifest is as it should be about its newest generation.
func (w *world) await(name, what string, done func(*v1alpha1.SealedManifest) bool) *v1alpha1.SealedManifest {
	w.t.Helper()
	var m *v1alpha1.SealedManifest
	w.eventually(what, func() bool {
		m = w.get(name)
		return (m.Status.ObservedGeneration == m.Generation || m.Spec.Suspend) && done(m)
	}, func() string { return fmt.Sprintf("%+v", m.Status) })
	return m
}

// awaitReason waits for the condition Ready to have a reason.
func (w *world) awaitReason(name, reason string) *v1alpha1.SealedManifest {
	w.t.Helper()
	return w.await(name, "SealedManifest "+name+" is "+reason, func(m *v1alpha1.SealedManifest) bool { return ready(m).Reason == reason })
}

// awaitData waits for a Secret to hold exactly these values.
func (w *world) awaitData(name string, want map[string]string) *corev1.Secret {
	w.t.Helper()
	var s *corev1.Secret
	w.eventually("Secret "+name+" holds what it should", func() bool {
		s = w.secret(name)
		return s != nil && maps.Equal(text(s), want)
	}, func() string { return fmt.Sprintf("%v", text(s)) })
	return s
}

// awaitGone waits for a Secret to be deleted.
func (w *world) awaitGone(name string) {
	w.t.Helper()
	w.eventually("Secret "+name+" is gone", func() bool { return w.secret(name) == nil }, nil)
}

func (w *world) eventually(what string, done func() bool, got func() string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			state := ""
			if got != nil {
				state = ": got " + got()
			}
			w.t.Fatalf("waited in vain until %s%s", what, state)
		}
	}
}

func ready(m *v1alpha1.SealedManifest) metav1.Condition {
	if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func text(s *corev1.Secret) map[string]string {
	out := map[string]string{}
	if s != nil {
		for k, v := range s.Data {
			out[k] = string(v)
		}
	}
	return out
}

// sweep looks for values, plain and in base64, where they must not be.
func (w *world) sweep(where, in string) {
	w.t.Helper()
	for v := range w.canaries {
		if strings.Contains(in, v) || strings.Contains(in, base64.StdEncoding.EncodeToString([]byte(v))) {
			w.t.Errorf("%s holds the value %s", where, v)
		}
	}
}

// newSecret is somebody else's Secret.
func newSecret(ns, name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, StringData: data}
}
