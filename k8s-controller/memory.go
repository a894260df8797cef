package controller

import (
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// memory holds what this process knows better than its cache, and what stands
// nowhere else. It is lost in a restart, and nothing depends on it then. It is safe
// for concurrent use.
type memory struct {
	mu      sync.Mutex // guards what follows
	entries map[types.NamespacedName]entry
	newest  string // version of all that it was shown
}

// entry is about one SealedManifest.
type entry struct {
	uid types.UID
	// What the last write of the status gave, until the cache has it.
	version    string
	generation int64
	finalizers []string
	status     *v1alpha1.SealedManifestStatus
	// due is when what cannot be watched is applied again.
	due time.Time
	// since is when the generation was first seen, zero once it was ready.
	since time.Time
	seen  int64
	// corrections are how often passes of last undid, since first, what others did.
	last        attempt
	corrections int
	first       time.Time
	// other is the generation that was first seen to be another controller's then.
	other int64
	then  time.Time
	// released is the generation whose objects were let go, see applying.LetGo.
	released int64
	// unsaved is an inventory that no status has, see keep.
	unsaved []v1alpha1.Resource
}

// Somebody who keeps changing an object is let win for the rest of a minute after
// having been corrected five times in it: two that undo each other's work would
// otherwise do nothing else.
const (
	fightRounds = 5
	fightPause  = time.Minute
)

func newMemory() *memory { return &memory{entries: make(map[types.NamespacedName]entry)} }

// wrote remembers a SealedManifest as the API server returned it.
func (y *memory) wrote(m *v1alpha1.SealedManifest) {
	y.change(m, func(e *entry) {
		e.version, e.generation, e.status = m.ResourceVersion, m.Generation, m.Status.DeepCopy()
		e.finalizers = slices.Clone(m.Finalizers)
	})
}

// catchUp puts into m, which comes from the cache, what was written since. It
// reports whether m is up to date then: if not, what was written was about a newer
// generation, and the cache is about to say so.
//
// Without this, the inventory of a stale status would be believed, and the next
// write would drop an object from it. All that a write replaces as a whole has to be of
// the version that it is for: so have the finalizers.
func (y *memory) catchUp(m *v1alpha1.SealedManifest) bool {
	upToDate := true
	y.change(m, func(e *entry) {
		if e.status == nil {
			return
		}
		if !older(m.ResourceVersion, e.version) {
			e.version, e.finalizers, e.status = "", nil, nil
			return
		}
		if e.generation > m.Generation {
			upToDate = false
			return
		}
		m.ResourceVersion, m.Finalizers = e.version, slices.Clone(e.finalizers)
		e.status.DeepCopyInto(&m.Status)
	})
	return upToDate
}

// seen returns the newest version of a SealedManifest that was met, "" for none.
func (y *memory) seen() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.newest
}

// leads reports whether what is remembered of a SealedManifest is newer than o, which
// comes from the API server: nothing can be.
func (y *memory) leads(o metav1.Object) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	e := y.entries[types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}]
	return e.uid == o.GetUID() && e.version != "" && older(o.GetResourceVersion(), e.version)
}

// doubt drops the status that is remembered of a SealedManifest: the API server has
// another one.
func (y *memory) doubt(m *v1alpha1.SealedManifest) {
	y.change(m, func(e *entry) { e.version, e.finalizers, e.status = "", nil, nil })
}

// older reports whether version a is known to be older than b.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && c < 0
}

// until returns how long it is to the next resync, and whether it is due. A manifest
// that was never seen is due at some time within the period: after a restart, not
// all are due at once.
func (y *memory) until(m *v1alpha1.SealedManifest, now time.Time, first time.Duration) (left time.Duration, due bool) {
	y.change(m, func(e *entry) {
		if e.due.IsZero() {
			e.due = now.Add(first)
		}
		left = e.due.Sub(now)
	})
	return max(left, time.Millisecond), left <= 0
}

// next sets the time of the next resync.
func (y *memory) next(m *v1alpha1.SealedManifest, due time.Time) {
	y.change(m, func(e *entry) { e.due = due })
}

