package controller_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// deployment uses a Secret.
func deployment(ns, name, secret string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: "example.com/none",
					EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}}},
				}}},
			},
		},
	}
}

func TestWorkloadsRestartWhenContentChanges(t *testing.T) {
	w := newWorld(t)
	r := w.run(func(o *controller.Options) { o.Rollout = true })
	d := deployment(w.ns, "shop", "db")
	w.check(w.api.Create(t.Context(), d))
	templates := func() int64 {
		t.Helper()
		w.check(w.api.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		return d.Generation
	}
	asks := "spec:\n  rollout: Annotate\n"
	w.put(sealed{name: "db", head: asks, data: map[string]string{"a": w.value("1")}})
	w.await("db", "the content is noted", func(m *v1alpha1.SealedManifest) bool {
		return ready(m).Reason == v1alpha1.ReasonApplied && m.Status.RolloutHash != ""
	})
	if n := templates(); n != 1 {
		t.Errorf("the template was changed at first sight: generation %d", n)
	}
	// Sealed anew, but the same content.
	w.put(sealed{name: "db", head: asks, data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	r.rest()
	if n := templates(); n != 1 {
		t.Errorf("the template was changed for the same content: generation %d", n)
	}
	w.put(sealed{name: "db", head: asks, data: map[string]string{"a": w.value("2")}})
	w.eventually("the template changes", func() bool { return templates() == 2 }, nil)
	w.awaitReason("db", v1alpha1.ReasonApplied)
	r.rest()
	if n := templates(); n != 2 || r.count("gitseal_rollouts_total") != 1 {
		t.Errorf("generation %d, %v rollouts", n, r.count("gitseal_rollouts_total"))
	}
}

// TestRolloutThatIsTakenBack: a workload cannot be written, and the change is reverted in
// git. What was restarted with it is restarted with what is in the Secret again.
func TestRolloutThatIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.run(func(o *controller.Options) {
		o.Rollout = true
		o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/deployments/refused") {
					return nil, errors.New("refused")
				}
				return next.RoundTrip(r)
			})
		})
	})
	for _, name := range []string{"first", "refused"} {
		w.check(w.api.Create(t.Context(), deployment(w.ns, name, "db")))
	}
	was := w.manifest(sealed{name: "db", head: "spec:\n  rollout: Annotate\n", data: map[string]string{"a": w.value("1")}})
	w.apply(was)
	hash := w.await("db", "the content is noted", func(m *v1alpha1.SealedManifest) bool { return m.Status.RolloutHash != "" }).Status.RolloutHash
	w.put(sealed{name: "db", head: "spec:\n  rollout: Annotate\n", data: map[string]string{"a": w.value("2")}})
	w.await("db", "the rollout fails", func(m *v1alpha1.SealedManifest) bool { return ready(m).Status == metav1.ConditionFalse })
	if got := w.restarts(); !slices.Equal(got, []int64{2, 1}) {
		t.Fatalf("generations are %v, want that only the first was restarted", got)
	}
	w.apply(was)
	m := w.awaitReason("db", v1alpha1.ReasonApplied)
	if got := w.restarts(); !slices.Equal(got, []int64{3, 1}) || m.Status.RolloutHash != hash {
		t.Errorf("generations are %v, the hash %s, which was %s", got, m.Status.RolloutHash, hash)
	}
}

func TestRolloutThatIsNotAllowedIsSaid(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", head: "spec:\n  rollout: Annotate\n", data: map[string]string{"a": w.value("1")}})
	if m := w.awaitReason("db", v1alpha1.ReasonApplied); !strings.Contains(ready(m).Message, "spec.rollout has no effect") {
		t.Errorf("the message is %q", ready(m).Message)
	}
}
