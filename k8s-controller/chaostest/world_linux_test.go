package chaostest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/deploy"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/keysources/age"
)

// settings of a run.
type settings struct {
	objects, faults int
	seed            uint64
	only            string // part of the names of faults
	clocks          bool   // can be set wrong
	lease           [3]time.Duration
	end             time.Time // of the faults, if not zero
}

// production is the number of faults from which on leases are as they are by default, and
// clocks are wrong.
const production = 100

func settingsOf(t *testing.T) settings {
	t.Helper()
	s := settings{objects: intFrom(t, "GITSEAL_TEST_CHAOS_OBJECTS", 40), faults: intFrom(t, "GITSEAL_TEST_CHAOS_FAULTS", 26), only: os.Getenv("GITSEAL_TEST_CHAOS_ONLY")}
	s.seed = uint64(intFrom(t, "GITSEAL_TEST_SEED", int(time.Now().UnixNano()%1_000_000)))
	s.lease = [3]time.Duration{4 * time.Second, 3 * time.Second, 500 * time.Millisecond}
	if minutes := intFrom(t, "GITSEAL_TEST_CHAOS_MINUTES", 0); minutes > 0 {
		s.end = time.Now().Add(time.Duration(minutes) * time.Minute)
	}
	s.clocks = s.faults >= production || strings.Contains(s.only, "clock")
	if s.faults >= production {
		s.lease = [3]time.Duration{15 * time.Second, 10 * time.Second, 2 * time.Second}
	}
	return s
}

// intFrom reads a number from a variable.
func intFrom(t *testing.T, variable string, value int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return value
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s is %q, which is no number", variable, text)
	}
	return n
}

// world is the control plane, the two replicas, and what the test does to them.
type world struct {
	t        *testing.T
	settings settings
	cluster  *kubetest.Cluster
	api      client.Client
	id       age.Identity
	seal     sealer
	model    *model
	spaces   []string
	replicas []*replica

	mu       sync.Mutex // guards what follows
	stops    []stop
	deleted  map[types.UID]bool
	away     map[string]bool // namespaces that are not to be written to now
	attacked map[string]int  // how often a Secret was changed by hand
	did      map[string]int  // faults and changes, by kind
	past     []*history      // timelines that were lost
	cuts     []setback       // how
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, settings: settingsOf(t), deleted: map[types.UID]bool{}, away: map[string]bool{}, attacked: map[string]int{}, did: map[string]int{}}
	t.Logf("GITSEAL_TEST_SEED=%d GITSEAL_TEST_CHAOS_OBJECTS=%d GITSEAL_TEST_CHAOS_FAULTS=%d", w.settings.seed, w.settings.objects, w.settings.faults)
	w.cluster = kubetest.Start(t, kubetest.WithControllerManager(), kubetest.WithAudit("", auditRules()...),
		// The history has to be whole.
		kubetest.WithAPIServerFlags("--etcd-compaction-interval=0"))
	program := w.buildProgram()
	scheme := runtime.NewScheme()
	w.check(clientscheme.AddToScheme(scheme))
	w.check(v1alpha1.AddToScheme(scheme))
	var err error
	w.api, err = client.New(w.cluster.ConfigFor(t, handUser, "system:masters"), client.Options{Scheme: scheme})
	w.check(err)
	w.install()
	for i := range 4 {
		ns := fmt.Sprintf("chaos-%d", i)
		w.spaces = append(w.spaces, ns)
	}
	w.model = newModel(w.spaces, w.settings.objects)
	for _, ns := range w.spaces {
		w.check(w.furnish(t.Context(), ns))
	}
	w.startReplicas(program)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// count notes what was done.
func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did[what]++
}

