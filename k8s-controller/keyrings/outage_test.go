package keyrings_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// outage is between a controller and the API server: while it lasts, keyrings can be
// neither listed nor watched. A watch that would go on afterwards where it ended is too
// old for that, so that all are listed.
type outage struct {
	mu      sync.Mutex // guards what follows
	cut     []context.CancelFunc
	over    chan struct{} // nil: there is none
	expired bool

	asked chan struct{} // gets one for each request that has to wait
}

func (o *outage) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/sealkeyrings") {
			return next.RoundTrip(r)
		}
		ctx, over := o.enter(r.Context())
		if over != nil {
			o.asked <- struct{}{}
			<-over
		}
		q := r.URL.Query()
		if o.tooOld(q.Get("watch") != "" && q.Get("sendInitialEvents") == "") {
			body := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`
			return &http.Response{StatusCode: http.StatusGone, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
		return next.RoundTrip(r.WithContext(ctx))
	})
}

func (o *outage) enter(ctx context.Context) (context.Context, chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	o.cut = append(o.cut, cancel)
	return ctx, o.over
}

// tooOld reports whether a watch is; a list ends that.
func (o *outage) tooOld(watch bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expired = o.expired && watch
	return o.expired
}

// begin cuts all watches, and returns once the controller has come back and has to wait.
func (o *outage) begin() (end func()) {
	o.mu.Lock()
	over := make(chan struct{})
	o.over = over
	for _, cancel := range o.cut {
		cancel()
	}
	o.mu.Unlock()
	<-o.asked
	return sync.OnceFunc(func() {
		o.mu.Lock()
		o.over, o.expired = nil, true
		o.mu.Unlock()
		close(over)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A SealKeyring that is deleted and made anew while nobody can watch is another one: what
// the old one allowed is allowed no more, and its keys are not in use. Both have the same
// generation.
func TestKeyringThatWasMadeAnewUnseen(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("first", 1, false)
	second := w.ageSecret("second", 2, false).Recipient().String()
	w.sealKeyring(v1alpha1.SealKeyringSpec{Policy: v1alpha1.Policy{ConflictPolicies: []v1alpha1.ConflictPolicy{v1alpha1.ConflictAdopt}}}, "first")
	o := &outage{asked: make(chan struct{}, 100)}
	config := rest.CopyConfig(w.cluster.Config())
	config.Wrap(o.wrap)
	r := w.start(choices{config: config})
	w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)

	end := o.begin()
	defer end()
	w.delete(&v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}})
	w.sealKeyring(v1alpha1.SealKeyringSpec{}, "second")
	end()
	w.eventually("the new one is in force", func() string {
		set := r.store.Get(w.keyring)
		if ids := set.Identities(); len(ids) != 1 || ids[0].ID != second {
			return "the old one's keys are in use"
		}
		if len(set.Policy().ConflictPolicies) != 0 {
			return "the old one's policy is in force"
		}
		return ""
	})
	if s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded); len(s.Identities) != 1 || s.Identities[0].ID != second {
		t.Errorf("the status has %+v", s.Identities)
	}
	w.eventually("published", func() string {
		if got := w.configMap()[w.keyring]; got != second {
			return "published: " + got
		}
		return ""
	})
}
