package metrics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/metrics"
)

// names are all metrics of the controller's own.
func names() []string {
	return []string{
		"gitseal_api_writes_total", "gitseal_build_info", "gitseal_decrypt_duration_seconds", "gitseal_dek_cache_hits_total",
		"gitseal_dek_cache_misses_total", "gitseal_drift_corrected_total", "gitseal_fenced_writes_total", "gitseal_identities",
		"gitseal_key_age_seconds", "gitseal_key_retiring", "gitseal_manifests", "gitseal_manifests_by_key", "gitseal_reconcile_duration_seconds",
		"gitseal_reconcile_total", "gitseal_rollouts_total", "gitseal_skipped_total", "gitseal_startup_steady_seconds", "gitseal_time_to_ready_seconds",
		"gitseal_watches_failing",
	}
}

func start(t *testing.T) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	m, err := metrics.New(r, metrics.Options{Version: "1.2.3", Now: func() time.Time { return time.Unix(10_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

func key(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: "prod", Name: fmt.Sprintf("secret-%d", i)}
}

func TestEachMetricIsThereOnceItsThingHappened(t *testing.T) {
	m, r := start(t)
	m.Reconciled(metrics.ResultSkipped, time.Millisecond)
	m.Decrypted("age", time.Millisecond)
	m.CacheHit()
	m.CacheMiss()
	m.DriftCorrected(2)
	m.BecameReady(time.Second)
	m.Steady(3 * time.Second)
	m.Wrote("Secret")
	m.WriteRefused()
	m.RolledOut(1)
	m.WatchesFailing("secrets", 1)
	m.Tracker().SetKeys("default", []metrics.Key{{ID: "age1abc", Created: time.Unix(9_000, 0)}})
	m.Tracker().Observe(key(1), metrics.State{Ready: "True", Reason: "Applied", Keyring: "default", Keys: []string{"age1abc"}})
	got, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range got {
		have = append(have, f.GetName())
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
	if diff := cmp.Diff(names(), have); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP gitseal_drift_corrected_total Objects that somebody else had changed or deleted and that were put right.
# TYPE gitseal_drift_corrected_total counter
gitseal_drift_corrected_total 2
# HELP gitseal_key_age_seconds Age of a key, where it is known.
# TYPE gitseal_key_age_seconds gauge
gitseal_key_age_seconds{key_id="age1abc"} 1000
# HELP gitseal_skipped_total Reconciles that found nothing changed and neither decrypted, read nor wrote anything.
# TYPE gitseal_skipped_total counter
gitseal_skipped_total 1
`), "gitseal_drift_corrected_total", "gitseal_key_age_seconds", "gitseal_skipped_total"); err != nil {
		t.Error(err)
	}
}

func TestExpositionIsReadByPrometheusParser(t *testing.T) {
	m, r := start(t)
	m.Tracker().Observe(key(1), metrics.State{Ready: "odd\xff\"\n", Reason: "odd\xff\"\n", Keyring: "\xfe", Keys: []string{"\xff\"\n\\"}})
	m.Tracker().SetKeys("\xfe\"", []metrics.Key{{ID: "\xff"}})
	m.Wrote("od\xffd\"\n")
	var b strings.Builder
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := p.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed["gitseal_manifests"].GetMetric()[0].GetLabel()[1].GetValue(); got != "other" {
		t.Errorf("a reason that nobody knows became the label %q", got)
	}
}

func TestRegisteringTwiceIsAnErrorAndNoPanic(t *testing.T) {
	_, r := start(t)
	if _, err := metrics.New(r, metrics.Options{}); err == nil {
		t.Error("no error")
	}
}

func TestManifestsAreCountedByStateAndKey(t *testing.T) {
	m, r := start(t)
	tr := m.Tracker()
	ready := metrics.State{Ready: "True", Reason: v1alpha1.ReasonApplied, Keyring: "default", Keys: []string{"age1new", "age1new"}}
	tr.Observe(key(1), ready)
	tr.Observe(key(1), ready) // the same again counts once
	tr.Observe(key(2), ready)
	tr.Observe(key(3), metrics.State{Ready: "False", Reason: v1alpha1.ReasonMACMismatch, Keyring: "default", Keys: []string{"age1old"}})
	tr.Observe(key(4), metrics.State{Ready: "False", Reason: v1alpha1.ReasonMACMismatch, Keyring: "other", Keys: []string{"age1old"}})
	tr.Observe(key(2), metrics.State{Ready: "True", Reason: v1alpha1.ReasonApplied, Keyring: "default", Keys: []string{"age1old", "age1new"}})
	tr.Forget(key(4))
	tr.Forget(key(4))
	tr.Forget(key(5))
	if diff := cmp.Diff(map[string]int{"age1new": 2, "age1old": 2}, tr.Uses("default", nil)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	if got := tr.Uses("other", nil); len(got) != 0 {
		t.Errorf("uses of the keyring whose manifest is gone: %v", got)
	}
	tr.SetKeys("default", []metrics.Key{{ID: "age1new"}, {ID: "age1old", Retiring: true}, {ID: "age1idle", Retiring: true}})
	tr.SetKeys("second", []metrics.Key{{ID: "age1idle"}})
	if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP gitseal_identities Usable identities of a keyring.
# TYPE gitseal_identities gauge
gitseal_identities{keyring="default"} 3
gitseal_identities{keyring="second"} 1
# HELP gitseal_key_retiring 1 if nothing is sealed for the key any more, 0 if something is.
# TYPE gitseal_key_retiring gauge
gitseal_key_retiring{key_id="age1idle"} 0
gitseal_key_retiring{key_id="age1new"} 0
gitseal_key_retiring{key_id="age1old"} 1
# HELP gitseal_manifests SealedManifests by the condition Ready and its reason.
# TYPE gitseal_manifests gauge
gitseal_manifests{ready="False",reason="MACMismatch"} 1
gitseal_manifests{ready="True",reason="Applied"} 2
# HELP gitseal_manifests_by_key SealedManifests that a key opened.
# TYPE gitseal_manifests_by_key gauge
gitseal_manifests_by_key{key_id="age1idle"} 0
gitseal_manifests_by_key{key_id="age1new"} 2
gitseal_manifests_by_key{key_id="age1old"} 2
`), "gitseal_identities", "gitseal_key_retiring", "gitseal_manifests", "gitseal_manifests_by_key"); err != nil {
		t.Error(err)
	}
	tr.ForgetKeyring("default")
	if n, err := testutil.GatherAndCount(r, "gitseal_identities"); err != nil || n != 1 {
		t.Errorf("%d keyrings after one is gone, %v", n, err)
	}
}

// TestCardinalityIsBounded: neither many manifests nor hostile statuses make more
// series than there are keys and reasons.
func TestCardinalityIsBounded(t *testing.T) {
	m, r := start(t)
	for i := range 5000 {
		m.Tracker().Observe(key(i), metrics.State{
			Ready: metav1.ConditionStatus(fmt.Sprint("odd", i)), Reason: fmt.Sprint("Odd", i), Keyring: "default", Keys: []string{fmt.Sprintf("age1%060d", i*7919)},
		})
		m.Decrypted(fmt.Sprint("kind", i), time.Millisecond)
		m.Wrote(fmt.Sprint("Kind", i))
	}
	for name, most := range map[string]int{"gitseal_manifests": 1, "gitseal_manifests_by_key": 257, "gitseal_api_writes_total": 65, "gitseal_decrypt_duration_seconds": 1} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n > most || n == 0 {
			t.Errorf("%s has %d series, want 1 to %d (%v)", name, n, most, err)
		}
	}
	for i := range 5000 {
		m.Tracker().Forget(key(i))
	}
	for _, name := range []string{"gitseal_manifests", "gitseal_manifests_by_key"} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != 0 {
			t.Errorf("%s has %d series after all are gone (%v)", name, n, err)
		}
	}
}

