package metrics

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// descriptions of what a Tracker reports.
type descriptions struct {
	manifests, byKey, age, retiring, identities *prometheus.Desc
}

func describe() descriptions {
	d := func(n, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name(n), help, labels, nil)
	}
	return descriptions{
		manifests:  d("manifests", "SealedManifests by the condition Ready and its reason.", "ready", "reason"),
		byKey:      d("manifests_by_key", "SealedManifests that a key opened.", "key_id"),
		age:        d("key_age_seconds", "Age of a key, where it is known.", "key_id"),
		retiring:   d("key_retiring", "1 if nothing is sealed for the key any more, 0 if something is.", "key_id"),
		identities: d("identities", "Usable identities of a keyring.", "keyring"),
	}
}

// Describe implements [prometheus.Collector].
func (t *Tracker) Describe(out chan<- *prometheus.Desc) {
	d := describe()
	for _, desc := range []*prometheus.Desc{d.manifests, d.byKey, d.age, d.retiring, d.identities} {
		out <- desc
	}
}

// Collect implements [prometheus.Collector].
func (t *Tracker) Collect(out chan<- prometheus.Metric) {
	d := describe()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	s := t.snapshot()
	for r, n := range s.states {
		gauge(d.manifests, float64(n), r.ready, r.reason)
	}
	for id, n := range s.byKey {
		gauge(d.byKey, float64(n), id)
	}
	for id, age := range s.ages {
		gauge(d.age, age, id)
	}
	for id, retiring := range s.retiring {
		gauge(d.retiring, retiring, id)
	}
	for keyring, n := range s.identities {
		gauge(d.identities, float64(n), strings.ToValidUTF8(keyring, "?"))
	}
}

// snapshot is what one scrape shows: keys by their label.
type snapshot struct {
	states         map[readiness]int
	byKey          map[string]int
	ages, retiring map[string]float64
	identities     map[string]int
	labels         map[string]bool
}

// snapshot copies the sums, so that a slow scrape holds nobody up.
func (t *Tracker) snapshot() snapshot {
	s := snapshot{
		states: make(map[readiness]int), byKey: make(map[string]int), ages: make(map[string]float64),
		retiring: make(map[string]float64), identities: make(map[string]int), labels: make(map[string]bool),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for r, n := range t.states {
		s.states[r] = n
	}
	now := t.now()
	// The keys there are come before those that only a status names.
	for _, keyring := range slices.Sorted(maps.Keys(t.keyrings)) {
		s.identities[keyring] = len(t.keyrings[keyring])
		for _, k := range t.keyrings[keyring] {
			s.key(k, now.Sub(k.Created).Seconds())
		}
	}
	// In order, so that the same ones are within the bound each time.
	for _, u := range slices.SortedFunc(maps.Keys(t.uses), func(a, b use) int { return strings.Compare(a.id, b.id) }) {
		s.byKey[s.label(u.id)] += t.uses[u]
	}
	return s
}

// key takes one key up. If two keys share a label, the older one's age is shown; a
// key that one keyring retires and another has in use is in use.
func (s *snapshot) key(k Key, age float64) {
	id := s.label(k.ID)
	if !k.Created.IsZero() {
		s.ages[id] = max(s.ages[id], age, 0)
	}
	v := 0.0
	if k.Retiring {
		v = 1
	}
	if old, known := s.retiring[id]; known {
		v = min(v, old)
	}
	s.retiring[id] = v
	s.byKey[id] += 0 // a key that opens nothing is worth knowing
}

// label returns the label of a key, within the bound.
func (s *snapshot) label(id string) string {
	l := ShortID(id)
	if !s.labels[l] {
		if len(s.labels) >= maxKeyIDs {
			return other
		}
		s.labels[l] = true
	}
	return l
}
