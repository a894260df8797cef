package deploy_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

const (
	noTokens    = "may not write tokens that give access to the cluster"
	onlyDeleted = "may only patch SealedManifests that are being deleted"
	onlyRestart = "may only restart workloads"
)

// intruder is somebody with the controller's token.
type intruder struct {
	*testing.T
	cluster *kubetest.Cluster
	clients *kubernetes.Clientset
}

func newIntruder(t *testing.T, c *kubetest.Cluster) intruder {
	t.Helper()
	clients, err := kubernetes.NewForConfig(c.ServiceAccountConfig(t, system, controller))
	if err != nil {
		t.Fatal(err)
	}
	return intruder{t, c, clients}
}

// create returns the answer to the creation of a Secret, which is not kept.
func (i intruder) create(s *corev1.Secret) error {
	_, err := i.clients.CoreV1().Secrets("team-a").Create(i.Context(), s, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// read returns the answer to the way to read a Secret without the right to get it.
func (i intruder) read(name string) error {
	_, err := i.clients.CoreV1().Secrets("team-a").Patch(i.Context(), name, types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
	return err
}

func (i intruder) verdict(what string, err error, message string) {
	i.Helper()
	if (err == nil) != (message == "") || err != nil && !strings.Contains(err.Error(), message) {
		i.Errorf("%s: the answer is %v, want %q", what, err, message)
	}
}

func secretOf(kind corev1.SecretType) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "made", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
		Type:       kind,
		Data:       map[string][]byte{corev1.TLSCertKey: {}, corev1.TLSPrivateKeyKey: {}},
	}
}

// checkTokens: whoever has the controller's token gets no other with it, whatever the
// mode lets it do with Secrets.
func checkTokens(t *testing.T, c *kubetest.Cluster) {
	t.Helper()
	i := newIntruder(t, c)
	// The API server takes a moment to see a policy.
	eventually(t, "tokens are refused", func() bool { return i.create(secretOf(corev1.SecretTypeServiceAccountToken)) != nil })
	i.verdict("a service account's token", i.create(secretOf(corev1.SecretTypeServiceAccountToken)), noTokens)
	i.verdict("a bootstrap token", i.create(secretOf(corev1.SecretTypeBootstrapToken)), noTokens)
	i.verdict("any Secret", i.create(secretOf("")), "")
	i.verdict("a certificate", i.create(secretOf(corev1.SecretTypeTLS)), "")

	admin, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]corev1.SecretType{"token": corev1.SecretTypeServiceAccountToken, "opaque": corev1.SecretTypeOpaque} {
		s := secretOf(kind)
		s.Name = name
		if _, err := admin.CoreV1().Secrets("team-a").Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = admin.CoreV1().Secrets("team-a").Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{})
		})
	}
	i.verdict("reading a token by patch", i.read("token"), noTokens)
	i.verdict("a patch of any Secret", i.read("opaque"), "")
}

// checkFinalizers: in namespaces that the controller does not handle, it may do nothing
// but let those manifests go that are being deleted.
func checkFinalizers(t *testing.T, c *kubetest.Cluster) {
	t.Helper()
	i := newIntruder(t, c)
	client := dynamic.New(i.clients.RESTClient())
	patch := func(namespace, body string) error {
		_, err := client.Resource(v1alpha1.GroupVersion().WithResource("sealedmanifests")).Namespace(namespace).
			Patch(t.Context(), "db", types.MergePatchType, []byte(body), metav1.PatchOptions{})
		return err
	}
	held := func(namespace string) string {
		return strings.Replace(sealed, "namespace: default", "namespace: "+namespace+", finalizers: [gitseal.dev/merged]", 1)
	}
	for _, namespace := range []string{"team-a", "team-b"} {
		c.Kubectl(t, held(namespace), "create", "-f", "-")
	}
	const free = `{"metadata": {"finalizers": null}}`
	eventually(t, "patches elsewhere are refused", func() bool { return patch("team-b", `{}`) != nil })
	i.verdict("elsewhere, the finalizer", patch("team-b", free), onlyDeleted)
	i.verdict("elsewhere, spec", patch("team-b", `{"spec": {"suspend": true}}`), onlyDeleted)
	i.verdict("in its namespace, the finalizer", patch("team-a", free), "")
	c.Kubectl(t, "", "-n", "team-b", "delete", "sealedmanifest", "db", "--wait=false")
	i.verdict("elsewhere, the finalizer of a deleted one", patch("team-b", free), "")
	for _, namespace := range []string{"team-a", "team-b"} {
		c.Kubectl(t, "", "-n", namespace, "delete", "sealedmanifest", "db", "--ignore-not-found", "--timeout=1m")
	}
}

const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
`

// checkRestarts: a right to patch workloads is one to run anything, as any service
// account of the namespace; but for the policy.
func checkRestarts(t *testing.T, c *kubetest.Cluster) {
	t.Helper()
	i := newIntruder(t, c)
	daemons := strings.NewReplacer("kind: Deployment", "kind: DaemonSet").Replace(workload)
	stateful := strings.NewReplacer("kind: Deployment", "kind: StatefulSet").Replace(workload)
	for path, text := range map[string]string{"deployments": workload, "daemonsets": daemons, "statefulsets": stateful} {
		c.Kubectl(t, text, "create", "-f", "-")
		patch := func(template string) error {
			_, err := dynamic.New(i.clients.RESTClient()).Resource(appsv1.SchemeGroupVersion.WithResource(path)).Namespace("default").
				Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec": {"template": `+template+`}}`), metav1.PatchOptions{})
			return err
		}
		const account = `{"spec": {"serviceAccountName": "boss"}}`
		eventually(t, "changes are refused", func() bool { return patch(account) != nil })
		i.verdict(path+": another account", patch(account), onlyRestart)
		i.verdict(path+": another program", patch(`{"spec": {"containers": [{"name": "web", "image": "evil"}]}}`), onlyRestart)
		i.verdict(path+": an annotation", patch(`{"metadata": {"annotations": {"rollout.gitseal.dev/db": "x"}}}`), "")
	}
}
