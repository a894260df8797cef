package applying_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

func TestImmutableSecretWithTheSameContentIsFine(t *testing.T) {
	b := newBed(t)
	m, o := b.manifest("db"), frozen(b.secret("db", "a=1"))
	b.apply(m, o)
	b.edit(m)
	o.Secret.Labels = map[string]string{"metadata": "may-change"}
	b.apply(m, o)
	if s := b.wantData("db", "a=1"); s.Immutable == nil || !*s.Immutable || s.Labels["metadata"] == "" {
		t.Errorf("got immutable %v, labels %v", s.Immutable, s.Labels)
	}
}

// changes are what the server does not let one change in place.
func (b *bed) changes() map[string][2]openingObject {
	tls := corev1.SecretType("example.com/other")
	return map[string][2]openingObject{
		"content of an immutable": {frozen(b.secret("db", "a=1")), frozen(b.secret("db", "a=2"))},
		"no longer immutable":     {frozen(b.secret("db", "a=1")), b.secret("db", "a=1")},
		"type":                    {b.secret("db", "a=1"), typed(b.secret("db", "a=1"), tls)},
		"type, default":           {typed(b.secret("db", "a=1"), tls), b.secret("db", "a=1")},
	}
}

func TestWhatCannotBeChangedFails(t *testing.T) {
	b := newBed(t)
	for name, tt := range b.changes() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			tt[0].Secret.Namespace, tt[1].Secret.Namespace = b.ns, b.ns
			m := b.manifest("db")
			b.apply(m, tt[0])
			before := b.live("db")
			b.edit(m)
			f := b.fails(v1alpha1.ReasonTargetImmutable, false, m, tt[1])
			if !strings.Contains(f.Message, "Secret/db") || !strings.Contains(f.Message, "immutablePolicy") {
				t.Errorf("got %s", f.Message)
			}
			if now := b.live("db"); now == nil || now.ResourceVersion != before.ResourceVersion {
				t.Error("the Secret was touched")
			}
			if r := m.Status.Resources[0]; r.UID != before.UID {
				t.Errorf("the inventory lost it: %v", r)
			}
		})
	}
}

func TestWhatCannotBeChangedIsMadeAnewIfThePolicySaysSo(t *testing.T) {
	b := newBed(t)
	for name, tt := range b.changes() {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			tt[0].Secret.Namespace, tt[1].Secret.Namespace = b.ns, b.ns
			m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
			b.apply(m, tt[0])
			uid := b.live("db").UID
			b.edit(m)
			b.calls.take()
			out := b.apply(m, tt[1])
			// Refused, rehearsed, confirmed, deleted, made.
			wantList(t, "requests", b.calls.take(), "PATCH secrets/db", "PATCH secrets/gitseal-check-"+string(m.UID),
				"GET sealedmanifests/db", "DELETE secrets/db", "PATCH secrets/db")
			wantList(t, "recreated", out.Recreated, "Secret/db")
			s := b.wantData("db", "a="+string(tt[1].Secret.Data["a"]))
			if s.UID == uid || m.Status.Resources[0].UID != s.UID {
				t.Errorf("uid %s, was %s, inventory %v", s.UID, uid, m.Status.Resources)
			}
			if list := b.kubectl("get", "secrets", "-o", "name"); strings.TrimSpace(list) != "secret/db" {
				t.Errorf("the dry run left something: %s", list)
			}
		})
	}
}

func TestNothingIsDeletedForAnObjectThatTheServerWouldRefuse(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
	b.apply(m, b.secret("db", "a=1"))
	before := b.live("db")
	b.edit(m)
	f := b.fails(v1alpha1.ReasonTargetInvalid, false, m, typed(b.secret("db", "a=1"), corev1.SecretTypeTLS))
	if !strings.Contains(f.Message, "data[tls.crt] is missing") || strings.Contains(f.Message, "gitseal-check") {
		t.Errorf("got %s", f.Message)
	}
	if now := b.live("db"); now == nil || now.ResourceVersion != before.ResourceVersion {
		t.Error("the last good Secret was touched")
	}
}

// TestDeletedAndNotMade is the crash between the two: the next pass makes the Secret.
func TestDeletedAndNotMade(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
	b.apply(m, frozen(b.secret("db", "a=1")))
	b.edit(m)
	b.kubectl("delete", "secret", "db") // and no more; the status is the old one
	out := b.apply(m, frozen(b.secret("db", "a=2")))
	wantList(t, "wrote", out.Wrote, "Secret/db")
	b.wantData("db", "a=2")
}

func TestFinalizerHoldsUpRecreation(t *testing.T) {
	b := newBed(t)
	m := b.manifest("db", immutable(v1alpha1.ImmutableRecreate))
	b.apply(m, frozen(b.secret("db", "a=1")))
	b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/stay"]}}`)
	b.edit(m)
	f := b.fails(v1alpha1.ReasonTargetConflict, true, m, frozen(b.secret("db", "a=2")))
	if !strings.Contains(f.Message, "example.com/stay") {
		t.Errorf("got %s", f.Message)
	}
	b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	b.apply(m, frozen(b.secret("db", "a=2")))
	b.wantData("db", "a=2")
}

func TestAdoptOfWhatCannotBeChanged(t *testing.T) {
	for name, args := range map[string][]string{
		"another type":   {"create", "secret", "docker-registry", "db", "--docker-username=u", "--docker-password=p"},
		"immutable":      {"create", "secret", "generic", "db", "--from-literal=a=old"},
		"only extra key": {"create", "secret", "generic", "db", "--from-literal=a=1", "--from-literal=theirs=1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.kubectl(args...)
			if name != "another type" {
				b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"immutable":true}`)
			}
			o := b.secret("db", "a=1")
			if name == "only extra key" {
				o = frozen(o) // so that the apply itself succeeds
			}
			m := b.manifest("db", conflict(v1alpha1.ConflictAdopt))
			b.fails(v1alpha1.ReasonTargetImmutable, false, m, o)
			b.edit(m, immutable(v1alpha1.ImmutableRecreate))
			out := b.apply(m, o)
			wantList(t, "recreated", out.Recreated, "Secret/db")
			s := b.wantData("db", "a=1")
			if o := metav1.GetControllerOf(s); o == nil || o.UID != m.UID {
				t.Errorf("got owner %v", o)
			}
		})
	}
}
