package chaostest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// script makes a history by hand: each step is one revision, and one second.
type script struct {
	m   *model
	h   *history
	at  int64
	now map[string]*corev1.Secret
}

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// The users of scripts, and the items by their form.
const (
	first, second = replicaUser + "a", replicaUser + "b"
	collector     = "kubetest-admin"
)

func newScript() *script {
	s := &script{m: newModel([]string{"ns"}, len(forms())), now: map[string]*corev1.Secret{}}
	s.h = &history{sources: map[source]int64{}, manifests: map[types.UID]life{}, namespaces: map[types.UID]life{}, handDeleted: map[types.UID]bool{}}
	for _, it := range s.m.items {
		s.h.manifests[types.UID(it.name)] = life{namespace: "ns", name: it.name, born: 1}
	}
	s.at = 10
	return s
}

func (s *script) item(f form) *item {
	for _, it := range s.m.items {
		if it.form == f {
			return it
		}
	}
	return nil
}

func (s *script) time() time.Time { return began.Add(time.Duration(s.at) * time.Second) }

// call logs a request and returns it.
func (s *script) call(user, verb, resource, name string, request, response any) *call {
	encode := func(v any) json.RawMessage {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // all of it is from here
		}
		return data
	}
	s.h.calls = append(s.h.calls, call{
		id: fmt.Sprint(s.at), user: user, agent: "test/1", verb: verb, resource: resource, namespace: "ns", name: name, code: 200,
		received: s.time(), sent: s.time(), done: s.time().Add(time.Millisecond), request: encode(request), response: encode(response),
	})
	return &s.h.calls[len(s.h.calls)-1]
}

// put writes a Secret.
func (s *script) put(user, name string, o *corev1.Secret) *call {
	s.at++
	key := "ns/" + name
	o = o.DeepCopy()
	o.Namespace, o.Name, o.ResourceVersion = "ns", name, fmt.Sprint(s.at)
	before := s.now[key]
	s.now[key] = o
	s.h.secrets = append(s.h.secrets, change{revision: s.at, namespace: "ns", name: name, before: before, after: o})
	return s.call(user, "patch", "secrets", name, map[string]any{"metadata": map[string]any{"resourceVersion": "1"}}, o)
}

// write writes the content of a revision of an item.
func (s *script) write(user string, it *item, n int, change ...func(*corev1.Secret)) *call {
	name := it.names(n)[0]
	if at := (source{it.namespace, it.name, n}); s.h.sources[at] == 0 {
		s.h.sources[at] = s.at
	}
	yes := true
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		UID: types.UID("uid-" + name), Labels: map[string]string{v1alpha1.ManagedLabel: "true"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "SealedManifest", Name: it.name, UID: types.UID(it.name), Controller: &yes}},
	}, Data: map[string][]byte{}}
	for k, v := range it.content(name, n) {
		o.Data[k] = []byte(v)
	}
	for _, f := range change {
		f(o)
	}
	return s.put(user, name, o)
}

// remove deletes a Secret.
func (s *script) remove(user, name string) *call {
	s.at++
	key := "ns/" + name
	before := s.now[key]
	delete(s.now, key)
	s.h.secrets = append(s.h.secrets, change{revision: s.at, namespace: "ns", name: name, before: before})
	version, uid := before.ResourceVersion, before.UID
	return s.call(user, "delete", "secrets", name, map[string]any{"preconditions": metav1.Preconditions{UID: &uid, ResourceVersion: &version}},
		map[string]any{"details": map[string]any{"uid": uid}})
}

// mark deletes a Secret that others hold up.
func (s *script) mark(user, name string) {
	s.at++
	before := s.now["ns/"+name]
	o := before.DeepCopy()
	o.ResourceVersion, o.DeletionTimestamp, o.Finalizers = fmt.Sprint(s.at), &metav1.Time{Time: s.time()}, []string{foreignHold}
	s.now["ns/"+name] = o
	s.h.secrets = append(s.h.secrets, change{revision: s.at, namespace: "ns", name: name, before: before, after: o})
	s.call(user, "delete", "secrets", name, map[string]any{"preconditions": metav1.Preconditions{UID: &o.UID, ResourceVersion: &before.ResourceVersion}}, o)
}

