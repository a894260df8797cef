package keyrings_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/keyrings"
)

// rights are all that keeping keyrings needs. Secrets are those of the one namespace.
func (w *world) serviceAccount() {
	w.Helper()
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	subject := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: "controller"}}
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "controller"}})
	w.create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}, Rules: []rbacv1.PolicyRule{
		rule(v1alpha1.Group, "sealkeyrings", "get", "list", "watch"), rule(v1alpha1.Group, "sealkeyrings/status", "patch"),
		rule("events.k8s.io", "events", "create", "patch"),
	}})
	w.create(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}, Subjects: subject,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.keyring}})
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "controller"}, Rules: []rbacv1.PolicyRule{
		rule("", "secrets", "get", "list", "watch", "create"), rule("", "configmaps", "get", "create", "patch"),
	}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "controller"}, Subjects: subject,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "controller"}})
}

func TestLoadsAndPublishesWithFewRights(t *testing.T) {
	w := newWorld(t)
	old, id := w.ageSecret("old", 20, false), w.ageSecret("new", 2, true)
	recovery := w.ageSecret("elsewhere", 0, false).Recipient().String()
	w.serviceAccount()
	w.sealKeyring(v1alpha1.SealKeyringSpec{Recovery: []string{recovery}}, "old")
	r := w.start(choices{config: w.cluster.ServiceAccountConfig(t, w.ns, "controller"), uses: map[string]int{old.Recipient().String(): 3}})
	s := w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	w.eventually("the store is ready", func() string {
		if !r.store.Ready() || !r.store.Loaded() {
			return "not yet"
		}
		return ""
	})
	if diff := cmp.Diff([]string{id.Recipient().String(), recovery}, s.Recipients); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, i := range s.Identities {
		got = append(got, strings.Join([]string{i.Source, i.State, i.Type, time.Since(i.CreatedAt.Time).Round(24 * time.Hour).String()}, " "))
	}
	if diff := cmp.Diff([]string{"new Active age 48h0m0s", "i0 Retiring age 480h0m0s"}, got); diff != "" {
		t.Error(diff)
	}
	if s.Identities[1].Manifests != 3 || s.Identities[0].Manifests != 0 {
		t.Errorf("counts: %d, %d", s.Identities[0].Manifests, s.Identities[1].Manifests)
	}
	r.setUses(map[string]int{id.Recipient().String(): 4})
	w.eventually("counts follow", func() string {
		if s := w.status(); s.Identities[0].Manifests == 4 && s.Identities[1].Manifests == 0 {
			return ""
		}
		return "not yet"
	})
	w.eventually("recipients are published", func() string {
		cm := w.configMap()
		if cm[w.keyring] != id.Recipient().String()+","+recovery {
			return "published: " + cm[w.keyring]
		}
		if !strings.Contains(cm[keyrings.RulesKey], id.Recipient().String()) {
			return "no rule"
		}
		return ""
	})
	w.readableByEverybody()
	// Steady: nothing is written while nothing changes.
	before, looks := w.versions(), r.looked()
	w.eventually("ten more looks", func() string {
		if r.looked() < looks+10 {
			return "not yet"
		}
		return ""
	})
	if diff := cmp.Diff(before, w.versions()); diff != "" {
		t.Errorf("something was written for nothing: %s", diff)
	}
}

// versions returns the resource versions of what the keeper writes.
func (w *world) versions() map[string]string {
	w.Helper()
	var kr v1alpha1.SealKeyring
	var cm corev1.ConfigMap
	if err := w.client.Get(context.Background(), client.ObjectKey{Name: w.keyring}, &kr); err != nil {
		w.Fatal(err)
	}
	if err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.ns, Name: keyrings.RecipientsName}, &cm); err != nil {
		w.Fatal(err)
	}
	return map[string]string{"keyring": kr.ResourceVersion, "configmap": cm.ResourceVersion}
}

// readableByEverybody checks that a Role for the one ConfigMap lets any user read whom
// to seal for, and nothing secret.
func (w *world) readableByEverybody() {
	w.Helper()
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "recipients"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{keyrings.RecipientsName}, Verbs: []string{"get"},
	}}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "recipients"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "recipients"}})
	c, err := client.New(w.cluster.ConfigFor(w, "somebody"), client.Options{Scheme: scheme(w)})
	if err != nil {
		w.Fatal(err)
	}
	w.eventually("anybody may read the recipients", func() string {
		var cm corev1.ConfigMap
		if err := c.Get(context.Background(), client.ObjectKey{Namespace: w.ns, Name: keyrings.RecipientsName}, &cm); err != nil {
			return err.Error()
		}
		if strings.Contains(strings.Join(slices.Collect(maps.Values(cm.Data)), ""), "SECRET-KEY") {
			w.Fatal("a private key was published")
		}
		return ""
	})
	if err := c.Get(context.Background(), client.ObjectKey{Namespace: w.ns, Name: "old"}, &corev1.Secret{}); !apierrors.IsForbidden(err) {
		w.Errorf("anybody may read identities: %v", err)
	}
}

func TestMalformedSecretDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	good := w.ageSecret("good", 1, false)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "bad"}, StringData: map[string]string{"identity": "hunter2-canary"}})
	w.sealKeyring(v1alpha1.SealKeyringSpec{}, "bad", "good")
	r := w.start(choices{})
	s := w.awaitReady(metav1.ConditionFalse, keyring.ReasonIdentityUnusable)
	if msg := s.Conditions[0].Message; !strings.Contains(msg, "1 identity is in use; i0: the Secret bad") || strings.Contains(msg, "hunter2") {
		t.Errorf("message %q", msg)
	}
	if diff := cmp.Diff([]string{good.Recipient().String()}, s.Recipients); diff != "" || !r.store.Ready() {
		t.Errorf("not in use: %s", diff)
	}
	if note := w.awaitEvent(keyring.ReasonIdentityUnusable); strings.Contains(note, "hunter2") {
		t.Errorf("event %q", note)
	}
	w.delete(w.secretNamed("bad"))
	w.awaitReady(metav1.ConditionFalse, keyring.ReasonIdentityMissing)
	w.ageSecret("bad", 3, false)
	w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	if n := len(w.status().Identities); n != 2 {
		t.Errorf("%d identities after it was mended", n)
	}
}

func TestDeletedSecretTakesItsIdentityAlong(t *testing.T) {
	w := newWorld(t)
	id := w.ageSecret("only", 1, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{}, "only")
	r := w.start(choices{})
	w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
	w.eventually("published", func() string {
		if w.configMap()[w.keyring] == "" {
			return "not yet"
		}
		return ""
	})
	w.delete(w.secretNamed("only"))
	s := w.awaitReady(metav1.ConditionFalse, keyring.ReasonIdentityMissing)
	if states(s) != v1alpha1.StateMissing || r.store.Ready() {
		t.Errorf("still in use: %s", states(s))
	}
	// Whoever seals meanwhile seals for the right one.
	if got := w.configMap()[w.keyring]; got != id.Recipient().String() || !slices.Equal(s.Recipients, []string{got}) {
		t.Errorf("published %q, status %v", got, s.Recipients)
	}
	w.awaitEvent("IdentityRemoved")
}

func TestNoFirstIdentityIsMade(t *testing.T) {
	w := newWorld(t)
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: &v1alpha1.Renewal{Every: metav1.Duration{Duration: time.Hour}}})
	r := w.start(choices{})
	s := w.awaitReady(metav1.ConditionFalse, keyring.ReasonNoIdentity)
	if !strings.Contains(s.Conditions[0].Message, "gitseal-controller init") || r.store.Ready() {
		t.Errorf("message %q, ready %v", s.Conditions[0].Message, r.store.Ready())
	}
	looks := r.looked()
	w.eventually("five more looks", func() string {
		if r.looked() < looks+5 {
			return "not yet"
		}
		return ""
	})
	if n := len(w.identitySecrets()); n != 0 {
		t.Errorf("%d identities were made", n)
	}
	w.ageSecret("given", 0, true)
	w.awaitReady(metav1.ConditionTrue, keyring.ReasonLoaded)
}

func TestDeletedKeyring(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("only", 1, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{})
	r := w.start(choices{})
	w.eventually("published", func() string {
		if w.configMap()[w.keyring] == "" {
			return "not yet"
		}
		return ""
	})
	w.delete(&v1alpha1.SealKeyring{ObjectMeta: metav1.ObjectMeta{Name: w.keyring}})
	w.eventually("forgotten", func() string {
		if r.store.Get(w.keyring) != nil {
			return "still in the store"
		}
		if _, ok := w.configMap()[w.keyring]; ok {
			return "still published"
		}
		return ""
	})
	if n := len(w.identitySecrets()); n != 1 {
		t.Errorf("%d identities are left, want the one", n)
	}
}

// A replica that stands by has all identities, and writes nothing.
func TestStandbyIsWarmAndSilent(t *testing.T) {
	w := newWorld(t)
	w.ageSecret("only", 40, true)
	w.sealKeyring(v1alpha1.SealKeyringSpec{Renewal: &v1alpha1.Renewal{Every: metav1.Duration{Duration: 720 * time.Hour}}})
	other, hour := "somebody else", int32(3600)
	now := metav1.NowMicro()
	w.create(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "lease"},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &other, LeaseDurationSeconds: &hour, AcquireTime: &now, RenewTime: &now}})
	r := w.start(choices{standby: true})
	w.eventually("warm", func() string {
		if !r.store.Ready() || !r.store.Loaded() {
			return "not ready"
		}
		return ""
	})
	w.ageSecret("second", 1, true)
	w.eventually("it follows", func() string {
		if set := r.store.Get(w.keyring); len(set.Identities()) != 2 {
			return set.String()
		}
		return ""
	})
	if s := w.status(); len(s.Conditions) != 0 || w.configMap() != nil || len(w.identitySecrets()) != 2 || r.looked() != 0 {
		t.Error("a replica that stands by has written something")
	}
}
