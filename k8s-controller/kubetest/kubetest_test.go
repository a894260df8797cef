package kubetest_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

// patience is for things that take a second on an idle machine.
const patience = time.Minute

const manifest = `apiVersion: gitseal.dev/v1alpha1
kind: SealKeyring
metadata:
  name: kept
spec: {}
`

func client(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
	}
}

func TestServersSurviveBeingKilled(t *testing.T) {
	c := kubetest.Start(t, kubetest.WithAudit("", kubetest.AuditRule{Level: "RequestResponse", Group: "gitseal.dev"}))
	c.InstallCRDs(t)
	c.Kubectl(t, manifest, "apply", "--server-side", "-f", "-")
	steps := []struct {
		name string
		do   func()
	}{
		{"kill etcd", func() { c.KillEtcd(); c.StartEtcd() }},
		{"kill API server", func() { c.KillAPIServer(); c.StartAPIServer() }},
		{"kill API server, then etcd", func() { c.KillAPIServer(); c.KillEtcd(); c.StartEtcd(); c.StartAPIServer() }},
		{"stop API server", func() { c.StopAPIServer(); c.StartAPIServer() }},
	}
	for _, s := range steps {
		s.do()
		eventually(t, "the object is there again after "+s.name, func() bool {
			out, err := c.TryKubectl(t, "", "get", "sealkeyring", "kept", "-o", "name")
			return err == nil && strings.TrimSpace(out) == "sealkeyring.gitseal.dev/kept"
		})
	}
	c.KillAPIServer()
	if _, err := c.TryKubectl(t, "", "get", "--raw", "/readyz"); err == nil {
		t.Error("a killed API server answers")
	}
	checkAudit(t, c.AuditFile())
}

// checkAudit finds the one write in the log, which went on after restarts.
func checkAudit(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	verbs := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb           string
			ResponseObject json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		if len(event.ResponseObject) > 0 {
			verbs[event.Verb]++
		}
	}
	if verbs["patch"] != 1 || verbs["get"] < 4 {
		t.Errorf("the audit log has these verbs: %v", verbs)
	}
}

func TestUsersMayDoWhatRBACSays(t *testing.T) {
	c := kubetest.Shared(t)
	ns := c.Namespace(t)
	admin := client(t, c.Config())
	if _, err := admin.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*rest.Config{
		"certificate":     c.ConfigFor(t, "nobody", "somegroup"),
		"service account": c.ServiceAccountConfig(t, ns, "robot"),
	} {
		_, err := client(t, config).CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want forbidden", name, err)
		}
	}
	c.Kubectl(t, "", "-n", ns, "create", "role", "read", "--verb=list", "--resource=secrets")
	c.Kubectl(t, "", "-n", ns, "create", "rolebinding", "read", "--role=read", "--user=nobody",
		"--serviceaccount="+ns+":robot")
	for name, config := range map[string]*rest.Config{
		"certificate":     c.ConfigFor(t, "nobody", "somegroup"),
		"service account": c.ServiceAccountConfig(t, ns, "robot"),
	} {
		eventually(t, name+" may list", func() bool {
			_, err := client(t, config).CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
}

func TestControllerManagerCollectsGarbageAndNamespaces(t *testing.T) {
	c := kubetest.Start(t, kubetest.WithControllerManager())
	c.InstallCRDs(t)
	ns := c.Namespace(t)
	c.Kubectl(t, "", "-n", ns, "create", "configmap", "owner")
	uid := c.Kubectl(t, "", "-n", ns, "get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
	c.Kubectl(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned","ownerReferences":[
		{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"`+uid+`"}]}}`, "-n", ns, "apply", "-f", "-")
	c.Kubectl(t, "", "-n", ns, "delete", "configmap", "owner")
	eventually(t, "the owned object is gone", func() bool {
		return c.Kubectl(t, "", "-n", ns, "get", "configmap", "owned", "--ignore-not-found", "-o", "name") == ""
	})
	c.Kubectl(t, "", "delete", "namespace", ns, "--wait=false")
	eventually(t, "the namespace is gone", func() bool {
		return c.Kubectl(t, "", "get", "namespace", ns, "--ignore-not-found", "-o", "name") == ""
	})
}

func TestStartSaysWhyItFailed(t *testing.T) {
	if !runsAlone(t) {
		return
	}
	kubetest.Start(t, kubetest.WithAPIServerFlags("--no-such-flag"))
}

func TestMetricsCountRequests(t *testing.T) {
	text, err := kubetest.Shared(t).Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "apiserver_request_total{") {
		t.Error("no count of requests among the metrics")
	}
}

func TestMain(m *testing.M) { kubetest.Main(m) }
