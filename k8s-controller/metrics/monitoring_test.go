package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// rules is a file of Prometheus's rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func monitoringFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "deploy", "monitoring", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readStrictly(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Fatal(err)
	}
}

// TestAlertsAreWellFormed: names, expressions, times and what people are told.
func TestAlertsAreWellFormed(t *testing.T) {
	var r rules
	readStrictly(t, monitoringFile(t, "rules.yaml"), &r)
	seen := make(map[string]bool)
	known := labelsOf(t)
	for _, g := range r.Groups {
		for _, a := range g.Rules {
			if !regexp.MustCompile(`^Gitseal[A-Za-z]+$`).MatchString(a.Alert) || seen[a.Alert] {
				t.Errorf("the alert's name %q is odd or taken", a.Alert)
			}
			seen[a.Alert] = true
			for _, problem := range checkExpr(a.Expr, known) {
				t.Errorf("%s: %s: %s", a.Alert, a.Expr, problem)
			}
			if a.For != "" {
				if _, err := model.ParseDuration(a.For); err != nil {
					t.Errorf("%s: %v", a.Alert, err)
				}
			}
			if !slices.Contains([]string{"info", "warning", "critical"}, a.Labels["severity"]) || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
				t.Errorf("%s: labels %v, annotations %v", a.Alert, a.Labels, a.Annotations)
			}
		}
	}
	for _, want := range []string{"ManifestsNotReady", "RetiringKeyInUse", "KeyUnavailable", "DriftStorm", "NoLeader", "NoIdentity", "ReconcileErrors", "WatchFailing"} {
		if !seen["Gitseal"+want] {
			t.Errorf("there is no alert %s", want)
		}
	}
}

func TestTheOperatorsRulesAreTheSame(t *testing.T) {
	var plain rules
	readStrictly(t, monitoringFile(t, "rules.yaml"), &plain)
	var object struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Spec             rules
	}
	readStrictly(t, monitoringFile(t, "prometheusrule.yaml"), &object)
	if object.APIVersion != "monitoring.coreos.com/v1" || object.Kind != "PrometheusRule" {
		t.Errorf("it is a %s %s", object.APIVersion, object.Kind)
	}
	if diff := cmp.Diff(plain, object.Spec); diff != "" {
		t.Errorf("rules differ (-plain +operator's):\n%s", diff)
	}
}

// TestTheDashboardAsksForWhatThereIs and shows all that there is.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	data := monitoringFile(t, "dashboard.json")
	var d struct {
		Title, UID string
		Panels     []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	known := labelsOf(t)
	ids := make(map[int]bool)
	asked := ""
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q is not well-formed", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			asked += target.Expr + "\n"
			for _, problem := range checkExpr(target.Expr, known) {
				t.Errorf("panel %q: %s: %s", p.Title, target.Expr, problem)
			}
		}
	}
	for _, name := range names() {
		if !regexp.MustCompile(`\b` + name + `(_bucket)?\b`).MatchString(asked) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// labelsOf returns the labels of all metrics that the controller's process has: our
// own as they are gathered, those of its libraries as they are described.
func labelsOf(t *testing.T) map[string][]string {
	t.Helper()
	m, r := start(t)
	m.Decrypted("age", time.Second)
	m.Wrote("Secret")
	m.WatchesFailing("secrets", 0)
	m.Tracker().SetKeys("default", []metrics.Key{{ID: "age1", Created: time.Unix(1, 0)}})
	m.Tracker().Observe(key(1), metrics.State{Ready: "True", Reason: "Applied", Keys: []string{"age1"}})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for _, f := range families {
		labels := []string{"job", "instance", "namespace", "pod"}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		out[f.GetName()] = labels
		if f.GetMetric()[0].GetHistogram() != nil {
			out[f.GetName()+"_bucket"], out[f.GetName()+"_sum"], out[f.GetName()+"_count"] = append(labels, "le"), labels, labels
		}
	}
	described := make(chan *prometheus.Desc, 1000)
	go func() {
		defer close(described)
		ctrlmetrics.Registry.(prometheus.Collector).Describe(described)
	}()
	form := regexp.MustCompile(`^Desc\{fqName: "([a-z_]+)".* variableLabels: \{([^}]*)\}\}$`)
	for d := range described {
		if f := form.FindStringSubmatch(d.String()); f != nil && out[f[1]] == nil {
			out[f[1]] = append([]string{"job", "instance", "namespace", "pod"}, strings.Split(f[2], ",")...)
		}
	}
	if out["leader_election_master_status"] == nil {
		t.Fatal("the library's metrics are not known")
	}
	return out
}

// TestTheScannerFindsMistakes is the control of checkExpr.
func TestTheScannerFindsMistakes(t *testing.T) {
	known := map[string][]string{"gitseal_x": {"job", "reason"}, "gitseal_y": {"job"}}
	for expr, bad := range map[string]bool{
		`sum by (job, reason) (gitseal_x{reason=~"a|b"}) > 0`:                                 false,
		`sum by (job) (rate(gitseal_x[10m])) * on (job) gitseal_y unless vector(0)`:           false,
		`histogram_quantile(0.99, sum by (job) (rate(gitseal_x{job="}"}[$__rate_interval])))`: false,
		`sum by (job, nothing) (gitseal_x)`:                                                   true,
		`sum(gitseal_z)`:                                                                      true,
		`sum(gitseal_x`:                                                                       true,
		`sum(gitseal_x))`:                                                                     true,
		`sum(gitseal_x{nothing="x"})`:                                                         true,
		`sum(gitseal_x{reason=x})`:                                                            true,
		`summ(gitseal_x)`:                                                                     true,
		`rate(gitseal_x[10])`:                                                                 true,
		`rate(gitseal_x)`:                                                                     true,
		`gitseal_x > "0`:                                                                      true,
		`gitseal_x >`:                                                                         true,
		`gitseal_x gitseal_y`:                                                                 true,
		``:                                                                                    true,
	} {
		if got := checkExpr(expr, known); (len(got) > 0) != bad {
			t.Errorf("%s: got %q, want a problem: %v", expr, got, bad)
		}
	}
}

func problemf(format string, a ...any) string { return fmt.Sprintf(format, a...) }