// again has somebody send the last request again, which is answered in the same way.
func (s *script) again(user string) {
	s.at++
	c := s.h.calls[len(s.h.calls)-1]
	c.user, c.received, c.sent, c.done = user, s.time(), s.time(), s.time()
	s.h.calls = append(s.h.calls, c)
}

// see has a replica read a manifest.
func (s *script) see(user string, it *item, n int) *call {
	s.at++
	return s.call(user, "get", "sealedmanifests", it.name, nil, map[string]any{
		"metadata": map[string]any{"uid": it.name, "annotations": map[string]string{revisionOf: fmt.Sprint(n)}},
	})
}

// lead gives a replica the lease.
func (s *script) lead(user string) {
	s.at++
	s.h.leases = append(s.h.leases, tenure{revision: s.at, holder: "process-of-" + user})
	s.call(user, "update", "leases", "x", nil, map[string]any{
		"metadata": map[string]any{"resourceVersion": fmt.Sprint(s.at)}, "spec": map[string]any{"holderIdentity": "process-of-" + user},
	})
}

// die deletes a manifest.
func (s *script) die(it *item) {
	s.at++
	l := s.h.manifests[types.UID(it.name)]
	l.died = s.at
	s.h.manifests[types.UID(it.name)] = l
}

func decorated(o *corev1.Secret) {
	o.Labels = maps.Clone(o.Labels)
	o.Labels[foreignMark] = "yes"
	o.Annotations = map[string]string{foreignMark: "yes"}
	o.Finalizers = []string{foreignHold}
	o.OwnerReferences = append(o.OwnerReferences, metav1.OwnerReference{Kind: "ConfigMap", Name: "anchor", UID: "anchor"})
}

// ownedBy makes another manifest the owner.
func ownedBy(uid types.UID) func(*corev1.Secret) {
	return func(o *corev1.Secret) { o.OwnerReferences[0].UID = uid }
}

// proper is a history without fault.
func proper() *script {
	s := newScript()
	inline, renaming, merge := s.item(formInline), s.item(formRenaming), s.item(formMerge)
	s.put(handUser, "foreign", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{UID: "foreign"}})
	s.lead(first)
	s.write(first, inline, 1)
	s.write(first, renaming, 1)
	s.write(first, renaming, 2)
	s.see(first, renaming, 2)
	s.remove(first, renaming.names(1)[0])
	s.write(first, merge, 1, func(o *corev1.Secret) { o.Data[theirKey] = []byte("theirs") })
	s.write(handUser, inline, 1, decorated)
	s.lead(second)
	s.write(second, inline, 2, decorated)
	s.write(handUser, inline, 2, decorated, func(o *corev1.Secret) { o.Data["password"] = []byte(vandalText) })
	s.write(second, inline, 2, decorated)
	return s
}

func (s *script) check() []string {
	s.h.attribute()
	return check(s.h, s.m).violations
}