// buildProgram builds the controller. With clocks that can be set wrong, that takes
// minutes the first time: all that it is made of is built anew.
func (w *world) buildProgram() string {
	w.t.Helper()
	program := filepath.Join(w.t.TempDir(), "gitseal-controller")
	args := []string{"build", "-o", program}
	if w.settings.clocks {
		args = append(args, "-overlay="+overlay(w.t))
	}
	build := exec.CommandContext(w.t.Context(), "go", append(args, "./cmd/gitseal-controller")...)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// install applies what users apply, and makes a keyring.
func (w *world) install() {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "deploy")
	w.check(os.CopyFS(dir, deploy.Files()))
	w.cluster.InstallCRDs(w.t)
	w.cluster.Kubectl(w.t, "", "apply", "--server-side", "-k", filepath.Join(dir, "modes", "cluster-wide"))
	var err error
	w.id, err = age.Generate(false)
	w.check(err)
	w.seal = sealer{w.id.Recipient()}
	w.check(w.api.Create(w.t.Context(), w.identity()))
	w.check(w.api.Create(w.t.Context(), w.keyring()))
	w.check(w.api.Create(w.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "chaos"}, Subjects: subjects(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "gitseal-controller"},
	}))
	for _, role := range []string{"gitseal-controller", "gitseal-controller-manifests", secretsRole} {
		w.check(w.api.Create(w.t.Context(), binding(role)))
	}
}

// secretsRole is the role without which no Secret can be written.
const secretsRole = "gitseal-controller-secrets"

func binding(role string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "chaos-" + role}, Subjects: subjects(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
}

func subjects() []rbacv1.Subject {
	var out []rbacv1.Subject
	for _, name := range []string{"a", "b"} {
		out = append(out, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: replicaUser + name})
	}
	return out
}

func (w *world) identity() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "chaos-identity"},
		Data:       map[string][]byte{"identity": []byte(w.id.SecretText() + "\n")},
	}
}

func (w *world) keyring() *v1alpha1.SealKeyring {
	return &v1alpha1.SealKeyring{
		ObjectMeta: metav1.ObjectMeta{Name: "chaos"},
		Spec: v1alpha1.SealKeyringSpec{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"chaos": "yes"}},
			Identities:        []v1alpha1.IdentitySource{{Name: "main", Age: &v1alpha1.SecretKey{SecretName: "chaos-identity"}}},
			Policy:            v1alpha1.Policy{ConflictPolicies: []v1alpha1.ConflictPolicy{v1alpha1.ConflictMerge}},
		},
	}
}

func (w *world) startReplicas(program string) {
	w.t.Helper()
	for i, name := range []string{"a", "b"} {
		p, err := newProxy(replicaUser+name, w.cluster.ConfigFor(w.t, replicaUser+name), w.settings.seed+uint64(i))
		w.check(err)
		lease := w.settings.lease
		r := &replica{
			user: p.name, proxy: p, program: program, log: filepath.Join(w.t.TempDir(), "log"), done: make(chan struct{}),
			args: []string{
				"run", "--kubeconfig=" + kubetest.WriteKubeconfig(w.t, p.kube), "--keyring-namespace=" + system,
				"--leader-elect", "--metrics-addr=", "--health-addr=", "--log-level=debug",
				"--lease-duration=" + lease[0].String(), "--lease-renew=" + lease[1].String(), "--lease-retry=" + lease[2].String(),
			},
		}
		w.replicas = append(w.replicas, r)
		go r.supervise()
	}
	w.t.Cleanup(func() {
		for _, r := range w.replicas {
			r.stop()
			r.proxy.server.CloseClientConnections()
			r.proxy.server.Close()
		}
	})
}

// leader returns the replica that held the lease last, and the other.
func (w *world) leader() (leads, stands *replica) {
	a, b := w.replicas[0], w.replicas[1]
	if b.proxy.lastLease().After(a.proxy.lastLease()) {
		return b, a
	}
	return a, b
}

// sleep waits, less if the test ends.
func (w *world) sleep(d time.Duration) { wait(w.t.Context(), d) }

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
