package keyrings

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
)

// statusOf computes a keyring's status. It asks nobody.
func statusOf(kr *v1alpha1.SealKeyring, loaded latest, uses map[string]int, now time.Time) v1alpha1.SealKeyringStatus {
	s := v1alpha1.SealKeyringStatus{
		ObservedGeneration: loaded.generation,
		Recipients:         published(&kr.Status, loaded.Loaded),
		Conditions:         slices.Clone(kr.Status.Conditions),
	}
	problems := loaded.Problems
	if id, ok := missing(kr, loaded); ok {
		id.State, id.Manifests = v1alpha1.StateMissing, clamp(uses[v1alpha1.KeyID(id.ID)])
		s.Identities = append(s.Identities, id)
		problems = withMissing(loaded.Loaded, id)
	}
	active := map[string]bool{}
	for _, id := range loaded.Set.Active() {
		active[id.ID] = true
	}
	for _, id := range loaded.Set.Identities() {
		s.Identities = append(s.Identities, identityStatus(id, active[id.ID], uses[v1alpha1.KeyID(id.ID)]))
	}
	ready := readyOf(len(loaded.Set.Identities()), problems)
	ready.Type, ready.ObservedGeneration = v1alpha1.ConditionReady, loaded.generation
	ready.LastTransitionTime = metav1.NewTime(now)
	meta.SetStatusCondition(&s.Conditions, ready)
	return s
}

// missing returns the identity that was sealed for last, if it was not loaded and none
// that is as new was: its Secret is restored, and no other takes its name meanwhile. One
// that is older than others is retired by deleting it, and what a change of the spec
// takes away is meant to go.
func missing(kr *v1alpha1.SealKeyring, loaded latest) (v1alpha1.IdentityStatus, bool) {
	newest, _ := newestAge(loaded.Set)
	there := map[string]bool{}
	for _, id := range loaded.Set.Identities() {
		there[id.ID] = true
	}
	for _, id := range kr.Status.Identities {
		if id.Type != keysources.TypeAge || id.State == v1alpha1.StateRetiring || there[id.ID] || id.CreatedAt == nil || !id.CreatedAt.After(newest.Created) {
			continue
		}
		if id.State == v1alpha1.StateActive && kr.Status.ObservedGeneration != kr.Generation && !names(kr, id.Source) {
			continue
		}
		return id, true
	}
	return v1alpha1.IdentityStatus{}, false
}

// names reports whether spec.identities has the name.
func names(kr *v1alpha1.SealKeyring, source string) bool {
	return slices.ContainsFunc(kr.Spec.Identities, func(src v1alpha1.IdentitySource) bool { return src.Name == source })
}

// withMissing returns the problems of a keyring of which an identity is missing. If it has
// no other, that it has none is what is said; and what is known to be so for now, or of
// that source already, is not said twice.
func withMissing(loaded keyring.Loaded, id v1alpha1.IdentityStatus) []keyring.Problem {
	if len(loaded.Set.Identities()) == 0 || loaded.Retry() ||
		slices.ContainsFunc(loaded.Problems, func(p keyring.Problem) bool { return p.Source == id.Source }) {
		return loaded.Problems
	}
	return append(slices.Clone(loaded.Problems), keyring.Problem{
		Source: id.Source, Reason: keyring.ReasonIdentityMissing,
		Message: fmt.Sprintf("the newest identity, %s, is not there any more, and no other is made: restore its Secret from your backup or, if it is lost, remove the identity from the status", keyring.Short(id.ID)),
	})
}

func identityStatus(id keyring.Identity, active bool, uses int) v1alpha1.IdentityStatus {
	s := v1alpha1.IdentityStatus{
		ID: id.ID, Source: id.Source, Type: id.Type, State: v1alpha1.StateRetiring,
		Manifests: clamp(uses),
	}
	if active {
		s.State = v1alpha1.StateActive
	}
	if !id.Created.IsZero() {
		t := metav1.NewTime(id.Created).Rfc3339Copy()
		s.CreatedAt = &t
	}
	return s
}

func clamp(n int) int32 { return int32(min(n, math.MaxInt32)) }

// published returns whom to seal for. As long as what is configured cannot be read,
// what was published before stays: whoever seals meanwhile seals for the right ones.
func published(old *v1alpha1.SealKeyringStatus, loaded keyring.Loaded) []string {
	_, hasAge := newestAge(loaded.Set)
	unsure := loaded.Retry() || !hasAge && len(loaded.Problems) > 0
	if unsure && len(old.Recipients) > 0 {
		return old.Recipients
	}
	return loaded.Set.Recipients()
}

// newestAge returns the newest age identity.
func newestAge(s *keyring.Set) (keyring.Identity, bool) {
	for _, id := range s.Identities() {
		if id.Type == keysources.TypeAge {
			return id, true
		}
	}
	return keyring.Identity{}, false
}

// maxMessage is how long the message of a condition may be, and a bit less.
const maxMessage = 8000

// readyOf says how a keyring of n identities stands.
func readyOf(n int, problems []keyring.Problem) metav1.Condition {
	inUse := fmt.Sprintf("%d identities are in use", n)
	if n == 1 {
		inUse = "1 identity is in use"
	}
	if len(problems) == 0 && n == 0 {
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: keyring.ReasonNoIdentity,
			Message: "the keyring has no identity, and none is made silently: an administrator makes one with gitseal-controller init"}
	}
	if len(problems) == 0 {
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: keyring.ReasonLoaded, Message: inUse}
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.String())
	}
	return metav1.Condition{
		Status: metav1.ConditionFalse, Reason: problems[0].Reason,
		Message: clip(inUse+"; "+strings.Join(texts, "; "), maxMessage),
	}
}
