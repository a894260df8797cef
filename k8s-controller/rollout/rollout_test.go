package rollout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/kubetest"
	"github.com/gitseal/gitseal/k8s-controller/rollout"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// stage is a namespace of the cluster with a roller whose key is in another.
type stage struct {
	t       *testing.T
	cluster *kubetest.Cluster
	client  client.Client
	ns, own string
	roller  *rollout.Roller
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c := kubetest.Shared(t)
	cl, err := client.New(c.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, cluster: c, client: cl, ns: c.Namespace(t), own: c.Namespace(t)}
	s.roller = s.newRoller()
	return s
}

// newRoller is a controller that has just started.
func (s *stage) newRoller() *rollout.Roller {
	return rollout.New(rollout.Options{Client: s.client, Namespace: s.own})
}

// manifest returns a SealedManifest with the hash of its last status.
func (s *stage) manifest(hash string) *v1alpha1.SealedManifest {
	return &v1alpha1.SealedManifest{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "db"},
		Spec:       v1alpha1.SealedManifestSpec{Rollout: v1alpha1.RolloutAnnotate},
		Status:     v1alpha1.SealedManifestStatus{RolloutHash: hash},
	}
}

// roll is two passes of the controller, if the first only says that a rollout begins.
func (s *stage) roll(hash string, secrets ...*corev1.Secret) rollout.Result {
	s.t.Helper()
	got := s.pass(hash, secrets...)
	if got.Pending && got.Hash != hash {
		got = s.pass(got.Hash, secrets...)
	}
	return got
}

// pass is one of the controller, over a manifest whose last status has the hash.
func (s *stage) pass(hash string, secrets ...*corev1.Secret) rollout.Result {
	s.t.Helper()
	got, err := s.roller.Roll(s.t.Context(), s.manifest(hash), secrets)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// template is what a workload's template says of a Secret, and its generation.
type template struct {
	Generation  int64
	Annotations map[string]string
}

func (s *stage) template(kind, name string) template {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("apps/v1")
	u.SetKind(kind)
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: s.ns, Name: name}, u); err != nil {
		s.t.Fatal(err)
	}
	a, _, err := unstructured.NestedStringMap(u.Object, "spec", "template", "metadata", "annotations")
	if err != nil {
		s.t.Fatal(err)
	}
	return template{u.GetGeneration(), a}
}

func secret(name string, data ...string) *corev1.Secret {
	out := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: make(map[string][]byte)}
	for i := 0; i < len(data); i += 2 {
		out.Data[data[i]] = []byte(data[i+1])
	}
	return out
}

