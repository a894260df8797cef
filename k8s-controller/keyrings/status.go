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
func statusOf(old *v1alpha1.SealKeyringStatus, loaded latest, uses map[string]int, now time.Time) v1alpha1.SealKeyringStatus {
	s := v1alpha1.SealKeyringStatus{
		ObservedGeneration: loaded.generation,
		Recipients:         published(old, loaded.Loaded),
		Conditions:         slices.Clone(old.Conditions),
	}
	active := map[string]bool{}
	for _, id := range loaded.Set.Active() {
		active[id.ID] = true
	}
	for _, id := range loaded.Set.Identities() {
		s.Identities = append(s.Identities, identityStatus(id, active[id.ID], uses[v1alpha1.KeyID(id.ID)]))
	}
	ready := readyOf(loaded.Loaded)
	ready.Type, ready.ObservedGeneration = v1alpha1.ConditionReady, loaded.generation
	ready.LastTransitionTime = metav1.NewTime(now)
	meta.SetStatusCondition(&s.Conditions, ready)
	return s
}

func identityStatus(id keyring.Identity, active bool, uses int) v1alpha1.IdentityStatus {
	s := v1alpha1.IdentityStatus{
		ID: id.ID, Source: id.Source, Type: id.Type, State: v1alpha1.StateRetiring,
		Manifests: int32(min(uses, math.MaxInt32)),
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

// readyOf says how a keyring stands.
func readyOf(loaded keyring.Loaded) metav1.Condition {
	n := len(loaded.Set.Identities())
	inUse := fmt.Sprintf("%d identities are in use", n)
	if n == 1 {
		inUse = "1 identity is in use"
	}
	if len(loaded.Problems) == 0 && n == 0 {
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: keyring.ReasonNoIdentity,
			Message: "the keyring has no identity, and none is made silently: an administrator makes one with gitseal-controller init"}
	}
	if len(loaded.Problems) == 0 {
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: keyring.ReasonLoaded, Message: inUse}
	}
	var texts []string
	for _, p := range loaded.Problems {
		texts = append(texts, p.String())
	}
	return metav1.Condition{
		Status: metav1.ConditionFalse, Reason: loaded.Problems[0].Reason,
		Message: clip(inUse+"; "+strings.Join(texts, "; "), maxMessage),
	}
}