func TestChecksPassWhatIsProper(t *testing.T) {
	if got := proper().check(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestChecksFindViolations(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		do   func(s *script)
	}{
		"older content after newer": {"order", func(s *script) { s.write(second, s.item(formInline), 1, decorated) }},
		"content that the manifest does not have yet": {"order", func(s *script) {
			s.write(second, s.item(formInline), 3, decorated)
			s.h.sources[source{"ns", s.item(formInline).name, 3}] = s.at + 1
		}},
		"content of what was lost, a long time after": {"order", func(s *script) {
			s.h.cuts = []setback{{restored: s.time().Add(-remembering)}}
			s.write(second, s.item(formInline), 3, decorated)
			delete(s.h.sources, source{"ns", s.item(formInline).name, 3})
		}},
		"a replica writes by a lease that was lost long ago": {"fencing", func(s *script) {
			s.h.cuts, s.h.lease = []setback{{restored: s.time().Add(-time.Minute), leader: first}}, 15*time.Second
			s.write(first, s.item(formInline), 3, decorated)
		}},
		"a Secret is emptied": {"content", func(s *script) {
			s.write(second, s.item(formInline), 2, decorated, func(o *corev1.Secret) { o.Data = nil })
		}},
		"content of two revisions": {"content", func(s *script) {
			s.write(second, s.item(formInline), 3, decorated, func(o *corev1.Secret) { o.Data["k1"] = []byte("left") })
		}},
		"a hostile manifest is applied": {"content", func(s *script) { s.write(second, s.item(formHostile), 1) }},
		"a suspended revision is applied": {"content", func(s *script) {
			s.item(formInline).never[3] = true
			s.write(second, s.item(formInline), 3, decorated)
		}},
		"a Secret that is not ours is written": {"foreign", func(s *script) {
			s.put(second, "foreign", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{UID: "foreign"}})
		}},
		"a Secret that is not ours is deleted": {"foreign", func(s *script) { s.remove(collector, "foreign") }},
		"a foreign label is lost":              {"foreign", losing(func(o *corev1.Secret) { delete(o.Labels, foreignMark) })},
		"a foreign annotation is lost":         {"foreign", losing(func(o *corev1.Secret) { o.Annotations = nil })},
		"a foreign finalizer is lost":          {"foreign", losing(func(o *corev1.Secret) { o.Finalizers = nil })},
		"a foreign owner is lost":              {"foreign", losing(func(o *corev1.Secret) { o.OwnerReferences = o.OwnerReferences[:1] })},
		"a merged Secret loses a key":          {"foreign", func(s *script) { s.write(second, s.item(formMerge), 2) }},
		"a Secret disappears":                  {"removal", func(s *script) { s.remove(collector, s.item(formInline).name) }},
		"a Secret disappears, nobody knows how": {"removal", func(s *script) {
			s.remove(collector, s.item(formInline).name).code = 500
		}},
		"a Secret is given to a manifest that was lost, and collected": {"removal", func(s *script) {
			s.h.cuts = []setback{{restored: s.time()}}
			s.write(second, s.item(formInline), 3, decorated, ownedBy("lost"))
			s.remove(collector, s.item(formInline).name)
		}},
		"a replica deletes unasked": {"removal", func(s *script) { s.remove(second, s.item(formRenaming).names(2)[0]) }},
		"a replica deletes what the manifest has": {"removal", func(s *script) {
			s.see(second, s.item(formRenaming), 2)
			s.remove(second, s.item(formRenaming).names(2)[0])
		}},
		"a replica deletes whatever version": {"removal", func(s *script) {
			s.see(second, s.item(formRenaming), 3)
			s.remove(second, s.item(formRenaming).names(2)[0]).request = nil
		}},
		"a replica deletes by another manifest": {"removal", func(s *script) {
			s.see(second, s.item(formRenaming), 3).response = json.RawMessage(`{"metadata":{"uid":"other","annotations":{"` + revisionOf + `":"3"}}}`)
			s.remove(second, s.item(formRenaming).names(2)[0])
		}},
		"a deposed leader writes": {"fencing", func(s *script) { s.write(first, s.item(formInline), 3, decorated) }},
		"a deposed leader goes on writing after a stop": {"fencing", func(s *script) {
			s.h.stops = []stop{{replica: first, from: s.time().Add(-20 * time.Second), to: s.time()}}
			s.write(first, s.item(formInline), 3, decorated)
		}},
		"a write on its way that fits any version": {"fencing", func(s *script) {
			c := s.write(first, s.item(formInline), 3, decorated)
			c.sent, c.request = began, json.RawMessage(`{}`)
		}},
		"somebody writes before anybody leads": {"fencing", func(s *script) { s.h.leases = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := proper()
			c.do(s)
			got := s.check()
			if len(got) != 1 && name != "somebody writes before anybody leads" || len(got) == 0 || !strings.HasPrefix(got[0], c.kind+":") {
				t.Errorf("got %q, want one of %s", got, c.kind)
			}
		})
	}
}

