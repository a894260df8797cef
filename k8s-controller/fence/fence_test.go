package fence_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/gitseal/gitseal/k8s-controller/fence"
)

// clock is a clock that stands still.
type clock struct{ at time.Time }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// fakeLock is a lock of "me", which others may hold.
type fakeLock struct {
	resourcelock.Interface
	record resourcelock.LeaderElectionRecord
	err    error
	// takes is how long a request takes.
	takes time.Duration
	clock *clock
}

func (l *fakeLock) Identity() string { return "me" }

func (l *fakeLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.err != nil {
		return nil, nil, l.err
	}
	r := l.record
	return &r, nil, nil
}

func (l *fakeLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.Update(ctx, r)
}

func (l *fakeLock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	l.clock.pass(l.takes)
	if l.err == nil {
		l.record = r
	}
	return l.err
}

// server answers every request.
type server struct{ got []string }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.got = append(s.got, r.Method+" "+r.URL.Path)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func send(t *testing.T, rt http.RoundTripper, method, url string) error {
	t.Helper()
	r, err := http.NewRequest(method, "https://cluster.example"+url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

func mine() resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaseDurationSeconds: 15}
}

func TestWritesAreRefusedUnlessTheLeaseIsValid(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	refused := 0
	f := fence.New(fence.Options{Now: c.now, Refused: func() { refused++ }})
	inner := &fakeLock{clock: c}
	l := f.Watch(inner)
	s := &server{}
	rt := f.Wrap(s)
	secret := "/api/v1/namespaces/prod/secrets/db"
	check := func(when string, want bool) {
		t.Helper()
		sent := len(s.got)
		before := refused
		err := send(t, rt, http.MethodPatch, secret)
		switch {
		case want && err != nil:
			t.Errorf("%s: a write was refused: %v", when, err)
		case !want && !errors.Is(err, fence.ErrDeposed):
			t.Errorf("%s: got %v, want ErrDeposed", when, err)
		case !want && (len(s.got) != sent || refused != before+1):
			t.Errorf("%s: the write was sent or not counted", when)
		}
		if f.Leads() != want {
			t.Errorf("%s: Leads() = %v", when, !want)
		}
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	check("never leader", false)
	must(l.Create(ctx, mine()))
	check("just acquired", true)
	c.pass(14 * time.Second)
	check("nearly expired", true)
	c.pass(time.Second)
	check("expired", false)

	inner.takes = 5 * time.Second
	must(l.Update(ctx, mine()))
	c.pass(9 * time.Second)
	check("renewed", true)
	c.pass(time.Second)
	check("the lease counts from before the request", false)
	inner.takes = 0

	must(l.Update(ctx, mine()))
	inner.err = errors.New("no answer")
	if err := l.Update(ctx, mine()); err == nil {
		t.Fatal("the lock's error is lost")
	}
	check("a failed renewal leaves the lease that was there", true)
	c.pass(15 * time.Second)
	check("but does not renew it", false)
	inner.err = nil

	must(l.Update(ctx, mine()))
	inner.record.HolderIdentity = "other"
	if _, _, err := l.Get(ctx); err != nil {
		t.Fatal(err)
	}
	check("another was seen to hold it", false)

	must(l.Update(ctx, mine()))
	check("acquired again", true)
	must(l.Update(ctx, resourcelock.LeaderElectionRecord{LeaseDurationSeconds: 1}))
	check("released", false)

	must(l.Update(ctx, mine()))
	f.Close()
	check("closed", false)
}

// TestReleaseClosesEvenIfItFails: whether the server has taken it, nobody knows then.
func TestReleaseClosesEvenIfItFails(t *testing.T) {
	c := &clock{at: time.Unix(1000, 0)}
	f := fence.New(fence.Options{Now: c.now})
	inner := &fakeLock{clock: c}
	l := f.Watch(inner)
	if err := l.Create(context.Background(), mine()); err != nil {
		t.Fatal(err)
	}
	inner.err = errors.New("connection lost")
	if err := l.Update(context.Background(), resourcelock.LeaderElectionRecord{}); err == nil {
		t.Fatal("no error")
	}
	if f.Leads() {
		t.Error("it still leads")
	}
}

func TestOnlyWritesOfWhatIsTheLeadersAreRefused(t *testing.T) {
	rt := fence.New(fence.Options{}).Wrap(&server{})
	for _, tt := range []struct {
		method, url string
		refused     bool
	}{
		{"GET", "/api/v1/namespaces/prod/secrets/db", false},
		{"GET", "/api/v1/secrets?watch=true", false},
		{"HEAD", "/healthz", false},
		{"POST", "/api/v1/namespaces/prod/secrets", true},
		{"PUT", "/api/v1/namespaces/prod/secrets/db", true},
		{"PATCH", "/api/v1/namespaces/prod/secrets/db", true},
		{"DELETE", "/api/v1/namespaces/prod/secrets/db", true},
		{"DELETE", "/api/v1/namespaces/prod", true},
		{"DELETE", "/api/v1/namespaces/events", true},
		{"PATCH", "/api/v1/namespaces/leases/secrets/events", true},
		{"PATCH", "/apis/gitseal.dev/v1alpha1/namespaces/prod/sealedmanifests/leases/status", true},
		{"PATCH", "/apis/gitseal.dev/v1alpha1/sealkeyrings/default/status", true},
		{"PATCH", "/apis/apps/v1/namespaces/prod/deployments/web", true},
		{"PATCH", "/apis/other.example/v1/namespaces/prod/leases/x", true},
		{"PATCH", "/api/v1/namespaces/prod/secrets/db?dryRun=All", false},
		{"PATCH", "/api/v1/namespaces/prod/secrets/db?dryRun=None", true},
		{"PUT", "/apis/coordination.k8s.io/v1/namespaces/gitseal-system/leases/gitseal", false},
		{"POST", "/apis/coordination.k8s.io/v1/namespaces/gitseal-system/leases", false},
		{"POST", "/k8s/clusters/c-1/apis/coordination.k8s.io/v1/namespaces/gitseal-system/leases", false},
		{"POST", "/k8s/clusters/c-1/api/v1/namespaces/prod/secrets", true},
		{"POST", "/api/v1/namespaces/prod/events", false},
		{"POST", "/apis/events.k8s.io/v1/namespaces/prod/events", false},
		{"POST", "/apis/authentication.k8s.io/v1/tokenreviews", false},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", false},
		{"POST", "/", true},
		{"POST", "/apis", true},
		{"WHATEVER", "/api/v1/namespaces/prod/secrets/db", true},
	} {
		if err := send(t, rt, tt.method, tt.url); errors.Is(err, fence.ErrDeposed) != tt.refused {
			t.Errorf("%s %s: got %v, want refused %v", tt.method, tt.url, err, tt.refused)
		}
	}
}