// saw takes note of a generation that is to become ready.
func (y *memory) saw(m *v1alpha1.SealedManifest, now time.Time) {
	y.change(m, func(e *entry) {
		if e.seen != m.Generation {
			e.seen, e.since = m.Generation, now
		}
	})
}

// ready returns how long it took from saw, the first time that it is asked.
func (y *memory) ready(m *v1alpha1.SealedManifest, now time.Time) (took time.Duration, ok bool) {
	y.change(m, func(e *entry) {
		if ok = !e.since.IsZero() && e.seen == m.Generation; ok {
			took = now.Sub(e.since)
		}
		e.since = time.Time{}
	})
	return took, ok
}

// attempt is what a pass applies, and what for: if that is another, nobody is kept
// waiting for the sake of the last.
type attempt struct {
	digest     string
	generation int64
	asked      string // the annotation that asks for a pass
}

func attemptOf(m *v1alpha1.SealedManifest, digest string) attempt {
	return attempt{digest, m.Generation, m.Annotations[v1alpha1.ReconcileAnnotation]}
}

// tried takes note of a pass, whether it failed or not, and of whether it wrote again
// what had been written: the first one for an attempt undoes nothing.
func (y *memory) tried(m *v1alpha1.SealedManifest, a attempt, again bool, now time.Time) {
	y.change(m, func(e *entry) {
		switch {
		case e.last != a:
			e.last, e.first, e.corrections = a, time.Time{}, 0
			return
		case !again:
			return
		case now.Sub(e.first) >= fightPause:
			e.first, e.corrections = now, 0
		}
		e.corrections++
	})
}

// fight returns how long what others do is not to be undone, 0 if it may.
func (y *memory) fight(m *v1alpha1.SealedManifest, a attempt, now time.Time) (pause time.Duration) {
	y.change(m, func(e *entry) {
		if e.last == a && e.corrections >= fightRounds {
			pause = max(0, fightPause-now.Sub(e.first))
		}
	})
	return pause
}

// left returns how long it is since the generation was first seen to be another
// controller's.
func (y *memory) left(m *v1alpha1.SealedManifest, now time.Time) (since time.Duration) {
	y.change(m, func(e *entry) {
		if e.other != m.Generation {
			e.other, e.then = m.Generation, now
		}
		since = now.Sub(e.then)
	})
	return since
}

// hasLetGo takes note that the objects of a generation were let go.
func (y *memory) hasLetGo(m *v1alpha1.SealedManifest) {
	y.change(m, func(e *entry) { e.released = m.Generation })
}

// letGo reports whether they were.
func (y *memory) letGo(m *v1alpha1.SealedManifest) (done bool) {
	y.change(m, func(e *entry) { done = e.released == m.Generation })
	return done
}

// unowned reports whether the objects of a manifest, which is to have them again, were let
// go since it was applied last.
func (y *memory) unowned(m *v1alpha1.SealedManifest) (yes bool) {
	y.change(m, func(e *entry) { yes = e.released != 0 && m.Spec.DeletionPolicy != v1alpha1.DeletionOrphan })
	return yes
}

// hasApplied takes note that a manifest was applied, so that it has what it is to have.
func (y *memory) hasApplied(m *v1alpha1.SealedManifest) {
	y.change(m, func(e *entry) {
		if m.Spec.DeletionPolicy != v1alpha1.DeletionOrphan {
			e.released = 0
		}
	})
}

// forget drops what is known of a SealedManifest.
func (y *memory) forget(key types.NamespacedName) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.entries, key)
}

// change runs f on the entry of a SealedManifest, a new one if the last was about
// another of the same name.
func (y *memory) change(m *v1alpha1.SealedManifest, f func(*entry)) {
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.newest == "" || older(y.newest, m.ResourceVersion) {
		y.newest = m.ResourceVersion
	}
	e := y.entries[key]
	if e.uid != m.UID {
		e = entry{uid: m.UID}
	}
	f(&e)
	y.entries[key] = e
}