// TestNoSeriesNamesAManifest: a scrape is no inventory.
func TestNoSeriesNamesAManifest(t *testing.T) {
	m, r := start(t)
	name := types.NamespacedName{Namespace: "canary-namespace", Name: "canary-name"}
	m.Tracker().Observe(name, metrics.State{Ready: "True", Reason: "Applied"})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.Contains(f.String(), "canary") {
			t.Errorf("%s names the manifest: %s", f.GetName(), f)
		}
	}
}

// TestKeysOfManifestsThatOthersLookAfterAreInUse: by the counts people retire keys.
func TestKeysOfManifestsThatOthersLookAfterAreInUse(t *testing.T) {
	m, _ := start(t)
	tr := m.Tracker()
	manifest := func(i int, keyring string, keys ...string) v1alpha1.SealedManifest {
		var out v1alpha1.SealedManifest
		out.Namespace, out.Name, out.Status.Keyring = key(i).Namespace, key(i).Name, keyring
		for _, k := range keys {
			out.Status.Keys = append(out.Status.Keys, v1alpha1.KeyUse{ID: k})
		}
		return out
	}
	all := []v1alpha1.SealedManifest{
		manifest(1, "default", "age1old"), // what the tracker was told is newer
		manifest(2, "default", "age1old", "age1new", "age1old"),
		manifest(3, "other", "age1new"),
		manifest(4, ""),
	}
	tr.Observe(key(1), metrics.State{Ready: "True", Reason: v1alpha1.ReasonApplied, Keyring: "default", Keys: []string{"age1new"}})
	if diff := cmp.Diff(map[string]int{"age1new": 2, "age1old": 1}, tr.Uses("default", all)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	tr.Forget(key(1)) // it was given to another controller
	if diff := cmp.Diff(map[string]int{"age1new": 1, "age1old": 2}, tr.Uses("default", all)); diff != "" {
		t.Errorf("uses after it was left (-want +got):\n%s", diff)
	}
}

func TestTrackerIsSafeForConcurrentUse(t *testing.T) {
	m, r := start(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 300 {
				m.Tracker().Observe(key(i), metrics.State{Ready: "True", Reason: "Applied", Keyring: "default", Keys: []string{fmt.Sprint("age1", w)}})
				m.Tracker().SetKeys("default", []metrics.Key{{ID: "age1x"}})
				m.Wrote("Secret")
				m.Tracker().Uses("default", nil)
				if i%3 == 0 {
					m.Tracker().Forget(key(i))
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			if _, err := r.Gather(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	for i := range 300 {
		m.Tracker().Forget(key(i))
	}
	if got := m.Tracker().Uses("default", nil); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

func TestShortIDKeepsWhatTellsKeysApart(t *testing.T) {
	for id, want := range map[string]string{
		"":         "",
		"age1abcd": "age1abcd",
		"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudsqvmqcsfpct2":              "age1ql3z7hjy...qcsfpct2",
		"https://vault.example/v1/transit/keys/sops":                                  "https://vault.example/v1/transit/keys/sops",
		"arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555": "arn:aws:kms:eu-west-1:123456789012:key/1...33-4444-555555555555",
	} {
		if got := metrics.ShortID(id); got != want {
			t.Errorf("ShortID(%q) = %q, want %q", id, got, want)
		}
	}
}
