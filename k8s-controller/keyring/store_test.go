package keyring_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

func selecting(labels map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels}
}

func TestSelect(t *testing.T) {
	var st keyring.Store
	if _, err := st.Select(nil, ""); !errors.Is(err, keyring.ErrNotLoaded) {
		t.Errorf("before loading: %v", err)
	}
	if _, err := st.Select(nil, "x"); !errors.Is(err, keyring.ErrNotLoaded) {
		t.Errorf("by name before loading: %v", err)
	}
	for name, sel := range map[string]*metav1.LabelSelector{
		"prod": selecting(map[string]string{"env": "prod"}), "dev": selecting(map[string]string{"env": "dev"}),
		"team": selecting(map[string]string{"team": "a"}),
	} {
		st.Put(newSet(t, keyring.Parts{Name: name, NamespaceSelector: sel}))
	}
	if s, err := st.Select(map[string]string{"env": "prod"}, "prod"); err != nil || s.Name() != "prod" {
		t.Errorf("one that is there already, by name: %v %v", s, err)
	}
	st.SetLoaded()
	for _, tt := range []struct {
		name   string
		labels map[string]string
		asked  string
		want   string
		err    error
	}{
		{"the one that serves it", map[string]string{"env": "prod"}, "", "prod", nil},
		{"by name", map[string]string{"env": "dev"}, "dev", "dev", nil},
		{"two, none named", map[string]string{"env": "dev", "team": "a"}, "", "", keyring.ErrSeveral},
		{"two, one named", map[string]string{"env": "dev", "team": "a"}, "team", "team", nil},
		{"none serves it", map[string]string{"env": "test"}, "", "", keyring.ErrNone},
		{"no labels", nil, "", "", keyring.ErrNone},
		{"named, does not serve it", map[string]string{"env": "dev"}, "prod", "", keyring.ErrNone},
		{"named, is not there", map[string]string{"env": "dev"}, "gone", "", keyring.ErrNone},
	} {
		s, err := st.Select(tt.labels, tt.asked)
		got := ""
		if s != nil {
			got = s.Name()
		}
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	// One for all serves those that no other selects.
	st.Put(newSet(t, keyring.Parts{Name: "all"}))
	for env, want := range map[string]string{"prod": "prod", "test": "all"} {
		if s, err := st.Select(map[string]string{"env": env}, ""); err != nil || s.Name() != want {
			t.Errorf("%s beside one for all: %v %v, want %s", env, s, err, want)
		}
	}
	st.Remove("all")
	st.Remove("prod")
	if _, err := st.Select(map[string]string{"env": "prod"}, ""); !errors.Is(err, keyring.ErrNone) {
		t.Errorf("after removal: %v", err)
	}
}

func TestMalformedSelectorServesNobody(t *testing.T) {
	kr := sealKeyring("bad")
	kr.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Nonsense"}}}
	loaded := keyring.NewLoader(nil).Load(t.Context(), kr, nil)
	if loaded.Set.Serves(nil) || loaded.Set.Serves(map[string]string{"a": "b"}) {
		t.Error("it serves a namespace")
	}
	if got := problems(loaded); got != "Invalid spec: keyring bad: malformed namespaceSelector" {
		t.Error(got)
	}
}

func TestSubscribersHearOfChangesOnly(t *testing.T) {
	var st keyring.Store
	var heard []string
	st.Subscribe(func(name string) { heard = append(heard, name) })
	id := aged(t, generate(t, false), "2026-01-01")
	parts := keyring.Parts{Name: "a", Identities: []keyring.Identity{id}}
	put := func(p keyring.Parts) { st.Put(newSet(t, p)) }
	put(parts)
	put(parts) // the same
	put(keyring.Parts{Name: "a", Identities: []keyring.Identity{id, aged(t, generate(t, false), "2026-01-02")}})
	put(keyring.Parts{Name: "a", Identities: []keyring.Identity{id}, Policy: v1alpha1.Policy{Context: v1alpha1.Warn}})
	put(keyring.Parts{Name: "a", Identities: []keyring.Identity{id}, NamespaceSelector: selecting(map[string]string{"x": "y"})})
	put(keyring.Parts{Name: "a", Waiting: []string{"w"}})
	st.Remove("a")
	st.Remove("a")
	st.SetLoaded()
	st.SetLoaded()
	want := []string{"a", "a", "a", "a", "a", "a", ""}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Error(diff)
	}
}

func TestReadyNeedsAnIdentity(t *testing.T) {
	var st keyring.Store
	st.Put(newSet(t, keyring.Parts{Name: "empty"}))
	st.SetLoaded()
	if st.Ready() {
		t.Error("ready without an identity")
	}
	st.Put(newSet(t, keyring.Parts{Name: "a", Identities: []keyring.Identity{aged(t, generate(t, false), "2026-01-01")}}))
	if !st.Ready() {
		t.Error("not ready with one")
	}
}

func TestStoreIsSafeForConcurrentUse(t *testing.T) {
	var st keyring.Store
	id := aged(t, generate(t, false), "2026-01-01")
	st.Subscribe(func(string) { st.Ready() })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				name := fmt.Sprint("k", (i+n)%3)
				switch n % 4 {
				case 0:
					st.Put(newSet(t, keyring.Parts{Name: name, Identities: []keyring.Identity{id}}))
				case 1:
					_, _ = st.Select(map[string]string{"a": "b"}, "")
				case 2:
					st.Sets()
				case 3:
					st.Remove(name)
				}
			}
		})
	}
	wg.Wait()
}
