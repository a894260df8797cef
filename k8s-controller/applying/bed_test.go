package applying_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// bed is a namespace of the real API server, and an applier for it.
type bed struct {
	t       *testing.T
	cluster *kubetest.Cluster
	ns      string
	admin   client.Client
	calls   *calls
	options applying.Options
	applier *applying.Applier
	edits   int
}

// newBed returns a bed whose applier has the options that change makes.
func newBed(t *testing.T, change ...func(*applying.Options)) *bed {
	t.Helper()
	c := kubetest.Shared(t)
	b := &bed{t: t, cluster: c, ns: c.Namespace(t), calls: &calls{}}
	b.admin = newClient(t, c.Config())
	b.use(c.Config(), change...)
	return b
}

// use makes an applier that acts as the user of a configuration.
func (b *bed) use(config *rest.Config, change ...func(*applying.Options)) {
	b.t.Helper()
	config.Wrap(b.calls.wrap)
	cl := newClient(b.t, config)
	b.options = applying.Options{Client: cl, Reader: cl}
	for _, f := range change {
		f(&b.options)
	}
	b.applier = applying.New(b.options)
}

func newClient(t testing.TB, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// calls counts requests for what is not discovery.
type calls struct {
	mu   sync.Mutex
	seen []string
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *calls) wrap(next http.RoundTripper) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		if _, rest, found := strings.Cut(r.URL.Path, "/namespaces/"); found {
			parts := strings.Split(rest, "/")
			c.mu.Lock()
			c.seen = append(c.seen, r.Method+" "+strings.Join(parts[1:], "/"))
			c.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

// take returns the requests since the last call.
func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// manifest makes a SealedManifest. What it holds is said to Apply, not by it.
func (b *bed) manifest(name string, change ...func(*v1alpha1.SealedManifestSpec)) *v1alpha1.SealedManifest {
	b.t.Helper()
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: name}}
	m.Spec.Document = "a: ENC[AES256_GCM,0]"
	for _, f := range change {
		f(&m.Spec)
	}
	if err := b.admin.Create(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// edit changes the manifest on the server, and what the applier knows of it.
func (b *bed) edit(m *v1alpha1.SealedManifest, change ...func(*v1alpha1.SealedManifestSpec)) {
	b.t.Helper()
	status := m.Status
	if err := b.admin.Get(b.t.Context(), client.ObjectKeyFromObject(m), m); err != nil {
		b.t.Fatal(err)
	}
	b.edits++
	m.Spec.Document = fmt.Sprintf("a: ENC[AES256_GCM,%d]", b.edits)
	for _, f := range change {
		f(&m.Spec)
	}
	if err := b.admin.Update(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
	m.Status = status
}

// try applies, and puts the inventory into the status, as the controller does.
func (b *bed) try(m *v1alpha1.SealedManifest, objects ...opening.Object) (applying.Outcome, error) {
	out, err := b.applier.Apply(b.t.Context(), m, objects)
	m.Status.Resources = out.Resources
	return out, err
}

func (b *bed) apply(m *v1alpha1.SealedManifest, objects ...opening.Object) applying.Outcome {
	b.t.Helper()
	out, err := b.try(m, objects...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bed) keep(m *v1alpha1.SealedManifest, objects ...opening.Object) applying.Outcome {
	b.t.Helper()
	out, err := b.applier.Keep(b.t.Context(), m, objects)
	m.Status.Resources = out.Resources
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// fails applies, and returns the failure that is to be.
func (b *bed) fails(reason string, transient bool, m *v1alpha1.SealedManifest, objects ...opening.Object) *applying.Failure {
	b.t.Helper()
	_, err := b.try(m, objects...)
	return wantFailure(b.t, err, reason, transient)
}

func wantFailure(t testing.TB, err error, reason string, transient bool) *applying.Failure {
	t.Helper()
	var f *applying.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a Failure because of %s", err, reason)
	}
	if f.Reason != reason || f.Transient != transient {
		t.Fatalf("got %s (transient: %v): %s, want %s (%v)", f.Reason, f.Transient, f.Message, reason, transient)
	}
	return f
}

// secret returns an opened Secret; data are key=value.
func (b *bed) secret(name string, data ...string) opening.Object {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: name}, Data: map[string][]byte{}}
	for _, kv := range data {
		key, value, _ := strings.Cut(kv, "=")
		s.Data[key] = []byte(value)
	}
	return opening.Object{Secret: s}
}

// typed returns an object with another type of Secret.
func typed(o opening.Object, kind corev1.SecretType) opening.Object {
	o.Secret.Type = kind
	return o
}

// frozen returns an object that is immutable.
func frozen(o opening.Object) opening.Object {
	yes := true
	o.Secret.Immutable = &yes
	return o
}

// live reads a Secret from the server; nil if there is none.
func (b *bed) live(name string) *corev1.Secret {
	b.t.Helper()
	s := &corev1.Secret{}
	err := b.admin.Get(b.t.Context(), types.NamespacedName{Namespace: b.ns, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// wantData fails unless a Secret has exactly the data, as key=value.
func (b *bed) wantData(name string, want ...string) *corev1.Secret {
	b.t.Helper()
	s := b.live(name)
	if s == nil {
		b.t.Fatalf("there is no Secret %s", name)
	}
	var got []string
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		got = append(got, key+"="+string(s.Data[key]))
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		b.t.Fatalf("Secret %s holds %q, want %q", name, got, want)
	}
	return s
}

func (b *bed) kubectl(args ...string) string {
	b.t.Helper()
	return b.cluster.Kubectl(b.t, "", append([]string{"-n", b.ns}, args...)...)
}

// wantList compares names without regard to order.
func wantList(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

func conflict(p v1alpha1.ConflictPolicy) func(*v1alpha1.SealedManifestSpec) {
	return func(s *v1alpha1.SealedManifestSpec) { s.ConflictPolicy = p }
}

func deletion(p v1alpha1.DeletionPolicy) func(*v1alpha1.SealedManifestSpec) {
	return func(s *v1alpha1.SealedManifestSpec) { s.DeletionPolicy = p }
}

func immutable(p v1alpha1.ImmutablePolicy) func(*v1alpha1.SealedManifestSpec) {
	return func(s *v1alpha1.SealedManifestSpec) { s.ImmutablePolicy = p }
}

func drift(p v1alpha1.DriftPolicy) func(*v1alpha1.SealedManifestSpec) {
	return func(s *v1alpha1.SealedManifestSpec) { s.DriftPolicy = p }
}

// Short names for tables.
type (
	openingObject = opening.Object
	key           = types.NamespacedName
)

func keyOf(o client.Object) types.NamespacedName { return client.ObjectKeyFromObject(o) }
