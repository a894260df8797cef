package main_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gitseal/gitseal/internal/toolcache"
)

// TestControllerIsMeasured runs the real controller beside a real API server. That the
// Secrets are right the benchmark checks itself.
func TestControllerIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	toolcache.Kube().Need(t)
	stdout, log, ok := runBench(t, "right", "-json", "-only", "k8s-gitseal", "-manifests", "2000") // -small: 20
	if !ok {
		t.Fatalf("failed:\n%s", log)
	}
	type phase struct {
		Wall             time.Duration `json:"wall_ns"`
		Calls            map[string]int64
		Writes, Decrypts int64
	}
	var r struct {
		K8s struct {
			Lanes []struct {
				Manifests     int
				Cold, Restart phase
			}
			Ours struct {
				Changed int
				Churn   phase
				Killed  time.Duration `json:"failover_killed_ns"`
				Told    time.Duration `json:"failover_told_ns"`
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.K8s.Lanes) != 1 || r.K8s.Lanes[0].Manifests != 20 {
		t.Fatalf("not one controller with 20 manifests:\n%s", stdout)
	}
	l := r.K8s.Lanes[0]
	if l.Cold.Wall <= 0 || l.Cold.Decrypts < 20 || l.Cold.Calls["APPLY secrets"] < 20 || l.Cold.Calls["APPLY sealedmanifests/status"] < 20 {
		t.Errorf("the cold start lacks something: %+v", l.Cold)
	}
	if l.Restart.Wall <= 0 || l.Restart.Decrypts != 0 || l.Restart.Writes != 0 || l.Restart.Calls["APPLY secrets"] != 0 || l.Restart.Calls["GET secrets"] != 0 {
		t.Errorf("a restart did more than look: %+v", l.Restart)
	}
	if o := r.K8s.Ours; o.Changed < 1 || o.Churn.Calls["APPLY secrets"] != int64(o.Changed) || o.Told <= 0 || o.Killed <= 0 {
		t.Errorf("what happens after the start lacks something: %+v", o)
	}
}
