package keyring

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources"
)

// Parts are what a [Set] is made of.
type Parts struct {
	Name string
	// NamespaceSelector nil means all namespaces.
	NamespaceSelector *metav1.LabelSelector
	Policy            v1alpha1.Policy
	// Recovery are recipients whose identities are elsewhere.
	Recovery []string
	// Identities in any order. Of two with the same ID the first is taken.
	Identities []Identity
	// Waiting names sources whose identities are to be had later: a service did not
	// answer.
	Waiting []string
}

// Set is one SealKeyring at a moment. It never changes, and may be used from several
// goroutines. It prints as its name.
type Set struct {
	name       string
	policy     v1alpha1.Policy
	selector   labels.Selector
	recovery   []string
	waiting    []string
	identities []Identity       // newest first
	bySlot     map[string][]int // indexes into identities
	revision   string
	state      string // digest of all that users of the Set could see change
}

// New returns a Set. Its error says that the namespace selector is malformed, or
// that an identity cannot be found by anything.
func New(p Parts) (*Set, error) {
	s := &Set{
		name: p.Name, policy: *p.Policy.DeepCopy(), selector: labels.Everything(),
		recovery: slices.Clone(p.Recovery), waiting: slices.Clone(p.Waiting), bySlot: map[string][]int{},
	}
	if p.NamespaceSelector != nil {
		var err error
		if s.selector, err = metav1.LabelSelectorAsSelector(p.NamespaceSelector); err != nil {
			return nil, fmt.Errorf("keyring %s: malformed namespaceSelector", p.Name)
		}
	}
	known := map[string]bool{}
	for _, id := range p.Identities {
		if id.slot() == "" || id.Identity == nil {
			return nil, fmt.Errorf("keyring %s: the identity %s has no key", p.Name, id)
		}
		if !known[id.ID] {
			known[id.ID] = true
			s.identities = append(s.identities, id)
		}
	}
	slices.SortStableFunc(s.identities, func(a, b Identity) int { return b.Created.Compare(a.Created) })
	for i, id := range s.identities {
		s.bySlot[id.slot()] = append(s.bySlot[id.slot()], i)
	}
	s.revision = policyDigest(s.policy)
	s.state = s.digest()
	return s, nil
}

// Name returns the SealKeyring's name.
func (s *Set) Name() string { return s.name }

// Policy returns what manifests have to be like.
func (s *Set) Policy() v1alpha1.Policy { return *s.policy.DeepCopy() }

// Revision is a digest of the policy as far as it decides what is allowed: two Sets
// of equal revisions allow the same. Identities are not part of it.
func (s *Set) Revision() string { return s.revision }

// For returns the identities that stanzas were made for, newest first, each once.
// The cost depends on the number of stanzas and not on that of identities.
func (s *Set) For(stanzas []keysources.Stanza) []Identity {
	var found []int
	for _, st := range stanzas {
		for _, i := range s.bySlot[slotOf(st)] {
			if s.identities[i].fits(st) {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	var out []Identity
	for _, i := range slices.Compact(found) {
		out = append(out, s.identities[i])
	}
	return out
}

// fits reports whether an identity of the stanza's slot is really for it.
func (i Identity) fits(st keysources.Stanza) bool {
	return i.Type == keysources.TypeAge || sameKey(i.key, st)
}

// Identities returns all identities, newest first.
func (s *Set) Identities() []Identity { return slices.Clone(s.identities) }

// Waiting names the sources whose identities are to be had later, because a service
// did not answer. While there are any, that no identity fits may change by itself.
func (s *Set) Waiting() []string { return slices.Clone(s.waiting) }

// Active returns the identities that are to be sealed for now: the newest of age or,
// if there is none of age, all keys of services.
func (s *Set) Active() []Identity {
	for i, id := range s.identities {
		if id.Type == keysources.TypeAge {
			return s.identities[i : i+1 : i+1]
		}
	}
	return s.Identities()
}

// Recipients returns whom to seal for: the active identities and the recovery keys,
// in the order in which they are to be written. It is empty if no identity is active,
// for what is sealed for recovery alone would never open here.
func (s *Set) Recipients() []string {
	var out []string
	for _, id := range s.Active() {
		out = append(out, id.ID)
	}
	if len(out) == 0 {
		return nil
	}
	for _, r := range s.recovery {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// Serves reports whether a namespace with these labels may use the keyring.
func (s *Set) Serves(namespaceLabels map[string]string) bool {
	return s.selector.Matches(labels.Set(namespaceLabels))
}

// String names the keyring and counts its identities.
func (s *Set) String() string {
	return fmt.Sprintf("keyring %s (%d identities)", s.name, len(s.identities))
}

// GoString is String, so that no verb of fmt looks inside.
func (s *Set) GoString() string { return s.String() }

// Format is String for every verb, also where a Set is printed by value.
func (s Set) Format(f fmt.State, _ rune) { fmt.Fprint(f, (&s).String()) }

// MarshalLog is what structured logs show.
func (s *Set) MarshalLog() any { return s.String() }

// equal reports whether users of s and t could not tell them apart.
func (s *Set) equal(t *Set) bool { return t != nil && s.state == t.state }

// digest is over all public parts.
func (s *Set) digest() string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode([]any{s.name, s.revision, s.selector.String(), s.recovery, s.waiting})
	for _, id := range s.identities {
		_ = enc.Encode([]any{id.ID, id.Type, id.Source, id.Created.UTC(), id.key})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// policyDigest spells defaults out and sorts lists, whose order means nothing.
func policyDigest(p v1alpha1.Policy) string {
	kinds := make([]string, 0, len(p.AllowedKinds))
	for _, k := range p.AllowedKinds {
		kinds = append(kinds, k.APIVersion+"\x00"+k.Kind)
	}
	slices.Sort(kinds)
	types := slices.Clone(p.AllowedSecretTypes)
	slices.SortFunc(types, func(a, b corev1.SecretType) int { return strings.Compare(string(a), string(b)) })
	conflicts := slices.Sorted(slices.Values(p.ConflictPolicies))
	orRequire := func(r v1alpha1.Requirement) v1alpha1.Requirement {
		if r == "" {
			return v1alpha1.Require
		}
		return r
	}
	h := sha256.New()
	_ = json.NewEncoder(h).Encode([]any{
		"policy v1", orRequire(p.Integrity), orRequire(p.Context), slices.Compact(kinds), slices.Compact(types), len(types) > 0,
		slices.Compact(conflicts),
	})
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// nowhere returns a Set that serves no namespace and opens nothing.
func nowhere(name string, policy v1alpha1.Policy) *Set {
	s, _ := New(Parts{Name: name, Policy: policy})
	s.selector = labels.Nothing()
	s.state = s.digest()
	return s
}
