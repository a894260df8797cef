// Package kubectl_test tries cmd/internal/cluster, and the program, with the real kubectl and
// API server. It is apart so that fuzzing what reads their answers does not build those.
package kubectl_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
	"github.com/gitseal/gitseal/internal/toolcache"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// realKubectl asks the test's cluster by the real kubectl.
func realKubectl(t *testing.T, c *kubetest.Cluster, kubeconfig string) cluster.Kubectl {
	t.Helper()
	return cluster.Kubectl{Program: toolcache.Kube().Need(t) + "/kubectl", Kubeconfig: kubeconfig, Env: os.Environ()}
}

// manifestYAML is a SealedManifest that the API server takes.
func manifestYAML(name string) string {
	return fmt.Sprintf(`apiVersion: gitseal.dev/v1alpha1
kind: SealedManifest
metadata:
  name: %s
stringData:
  password: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]
sops:
  mac: ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:str]
  mac_only_encrypted: true
  encrypted_regex: ^(data|stringData)$
  lastmodified: "2026-01-01T00:00:00Z"
  version: 3.13.3
`, name)
}

// setStatus writes a status as the controller does.
func setStatus(t *testing.T, c *kubetest.Cluster, kind, namespace, name, status string) {
	t.Helper()
	args := []string{"patch", kind, name, "--subresource=status", "--type=merge", "-p", `{"status":` + status + `}`}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	c.Kubectl(t, "", args...)
}

const (
	openStatus = `{"observedGeneration":1,"keyring":"default","keys":[{"id":"age1key","type":"age"}],"integrity":{"mac":"Verified","context":"Strict"},
		"resources":[{"apiVersion":"v1","kind":"Secret","name":"a-open"}],"lastAppliedTime":"2026-03-01T00:00:00Z",
		"conditions":[{"type":"Ready","status":"True","reason":"Applied","message":"","lastTransitionTime":"2026-03-01T00:00:00Z"}]}`
	failingStatus = `{"observedGeneration":1,"keyring":"default",
		"conditions":[{"type":"Stalled","status":"True","reason":"MACMismatch","message":"x","lastTransitionTime":"2026-03-01T00:00:00Z"},
		{"type":"Ready","status":"False","reason":"MACMismatch","message":"changed since \u001b[2Jit was sealed","lastTransitionTime":"2026-03-01T00:00:00Z"}]}`
)

