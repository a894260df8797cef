package chaostest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources/age"
)

func TestSweepFindsValues(t *testing.T) {
	id, err := age.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{id: id}
	value := newModel([]string{"ns"}, 1).items[0].content("m000", 1)["password"]
	texts := map[string]string{"plain": value, "the key": id.SecretText()}
	for shift := range 3 {
		texts["base64 "+strings.Repeat(" ", shift)] = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
	}
	for name, text := range texts {
		f := &findings{}
		if w.look(f, name, `{"log": "`+text+`"}`); len(f.violations) != 1 {
			t.Errorf("%s: got %v", name, f.violations)
		}
	}
	f := &findings{}
	if w.look(f, "nothing", "ENC[AES256_GCM,data:Q0hBT1M=]"); len(f.violations) > 0 {
		t.Errorf("got %v", f.violations)
	}
}

func TestOnlyKnownEndsAreExcused(t *testing.T) {
	for text, ok := range map[string]bool{
		"gitseal-controller: error: leader election lost":                                 true,
		"gitseal-controller: error: connecting to the API server: connection refused":     true,
		"gitseal-controller: error: something else":                                       false,
		`{"level":"ERROR","msg":"leader election lost"}`:                                  false,
		"panic: runtime error: invalid memory address":                                    false,
		"fatal error: concurrent map writes":                                              false,
		"gitseal-controller: error: the lease's times are wrong: leader election is lost": false,
	} {
		if got := (exit{code: 1, last: text}).excused() != ""; got != ok {
			t.Errorf("%q: excused is %t", text, got)
		}
		if (exit{code: 2, last: text}).excused() != "" {
			t.Errorf("%q with exit 2, as of a panic, is excused", text)
		}
	}
}

// settledItem is a manifest and its Secret as they should be in the end.
func settledItem() (*item, *v1alpha1.SealedManifest, *corev1.Secret) {
	it := newModel([]string{"ns"}, 1).items[0]
	it.number = 2
	m := &v1alpha1.SealedManifest{ObjectMeta: metav1.ObjectMeta{Generation: 2, Annotations: map[string]string{revisionOf: "2"}}}
	m.Status.ObservedGeneration = 2
	m.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: "True", Reason: v1alpha1.ReasonApplied}}
	s := &corev1.Secret{Data: map[string][]byte{}}
	for k, v := range it.content(it.name, 2) {
		s.Data[k] = []byte(v)
	}
	return it, m, s
}

func TestConvergenceIsNotTakenForGranted(t *testing.T) {
	verdict := func(it *item, m *v1alpha1.SealedManifest, s *corev1.Secret) string {
		if what := problem(it, m); what != "" {
			return what
		}
		have := map[string]*corev1.Secret{}
		if s != nil {
			have["ns/"+it.name] = s
		}
		return strings.Join(contents(it, have), ", ")
	}
	if got := verdict(settledItem()); got != "" {
		t.Fatalf("what is right has the problem: %s", got)
	}
	for name, spoil := range map[string]func(*item, *v1alpha1.SealedManifest, *corev1.Secret){
		"not ready":                func(_ *item, m *v1alpha1.SealedManifest, _ *corev1.Secret) { m.Status.Conditions[0].Status = "False" },
		"no status":                func(_ *item, m *v1alpha1.SealedManifest, _ *corev1.Secret) { m.Status.Conditions = nil },
		"an old status":            func(_ *item, m *v1alpha1.SealedManifest, _ *corev1.Secret) { m.Generation++ },
		"an old revision":          func(it *item, _ *v1alpha1.SealedManifest, _ *corev1.Secret) { it.number++ },
		"ready, though hostile":    func(it *item, _ *v1alpha1.SealedManifest, _ *corev1.Secret) { it.never[2] = true },
		"old content":              func(_ *item, _ *v1alpha1.SealedManifest, s *corev1.Secret) { s.Data["password"] = []byte("old") },
		"a key of somebody":        func(_ *item, _ *v1alpha1.SealedManifest, s *corev1.Secret) { s.Data[vandalKey] = []byte("x") },
		"a key of an old revision": func(_ *item, _ *v1alpha1.SealedManifest, s *corev1.Secret) { s.Data["k0"] = []byte("x") },
	} {
		it, m, s := settledItem()
		if spoil(it, m, s); verdict(it, m, s) == "" {
			t.Errorf("%s: nothing was noticed", name)
		}
	}
	it, m, _ := settledItem()
	if verdict(it, m, nil) == "" || verdict(it, nil, nil) == "" {
		t.Error("a missing object was not noticed")
	}
}
