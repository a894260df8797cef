package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitseal/gitseal/k8s-controller/kubetest"
)

const policies = "admissionPolicies.enabled=true"

func render(t *testing.T, h helm, settings ...string) string {
	t.Helper()
	args := []string{"template", controller, "chart", "--namespace", system, "--kube-version", "1.36"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	return h.run(t, args...)
}

func eachHelm(t *testing.T, test func(t *testing.T, major int)) {
	for _, major := range []int{3, 4} {
		t.Run(fmt.Sprintf("helm%d", major), func(t *testing.T) { test(t, major) })
	}
}

// The chart and the kustomize modes are two ways to write the same.
func TestChartAndModesGiveEqualRights(t *testing.T) {
	settings := map[string][]string{
		"modes/cluster-wide": nil,
		"modes/namespaces":   {"watchNamespaces={team-a}"},
		"modes/write-only":   {"secretAccess=write-only"},
	}
	eachHelm(t, func(t *testing.T, major int) {
		h := newHelm(t, major, "")
		for mode, set := range settings {
			want, got := parse(t, kustomize(t, mode)), parse(t, render(t, h, set...))
			if diff := cmp.Diff(grants(t, want), grants(t, got)); diff != "" {
				t.Errorf("%s (-kustomize +chart):\n%s", mode, diff)
			}
			if diff := cmp.Diff(admission(want), admission(got)); diff != "" || len(admission(want)) == 0 {
				t.Errorf("policies in %s (-kustomize +chart):\n%s", mode, diff)
			}
			wantArgs := only[appsv1.Deployment](t, want, "Deployment").Spec.Template.Spec.Containers[0].Args
			gotArgs := only[appsv1.Deployment](t, got, "Deployment").Spec.Template.Spec.Containers[0].Args
			if diff := cmp.Diff(wantArgs, gotArgs); diff != "" {
				t.Errorf("arguments in %s (-kustomize +chart):\n%s", mode, diff)
			}
		}
	})
}

// grants returns the rules of all roles and who has them, by kind and name.
func grants(t *testing.T, objects []*object) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, kind := range []string{"ClusterRole", "Role"} {
		for _, o := range find(objects, kind) {
			var role rbacv1.ClusterRole
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
				t.Fatal(err)
			}
			out[kind+" "+o.GetNamespace()+"/"+o.GetName()] = role.Rules
		}
	}
	for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
		for _, o := range find(objects, kind) {
			out[kind+" "+o.GetNamespace()+"/"+o.GetName()] = []any{o.Object["roleRef"], o.Object["subjects"]}
		}
	}
	return out
}

// components are written for kustomize; the chart has settings for the same.
func TestChartHasWhatComponentsHave(t *testing.T) {
	want := parse(t, kustomize(t, withComponents(t, "rollout", "impersonation", "admission-policies", "service-monitor", "monitoring")))
	got := parse(t, render(t, newHelm(t, 4, ""), "rollout=true", "impersonate=true", policies, "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"))
	if diff := cmp.Diff(grants(t, want), grants(t, got)); diff != "" {
		t.Errorf("(-kustomize +chart):\n%s", diff)
	}
	if diff := cmp.Diff(names(want), names(got)); diff != "" {
		t.Errorf("objects (-kustomize +chart):\n%s", diff)
	}
	if diff := cmp.Diff(admission(want), admission(got)); diff != "" {
		t.Errorf("(-kustomize +chart):\n%s", diff)
	}
}

// admission returns the policies and their bindings, by kind and name.
func admission(objects []*object) map[string]any {
	out := map[string]any{}
	for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
		for _, o := range find(objects, kind) {
			out[kind+" "+o.GetName()] = o.Object["spec"]
		}
	}
	return out
}

// names are those of all objects but the Namespace, which helm makes itself.
func names(objects []*object) []string {
	var out []string
	for _, o := range objects {
		if o.GetKind() != "Namespace" {
			out = append(out, o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName())
		}
	}
	slices.Sort(out)
	return out
}

// A chart can only use files that are in it.
func TestChartHasCopiesOfWhatItUses(t *testing.T) {
	for _, name := range []string{"crd/gitseal.dev_sealedmanifests.yaml", "crd/gitseal.dev_sealkeyrings.yaml", "monitoring/rules.yaml", "monitoring/dashboard.json"} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("chart/files", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("chart/files/%s is no copy of %s: copy it", name, name)
		}
	}
}

