package chaostest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// weather is what a proxy does to requests.
type weather string

const (
	fine      weather = ""
	cut       weather = "cut"       // every connection breaks
	slow      weather = "slow"      // answers take seconds
	silent    weather = "silent"    // nothing is answered
	busy      weather = "busy"      // 429
	broken    weather = "broken"    // 500 or 504
	contended weather = "contended" // 409 to writes
	deaf      weather = "deaf"      // what was done is not answered
	stale     weather = "stale"     // watches stand still, all else works
	mixed     weather = "mixed"     // some of all that
)

// proxy stands between a replica and the API server. It authenticates as the replica.
type proxy struct {
	name    string
	server  *httptest.Server
	reverse *httputil.ReverseProxy
	kube    *rest.Config // to connect to it

	mu      sync.Mutex // guards what follows
	now     weather
	changed chan struct{} // closed when the weather changes
	dice    *rand.Rand
	number  int
	sent    map[string]time.Time // when writes came in, by audit ID
	leased  time.Time            // when the lease was last written with success
	spoiled map[weather]int      // requests that were interfered with
}

var errNoAnswer = errors.New("the answer is lost")

func newProxy(user string, upstream *rest.Config, seed uint64) (*proxy, error) {
	transport, err := rest.TransportFor(upstream)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(upstream.Host)
	if err != nil {
		return nil, err
	}
	p := &proxy{name: user, changed: make(chan struct{}), dice: rand.New(rand.NewPCG(seed, 1)), sent: map[string]time.Time{}, spoiled: map[weather]int{}}
	p.reverse = &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: p.answered, ErrorLog: log.New(io.Discard, "", 0),
		// A client sees a connection that breaks, as without a proxy.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.EnableHTTP2 = true
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.StartTLS()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	p.kube = &rest.Config{Host: p.server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	return p, nil
}

// set changes the weather.
func (p *proxy) set(w weather) {
	p.mu.Lock()
	p.now = w
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if w == cut {
		p.server.CloseClientConnections()
	}
}

// dropConnections breaks all connections once.
func (p *proxy) dropConnections() { p.server.CloseClientConnections() }

func (p *proxy) weather() (weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.RawQuery, "dryRun")
}

func isWatch(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "watch=true") }

// note gives a request an ID, and notes when it came.
func (p *proxy) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	id := fmt.Sprintf("%s-%07d", strings.TrimPrefix(p.name, replicaUser), p.number)
	r.Header.Set("Audit-ID", id) // which the API server takes over into its log
	if isWrite(r) {
		p.sent[id] = time.Now()
	}
}

// roll says what happens to one request, by the weather.
func (p *proxy) roll() weather {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.now
	if w == mixed {
		all := []weather{slow, busy, broken, contended, deaf, fine, fine}
		w = all[p.dice.IntN(len(all))]
	}
	half := w == busy || w == broken || w == contended || w == deaf
	if half && p.dice.IntN(2) == 0 {
		return fine
	}
	return w
}

func (p *proxy) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.dice.IntN(2000)) * time.Millisecond
}

func (p *proxy) spoil(w weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoiled[w]++
}

// ServeHTTP implements [http.Handler].
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.note(r)
	secrets := schema.GroupResource{Resource: "secrets"}
	what := p.roll()
	if what != fine && what != stale && what != deaf {
		p.spoil(what)
	}
	switch what {
	case cut:
		panic(http.ErrAbortHandler)
	case silent:
		p.hang(r)
		panic(http.ErrAbortHandler)
	case slow:
		select {
		case <-time.After(p.pause()):
		case <-r.Context().Done():
		}
	case busy:
		w.Header().Set("Retry-After", "1")
		refuse(w, apierrors.NewTooManyRequests("too much to do", 1))
		return
	case broken:
		if p.pause() < time.Second {
			refuse(w, apierrors.NewInternalError(errors.New("etcdserver: leader changed")))
		} else {
			refuse(w, apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0))
		}
		return
	case contended:
		if isWrite(r) {
			refuse(w, apierrors.NewConflict(secrets, "x", errors.New("the object has been modified")))
			return
		}
	case deaf:
		if isWrite(r) {
			p.spoil(deaf)
			r = r.Clone(withDeafness(r.Context()))
		}
	}
	// The API server may answer before it has read a body, as it does if it forbids
	// something. An answer that is passed on while the body is still coming in is now and
	// then never ended, which no API server does.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.reverse.ServeHTTP(w, r)
}

// hang returns when the weather changes, or the client gives up.
func (p *proxy) hang(r *http.Request) {
	_, changed := p.weather()
	select {
	case <-changed:
	case <-r.Context().Done():
	}
}

// answered looks at an answer before the replica gets it.
func (p *proxy) answered(res *http.Response) error {
	r := res.Request
	if isWrite(r) && strings.Contains(r.URL.Path, "/leases/") && res.StatusCode < 300 {
		p.mu.Lock()
		p.leased = time.Now()
		p.mu.Unlock()
	}
	if isDeaf(r.Context()) {
		return errNoAnswer
	}
	if isWatch(r) {
		res.Body = &gate{ReadCloser: res.Body, proxy: p, request: r}
	}
	return nil
}

// gate holds back what a watch tells while the weather is stale.
type gate struct {
	io.ReadCloser
	proxy   *proxy
	request *http.Request
}

// Read implements [io.Reader].
func (g *gate) Read(b []byte) (int, error) {
	n, err := g.ReadCloser.Read(b)
	for {
		w, changed := g.proxy.weather()
		if w != stale {
			return n, err
		}
		g.proxy.spoil(stale)
		select {
		case <-changed:
		case <-g.request.Context().Done():
			return n, err
		}
	}
}

// lastLease is when the replica last held the lease for sure.
func (p *proxy) lastLease() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leased
}

func refuse(w http.ResponseWriter, e *apierrors.StatusError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(e.ErrStatus.Code))
	_ = json.NewEncoder(w).Encode(e.ErrStatus) // the client may be gone
}

// deafness marks the context of a request whose answer is to be lost.
type deafness struct{}

func withDeafness(ctx context.Context) context.Context {
	return context.WithValue(ctx, deafness{}, true)
}

func isDeaf(ctx context.Context) bool { return ctx.Value(deafness{}) != nil }
