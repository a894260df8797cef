package chaostest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/deploy"
)

// fault is something that goes wrong. It is over when its function returns.
type fault struct {
	name  string
	cause func(l *lane) error
}

// lane is where faults follow one another. There are two, so that faults of servers
// and of replicas meet.
type lane struct {
	*world
	dice *rand.Rand
}

// serverFaults are those of the control plane, and of what the controller needs there.
func serverFaults() []fault {
	return []fault{
		{"API server killed", func(l *lane) error { l.cluster.KillAPIServer(); l.brief(1); l.cluster.StartAPIServer(); return nil }},
		{"API server restarted", func(l *lane) error { l.cluster.StopAPIServer(); l.cluster.StartAPIServer(); return nil }},
		{"etcd killed", func(l *lane) error { l.cluster.KillEtcd(); l.brief(2); l.cluster.StartEtcd(); return nil }},
		{"etcd restored", (*lane).restoreEtcd},
		{"namespace recreated", (*lane).recreateNamespace},
		{"CRD recreated", (*lane).recreateCRD},
		{"identity gone", (*lane).hideIdentity},
		{"quota", (*lane).tightenQuota},
		{"rights taken", (*lane).takeRights},
	}
}

// replicaFaults are those of replicas, of their connections, and of Secrets.
func replicaFaults() []fault {
	out := []fault{
		{"connections dropped", func(l *lane) error {
			for _, r := range l.replicas {
				r.proxy.dropConnections()
			}
			return nil
		}},
		{"leader killed", func(l *lane) error { leads, _ := l.leader(); leads.signal(syscall.SIGKILL); l.brief(2); return nil }},
		{"leader stopped", (*lane).stopLeader},
		{"both restarted", (*lane).restartBoth},
		{"Secrets deleted", func(l *lane) error { return l.deleteByHand(l.some()) }},
		{"Secrets edited", func(l *lane) error { return l.write(l.some(), "password") }},
		{"keys added", func(l *lane) error { return l.write(l.some(), vandalKey) }},
		{"foreign fields added", func(l *lane) error { return l.decorate(2 * l.some()) }},
	}
	for _, c := range []weather{cut, slow, silent, busy, broken, contended, deaf, stale, mixed} {
		out = append(out, fault{"network " + string(c), func(l *lane) error { return l.spell(c) }})
	}
	return out
}

// brief waits for up to some seconds.
func (l *lane) brief(seconds int) {
	l.sleep(time.Duration(300+l.dice.IntN(1000*seconds)) * time.Millisecond)
}

// some is how many Secrets are attacked at a time.
func (l *lane) some() int { return 3 + l.settings.objects/40 }

// spell is a time of bad weather, for the leader or for both.
func (l *lane) spell(c weather) error {
	leads, stands := l.leader()
	hit := []*replica{leads}
	if l.dice.IntN(2) == 0 {
		hit = append(hit, stands)
	}
	for _, r := range hit {
		r.proxy.set(c)
	}
	l.brief(3)
	for _, r := range hit {
		r.proxy.set(fine)
	}
	return nil
}

// stopLeader freezes the leader until the other has led for a while.
func (l *lane) stopLeader() error {
	leads, stands := l.leader()
	from := time.Now()
	err := l.eventually("the standby leads", func() error {
		// Again and again: it may be about to end, or to be started.
		leads.signal(syscall.SIGSTOP)
		if !stands.proxy.lastLease().After(from.Add(l.settings.lease[1])) {
			return errNotYet
		}
		return nil
	})
	l.brief(2)
	to := time.Now()
	l.mu.Lock()
	l.stops = append(l.stops, stop{replica: leads.user, from: from, to: to})
	l.mu.Unlock()
	leads.signal(syscall.SIGCONT)
	l.brief(1)
	return err
}

// restartBoth ends both replicas as an administrator does.
func (l *lane) restartBoth() error {
	for _, r := range l.replicas {
		r.signal(syscall.SIGTERM)
	}
	l.brief(2)
	return nil
}

var errNotYet = errors.New("not yet")

