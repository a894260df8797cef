package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// api asks the API server, as its administrator.
type api struct {
	host string
	http *http.Client
}

func newAPI(config *rest.Config) (api, error) {
	c, err := rest.HTTPClientFor(config)
	return api{config.Host, c}, err
}

// Content types of bodies.
const (
	jsonBody   = "application/json"
	mergePatch = "application/merge-patch+json"
)

// do sends a request and returns the answer. All but 2xx is an error.
func (a api) do(ctx context.Context, method, path, content string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", content)
	req.Header.Set("Accept", jsonBody)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, cut(string(out)))
	}
	return out, err
}

func cut(s string) string { return s[:min(len(s), 500)] }

// each runs f for 0 to n-1, several at a time, and returns the first error.
func each(ctx context.Context, n, atATime int, f func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range atATime {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// watch follows which objects are ready. It is safe for concurrent use.
type watch struct {
	condition string

	mu      sync.Mutex // guards all that follows
	objects map[string]seen
	ready   int
	last    time.Time // when an object became ready
	err     error
}

// seen is the last that the API server told of an object.
type seen struct {
	generation, ready int64 // ready is the generation that was
	at                time.Time
}

// event is what is read of a watch.
type event struct {
	Type   string
	Object struct {
		Message  string // of an error
		Metadata struct {
			Namespace, Name string
			Generation      int64
		}
		Status struct {
			ObservedGeneration int64
			Conditions         []struct{ Type, Status string }
		}
	}
}

// startWatch begins with all objects that there are. It ends with the context.
func (a api) startWatch(ctx context.Context, path, condition string) (*watch, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.host+path+"?watch=1", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", jsonBody)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("watching %s: %s", path, res.Status)
	}
	w := &watch{condition: condition, objects: make(map[string]seen)}
	go func() {
		defer res.Body.Close()
		dec := json.NewDecoder(res.Body)
		for {
			var e event
			err := dec.Decode(&e)
			if err == nil && e.Type == "ERROR" {
				err = fmt.Errorf("watching %s: %s", path, e.Object.Message)
			}
			if err != nil {
				w.mu.Lock()
				w.err = err
				w.mu.Unlock()
				return
			}
			w.take(e)
		}
	}()
	return w, nil
}

func (w *watch) take(e event) {
	o := e.Object
	key := o.Metadata.Namespace + "/" + o.Metadata.Name
	w.mu.Lock()
	defer w.mu.Unlock()
	old, now := w.objects[key], time.Now()
	s := seen{generation: o.Metadata.Generation, ready: old.ready, at: old.at}
	for _, c := range o.Status.Conditions {
		if c.Type == w.condition && c.Status == "True" && o.Status.ObservedGeneration > old.ready {
			s.ready, s.at = o.Status.ObservedGeneration, now
		}
	}
	if s.ready == s.generation && (old.ready != old.generation || old.generation == 0) {
		w.ready++
		w.last = now
	}
	if s.ready != s.generation && old.ready == old.generation && old.generation != 0 {
		w.ready--
	}
	w.objects[key] = s
}

// pollTime is how often the benchmark looks.
const pollTime = 5 * time.Millisecond

// until waits until done says yes.
func until(ctx context.Context, every time.Duration, what string, done func() (bool, error)) error {
	const patience = 20 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: %s: not within %s", errWrong, what, patience))
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(every):
		}
	}
}

// known waits until the watch has told of so many objects.
func (w *watch) known(ctx context.Context, n int) error {
	return until(ctx, pollTime, "the watch tells of all objects", func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.objects) >= n, w.err
	})
}

// allReady waits until all objects that are known are, at least n, and returns when
// the last of them became so.
func (w *watch) allReady(ctx context.Context, n int) (at time.Time, err error) {
	err = until(ctx, pollTime, "all objects are ready", func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		at = w.last
		return w.ready >= n && w.ready == len(w.objects), w.err
	})
	return at, err
}

// oneReady waits until an object is ready at a generation, and returns when it was.
func (w *watch) oneReady(ctx context.Context, key string, generation int64) (at time.Time, err error) {
	err = until(ctx, pollTime, key+" is ready", func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		at = w.objects[key].at
		return w.objects[key].ready >= generation, w.err
	})
	return at, err
}

// backlog is how many are known and not ready.
func (w *watch) backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.objects) - w.ready
}

// samples reads the series of a metric from Prometheus's text form.
func samples(text, metric string, use func(labels map[string]string, value float64)) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), metric)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		labels := make(map[string]string)
		at := strings.LastIndexByte(rest, ' ')
		for pair := range strings.SplitSeq(strings.Trim(rest[:at], "{} "), `",`) {
			if name, value, ok := strings.Cut(pair, `="`); ok {
				labels[name] = strings.TrimSuffix(value, `"`)
			}
		}
		if v, err := strconv.ParseFloat(rest[at+1:], 64); err == nil {
			use(labels, v)
		}
	}
}

// total adds up the series of a metric.
func total(text, metric string) (sum float64) {
	samples(text, metric, func(_ map[string]string, v float64) { sum += v })
	return sum
}

// calls counts requests by verb and resource, of the resources that controllers work
// on. What the benchmark itself writes is left out: it makes and changes the
// manifests, which no controller does.
func calls(text string) map[string]int64 {
	out := make(map[string]int64)
	samples(text, "apiserver_request_total", func(l map[string]string, v float64) {
		resource := l["resource"]
		sealed := strings.HasPrefix(resource, "sealed") && l["subresource"] == ""
		write := slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE"}, l["verb"])
		ours := slices.Contains([]string{"secrets", "events", "configmaps", "namespaces", "sealkeyrings", "sealedmanifests", "sealedsecrets"}, resource)
		if !ours || l["verb"] == "WATCH" || sealed && write {
			return
		}
		if l["subresource"] != "" {
			resource += "/" + l["subresource"]
		}
		out[l["verb"]+" "+resource] += int64(v)
	})
	return out
}
