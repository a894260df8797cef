package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// TestManyRolloutsHoldUpNobodyElse: more workloads than one pass restarts, used by the
// Secrets of more manifests than there are workers. All are restarted once for each
// Secret, and another namespace's Secret is there long before that.
func TestManyRolloutsHoldUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	other := &world{t: t, cluster: w.cluster, api: w.api, system: w.system, ns: w.namespace(), keyring: w.keyring, id: w.id, canaries: w.canaries}
	w.run(func(o *controller.Options) {
		o.Rollout, o.MaxConcurrent = true, 2
		o.Namespaces = append(o.Namespaces, other.ns)
	})
	const manifests, deployments = 4, 60 // 50 are restarted in a pass
	name := func(i int) string { return fmt.Sprintf("m%d", i) }
	for i := range deployments {
		d := deployment(w.ns, fmt.Sprintf("d%d", i), name(0))
		from := d.Spec.Template.Spec.Containers[0].EnvFrom[0]
		for j := 1; j < manifests; j++ {
			from := *from.DeepCopy()
			from.SecretRef.Name = name(j)
			d.Spec.Template.Spec.Containers[0].EnvFrom = append(d.Spec.Template.Spec.Containers[0].EnvFrom, from)
		}
		w.check(w.api.Create(t.Context(), d))
	}
	hash := map[string]string{}
	put := func(value string) {
		for j := range manifests {
			w.put(sealed{name: name(j), head: "spec:\n  rollout: Annotate\n", data: map[string]string{"a": w.value(value)}})
		}
	}
	put("1")
	for j := range manifests {
		hash[name(j)] = w.await(name(j), "the content is noted", func(m *v1alpha1.SealedManifest) bool { return m.Status.RolloutHash != "" }).Status.RolloutHash
	}
	put("2")
	other.put(sealed{name: "other", data: map[string]string{"a": w.value("3")}})
	other.awaitReason("other", v1alpha1.ReasonApplied)
	if left := slices.DeleteFunc(w.restarts(), func(n int64) bool { return n == manifests+1 }); len(left) == 0 {
		t.Error("another namespace had to wait until all was restarted")
	}
	for j := range manifests {
		m := w.await(name(j), "the rollout is over", func(m *v1alpha1.SealedManifest) bool {
			return m.Status.RolloutHash != hash[name(j)] && m.Status.ObservedDigest != ""
		})
		if c := ready(m); c.Reason != v1alpha1.ReasonApplied || strings.Contains(c.Message, "restarted") {
			t.Errorf("%s is %+v", m.Name, c)
		}
	}
	if got := w.restarts(); slices.Min(got) != manifests+1 || slices.Max(got) != manifests+1 {
		t.Errorf("generations are %v, want %d", got, manifests+1)
	}
}

// restarts returns the generations of all Deployments.
func (w *world) restarts() []int64 {
	w.t.Helper()
	var list appsv1.DeploymentList
	w.check(w.api.List(w.t.Context(), &list, client.InNamespace(w.ns)))
	var out []int64
	for _, d := range list.Items {
		out = append(out, d.Generation)
	}
	return out
}
