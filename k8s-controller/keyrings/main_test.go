package keyrings_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/keyrings"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

func scheme(tb testing.TB) *runtime.Scheme {
	tb.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// world is one test's namespace and keyring.
type world struct {
	testing.TB
	cluster *kubetest.Cluster
	client  client.Client
	ns      string
	// keyring is the name of the test's SealKeyring.
	keyring string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := kubetest.Shared(t)
	cl, err := client.New(c.Config(), client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	ns := c.Namespace(t)
	w := &world{TB: t, cluster: c, client: cl, ns: ns, keyring: "of-" + ns}
	t.Cleanup(func() {
		kr := &v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}}
		_ = cl.Delete(context.Background(), kr)
	})
	return w
}

// replica is a running controller, as far as keyrings go.
type replica struct {
	store *keyring.Store
	stop  func()

	mu    sync.Mutex
	looks int // how often the keeper looked at the test's keyring
	uses  map[string]int
}

// choices are what a test may want otherwise.
type choices struct {
	config  *rest.Config
	sources map[string]keysources.Source
	uses    map[string]int
	// standby has leader election, and somebody else is the leader.
	standby bool
}

func (w *world) start(c choices) *replica {
	w.Helper()
	if c.config == nil {
		c.config = w.cluster.Config()
	}
	skip := true
	mgr, err := ctrl.NewManager(c.config, ctrl.Options{
		Scheme: scheme(w), Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: &skip},
		LeaderElection: c.standby, LeaderElectionID: "lease", LeaderElectionNamespace: w.ns,
	})
	if err != nil {
		w.Fatal(err)
	}
	r := &replica{store: &keyring.Store{}, uses: c.uses}
	err = keyrings.Setup(mgr, keyrings.Options{
		Namespace: w.ns, Store: r.store, Sources: c.sources, Refresh: 100 * time.Millisecond,
		Uses: func(name string) map[string]int {
			r.mu.Lock()
			defer r.mu.Unlock()
			if name == w.keyring {
				r.looks++
			}
			return r.uses
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("the manager ended: %v", err)
		}
	})
	w.Cleanup(r.stop)
	return r
}

func (r *replica) setUses(m map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uses = m
}

func (r *replica) looked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looks
}

// eventually waits until check returns "".
func (w *world) eventually(what string, check func() string) {
	w.Helper()
	deadline := time.Now().Add(60 * time.Second)
	why := ""
	for time.Now().Before(deadline) {
		if why = check(); why == "" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.Fatalf("%s: not so after a minute: %s", what, why)
}

// age makes an identity's Secret that was created some days ago.
func (w *world) ageSecret(name string, days int, label bool) age.Identity {
	w.Helper()
	id, err := age.Generate(false)
	if err != nil {
		w.Fatal(err)
	}
	s, err := keyring.NewSecret{Namespace: w.ns, Name: name, Keyring: w.keyring, Identities: []age.Identity{id},
		Created: time.Now().Add(-time.Duration(days) * 24 * time.Hour)}.Secret(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	if !label {
		s.Labels = nil
	}
	w.create(s)
	return id
}

func (w *world) create(obj client.Object) {
	w.Helper()
	if err := w.client.Create(context.Background(), obj); err != nil {
		w.Fatal(err)
	}
}

func (w *world) delete(obj client.Object) {
	w.Helper()
	if err := w.client.Delete(context.Background(), obj); err != nil {
		w.Fatal(err)
	}
}

func (w *world) secretNamed(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
}

// sealKeyring makes the test's keyring of Secrets.
func (w *world) sealKeyring(spec v1alpha1.SealKeyringSpec, secrets ...string) {
	w.Helper()
	for i, name := range secrets {
		spec.Identities = append(spec.Identities, v1alpha1.IdentitySource{
			Name: fmt.Sprintf("i%d", i), Age: &v1alpha1.SecretKey{SecretName: name},
		})
	}
	w.create(&v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}, Spec: spec})
}

func (w *world) status() v1alpha1.SealKeyringStatus {
	var kr v1alpha1.SealKeyring
	if err := w.client.Get(context.Background(), client.ObjectKey{Name: w.keyring}, &kr); err != nil {
		return v1alpha1.SealKeyringStatus{}
	}
	return kr.Status
}

// awaitReady waits until the condition has a status and reason, and returns the status.
func (w *world) awaitReady(status metav1.ConditionStatus, reason string) v1alpha1.SealKeyringStatus {
	w.Helper()
	var s v1alpha1.SealKeyringStatus
	w.eventually(fmt.Sprintf("Ready=%s, %s", status, reason), func() string {
		s = w.status()
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady)
		if c == nil {
			return "no condition"
		}
		if c.Status != status || c.Reason != reason {
			return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
		}
		return ""
	})
	return s
}

// awaitEvent waits for an event on the test's keyring.
func (w *world) awaitEvent(reason string) string {
	w.Helper()
	note := ""
	w.eventually("an event "+reason, func() string {
		var list eventsv1.EventList
		if err := w.client.List(context.Background(), &list); err != nil {
			return err.Error()
		}
		for _, e := range list.Items {
			if e.Regarding.Kind == "SealKeyring" && e.Regarding.Name == w.keyring && e.Reason == reason {
				note = e.Note
				return ""
			}
		}
		return "none"
	})
	return note
}

// configMap returns the published recipients, nil if there are none.
func (w *world) configMap() map[string]string {
	var cm corev1.ConfigMap
	if err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.ns, Name: keyrings.RecipientsName}, &cm); err != nil {
		return nil
	}
	return cm.Data
}

func (w *world) identitySecrets() []corev1.Secret {
	w.Helper()
	var list corev1.SecretList
	if err := w.client.List(context.Background(), &list, client.InNamespace(w.ns), client.MatchingLabels{keyring.Label: w.keyring}); err != nil {
		w.Fatal(err)
	}
	return list.Items
}
