package chaostest_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// What the test marks objects with.
const (
	revisionKey = "rev"                    // key of Secrets, and the end of the annotation
	revisionOf  = "chaos.test/rev"         // annotation of manifests
	foreignMark = "chaos.test/foreign"     // label and annotation of somebody else
	foreignHold = "chaos.test/hold"        // finalizer of somebody else
	vandalKey   = "vandal"                 // key that somebody adds to Secrets
	theirKey    = "theirs"                 // key of Secrets that ours are merged into
	vandalText  = "changed-by-hand-no-one" // value that somebody writes
)

// findings are what checks found. The counts show that there was something to check.
type findings struct {
	violations []string
	counts     map[string]int
}

func (f *findings) add(format string, args ...any) {
	f.violations = append(f.violations, fmt.Sprintf(format, args...))
}

func (f *findings) count(what string) {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[what]++
}

// merge adds what other findings have. What two timelines share is found in both.
func (f *findings) merge(g *findings) {
	for _, v := range g.violations {
		if !slices.Contains(f.violations, v) {
			f.violations = append(f.violations, v)
		}
	}
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	for what, n := range g.counts {
		f.counts[what] += n
	}
}

// check runs all checks over a history.
func check(h *history, m *model) *findings {
	f := &findings{}
	checkOrder(h, m, f)
	checkContent(h, m, f)
	checkRemovals(h, m, f)
	checkFencing(h, f)
	checkForeign(h, m, f)
	return f
}

func isManaged(s *corev1.Secret) bool { return s != nil && s.Labels[v1alpha1.ManagedLabel] == "true" }

// number returns the revision of the manifest that a Secret's content comes from.
func number(s *corev1.Secret) (int, bool) {
	n, err := strconv.Atoi(string(s.Data[revisionKey]))
	return n, err == nil
}

// checkOrder: content of an older revision never follows that of a newer one, and none
// comes before the manifest has it.
func checkOrder(h *history, m *model, f *findings) {
	newest := map[string]int{}
	for _, c := range h.secrets {
		it := m.secret(c.namespace, c.name)
		if c.after == nil || it == nil {
			continue
		}
		n, ok := number(c.after)
		if !ok {
			continue
		}
		f.count("order")
		switch since := h.sources[source{it.namespace, it.name, n}]; {
		case since == 0 || since > c.revision:
			f.count("order: of what was lost")
			if c.byController() && !h.remembered(c.by.sent) {
				f.add("order: at %d, %s got revision %d, which its manifest did not have, by %s", c.revision, c.key(), n, c.who())
			}
			continue
		case n < newest[c.key()]:
			f.add("order: at %d, %s went back from revision %d to %d, by %s", c.revision, c.key(), newest[c.key()], n, c.who())
		}
		newest[c.key()] = max(n, newest[c.key()])
	}
}

// checkContent: a Secret has, as a whole, the content of one revision of its manifest,
// and of none that must not be applied. It is never empty.
func checkContent(h *history, m *model, f *findings) {
	for _, c := range h.secrets {
		it := m.secret(c.namespace, c.name)
		if it == nil || !isManaged(c.after) || !c.byController() && (c.by != nil || vandalized(c.after)) {
			continue
		}
		if c.marks() && equality.Semantic.DeepEqual(c.before.Data, c.after.Data) {
			continue // a deletion, which others hold up: the content is that of before
		}
		f.count("content")
		n, ok := number(c.after)
		switch {
		case !ok:
			f.add("content: at %d, %s was left without content, by %s", c.revision, c.key(), c.who())
		case !it.allowed(n, c.name):
			f.add("content: at %d, %s got revision %d, which must not be applied, by %s", c.revision, c.key(), n, c.who())
		default:
			for _, what := range differences(c.after, it.content(c.name, n), it.form == formMerge) {
				f.add("content: at %d, %s of revision %d: %s, by %s", c.revision, c.key(), n, what, c.who())
			}
		}
	}
}

func vandalized(s *corev1.Secret) bool {
	for _, v := range s.Data {
		if string(v) == vandalText {
			return true
		}
	}
	return false
}

