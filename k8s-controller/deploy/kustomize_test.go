package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitseal/gitseal/k8s-controller/deploy"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// installed is a cluster of its own with a mode applied.
func installed(t *testing.T, mode string) (*kubetest.Cluster, []*object) {
	t.Helper()
	stream := kustomize(t, "modes/"+mode)
	c := kubetest.Start(t)
	c.Kubectl(t, "", "create", "namespace", "team-a")
	c.Kubectl(t, "", "create", "namespace", "team-b")
	apply(t, c, stream)
	return c, parse(t, stream)
}

// apply applies a stream the way a person does. A second time nothing may change.
func apply(t *testing.T, c *kubetest.Cluster, stream string) {
	t.Helper()
	args := []string{"apply", "--server-side", "--validate=strict", "-f", "-"}
	c.Kubectl(t, stream, args...)
	before := c.Kubectl(t, stream, "get", "-o", "jsonpath={.items[*].metadata.resourceVersion}", "-f", "-")
	c.Kubectl(t, stream, args...)
	if after := c.Kubectl(t, stream, "get", "-o", "jsonpath={.items[*].metadata.resourceVersion}", "-f", "-"); after != before {
		t.Errorf("applying again changes something: %s, then %s", before, after)
	}
}

func TestModesGiveTheRightsTheySay(t *testing.T) {
	program := buildProgram(t)
	for mode, argument := range map[string]string{
		"cluster-wide": "", "namespaces": "--namespaces=team-a", "write-only": "--secret-access=write-only",
	} {
		t.Run(mode, func(t *testing.T) {
			c, objects := installed(t, mode)
			checkRights(t, c, mode)
			checkTokens(t, c)
			if mode == "namespaces" {
				checkFinalizers(t, c)
			}
			checkAdmitted(t, c, system, objects)
			args := only[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec.Containers[0].Args
			if argument != "" && !slices.Contains(args, argument) {
				t.Errorf("the arguments are %s, want %s among them", args, argument)
			}
			checkProgram(t, c, program, args)
		})
	}
}

// TestDeletedNamespaceIsNotHeldUp: the controller's own RoleBindings may go before the
// SealedManifests, one of which has its finalizer.
func TestDeletedNamespaceIsNotHeldUp(t *testing.T) {
	program := buildProgram(t)
	stream := kustomize(t, "modes/namespaces")
	c := kubetest.Start(t, kubetest.WithControllerManager())
	c.Kubectl(t, "", "create", "namespace", "team-a")
	apply(t, c, stream)
	initialize(t, c, program)
	c.Kubectl(t, "", "patch", "sealkeyring", "default", "--type=merge", "--patch", `{"spec": {"policy": {"conflictPolicies": ["Merge"]}}}`)
	start(t, c, program, only[appsv1.Deployment](t, parse(t, stream), "Deployment").Spec.Template.Spec.Containers[0].Args)
	c.Kubectl(t, "", "-n", "team-a", "create", "secret", "generic", "db", "--from-literal=theirs=1")
	c.Kubectl(t, manifestFor(t, recipients(t, c))+"spec: {conflictPolicy: Merge}\n", "create", "-f", "-")
	c.Kubectl(t, "", "-n", "team-a", "wait", "sealedmanifest/db", "--for=condition=Ready", "--timeout=1m")
	if got := c.Kubectl(t, "", "-n", "team-a", "get", "sealedmanifest", "db", "-o", "jsonpath={.metadata.finalizers}"); got != `["gitseal.dev/merged"]` {
		t.Fatalf("the finalizers are %s: the test has no point", got)
	}
	c.Kubectl(t, "", "-n", "team-a", "delete", "rolebindings", "--all")
	c.Kubectl(t, "", "delete", "namespace", "team-a", "--timeout=2m")
}

func TestComponentsGiveTheRightsTheySay(t *testing.T) {
	stream := kustomize(t, withComponents(t, "rollout", "impersonation"))
	c := kubetest.Start(t)
	apply(t, c, stream)
	ask(t, c, "system:serviceaccount:"+system+":"+controller, nil, []right{
		{"list", "apps/deployments", "default", "", true},
		{"patch", "apps/statefulsets", "default", "", true},
		{"patch", "apps/daemonsets", "default", "", true},
		{"delete", "apps/deployments", "default", "", false},
		{"impersonate", "serviceaccounts", "default", "", true},
		{"impersonate", "users", "", "", false},
		{"impersonate", "groups", "", "", false},
	})
	checkRestarts(t, c)
	args := only[appsv1.Deployment](t, parse(t, stream), "Deployment").Spec.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--rollout") || !slices.Contains(args, "--impersonate") {
		t.Errorf("the arguments are %s", args)
	}
}