func TestChartHasTheAlertsAndTheDashboard(t *testing.T) {
	want := parse(t, kustomize(t, "monitoring"))
	eachHelm(t, func(t *testing.T, major int) {
		got := parse(t, render(t, newHelm(t, major, ""), "metrics.prometheusRule.enabled=true", "metrics.dashboards.enabled=true"))
		rule := find(got, "PrometheusRule")
		if len(rule) != 1 {
			t.Fatalf("%d PrometheusRules", len(rule))
		}
		if diff := cmp.Diff(want[0].Object["spec"], rule[0].Object["spec"]); diff != "" {
			t.Errorf("alerts (-kustomize +chart):\n%s", diff)
		}
		dashboard, err := os.ReadFile("monitoring/dashboard.json")
		if err != nil {
			t.Fatal(err)
		}
		if data := only[corev1.ConfigMap](t, got, "ConfigMap").Data["gitseal.json"]; data != string(dashboard) {
			t.Error("the dashboard in the ConfigMap is another")
		}
	})
}

func TestChartIsLintedAndRefusesWrongValues(t *testing.T) {
	wrong := map[string]string{
		"watchNamespace={a}":          "watchNamespace",
		"secretAccess=none":           "secretAccess",
		"watchNamespaces={A}":         "watchNamespaces",
		"image.digest=latest":         "digest",
		"metrics.port=0":              "port",
		"replicaCount=many":           "replicaCount",
		"leaderElect=false":           "leaderElect may only be off with replicaCount 1",
		"serviceAccount.create=false": "serviceAccount.name is needed",
	}
	eachHelm(t, func(t *testing.T, major int) {
		h := newHelm(t, major, "")
		h.run(t, "lint", "--strict", "chart")
		for set, message := range wrong {
			out, err := h.try(t, "template", "x", "chart", "--kube-version", "1.36", "--set", set)
			if err == nil || !strings.Contains(err.Error(), message) {
				t.Errorf("--set %s: error %v, want %q in it (%d bytes of output)", set, err, message, len(out))
			}
		}
	})
}

func TestChartSettingsReachTheProgram(t *testing.T) {
	h := newHelm(t, 4, "")
	d := only[appsv1.Deployment](t, parse(t, render(t, h, "replicaCount=1", "leaderElect=false", "class=blue", "labelSelector=team in (a\\, b)",
		"resync=5m", "maxConcurrent=4", "log.level=debug", "log.format=text", "metrics.enabled=false", "health.port=9000",
		"extraArgs={--lease-duration=30s}", "image.digest=sha256:"+strings.Repeat("a", 64), "hostUsers=false", "extraObjects[0]=kind: X")), "Deployment")
	spec := d.Spec.Template.Spec
	want := []string{"run", "--leader-elect=false", "--keyring-namespace=$(POD_NAMESPACE)", "--metrics-addr=", "--health-addr=:9000",
		"--class=blue", "--label-selector=team in (a, b)", "--resync=5m", "--max-concurrent=4", "--log-level=debug", "--log-format=text", "--lease-duration=30s"}
	if diff := cmp.Diff(want, spec.Containers[0].Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if got := spec.Containers[0].Image; got != "ghcr.io/gitseal/gitseal-controller@sha256:"+strings.Repeat("a", 64) {
		t.Errorf("the image is %s", got)
	}
	if spec.HostUsers == nil || *spec.HostUsers {
		t.Error("hostUsers is not false")
	}
}

// There are no nodes, so nothing runs; everything else is as in any cluster.
func TestChartIsInstalledUpgradedAndUninstalled(t *testing.T) {
	eachHelm(t, func(t *testing.T, major int) {
		c := kubetest.Start(t)
		h := newHelm(t, major, c.Kubeconfig(t))
		flags := []string{controller, "chart", "--namespace", system, "--set", policies}
		h.run(t, append([]string{"install", "--create-namespace"}, flags...)...)
		c.Kubectl(t, "", "label", "namespace", system, "pod-security.kubernetes.io/enforce=restricted")
		checkAdmitted(t, c, system, parse(t, h.run(t, "get", "manifest", controller, "--namespace", system)))
		c.Kubectl(t, "", "create", "namespace", "team-a")
		checkRights(t, c, "cluster-wide")
		checkTokens(t, c)
		h.run(t, append([]string{"upgrade", "--set", "secretAccess=write-only"}, flags...)...)
		checkRights(t, c, "write-only")
		h.run(t, "uninstall", controller, "--namespace", system)
		if left := c.Kubectl(t, "", "get", "crd", "-o", "name"); strings.Count(left, "gitseal.dev") != 2 {
			t.Errorf("after the uninstall there are these CRDs: %s", left)
		}
		if left := c.Kubectl(t, "", "-n", system, "get", "deployment,role", "-o", "name"); left != "" {
			t.Errorf("the uninstall left %s", left)
		}
		// What was kept does not stand in the way of the next install.
		h.run(t, append([]string{"install"}, flags...)...)
	})
}
