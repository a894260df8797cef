package chaostest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// unsettled returns what in the cluster is not yet as git has it.
func (w *world) unsettled(ctx context.Context) ([]string, error) {
	var list v1alpha1.SealedManifestList
	if err := w.api.List(ctx, &list); err != nil {
		return nil, err
	}
	secrets, err := w.managedSecrets(ctx)
	if err != nil {
		return nil, err
	}
	manifests, have, alive := map[string]*v1alpha1.SealedManifest{}, map[string]*corev1.Secret{}, map[types.UID]bool{}
	for i := range list.Items {
		alive[list.Items[i].UID] = true
		manifests[list.Items[i].Namespace+"/"+list.Items[i].Name] = &list.Items[i]
	}
	for i := range secrets {
		have[secrets[i].Namespace+"/"+secrets[i].Name] = &secrets[i]
	}
	var out []string
	for _, it := range w.model.items {
		if what := problem(it, manifests[it.namespace+"/"+it.name]); what != "" {
			out = append(out, fmt.Sprintf("%s/%s (form %d, revision %d): %s", it.namespace, it.name, it.form, it.number, what))
			continue
		}
		out = append(out, contents(it, have)...)
	}
	for key, s := range have {
		if owner := metav1.GetControllerOf(s); owner != nil && !alive[owner.UID] {
			out = append(out, fmt.Sprintf("%s is left to the garbage collector, its manifest being gone (deleted: %v, finalizers: %v, owners: %v)", key, s.DeletionTimestamp, s.Finalizers, s.OwnerReferences))
			continue
		}
		out = append(out, fmt.Sprintf("%s is left over (deleted: %v, finalizers: %v, owners: %v)", key, s.DeletionTimestamp, s.Finalizers, s.OwnerReferences))
	}
	slices.Sort(out)
	return out, nil
}

// problem says what is wrong with a manifest's status.
func problem(it *item, m *v1alpha1.SealedManifest) string {
	if m == nil {
		return "there is none"
	}
	c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case c == nil:
		return "it has no status"
	case m.Status.ObservedGeneration != m.Generation, m.Annotations[revisionOf] != fmt.Sprint(it.number):
		return "its status is of another generation: " + c.Reason
	case (c.Status == "True") != it.valid():
		return fmt.Sprintf("it is %s: %s", c.Reason, c.Message)
	}
	return ""
}

// contents says what is wrong with the Secrets of a manifest, and takes those that it
// has to have out of the map.
func contents(it *item, have map[string]*corev1.Secret) []string {
	if !it.valid() {
		return nil
	}
	var out []string
	for _, name := range it.names(it.number) {
		key := it.namespace + "/" + name
		s := have[key]
		delete(have, key)
		if s == nil || s.DeletionTimestamp != nil {
			out = append(out, key+" is not there")
			continue
		}
		for _, d := range differences(s, it.content(name, it.number), it.form == formMerge) {
			out = append(out, key+": "+d)
		}
		if s.Data[vandalKey] != nil && it.form != formMerge {
			out = append(out, key+" has a key that was added by hand")
		}
	}
	return out
}

// converge waits until everything is as git has it, and returns how long that took.
func (w *world) converge(most time.Duration) (time.Duration, []string) {
	began, said := time.Now(), time.Duration(0)
	for {
		left := []string{"the API server does not answer"}
		if n := w.pending(); n > 0 {
			left = []string{fmt.Sprintf("%d manifests are not applied", n)}
		} else if now, err := w.unsettled(w.t.Context()); err == nil {
			left = now
		}
		took := time.Since(began)
		if len(left) == 0 || took > most {
			return took, left
		}
		if took > said+5*time.Second {
			said = took
			w.t.Logf("after %s, %d things are not right, such as: %s", took.Round(time.Second), len(left), left[0])
		}
		w.sleep(250 * time.Millisecond)
	}
}

// sweep looks for values where they must not be.
func (w *world) sweep(f *findings) {
	for _, r := range w.replicas {
		log, err := os.ReadFile(r.log)
		w.check(err)
		w.look(f, "the log of "+r.user, string(log))
		for _, sign := range []string{"panicked", "Observed a panic", "panic: ", "fatal error: ", "SIGSEGV", "\ngoroutine 1 ["} {
			if strings.Contains(string(log), sign) {
				f.add("process: the log of %s has %q", r.user, sign)
			}
		}
	}
	for _, list := range []client.ObjectList{&eventsv1.EventList{}, &v1alpha1.SealedManifestList{}, &v1alpha1.SealKeyringList{}, &corev1.ConfigMapList{}} {
		w.check(w.api.List(w.t.Context(), list))
		text, err := json.Marshal(list)
		w.check(err)
		w.look(f, fmt.Sprintf("%T", list), string(text))
	}
	w.check(readAudit(w.cluster.AuditFile(), func(line []byte, e entry) {
		if e.ObjectRef != nil && e.ObjectRef.Resource == "secrets" {
			return
		}
		w.look(f, "the audit log's entry "+e.AuditID, string(line))
	}))
}

// look looks for values and for the key, in the forms in which they might be.
func (w *world) look(f *findings, where, text string) {
	f.count("sweep")
	for _, needle := range needles(marker, w.id.SecretText()) {
		if strings.Contains(text, needle) {
			f.add("canary: %s holds a value", where)
			return
		}
	}
}

// needles are the forms of texts, in base64 wherever in a longer text they begin.
func needles(texts ...string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, t, strings.ToUpper(fmt.Sprintf("%x", t)), fmt.Sprintf("%x", t))
		for shift := range 3 {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + t))
			// The first and the last characters depend on what is beside.
			out = append(out, enc[4:len(enc)-4])
		}
	}
	return out
}

// processes reports ends of processes that nobody asked for.
func (w *world) processes(f *findings) {
	for _, r := range w.replicas {
		for _, e := range r.unasked() {
			reason := e.excused()
			if reason == "" {
				f.add("process: %s ended by itself: %v", r.user, e)
				continue
			}
			f.count("process ended: " + reason)
		}
	}
}