// withComponents returns a folder that is the cluster-wide mode with components.
func withComponents(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, deploy.Files()); err != nil {
		t.Fatal(err)
	}
	text := "resources: [../modes/cluster-wide]\ncomponents:\n"
	for _, name := range names {
		if name != "monitoring" {
			name = "components/" + name
		}
		text += "- ../" + name + "\n"
	}
	dir = filepath.Join(dir, "all")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The base alone must not give access to anybody's Secrets.
func TestBaseGivesNoAccessToSecretsOfOthers(t *testing.T) {
	for _, role := range find(parse(t, kustomize(t, "base")), "ClusterRole") {
		if strings.Contains(jsonText(t, role.Object), `"secrets"`) {
			t.Errorf("the ClusterRole %s names secrets", role.GetName())
		}
	}
}

// checkAdmitted creates a Pod as the Deployment would, under the restricted standard.
func checkAdmitted(t *testing.T, c *kubetest.Cluster, namespace string, objects []*object) {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	template := only[appsv1.Deployment](t, objects, "Deployment").Spec.Template
	create := func(change func(*corev1.PodSpec)) error {
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: *template.Spec.DeepCopy()}
		pod.Name = "trial"
		change(&pod.Spec)
		_, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		return err
	}
	if err := create(func(*corev1.PodSpec) {}); err != nil {
		t.Errorf("the Pod is refused: %v", err)
	}
	for name, change := range map[string]func(*corev1.PodSpec){
		"runAsNonRoot":             func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil },
		"seccompProfile":           func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
		"capabilities":             func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil },
		"allowPrivilegeEscalation": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
	} {
		if err := create(change); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s the Pod has to be refused; the answer is %v", name, err)
		}
	}
}

func TestPodHasNoMoreThanItNeeds(t *testing.T) {
	spec := only[appsv1.Deployment](t, parse(t, kustomize(t, "base")), "Deployment").Spec.Template.Spec
	no, yes := false, true
	checks := map[string]bool{
		"no automatic token":         equal(spec.AutomountServiceAccountToken, &no),
		"not root":                   equal(spec.SecurityContext.RunAsNonRoot, &yes),
		"read-only root":             equal(spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem, &yes),
		"one container":              len(spec.Containers) == 1 && len(spec.InitContainers) == 0,
		"one volume, of the token":   len(spec.Volumes) == 1 && spec.Volumes[0].Projected != nil,
		"liveness":                   spec.Containers[0].LivenessProbe.HTTPGet.Path == "/healthz",
		"readiness":                  spec.Containers[0].ReadinessProbe.HTTPGet.Path == "/readyz",
		"memory limit":               !spec.Containers[0].Resources.Limits.Memory().IsZero(),
		"requests":                   !spec.Containers[0].Resources.Requests.Cpu().IsZero(),
		"spread over nodes":          len(spec.TopologySpreadConstraints) == 1,
		"no environment of Services": equal(spec.EnableServiceLinks, &no),
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("the Pod has not: %s", name)
		}
	}
}

func equal[T comparable](a, b *T) bool { return a != nil && *a == *b }
