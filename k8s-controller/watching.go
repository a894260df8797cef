package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// watchGrace is how long a watch that worked may fail before that matters: a
	// connection that is lost comes back within seconds.
	watchGrace = time.Minute
	// listGrace is how long the first list may fail. Rights that are given when the
	// controller is installed take effect within it.
	listGrace = 5 * time.Second
)

// watching knows of every watch whether it works. It is safe for concurrent use.
type watching struct {
	log                   logr.Logger
	watchGrace, listGrace time.Duration
	// report takes the number of watches of a resource that fail.
	report func(resource string, failing int)
	// exists reports whether there is a namespace, as far as is known.
	exists func(namespace string) bool

	mu   sync.Mutex // guards all, and what is in them
	all  []*watched
	last map[string]int // what was reported
}

// watched is one watch, as the informer of it sees it: a list, and what changes since.
type watched struct {
	of   *watching
	next toolscache.ListerWatcherWithContext
	// optional: one namespace of several, which may be forbidden without holding up
	// the others.
	optional bool

	// What follows is guarded by of.mu.
	resource, namespace string
	worked              bool      // once
	since               time.Time // it fails; zero if it does not
	why                 string
	told, absent        bool
}

// newInformer has controller-runtime make informers that are seen here. Of optional
// ones, those that are for one namespace need not be allowed.
func (w *watching) newInformer(optional bool) func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer {
	return func(lw toolscache.ListerWatcher, o runtime.Object, resync time.Duration, by toolscache.Indexers) toolscache.SharedIndexInformer {
		x := &watched{of: w, next: toolscache.ToListerWatcherWithContext(lw), optional: optional}
		w.mu.Lock()
		w.all = append(w.all, x)
		w.mu.Unlock()
		return toolscache.NewSharedIndexInformer(x, o, resync, by)
	}
}

// tried is for each try of an informer that failed: what lasts is said once, by failed.
func (w *watching) tried(_ context.Context, r *toolscache.Reflector, err error) {
	w.log.V(1).Info("a watch ended", "type", r.TypeDescription(), "error", err.Error())
}

// check is the readiness check: it says which watches fail, and why.
func (w *watching) check(*http.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, x := range w.all {
		if x.told && !x.absent {
			all = append(all, fmt.Sprintf("%s cannot be watched since %s: %s", x.name(), x.since.UTC().Format(time.RFC3339), x.why))
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return errors.New(strings.Join(slices.Compact(all), "; "))
}

// locate tells a watch what its requests are about: the informers are made alike for
// all namespaces, and only the path says for which each is.
func (w *watching) locate(next http.RoundTripper) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		if x, ok := r.Context().Value(watchedKey{}).(*watched); ok {
			x.locate(r.URL.Path)
		}
		return next.RoundTrip(r)
	})
}

type tripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type watchedKey struct{}

// locate reads …/namespaces/NAMESPACE/RESOURCE or …/RESOURCE.
func (x *watched) locate(path string) {
	parts := strings.Split(path, "/")
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.resource = parts[len(parts)-1]
	if n := len(parts); n > 3 && parts[n-3] == "namespaces" {
		x.namespace = parts[n-2]
	}
	x.of.count(x.resource)
}

// where returns what is watched, nothing if no request was made yet.
func (x *watched) where() (resource, namespace string) {
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	return x.resource, x.namespace
}

// name says what is watched. The caller holds the lock.
func (x *watched) name() string {
	if x.namespace == "" {
		return x.resource
	}
	return x.resource + " in the namespace " + x.namespace
}

// count reports how many watches of a resource fail, if that is new. The caller holds
// the lock.
func (w *watching) count(resource string) {
	n := 0
	for _, x := range w.all {
		if x.resource == resource && x.told && !x.absent {
			n++
		}
	}
	if last, known := w.last[resource]; known && last == n {
		return
	}
	if w.last == nil {
		w.last = make(map[string]int)
	}
	w.last[resource] = n
	w.report(resource, n)
}

// existsIn returns what a cache knows of namespaces. One that cannot answer denies none.
func existsIn(cached client.Reader) func(string) bool {
	return func(name string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		return !apierrors.IsNotFound(cached.Get(ctx, types.NamespacedName{Name: name}, partial(namespaceKind())))
	}
}

var _ toolscache.ListerWatcher = (*watched)(nil)

// List implements [toolscache.Lister].
func (x *watched) List(o metav1.ListOptions) (runtime.Object, error) {
	return x.ListWithContext(context.Background(), o)
}

// Watch implements [toolscache.Watcher].
func (x *watched) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return x.WatchWithContext(context.Background(), o)
}

// ListWithContext implements [toolscache.ListerWithContext]. What may be left out, and
// is forbidden, is empty: all else would wait for it.
func (x *watched) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	list, err := x.next.ListWithContext(context.WithValue(ctx, watchedKey{}, x), o)
	if err != nil && x.failed(ctx, err) && apierrors.IsForbidden(err) {
		return &metav1.PartialObjectMetadataList{}, nil
	}
	return list, err
}

// WatchWithContext implements [toolscache.WatcherWithContext].
func (x *watched) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	changes, err := x.next.WatchWithContext(context.WithValue(ctx, watchedKey{}, x), o)
	if err != nil {
		x.failed(ctx, err)
	} else {
		x.works()
	}
	return changes, err
}

// works takes note that the watch works, and says so if it had failed.
func (x *watched) works() {
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	if x.told {
		x.of.log.Info("watching again", "resource", x.resource, "namespace", x.namespace)
	}
	x.worked, x.since, x.told, x.absent = true, time.Time{}, false, false
	x.of.count(x.resource)
}

// failed takes note of a failure, and says so once if it lasts. It reports whether
// the others are not to wait for a first list any longer.
func (x *watched) failed(ctx context.Context, err error) (forgone bool) {
	resource, namespace := x.where()
	if ctx.Err() != nil || resource == "" {
		return false // shutting down, or nothing was asked
	}
	gone := namespace != "" && apierrors.IsForbidden(err) && !x.of.exists(namespace)
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	now, grace := time.Now(), x.of.watchGrace
	if x.since.IsZero() {
		x.since = now
	}
	if !x.worked {
		grace = x.of.listGrace
	}
	if now.Sub(x.since) < grace {
		return false
	}
	why := reasonOf(err)
	if !x.told || x.absent != gone {
		log := x.of.log.WithValues("resource", resource, "namespace", namespace, "reason", why)
		if apierrors.IsForbidden(err) {
			log = log.WithValues("message", short(err.Error()))
		}
		if gone {
			log.Info("not watched: there is no such namespace")
		} else {
			log.Error(nil, "cannot watch: changes are not seen")
		}
	}
	x.told, x.absent, x.why = true, gone, why
	x.of.count(resource)
	return x.optional && namespace != "" && !x.worked
}

// reasonOf says why a request failed, without what a server said about it.
func reasonOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "the API server does not answer"
	}
	s := status.Status()
	return fmt.Sprintf("%s (%d)", s.Reason, s.Code)
}