// workloadYAML is a workload whose pods refer to a Secret in a given way.
func workloadYAML(kind, name, uses, containerUses string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: %s
metadata:
  name: %s
spec:
  selector: {matchLabels: {app: %s}}
  template:
    metadata:
      labels: {app: %s}
      annotations: {team: blue}
    spec:
%s
      containers:
        - name: main
          image: registry.example/main:1
%s
`, kind, name, name, name, indent(6, uses), indent(10, containerUses))
}

func indent(n int, text string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

const fromEnv = "env:\n  - name: A\n    valueFrom: {secretKeyRef: {name: db, key: password}}"

// TestATemplateChangesOnceForEachChangeOfContent is the main path: first sight notes,
// a change restarts once, what repeats or comes back after a crash does nothing more.
func TestATemplateChangesOnceForEachChangeOfContent(t *testing.T) {
	s := newStage(t)
	yaml := workloadYAML("Deployment", "web", "", fromEnv)
	s.cluster.Kubectl(t, yaml, "-n", s.ns, "apply", "-f", "-")
	before := s.template("Deployment", "web")

	first := s.roll("", secret("db", "password", "one"))
	if len(first.Restarted) != 0 || first.Hash == "" {
		t.Errorf("at first sight: %+v", first)
	}
	if diff := cmp.Diff(before, s.template("Deployment", "web")); diff != "" {
		t.Errorf("at first sight the template changed:\n%s", diff)
	}
	if again := s.roll(first.Hash, secret("db", "password", "one")); again.Hash != first.Hash || len(again.Restarted) != 0 {
		t.Errorf("the same content: %+v after %+v", again, first)
	}

	second := s.roll(first.Hash, secret("db", "password", "two"))
	if diff := cmp.Diff([]string{"Deployment/web"}, second.Restarted); diff != "" {
		t.Errorf("restarted (-want +got):\n%s", diff)
	}
	after := s.template("Deployment", "web")
	if after.Generation != before.Generation+1 {
		t.Errorf("generation went from %d to %d", before.Generation, after.Generation)
	}
	value := after.Annotations["rollout.gitseal.dev/db"]
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(value) {
		t.Errorf("the annotation is %q", value)
	}
	if diff := cmp.Diff(map[string]string{"team": "blue", "rollout.gitseal.dev/db": value}, after.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}

	// The status was not written: the controller crashed, or another took over.
	s.roller = s.newRoller()
	if third := s.roll(first.Hash, secret("db", "password", "two")); third.Hash != second.Hash || len(third.Restarted) != 0 {
		t.Errorf("after a crash: %+v, want %+v and no restart", third, second)
	}
	if got := s.template("Deployment", "web"); got.Generation != after.Generation {
		t.Errorf("after a crash the generation went from %d to %d", after.Generation, got.Generation)
	}
}

// TestUsersToolsSeeNoDifference: kubectl finds nothing to change afterwards, neither
// with client-side nor with server-side apply, and leaves the annotation.
func TestUsersToolsSeeNoDifference(t *testing.T) {
	for _, flags := range [][]string{nil, {"--server-side"}} {
		t.Run(strings.Join(append([]string{"apply"}, flags...), " "), func(t *testing.T) {
			s := newStage(t)
			yaml := workloadYAML("Deployment", "web", "", fromEnv)
			apply := append([]string{"-n", s.ns, "apply", "-f", "-"}, flags...)
			s.cluster.Kubectl(t, yaml, apply...)
			was := s.object("Deployment", "web")
			h := s.roll("", secret("db", "password", "one")).Hash
			s.roll(h, secret("db", "password", "two"))
			if out, err := s.cluster.TryKubectl(t, yaml, append([]string{"-n", s.ns, "diff", "-f", "-"}, flags...)...); err != nil || out != "" {
				t.Errorf("kubectl diff: %v\n%s", err, out)
			}
			restarted := s.template("Deployment", "web")
			s.cluster.Kubectl(t, yaml, apply...)
			if diff := cmp.Diff(restarted, s.template("Deployment", "web")); diff != "" {
				t.Errorf("kubectl apply changed the template:\n%s", diff)
			}
			if diff := cmp.Diff(was, s.object("Deployment", "web")); diff != "" {
				t.Errorf("other fields changed (-before +after):\n%s", diff)
			}
		})
	}
}

// object returns a workload without what a write changes by itself and the annotation.
func (s *stage) object(kind, name string) map[string]any {
	s.t.Helper()
	var u map[string]any
	if err := json.Unmarshal([]byte(s.cluster.Kubectl(s.t, "", "-n", s.ns, "get", kind, name, "-o", "json")), &u); err != nil {
		s.t.Fatal(err)
	}
	for _, f := range []string{"generation", "resourceVersion", "managedFields"} {
		unstructured.RemoveNestedField(u, "metadata", f)
	}
	unstructured.RemoveNestedField(u, "spec", "template", "metadata", "annotations", "rollout.gitseal.dev/db")
	return u
}

// TestEachWayToReferToASecretCounts, and what does not refer to it stays as it is.
func TestEachWayToReferToASecretCounts(t *testing.T) {
	s := newStage(t)
	initContainer := "initContainers:\n  - name: first\n    image: registry.example/first:1\n"
	yes := map[string]string{
		"Deployment/env":           workloadYAML("Deployment", "env", "", fromEnv),
		"Deployment/envfrom":       workloadYAML("Deployment", "envfrom", "", "envFrom: [{secretRef: {name: db}}]"),
		"Deployment/volume":        workloadYAML("Deployment", "volume", "volumes: [{name: v, secret: {secretName: db}}]", ""),
		"Deployment/projected":     workloadYAML("Deployment", "projected", "volumes: [{name: v, projected: {sources: [{configMap: {name: x}}, {secret: {name: db}}]}}]", ""),
		"Deployment/pull":          workloadYAML("Deployment", "pull", "imagePullSecrets: [{name: db}]", ""),
		"Deployment/init":          workloadYAML("Deployment", "init", initContainer+"    envFrom: [{secretRef: {name: db}}]", ""),
		"StatefulSet/set":          strings.Replace(workloadYAML("StatefulSet", "set", "", fromEnv), "spec:", "spec:\n  serviceName: set", 1),
		"DaemonSet/daemon":         workloadYAML("DaemonSet", "daemon", "", fromEnv),
		"Deployment/not-ignored":   annotated(workloadYAML("Deployment", "not-ignored", "", fromEnv), "false"),
		"Deployment/several-times": workloadYAML("Deployment", "several-times", "imagePullSecrets: [{name: db}]", fromEnv),
	}
	no := map[string]string{
		"Deployment/ignored":   annotated(workloadYAML("Deployment", "ignored", "", fromEnv), "true"),
		"Deployment/other":     workloadYAML("Deployment", "other", "", "envFrom: [{secretRef: {name: db2}}]"),
		"Deployment/configmap": workloadYAML("Deployment", "configmap", "", "envFrom: [{configMapRef: {name: db}}]"),
	}
	var all strings.Builder
	for _, yaml := range append(values(yes), values(no)...) {
		all.WriteString(yaml + "---\n")
	}
	s.cluster.Kubectl(t, all.String(), "-n", s.ns, "apply", "-f", "-")
	h := s.roll("", secret("db", "password", "one")).Hash
	got := s.roll(h, secret("db", "password", "two"))
	if diff := cmp.Diff(sorted(yes), got.Restarted); diff != "" {
		t.Errorf("restarted (-want +got):\n%s", diff)
	}
	for _, w := range append(sorted(yes), sorted(no)...) {
		kind, name, _ := strings.Cut(w, "/")
		_, changed := s.template(kind, name).Annotations["rollout.gitseal.dev/db"]
		if _, want := yes[w]; changed != want {
			t.Errorf("%s has the annotation: %v, want %v", w, changed, want)
		}
	}
}

func annotated(yaml, value string) string {
	return strings.Replace(yaml, "metadata:", "metadata:\n  annotations: {rollout.gitseal.dev/ignore: \""+value+"\"}", 1)
}

// TestSecretsOfOneWorkloadDoNotDisturbEachOther: each has its own annotation, also if
// they change at the same time.
func TestSecretsOfOneWorkloadDoNotDisturbEachOther(t *testing.T) {
	s := newStage(t)
	long := strings.Repeat("a", 200)
	yaml := workloadYAML("Deployment", "web", "imagePullSecrets: [{name: "+long+"}]", "envFrom: [{secretRef: {name: a}}, {secretRef: {name: b}}]")
	s.cluster.Kubectl(t, yaml, "-n", s.ns, "apply", "-f", "-")
	names := []string{"a", "b", long}
	hash := make(map[string]string)
	for _, n := range names {
		hash[n] = s.roll("", secret(n, "k", "one")).Hash
	}
	before := s.template("Deployment", "web").Generation
	var wg sync.WaitGroup
	for _, n := range names {
		hash := hash[n]
		wg.Go(func() {
			for again := true; again; { // in a while, if another is at work
				got, err := s.roller.Roll(context.Background(), s.manifest(hash), []*corev1.Secret{secret(n, "k", "two")})
				if err != nil {
					t.Error(err)
				}
				hash, again = got.Hash, got.Pending && err == nil
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	got := s.template("Deployment", "web")
	if got.Generation != before+3 || len(got.Annotations) != 4 {
		t.Errorf("generation %d after %d, annotations %v", got.Generation, before, got.Annotations)
	}
	distinct := make(map[string]bool)
	for _, n := range names {
		distinct[got.Annotations[rollout.Annotation(n)]] = true
	}
	if len(distinct) != 3 {
		t.Errorf("equal contents of different Secrets have equal hashes: %v", got.Annotations)
	}

	// One of several Secrets of one manifest: the others' annotations stay.
	both := s.roll("", secret("a", "k", "two"), secret("b", "k", "two"))
	s.roll(both.Hash, secret("a", "k", "three"), secret("b", "k", "two"))
	now := s.template("Deployment", "web")
	if now.Generation != got.Generation+1 || now.Annotations[rollout.Annotation("b")] != got.Annotations[rollout.Annotation("b")] {
		t.Errorf("annotations went from %v to %v", got.Annotations, now.Annotations)
	}

	// A Secret that is used no more loses its annotation when the next changes.
	yaml = workloadYAML("Deployment", "web", "", "envFrom: [{secretRef: {name: b}}]")
	s.cluster.Kubectl(t, yaml, "-n", s.ns, "apply", "-f", "-")
	h := s.roll("", secret("b", "k", "two")).Hash
	s.roll(h, secret("b", "k", "three"))
	if got := s.template("Deployment", "web").Annotations; len(got) != 2 {
		t.Errorf("annotations of Secrets that are not used: %v", got)
	}
}

func values(m map[string]string) []string {
	var out []string
	for _, k := range sorted(m) {
		out = append(out, m[k])
	}
	return out
}

func sorted(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