// differences tells what of a Secret is not as it should be. Keys that others added may
// still be there: they are removed by a second write.
func differences(s *corev1.Secret, want map[string]string, merged bool) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if string(s.Data[k]) != want[k] {
			out = append(out, fmt.Sprintf("%s is %q, not %q", k, s.Data[k], want[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Data)) {
		_, ours := want[k]
		if !ours && k != vandalKey && (!merged || k != theirKey) {
			out = append(out, fmt.Sprintf("%s is left over", k))
		}
	}
	return out
}

// checkRemovals: a Secret goes only with its manifest or namespace, by our own hand, or
// because a manifest that was asked for live no longer has it.
func checkRemovals(h *history, m *model, f *findings) {
	real := map[types.UID]bool{}
	for _, c := range h.secrets {
		it := m.secret(c.namespace, c.name)
		if o := metav1.GetControllerOf(c.last()); o != nil && h.exists(o.UID) {
			real[c.last().UID] = true
		}
		if !c.removes() || it == nil {
			continue
		}
		f.count("removal")
		owner := metav1.GetControllerOf(c.before)
		switch {
		case c.byController():
			f.count("removal by a replica")
			if why := unconfirmed(h, it, c, owner); why != "" {
				f.add("removal: at %d, %s was deleted by %s: %s", c.revision, c.key(), c.who(), why)
			}
		case h.terminating(c.namespace, c.revision), h.handDeleted[c.before.UID]:
		case owner != nil && h.dead(owner.UID, c.revision):
			f.count("removal by the garbage collector")
		case owner != nil && !h.exists(owner.UID) && !real[c.before.UID] && len(h.cuts) > 0:
			f.count("removal of what a lost manifest had")
		default:
			f.add("removal: at %d, %s disappeared, though its manifest was there, by %s", c.revision, c.key(), c.who())
		}
	}
}

// exists reports whether there ever was a manifest: one that was lost when etcd was set
// back never was.
func (h *history) exists(uid types.UID) bool {
	_, known := h.manifests[uid]
	return known
}

func (h *history) dead(uid types.UID, revision int64) bool {
	l, known := h.manifests[uid]
	return known && l.died != 0 && l.died <= revision
}

// unconfirmed says what is wrong with a replica's deletion of a Secret. It has to name
// the version that it means, and to come after a live read of the manifest that said
// that the Secret is none of its own any more, or has to be made anew.
func unconfirmed(h *history, it *item, c change, owner *metav1.OwnerReference) string {
	if p := parse(c.by.request).Preconditions; p == nil || p.UID == nil || p.ResourceVersion == nil {
		return "without saying which version"
	}
	if owner == nil {
		return "it belongs to no manifest"
	}
	var seen *call
	for i := range h.calls {
		g := &h.calls[i]
		if g.user == c.by.user && g.verb == "get" && g.resource == "sealedmanifests" && g.namespace == c.namespace && g.name == owner.Name &&
			g.done.Before(c.by.received) && (seen == nil || g.done.After(seen.done)) && !strings.Contains(g.uri, "resourceVersion=") {
			seen = g
		}
	}
	if seen == nil || c.by.received.Sub(seen.done) > time.Minute {
		return "its manifest was not asked for"
	}
	o := parse(seen.response)
	// One of the same name takes over from one that is no more.
	if seen.code != 200 || o.Metadata.UID != owner.UID && !h.dead(owner.UID, c.revision) {
		return "its manifest was another one"
	}
	n, err := strconv.Atoi(o.Metadata.Annotations[revisionOf])
	if err != nil {
		return "its manifest is of no revision"
	}
	if it.form != formImmutable && it.allowed(n, c.name) {
		return fmt.Sprintf("revision %d of its manifest has it", n)
	}
	return ""
}

// late is how long a request that was past the fence when the process was stopped may
// take to leave it once the process goes on.
const late = 200 * time.Millisecond

// checkFencing: nobody writes Secrets after somebody else has taken the lease. What was
// on its way by then cannot be held back, and carries the version that it was made for.
func checkFencing(h *history, f *findings) {
	replicas := h.holders()
	taken := h.takeovers()
	for _, c := range h.secrets {
		if !c.byController() {
			continue
		}
		f.count("fencing")
		at := slices.IndexFunc(h.leases, func(t tenure) bool { return t.revision > c.revision })
		if at < 0 {
			at = len(h.leases)
		}
		if at == 0 {
			f.add("fencing: at %d, %s wrote %s before anybody held the lease", c.revision, c.who(), c.key())
			continue
		}
		lease := h.leases[at-1]
		leader := replicas[lease.holder]
		if lease.holder == "" || leader == "" || leader == c.by.user {
			continue
		}
		switch since := taken[lease.revision]; {
		case !guarded(c):
			f.add("fencing: at %d, %s wrote %s without saying which version, while %s led", c.revision, c.who(), c.key(), leader)
		case c.by.sent.IsZero() || since.IsZero() || c.by.sent.Before(since):
			f.count("fencing: on its way")
		case h.byLostLease(c.by.user, c.by.sent):
			f.count("fencing: by a lease that was lost")
		case h.resumed(c.by.user, c.by.sent):
			f.count("fencing: past the fence when stopped")
		default:
			f.add("fencing: at %d, %s wrote %s %s after %s had taken the lease", c.revision, c.who(), c.key(), c.by.sent.Sub(since), leader)
		}
	}
	if n := f.counts["fencing: past the fence when stopped"]; n > len(h.stops) {
		f.add("fencing: %d writes came after the end of %d stops", n, len(h.stops))
	}
}

// takeovers returns when the API server had answered to each taking of the lease.
func (h *history) takeovers() map[int64]time.Time {
	out := map[int64]time.Time{}
	for i := range h.calls {
		c := &h.calls[i]
		if c.resource != "leases" || !c.wrote() {
			continue
		}
		if rv, err := strconv.ParseInt(parse(c.response).Metadata.ResourceVersion, 10, 64); err == nil {
			out[rv] = c.done
		}
	}
	return out
}

// guarded reports whether a write says which version of the object it is for.
func guarded(c change) bool {
	o := parse(c.by.request)
	if c.by.verb == "delete" {
		return o.Preconditions != nil && o.Preconditions.ResourceVersion != nil
	}
	return o.Metadata.ResourceVersion != "" || strings.HasPrefix(strings.TrimSpace(string(c.by.request)), "[")
}

func (h *history) resumed(replica string, at time.Time) bool {
	return slices.ContainsFunc(h.stops, func(s stop) bool {
		return s.replica == replica && !at.Before(s.from) && at.Before(s.to.Add(late))
	})
}

// checkForeign: what others own stays as it is.
func checkForeign(h *history, m *model, f *findings) {
	for _, c := range h.secrets {
		it := m.secret(c.namespace, c.name)
		if it == nil {
			checkUntouched(h, c, f)
			continue
		}
		if c.after == nil || c.before == nil || c.before.UID != c.after.UID {
			continue
		}
		for _, what := range lost(c.before, c.after) {
			if what == lostOwner && c.by != nil && strings.HasPrefix(c.by.agent, "kube-controller-manager/") {
				continue // the garbage collector removes owners that are no more
			}
			f.add("foreign: at %d, %s lost %s, by %s", c.revision, c.key(), what, c.who())
		}
		if c.before.Labels[foreignMark] != "" {
			f.count("foreign")
		}
		if it.form == formMerge && len(c.before.Data[theirKey]) > 0 {
			f.count("foreign: merged")
		}
	}
}

// checkUntouched: a Secret that is not ours is never written, and goes with its
// namespace only.
func checkUntouched(h *history, c change, f *findings) {
	f.count("foreign: untouched")
	if c.byController() {
		f.add("foreign: at %d, %s, which is not ours, was written by %s", c.revision, c.key(), c.who())
	}
	if c.removes() && !h.terminating(c.namespace, c.revision) && !h.handDeleted[c.before.UID] {
		f.add("foreign: at %d, %s, which is not ours, disappeared, by %s", c.revision, c.key(), c.who())
	}
}

const lostOwner = "an owner"

// lost lists what others had in a Secret and have no more. They may take their own
// finalizer off what is being deleted.
func lost(before, after *corev1.Secret) []string {
	var out []string
	if mark := before.Labels[foreignMark]; mark != after.Labels[foreignMark] && mark != "" {
		out = append(out, "a label")
	}
	if mark := before.Annotations[foreignMark]; mark != after.Annotations[foreignMark] && mark != "" {
		out = append(out, "an annotation")
	}
	if slices.Contains(before.Finalizers, foreignHold) && !slices.Contains(after.Finalizers, foreignHold) && after.DeletionTimestamp == nil {
		out = append(out, "a finalizer")
	}
	for _, o := range before.OwnerReferences {
		if o.Kind == "ConfigMap" && !slices.ContainsFunc(after.OwnerReferences, func(n metav1.OwnerReference) bool { return n.UID == o.UID }) {
			out = append(out, lostOwner)
		}
	}
	if len(before.Data[theirKey]) > 0 && string(before.Data[theirKey]) != string(after.Data[theirKey]) {
		out = append(out, "a key")
	}
	return out
}

// who names who made a change.
func (c change) who() string {
	if c.by == nil {
		return "somebody unknown"
	}
	agent, _, _ := strings.Cut(c.by.agent, " ")
	return fmt.Sprintf("%s (%s, %s %s)", c.by.user, agent, c.by.verb, c.by.id)
}