// TestTheRealKubectlsAnswersAreRead: statuses as the API server keeps them.
func TestTheRealKubectlsAnswersAreRead(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	k := realKubectl(t, c, c.Kubeconfig(t))
	if got, err := k.Manifests(t.Context(), cluster.Where{Namespace: ns}); err != nil || len(got) != 0 {
		t.Fatalf("an empty namespace: %v, %v", got, err)
	}
	for _, name := range []string{"e-waiting", "d-suspended", "c-outdated", "b-failing", "a-open"} {
		c.Kubectl(t, manifestYAML(name), "-n", ns, "apply", "-f", "-")
	}
	for _, name := range []string{"a-open", "c-outdated", "d-suspended"} {
		setStatus(t, c, "sealedmanifest", ns, name, openStatus)
	}
	setStatus(t, c, "sealedmanifest", ns, "b-failing", failingStatus)
	c.Kubectl(t, "", "-n", ns, "patch", "sealedmanifest", "d-suspended", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	c.Kubectl(t, "", "-n", ns, "patch", "sealedmanifest", "c-outdated", "--type=merge", "-p", `{"spec":{"driftPolicy":"Warn"}}`)

	got, err := k.Manifests(t.Context(), cluster.Where{Namespace: ns})
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[string]cluster.State)
	for _, m := range got {
		states[m.Name] = m.State
		if time.Since(m.Created) > time.Hour || m.Namespace != ns {
			t.Errorf("%+v", m)
		}
	}
	want := map[string]cluster.State{
		"a-open": cluster.Open, "b-failing": cluster.Failing, "c-outdated": cluster.Waiting, "d-suspended": cluster.Suspended, "e-waiting": cluster.Waiting,
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if diff := cmp.Diff(cluster.Manifest{
		Namespace: ns, Name: "a-open", State: cluster.Open, Ready: cluster.Condition{Status: "True", Reason: "Applied", Since: march}, Applied: march,
		Keyring: "default", Keys: []cluster.Key{{ID: "age1key", Type: "age"}}, MAC: "Verified", Context: "Strict", Objects: []string{"Secret/a-open"},
	}, got[0], cmpopts.IgnoreFields(cluster.Manifest{}, "Created")); diff != "" {
		t.Errorf("a-open (-want +got):\n%s", diff)
	}
	if got := got[1].Ready.Message; got != "changed since ?[2Jit was sealed" {
		t.Errorf("the message is %q", got)
	}

	// By name: one object is no list.
	for names, want := range map[string]int{"a-open": 1, "a-open b-failing": 2} {
		got, err := k.Manifests(t.Context(), cluster.Where{Namespace: ns, Names: strings.Fields(names)})
		if err != nil || len(got) != want {
			t.Errorf("%s: %d manifests, %v", names, len(got), err)
		}
	}
	// In all namespaces.
	if got, err := k.Manifests(t.Context(), cluster.Where{All: true}); err != nil || len(got) < 5 {
		t.Errorf("in all namespaces: %d, %v", len(got), err)
	}
}

func keyringYAML(name string) string {
	return "apiVersion: gitseal.dev/v1alpha1\nkind: SealKeyring\nmetadata:\n  name: " + name + "\nspec:\n  identities: [{name: first, age: {secretName: x}}]\n"
}

func TestKeyringsAndRecipientsAreRead(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	k := realKubectl(t, c, c.Kubeconfig(t))
	name := "read-" + ns
	c.Kubectl(t, keyringYAML(name), "apply", "-f", "-")
	defer c.Kubectl(t, "", "delete", "sealkeyring", name)
	setStatus(t, c, "sealkeyring", "", name, `{"recipients":["age1new","age1recovery"],"identities":[
		{"id":"age1new","source":"first","type":"age","state":"Active","createdAt":"2026-03-01T00:00:00Z","manifests":3},
		{"id":"age1old","source":"first","type":"age","state":"Retiring","manifests":0}],
		"conditions":[{"type":"Ready","status":"True","reason":"Loaded","message":"","lastTransitionTime":"2026-03-01T00:00:00Z"}]}`)
	got, err := k.Keyrings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	want := []cluster.Keyring{{
		Name: name, Ready: cluster.Condition{Status: "True", Reason: "Loaded", Since: march}, Recipients: []string{"age1new", "age1recovery"},
		Identities: []cluster.Identity{
			{Key: cluster.Key{ID: "age1new", Type: "age"}, Source: "first", Created: march, Manifests: 3},
			{Key: cluster.Key{ID: "age1old", Type: "age"}, Source: "first", Retiring: true},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keyrings (-want +got):\n%s", diff)
	}
	if got[0].Identities[0].Unused() || !got[0].Identities[1].Unused() {
		t.Error("a retiring key that opens nothing is unused, an active one is not")
	}

	if _, err := k.Published(t.Context(), ns); cluster.ReasonOf(err) != cluster.NotFound {
		t.Errorf("without the ConfigMap: %v", err)
	}
	c.Kubectl(t, "", "-n", ns, "create", "configmap", "gitseal-recipients", "--from-literal=default=age1new, age1recovery", "--from-literal=.sops.yaml=x", "--from-literal=empty=")
	published, err := k.Published(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"default": {"age1new", "age1recovery"}}, published); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// leaseYAML is a Lease that was renewed some time ago.
func leaseYAML(name, holder string, ago time.Duration) string {
	return fmt.Sprintf("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: %s}\nspec: {holderIdentity: %s, leaseDurationSeconds: 15, renewTime: %q}\n---\n",
		name, holder, time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// TestWhoLeadsIsRead, by all Leases or by those that one may read.
func TestWhoLeadsIsRead(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	c.Kubectl(t, leaseYAML("gitseal-controller", "pod-1_x", time.Second)+leaseYAML("gitseal-controller-blue", "pod-2_x", time.Hour)+leaseYAML("gitseal-controller-blue.0a1b2c3d4e", "pod-4_x", time.Second)+leaseYAML("other", "pod-3", 0), "-n", ns, "apply", "-f", "-")
	c.Kubectl(t, "", "-n", ns, "create", "role", "see", "--verb=get", "--resource=leases.coordination.k8s.io", "--resource-name=gitseal-controller", "--resource-name=gitseal-controller-none")
	c.Kubectl(t, "", "-n", ns, "create", "rolebinding", "see", "--role=see", "--user=viewer-"+ns)
	viewer := kubetest.WriteKubeconfig(t, c.ConfigFor(t, "viewer-"+ns))
	for name, tt := range map[string]struct {
		kubeconfig string
		classes    []string
		want       string
	}{
		"an administrator":     {c.Kubeconfig(t), nil, "gitseal-controller::pod-1_x:leads gitseal-controller-blue:blue:pod-2_x:lost gitseal-controller-blue.0a1b2c3d4e:blue:pod-4_x:leads"},
		"by name":              {viewer, []string{"", "none", "a/b"}, "gitseal-controller::pod-1_x:leads"},
		"one that is not mine": {viewer, []string{"", "blue"}, "gitseal-controller::pod-1_x:leads unseen:blue"},
		"none that is mine":    {viewer, []string{"blue"}, "forbidden"},
		"too many":             {viewer, []string{"", "a", "b", "c", "d", "e", "none"}, "gitseal-controller::pod-1_x:leads unseen:a,b,c,d,e,none"},
	} {
		got, err := realKubectl(t, c, tt.kubeconfig).Leases(t.Context(), ns, tt.classes)
		var texts []string
		for _, l := range got.Controllers {
			texts = append(texts, fmt.Sprintf("%s:%s:%s:%s", l.Lease, l.Class, l.Holder, l.Leading(time.Now())))
		}
		if got.Unseen != nil {
			texts = append(texts, "unseen:"+strings.Join(got.Unseen, ","))
		}
		if err != nil {
			texts = []string{string(cluster.ReasonOf(err))}
		}
		if byName := tt.kubeconfig == viewer; err == nil && got.ByName != byName {
			t.Errorf("%s: by name: %v", name, got.ByName)
		}
		if diff := cmp.Diff(tt.want, strings.Join(texts, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestErrorsOfTheRealKubectlAreTold: each has its reason, by which the user is helped.
func TestErrorsOfTheRealKubectlAreTold(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	good := c.Kubeconfig(t)
	k := realKubectl(t, c, good)
	poor := kubetest.WriteKubeconfig(t, c.ConfigFor(t, "poor"))
	stranger := c.Config()
	stranger.CertData, stranger.KeyData, stranger.BearerToken = nil, nil, "nonsense"
	strangers := kubetest.WriteKubeconfig(t, stranger)
	gone := c.Config()
	gone.Host = "https://127.0.0.1:1"
	nobody := kubetest.WriteKubeconfig(t, gone)
	for _, tt := range []struct {
		name string
		k    cluster.Kubectl
		w    cluster.Where
		want cluster.Reason
	}{
		{"no kubectl", cluster.Kubectl{Program: filepath.Join(t.TempDir(), "kubectl")}, cluster.Where{}, cluster.NoKubectl},
		{"no such name", k, cluster.Where{Namespace: ns, Names: []string{"nothing"}}, cluster.NotFound},
		{"no such context", cluster.Kubectl{Program: k.Program, Kubeconfig: good, Context: "nowhere", Env: k.Env}, cluster.Where{}, cluster.NoContext},
		{"no such file", cluster.Kubectl{Program: k.Program, Kubeconfig: "/nowhere/config", Env: k.Env}, cluster.Where{}, cluster.NoContext},
		{"no configuration", cluster.Kubectl{Program: k.Program, Env: []string{"HOME=" + t.TempDir()}}, cluster.Where{}, cluster.NoContext},
		{"forbidden", cluster.Kubectl{Program: k.Program, Kubeconfig: poor, Env: k.Env}, cluster.Where{Namespace: ns}, cluster.Forbidden},
		{"a stranger", cluster.Kubectl{Program: k.Program, Kubeconfig: strangers, Env: k.Env}, cluster.Where{Namespace: ns}, cluster.Unauthorized},
		{"no server", cluster.Kubectl{Program: k.Program, Kubeconfig: nobody, Env: k.Env}, cluster.Where{Namespace: ns}, cluster.Unreachable},
	} {
		_, err := tt.k.Manifests(t.Context(), tt.w)
		if got := cluster.ReasonOf(err); got != tt.want {
			t.Errorf("%s: reason %q, want %q: %v", tt.name, got, tt.want, err)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.HasSuffix(err.Error(), ".")) {
			t.Errorf("%s: the message is %q", tt.name, err)
		}
	}
}

// TestAClusterWithoutTheController has neither kind of objects.
func TestAClusterWithoutTheController(t *testing.T) {
	c := kubetest.Start(t)
	k := realKubectl(t, c, c.Kubeconfig(t))
	if _, err := k.Manifests(t.Context(), cluster.Where{}); cluster.ReasonOf(err) != cluster.NotInstalled {
		t.Errorf("manifests: %v", err)
	}
	if _, err := k.Keyrings(t.Context()); cluster.ReasonOf(err) != cluster.NotInstalled {
		t.Errorf("keyrings: %v", err)
	}
}

// TestTheProgramShowsAClustersState runs gitseal itself.
func TestTheProgramShowsAClustersState(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	program := filepath.Join(t.TempDir(), "gitseal")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/gitseal/gitseal/cmd/gitseal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"a-open", "b-failing"} {
		c.Kubectl(t, manifestYAML(name), "-n", ns, "apply", "-f", "-")
	}
	setStatus(t, c, "sealedmanifest", ns, "a-open", openStatus)
	run := func(want int, args ...string) (string, string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "KUBECTL="+realKubectl(t, c, "").Program, "KUBECONFIG="+c.Kubeconfig(t))
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		exit := (*exec.ExitError)(nil)
		if errors.As(err, &exit) {
			err = nil
		}
		if err != nil || cmd.ProcessState.ExitCode() != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, cmd.ProcessState.ExitCode(), want, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	c.Kubectl(t, leaseYAML("gitseal-controller", "pod-1_x", 0), "-n", ns, "apply", "-f", "-")
	out, said := run(0, "k8s", "status", "-n", ns, "--controller-namespace", ns)
	if !strings.Contains(out, "controller: pod-1 leads") {
		t.Errorf("got:\n%s%s", out, said)
	}
	out, said = run(0, "k8s", "status", "-n", ns)
	t.Logf("\n%s%s", out, said)
	if !strings.Contains(out, "a-open") || !strings.Contains(out, "waiting") || !strings.Contains(said, "1 open, 0 failing, 1 waiting") {
		t.Errorf("got:\n%s%s", out, said)
	}
	setStatus(t, c, "sealedmanifest", ns, "b-failing", failingStatus)
	out, said = run(3, "k8s", "status", "-n", ns)
	t.Logf("\n%s%s", out, said)
	if !strings.Contains(out, "MACMismatch") || strings.Contains(out, "\x1b") || !strings.Contains(said, "1 open, 1 failing") {
		t.Errorf("got:\n%s%s", out, said)
	}
	out, _ = run(3, "k8s", "status", "--json", "-n", ns)
	var answer struct {
		Manifests []struct{ Name, State, Reason, MAC, Context string }
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Manifests) != 2 || answer.Manifests[1].State != "failing" || answer.Manifests[0].MAC != "Verified" {
		t.Errorf("%v, %+v", err, answer)
	}
	run(0, "k8s", "status", "-n", ns, "a-open")
	c.Kubectl(t, leaseYAML("gitseal-controller", "pod-1_x", time.Hour), "-n", ns, "apply", "-f", "-")
	out, said = run(3, "k8s", "status", "-n", ns, "--controller-namespace", ns, "a-open")
	if !strings.Contains(out, "controller: no controller has renewed the lease for 60m; the last was pod-1: is it running?") {
		t.Errorf("got:\n%s%s", out, said)
	}
	_, said = run(1, "k8s", "status", "-n", ns, "nothing")
	if !strings.Contains(said, `sealedmanifests.gitseal.dev "nothing" not found`) || !strings.Contains(said, "hint:") {
		t.Errorf("got:\n%s", said)
	}
}
