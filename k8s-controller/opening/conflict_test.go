package opening_test

import (
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/opening"
)

func TestConflictPolicyNeedsTheKeyrings(t *testing.T) {
	const adopt, merge = v1alpha1.ConflictAdopt, v1alpha1.ConflictMerge
	for _, c := range []struct {
		asked   v1alpha1.ConflictPolicy
		allowed []v1alpha1.ConflictPolicy
		refused bool
	}{
		{"", nil, false},
		{v1alpha1.ConflictFail, nil, false},
		{adopt, nil, true},
		{merge, nil, true},
		{merge, []v1alpha1.ConflictPolicy{adopt}, true},
		{merge, []v1alpha1.ConflictPolicy{adopt, merge}, false},
	} {
		// What is sealed is not one: it must not even be looked at.
		m := &v1alpha1.SealedManifest{}
		m.Namespace, m.Name, m.Spec.ConflictPolicy, m.Spec.Document = "shop", "db", c.asked, "not: sealed"
		keys := set(t, v1alpha1.Policy{ConflictPolicies: c.allowed}, clusterKey)
		_, err := opening.New(opening.Options{}).Open(t.Context(), opening.Request{Manifest: m, Keys: keys})
		if !c.refused {
			wantRefusal(t, err, v1alpha1.ReasonPlaintextRejected, "")
			continue
		}
		wantRefusal(t, err, v1alpha1.ReasonNotAllowed, "policy.conflictPolicies of SealKeyring default")
	}
}
