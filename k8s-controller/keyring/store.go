package keyring

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrNone: no keyring of that name, or none that serves the namespace.
	ErrNone = errors.New("no SealKeyring")
	// ErrSeveral: several serve the namespace, and none was named.
	ErrSeveral = errors.New("several SealKeyrings serve the namespace")
	// ErrNotLoaded: the keyrings are not read yet.
	ErrNotLoaded = errors.New("the SealKeyrings are not loaded yet")
)

// Store holds the current Sets. Its zero value is empty and not loaded. It may be used
// from several goroutines.
type Store struct {
	mu     sync.RWMutex // guards all below
	sets   map[string]*Set
	loaded bool
	subs   []func(string)
}

// Select returns the Set that a manifest of a namespace uses: the one of a name, or if
// that is empty the only one that serves the namespace, where one that selects its
// namespaces goes before those that serve all. The error is or wraps ErrNone, ErrSeveral
// or ErrNotLoaded, and its text is fit for a status: it does not tell a keyring that is
// for others from one that is not there.
func (st *Store) Select(namespaceLabels map[string]string, name string) (*Set, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if name != "" {
		return st.named(namespaceLabels, name)
	}
	if !st.loaded {
		return nil, ErrNotLoaded
	}
	var fit []*Set
	for _, s := range st.sets {
		if s.Serves(namespaceLabels) {
			fit = append(fit, s)
		}
	}
	if slices.ContainsFunc(fit, (*Set).selects) {
		fit = slices.DeleteFunc(fit, func(s *Set) bool { return !s.selects() })
	}
	switch len(fit) {
	case 0:
		return nil, fmt.Errorf("%w serves this namespace", ErrNone)
	case 1:
		return fit[0], nil
	}
	var names []string
	for _, s := range fit {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%w (%s): set spec.keyring to one of them", ErrSeveral, listed(names))
}

// named is Select for a name. The caller holds the lock.
func (st *Store) named(namespaceLabels map[string]string, name string) (*Set, error) {
	s, ok := st.sets[name]
	switch {
	case !ok && !st.loaded:
		return nil, ErrNotLoaded
	case !ok || !s.Serves(namespaceLabels):
		return nil, fmt.Errorf("%w named %s serves this namespace", ErrNone, name)
	}
	return s, nil
}

// selects reports whether a keyring is for some namespaces only.
func (s *Set) selects() bool { return !s.selector.Empty() }

// listed shortens a list of names.
func listed(names []string) string {
	const shown = 5
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// Get returns the Set of a name, nil if there is none.
func (st *Store) Get(name string) *Set {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.sets[name]
}

// Sets returns all Sets, in the order of their names.
func (st *Store) Sets() []*Set {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var out []*Set
	for _, name := range slices.Sorted(maps.Keys(st.sets)) {
		out = append(out, st.sets[name])
	}
	return out
}

// Put replaces the Set of that name and tells the subscribers, unless nothing that
// they could see has changed.
func (st *Store) Put(s *Set) {
	st.mu.Lock()
	if st.sets == nil {
		st.sets = map[string]*Set{}
	}
	same := s.equal(st.sets[s.name])
	st.sets[s.name] = s
	subs := slices.Clone(st.subs)
	st.mu.Unlock()
	if !same {
		tell(subs, s.name)
	}
}

// Remove forgets a Set and tells the subscribers.
func (st *Store) Remove(name string) {
	st.mu.Lock()
	_, known := st.sets[name]
	delete(st.sets, name)
	subs := slices.Clone(st.subs)
	st.mu.Unlock()
	if known {
		tell(subs, name)
	}
}

// SetLoaded says that all keyrings there are were put in, so that from now on one that
// is missing does not exist. The subscribers are told of all, as what was asked before
// was told ErrNotLoaded.
func (st *Store) SetLoaded() {
	st.mu.Lock()
	first := !st.loaded
	st.loaded = true
	names := slices.Sorted(maps.Keys(st.sets))
	subs := slices.Clone(st.subs)
	st.mu.Unlock()
	if !first {
		return
	}
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		tell(subs, name)
	}
}

// Loaded reports whether SetLoaded was called.
func (st *Store) Loaded() bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.loaded
}

// Ready reports whether there is an identity that can be used.
func (st *Store) Ready() bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	for _, s := range st.sets {
		if len(s.identities) > 0 {
			return true
		}
	}
	return false
}

// Subscribe has f called with the name of a keyring after its Set was changed or
// removed, and with "" if there turned out to be none. f must return soon, and may
// use the Store.
func (st *Store) Subscribe(f func(keyring string)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.subs = append(st.subs, f)
}

func tell(subs []func(string), name string) {
	for _, f := range subs {
		f(name)
	}
}