// losing is a write of a replica after which something is missing.
func losing(what func(*corev1.Secret)) func(*script) {
	return func(s *script) { s.write(second, s.item(formInline), 3, decorated, what) }
}

func TestChecksAllowWhatIsRight(t *testing.T) {
	for name, do := range map[string]func(s *script){
		"a deleted manifest's Secret is collected": func(s *script) {
			s.die(s.item(formInline))
			s.remove(collector, s.item(formInline).name)
		},
		"a namespace goes": func(s *script) {
			s.h.namespaces["ns"] = life{name: "ns", born: 1, died: s.at}
			s.remove(collector, "foreign")
			s.remove(collector, s.item(formInline).name)
		},
		"somebody deletes by hand": func(s *script) {
			s.h.handDeleted[types.UID("uid-"+s.item(formInline).name)] = true
			s.remove(handUser, s.item(formInline).name)
		},
		"an immutable Secret is made anew": func(s *script) {
			it := s.item(formImmutable)
			s.write(second, it, 1)
			s.see(second, it, 2)
			s.remove(second, it.name)
			s.write(second, it, 2)
		},
		"a replica deletes what somebody changed and holds up": func(s *script) {
			it := s.item(formRenaming)
			s.write(handUser, it, 2, decorated, func(o *corev1.Secret) { o.Data["password"] = []byte(vandalText) })
			s.see(second, it, 3)
			s.mark(second, it.names(2)[0])
		},
		"somebody deletes what a replica has marked as deleted": func(s *script) {
			it := s.item(formRenaming)
			s.see(second, it, 3)
			s.mark(second, it.names(2)[0])
			s.again(collector)
		},
		"a write was on its way when another took the lease": func(s *script) {
			s.write(first, s.item(formInline), 3, decorated).sent = began
		},
		"the log lost who wrote, and another changed nothing later": func(s *script) {
			s.write(second, s.item(formInline), 3, decorated).code = 504
			lost := s.h.secrets[len(s.h.secrets)-1].after
			s.lead(first)
			s.at++
			s.call(first, "patch", "secrets", lost.Name, map[string]any{"metadata": map[string]any{"resourceVersion": "1"}}, lost)
		},
		"etcd is set back, and a replica does not know it yet": func(s *script) {
			it := s.item(formInline)
			s.h.cuts, s.h.lease = []setback{{restored: s.time(), leader: first}}, 15*time.Second
			s.write(first, it, 5, decorated)
			delete(s.h.sources, source{"ns", it.name, 5})
			s.write(second, it, 3, decorated)
		},
		"etcd is set back, and what a lost manifest had is collected": func(s *script) {
			s.h.cuts = []setback{{restored: s.time()}}
			it := s.item(formOrphan)
			s.write(second, it, 1, ownedBy("lost"))
			s.remove(collector, it.name)
		},
		"nobody knows who wrote": func(s *script) { s.write(second, s.item(formInline), 3, decorated).code = 504 },
	} {
		t.Run(name, func(t *testing.T) {
			s := proper()
			do(s)
			if got := s.check(); len(got) > 0 {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCallsBelongToTimelines(t *testing.T) {
	at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
	// Copied at 10 and restored at 20, then copied at 30 and restored at 40.
	cuts := []setback{{copied: at(10), restored: at(20)}, {copied: at(30), restored: at(40)}}
	for second, want := range map[int][]bool{5: {true, true, true}, 15: {true, false, false}, 25: {false, true, true}, 35: {false, true, false}, 45: {false, false, true}} {
		for i := range 3 {
			h := &history{}
			h.fill([]call{{received: at(second), done: at(second).Add(time.Millisecond)}}, cuts, i)
			if got := len(h.calls) == 1; got != want[i] {
				t.Errorf("a call at %d is part of timeline %d: %t", second, i, got)
			}
		}
	}
}
