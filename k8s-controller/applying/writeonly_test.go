package applying_test

import (
	"strings"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/applying"
)

// newWriteOnly returns a bed whose applier may not read Secrets: by RBAC, not by its
// own will.
func newWriteOnly(t *testing.T) *bed {
	b := newBed(t)
	b.kubectl("create", "role", "writer", "--resource=secrets", "--verb=create,patch,delete")
	b.kubectl("create", "role", "manifests", "--resource=sealedmanifests.gitseal.dev", "--verb=get")
	for _, role := range []string{"writer", "manifests"} {
		b.kubectl("create", "rolebinding", role, "--role="+role, "--serviceaccount="+b.ns+":gitseal")
	}
	b.use(b.cluster.ServiceAccountConfig(t, b.ns, "gitseal"), func(o *applying.Options) { o.WriteOnly = true })
	return b
}

func TestWriteOnlyReadsNoSecret(t *testing.T) {
	b := newWriteOnly(t)
	m := b.manifest("db")
	b.apply(m, b.secret("db", "a=1"), b.secret("old", "a=1"))
	wantList(t, "requests for first creation", b.calls.take(), "PATCH secrets/db", "PATCH secrets/old")
	b.edit(m)
	out := b.apply(m, b.secret("db", "a=2"))
	wantList(t, "pruned", out.Pruned, "Secret/old")
	b.wantData("db", "a=2")
	b.calls.take()

	out = b.keep(m, b.secret("db", "a=2"))
	wantList(t, "requests if nothing changed", b.calls.take(), "PATCH secrets/db")
	if out.Changed {
		t.Errorf("got %+v", out)
	}
	b.kubectl("patch", "secret", "db", "--type=merge", "-p", `{"data":{"a":"eA==","x":"eA=="}}`)
	out = b.keep(m, b.secret("db", "a=2"))
	wantList(t, "drifted", out.Drifted, "Secret/db")
	b.wantData("db", "a=2")
	b.kubectl("delete", "secret", "db")
	b.keep(m, b.secret("db", "a=2"))
	b.wantData("db", "a=2")
	for _, call := range b.calls.take() {
		if strings.HasPrefix(call, "GET secrets") {
			t.Errorf("%s", call)
		}
	}
}

func TestWriteOnlyPolicies(t *testing.T) {
	b := newWriteOnly(t)
	b.kubectl("create", "secret", "generic", "foreign", "--from-literal=theirs=1")
	f := b.fails(v1alpha1.ReasonTargetConflict, true, b.manifest("fail"), b.secret("foreign", "a=1"))
	if !strings.Contains(f.Message, "kubectl-create") {
		t.Errorf("got %s", f.Message)
	}
	b.wantData("foreign", "theirs=1")

	merge := b.manifest("merge", conflict(v1alpha1.ConflictMerge))
	b.apply(merge, b.secret("foreign", "a=1"))
	b.wantData("foreign", "a=1", "theirs=1")
	b.markDeleted(merge)
	if err := b.applier.Release(t.Context(), merge); err != nil {
		t.Fatal(err)
	}
	b.wantData("foreign", "theirs=1")

	b.apply(b.manifest("adopt", conflict(v1alpha1.ConflictAdopt)), b.secret("foreign", "a=1"))
	b.wantData("foreign", "a=1")

	warn := b.manifest("warn", drift(v1alpha1.DriftWarn))
	b.apply(warn, b.secret("warn", "a=1"))
	b.kubectl("patch", "secret", "warn", "--type=merge", "-p", `{"data":{"a":"eA=="}}`)
	out := b.keep(warn, b.secret("warn", "a=1"))
	wantList(t, "drifted", out.Drifted, "Secret/warn")
	b.wantData("warn", "a=x")

	orphan := b.manifest("orphan", deletion(v1alpha1.DeletionOrphan))
	b.apply(orphan, b.secret("orphan", "a=1"))
	b.edit(orphan)
	b.apply(orphan)
	b.wantData("orphan", "a=1")

	again := b.manifest("again", immutable(v1alpha1.ImmutableRecreate))
	b.apply(again, frozen(b.secret("again", "a=1")))
	b.edit(again)
	b.apply(again, frozen(b.secret("again", "a=2")))
	b.wantData("again", "a=2")
}