// persist tries something until it succeeds: it is the test's own part.
func (w *world) persist(what string, try func(context.Context) error) error {
	return w.eventually(what, func() error {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		defer cancel()
		return try(ctx)
	})
}

// eventually waits until something is done.
func (w *world) eventually(what string, done func() error) error {
	for deadline := time.Now().Add(3 * time.Minute); ; w.sleep(50 * time.Millisecond) {
		err := done()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain until %s: %w", what, err)
		}
	}
}

// gone fails as long as an object is there.
func (w *world) gone(ctx context.Context, o client.Object) error {
	if err := w.api.Delete(ctx, o); err != nil {
		return client.IgnoreNotFound(err)
	}
	return errGoing
}

// ensure makes an object unless it is there.
func (w *world) ensure(ctx context.Context, o client.Object) error {
	o.SetResourceVersion("")
	if err := w.api.Create(ctx, o); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// recreateNamespace deletes a namespace with all that is in it, and has it made again
// from git.
func (l *lane) recreateNamespace() error {
	ns := l.spaces[l.dice.IntN(len(l.spaces))]
	l.setAway(ns, true)
	defer l.setAway(ns, false)
	defer l.applyAgain(ns)
	err := l.persist("namespace "+ns+" is gone", func(ctx context.Context) error { return l.gone(ctx, metadataOnly("v1", "Namespace", ns)) })
	if err != nil {
		return err
	}
	return l.persist("namespace "+ns+" is furnished", func(ctx context.Context) error { return l.furnish(ctx, ns) })
}

// recreateCRD deletes the definition of SealedManifests, and with it all of them, and
// has them made again from git.
func (l *lane) recreateCRD() error {
	for _, ns := range l.spaces {
		l.setAway(ns, true)
		defer l.setAway(ns, false)
	}
	defer l.applyAgain(l.spaces...)
	crd := metadataOnly("apiextensions.k8s.io/v1", "CustomResourceDefinition", "sealedmanifests.gitseal.dev")
	if err := l.persist("the definition is gone", func(ctx context.Context) error { return l.gone(ctx, crd) }); err != nil {
		return err
	}
	l.brief(2)
	return l.persist("the definition is back", func(context.Context) error {
		_, err := l.cluster.TryKubectl(l.t, string(deploy.CRDs()), "apply", "--server-side", "--force-conflicts", "-f", "-")
		return err
	})
}

// hideIdentity takes the only key away.
func (l *lane) hideIdentity() error {
	err := l.persist("the identity is gone", func(ctx context.Context) error {
		id := l.identity()
		if err := l.api.Get(ctx, client.ObjectKeyFromObject(id), id); err == nil {
			l.ownHand(id.UID)
		}
		return l.gone(ctx, id)
	})
	l.brief(3)
	return errors.Join(err, l.persist("the identity is back", func(ctx context.Context) error { return l.ensure(ctx, l.identity()) }))
}

// tightenQuota leaves no room for Secrets, and deletes some that have to be made anew.
func (l *lane) tightenQuota() error {
	var errs []error
	for _, ns := range l.spaces {
		errs = append(errs, l.persist("there is a quota", func(ctx context.Context) error { return l.ensure(ctx, quota(ns)) }))
	}
	l.brief(1)
	errs = append(errs, l.deleteByHand(l.some()))
	l.brief(3)
	for _, ns := range l.spaces {
		errs = append(errs, l.persist("the quota is gone", func(ctx context.Context) error { return l.gone(ctx, quota(ns)) }))
	}
	return errors.Join(errs...)
}

func quota(ns string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tight"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"secrets": *resource.NewQuantity(1, resource.DecimalSI)}},
	}
}

// takeRights takes the right to write Secrets, or all about manifests.
func (l *lane) takeRights() error {
	role := secretsRole
	if l.dice.IntN(2) == 0 {
		role = "gitseal-controller-manifests"
	}
	err := l.persist("the rights are gone", func(ctx context.Context) error { return l.gone(ctx, binding(role)) })
	l.brief(3)
	return errors.Join(err, l.persist("the rights are back", func(ctx context.Context) error { return l.ensure(ctx, binding(role)) }))
}
