package metrics

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// maxKeyIDs bounds the values of the label key_id.
const maxKeyIDs = 256

// State is what the status of one SealedManifest says.
type State struct {
	Ready   metav1.ConditionStatus
	Reason  string
	Keyring string
	// Keys are the IDs of those that opened it.
	Keys []string
}

// StateOf returns the state in a SealedManifest's status.
func StateOf(m *v1alpha1.SealedManifest) State {
	s := State{Ready: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProgressing, Keyring: m.Status.Keyring}
	for _, c := range m.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			s.Ready, s.Reason = c.Status, c.Reason
		}
	}
	for _, k := range m.Status.Keys {
		s.Keys = append(s.Keys, v1alpha1.KeyID(k.ID))
	}
	return s
}

// Key is one identity of a keyring.
type Key struct {
	ID string
	// Created is when it was made, zero if that is not known.
	Created time.Time
	// Retiring: nothing is sealed for it any more.
	Retiring bool
}

// Tracker knows the state of all manifests and all keys, counted as it is told. It
// is safe for concurrent use; reading it costs nothing per manifest.
type Tracker struct {
	now func() time.Time

	mu        sync.Mutex // guards all that follows
	manifests map[types.NamespacedName]State
	states    map[readiness]int
	uses      map[use]int
	keyrings  map[string][]Key
}

type readiness struct{ ready, reason string }

type use struct{ keyring, id string }

var _ prometheus.Collector = (*Tracker)(nil)

// NewTracker returns a tracker that knows nothing yet. now is the clock, time.Now if
// nil.
func NewTracker(now func() time.Time) *Tracker {
	if now == nil {
		now = time.Now
	}
	return &Tracker{
		now:       now,
		manifests: make(map[types.NamespacedName]State),
		states:    make(map[readiness]int),
		uses:      make(map[use]int),
		keyrings:  make(map[string][]Key),
	}
}

// Observe takes the state of a manifest in place of the last.
func (t *Tracker) Observe(manifest types.NamespacedName, s State) {
	s.Keys = distinct(s.Keys)
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, known := t.manifests[manifest]; known {
		t.count(old, -1)
	}
	t.manifests[manifest] = s
	t.count(s, 1)
}

// Forget drops a manifest, which is gone.
func (t *Tracker) Forget(manifest types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, known := t.manifests[manifest]; known {
		t.count(old, -1)
		delete(t.manifests, manifest)
	}
}

// Uses returns, for each key of a keyring that opened a manifest, how many it did. Of
// those in all that it was told nothing about, their statuses say so.
func (t *Tracker) Uses(keyring string, all []v1alpha1.SealedManifest) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]int)
	for u, n := range t.uses {
		if u.keyring == keyring {
			out[u.id] = n
		}
	}
	for i := range all {
		m := &all[i]
		if _, known := t.manifests[types.NamespacedName{Namespace: m.Namespace, Name: m.Name}]; known || m.Status.Keyring != keyring {
			continue
		}
		for _, id := range distinct(StateOf(m).Keys) {
			out[id]++
		}
	}
	return out
}

// SetKeys takes the keys of a keyring in place of the last.
func (t *Tracker) SetKeys(keyring string, keys []Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keyrings[keyring] = slices.Clone(keys)
}

// ForgetKeyring drops a keyring, which is gone.
func (t *Tracker) ForgetKeyring(keyring string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keyrings, keyring)
}

// count adds a state to the sums, or takes it away. The caller holds the lock.
func (t *Tracker) count(s State, by int) {
	add(t.states, readinessOf(s), by)
	for _, id := range s.Keys {
		add(t.uses, use{s.Keyring, id}, by)
	}
}

func add[K comparable](m map[K]int, k K, by int) {
	if m[k] += by; m[k] == 0 {
		delete(m, k)
	}
}

// readinessOf keeps what stands in a status within the labels that are known.
func readinessOf(s State) readiness {
	r := readiness{string(s.Ready), s.Reason}
	switch s.Ready {
	case metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown:
	default:
		r.ready = string(metav1.ConditionUnknown)
	}
	if !slices.Contains(reasons(), s.Reason) {
		r.reason = other
	}
	return r
}

func reasons() []string {
	return []string{
		v1alpha1.ReasonApplied, v1alpha1.ReasonSuspended, v1alpha1.ReasonProgressing, v1alpha1.ReasonDrifted,
		v1alpha1.ReasonNoKeyring, v1alpha1.ReasonNoMatchingKey, v1alpha1.ReasonDecryptionFailed, v1alpha1.ReasonMACMismatch,
		v1alpha1.ReasonContextMismatch, v1alpha1.ReasonUnbound, v1alpha1.ReasonPlaintextRejected, v1alpha1.ReasonInvalidDocument,
		v1alpha1.ReasonKindNotAllowed, v1alpha1.ReasonNotAllowed, v1alpha1.ReasonTargetConflict, v1alpha1.ReasonTargetImmutable, v1alpha1.ReasonTargetInvalid,
		v1alpha1.ReasonKeyUnavailable, v1alpha1.ReasonForbidden, v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonTerminating, v1alpha1.ReasonAPIError,
	}
}

// distinct returns the list without repetitions. A manifest counts once per key.
func distinct(ids []string) []string {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.Compact(out)
}

// ShortID makes the label key_id of a key's ID: public, but often too long for a
// dashboard. Of age recipients the beginning and the end are kept, of others what
// fits.
func ShortID(id string) string {
	head, tail := 40, 20
	if strings.HasPrefix(id, "age1") {
		head, tail = 12, 8
	}
	id = strings.ToValidUTF8(id, "?")
	r := []rune(id)
	if len(r) <= head+tail+3 {
		return id
	}
	return string(r[:head]) + "..." + string(r[len(r)-tail:])
}
