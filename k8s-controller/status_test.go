package controller_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	controller "github.com/gitseal/gitseal/k8s-controller"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// TestStatusAsStored: what is remembered of a written status is what the cache will
// tell of it, in every field; else it would be written again for ever.
func TestStatusAsStored(t *testing.T) {
	at := metav1.NewTime(time.Now())
	s := v1alpha1.SealedManifestStatus{
		ObservedGeneration: 3, ObservedDigest: "sha256:00", Class: new("blue"), Keyring: "default", RolloutHash: "h", LastHandledReconcileAt: "now",
		Keys:            []v1alpha1.KeyUse{{ID: "age1", Type: "age"}},
		Integrity:       &v1alpha1.Integrity{MAC: "Verified", Context: "Strict"},
		Resources:       []v1alpha1.Resource{{APIVersion: "v1", Kind: "Secret", Name: "a", UID: "u", ResourceVersion: "7", Merged: true}},
		LastAppliedTime: &at,
		Conditions:      []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Applied", Message: "m", ObservedGeneration: 3, LastTransitionTime: at}},
	}
	for f, v := range reflect.ValueOf(s).Fields() {
		if v.IsZero() {
			t.Errorf("the test does not know the field %s", f.Name)
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var want v1alpha1.SealedManifestStatus
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if equality.Semantic.DeepEqual(s, want) {
		t.Fatal("the times of the test have nothing that would be lost")
	}
	got := controller.Stored(s)
	if !equality.Semantic.DeepEqual(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if !s.LastAppliedTime.Time.Equal(at.Time) || !s.Conditions[0].LastTransitionTime.Time.Equal(at.Time) {
		t.Error("it changed its argument")
	}
}

// TestStatusIsOfOneManifest: what was found out about a manifest is never said of one of
// the same name that was made since, not even if versions are not compared.
func TestStatusIsOfOneManifest(t *testing.T) {
	w := newWorld(t)
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	for _, step := range []string{"first", "second"} {
		for _, versioned := range []bool{true, false} {
			now := w.get("db")
			other := now.DeepCopy()
			other.UID, other.ResourceVersion = "00000000-0000-0000-0000-000000000000", "1"
			next := v1alpha1.SealedManifestStatus{ObservedGeneration: 1, Keyring: "other"}
			if err := controller.SendStatus(t.Context(), w.api, other, next, versioned); !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
				t.Errorf("%s, versioned %v: got %v", step, versioned, err)
			}
			if got := w.get("db"); got.ResourceVersion != now.ResourceVersion {
				t.Errorf("%s, versioned %v: it was written", step, versioned)
			}
			if !versioned {
				now.ResourceVersion = "1"
			}
			next.Keyring = fmt.Sprint(step, versioned)
			w.check(controller.SendStatus(t.Context(), w.api, now, next, versioned))
			if got := w.get("db"); got.Status.Keyring != next.Keyring || got.UID != now.UID {
				t.Errorf("%s, versioned %v: the status is of %q", step, versioned, got.Status.Keyring)
			}
		}
	}
}
