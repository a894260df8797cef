package chaostest_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The namespace of the controller, and who the test is to the API server.
const (
	system   = "gitseal-system"
	handUser = "chaos-hand"
)

// history is all that happened, in the order of etcd's revisions.
type history struct {
	secrets    []change
	manifests  map[types.UID]life // SealedManifests
	namespaces map[types.UID]life
	sources    map[source]int64 // etcd's revisions since when there were manifests of theirs
	leases     []tenure
	calls      []call // as the audit log has them

	// stops are the times at which a replica was stopped and went on.
	stops []stop
	// handDeleted are the Secrets that the test deleted or tried to.
	handDeleted map[types.UID]bool
	// cuts are when etcd was set back before, and lease is how long one holds.
	cuts  []setback
	lease time.Duration
}

// change is one write of a Secret.
type change struct {
	revision      int64
	namespace     string
	name          string
	before, after *corev1.Secret // nil: not there
	by            *call          // nil: the server was killed before it could say
}

func (c change) key() string { return c.namespace + "/" + c.name }

// last is the object that the change is about.
func (c change) last() *corev1.Secret {
	if c.after != nil {
		return c.after
	}
	return c.before
}

// byController reports whether a replica made the change.
func (c change) byController() bool { return c.by != nil && isReplica(c.by.user) }

// life is from when to when an object existed, by revisions. It died when it was
// marked as deleted; 0 is never.
type life struct {
	namespace, name string
	born, died      int64
}

// source is a revision of a manifest.
type source struct {
	namespace, name string
	number          int
}

// tenure begins when somebody takes the lease.
type tenure struct {
	revision int64
	holder   string // identity of a replica's process, "" for nobody
}

// stop is a time in which a process stood still.
type stop struct {
	replica  string
	from, to time.Time
}

// call is one request, as the API server logged it.
type call struct {
	id, user, agent, verb string
	resource, subresource string
	namespace, name, uri  string
	code                  int
	received, done        time.Time
	sent                  time.Time // when the replica's proxy got it
	request, response     json.RawMessage
}

func (c *call) dry() bool { return strings.Contains(c.uri, "dryRun=All") }

// wrote reports whether the call was one that changes something, and did.
func (c *call) wrote() bool {
	return c.code >= 200 && c.code < 300 && !c.dry() && slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, c.verb)
}

// replicaUser is the start of the names of the replicas' users.
const replicaUser = "chaos-replica-"

func isReplica(user string) bool { return strings.HasPrefix(user, replicaUser) }

// object is what all answers have in common.
type object struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Details  *struct {
		UID types.UID `json:"uid"`
	} `json:"details"`
	Spec struct {
		HolderIdentity string `json:"holderIdentity"`
	} `json:"spec"`
	Preconditions *metav1.Preconditions `json:"preconditions"`
}

func parse(data json.RawMessage) object {
	var o object
	if len(data) > 0 {
		_ = json.Unmarshal(data, &o) // what is no object has no fields
	}
	return o
}

// attribute says of each change who made it.
func (h *history) attribute() {
	puts, removals := map[string]*call{}, map[types.UID]*call{}
	collections := map[string]*call{}
	for i := range h.calls {
		c := &h.calls[i]
		if c.resource != "secrets" || c.subresource != "" || !c.wrote() {
			continue
		}
		o := parse(c.response)
		switch {
		case c.verb == "deletecollection":
			collections[c.namespace] = c
		case c.verb == "delete" && o.Details != nil:
			claim(removals, o.Details.UID, c)
		case c.verb == "delete":
			claim(removals, o.Metadata.UID, c)
			claim(puts, o.Metadata.ResourceVersion, c)
		default:
			claim(puts, o.Metadata.ResourceVersion, c)
		}
	}
	later := h.laterAnswers()
	for i := range h.secrets {
		s := &h.secrets[i]
		if s.after != nil {
			s.by = puts[s.after.ResourceVersion]
			if end := later(s.revision); s.by != nil && !end.IsZero() && s.by.received.After(end) {
				s.by = nil // it came when there was a later revision, and changed nothing
			}
		}
		if s.after == nil || s.marks() && s.by == nil {
			if s.by = removals[s.before.UID]; s.by == nil {
				s.by = collections[s.namespace]
			}
		}
	}
}

// laterAnswers returns a function that tells when the API server had, for the first
// time, answered with a revision later than a given one; zero for never. The revisions
// of leases are among them, so that there is one every few seconds.
func (h *history) laterAnswers() func(revision int64) time.Time {
	type answer struct {
		revision int64
		done     time.Time
	}
	var all []answer
	for i := range h.calls {
		if c := &h.calls[i]; c.wrote() {
			if rv, err := strconv.ParseInt(parse(c.response).Metadata.ResourceVersion, 10, 64); err == nil {
				all = append(all, answer{rv, c.done})
			}
		}
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a.revision, b.revision) })
	for i := len(all) - 2; i >= 0; i-- {
		if next := all[i+1].done; next.Before(all[i].done) {
			all[i].done = next
		}
	}
	return func(revision int64) time.Time {
		i, _ := slices.BinarySearchFunc(all, revision+1, func(a answer, want int64) int { return cmp.Compare(a.revision, want) })
		if i == len(all) {
			return time.Time{}
		}
		return all[i].done
	}
}

// claim keeps the first call that answered with a version, or deleted an object: one
// that changes nothing, or deletes what is being deleted, is answered like that one.
func claim[K comparable](first map[K]*call, key K, c *call) {
	if old := first[key]; old == nil || c.done.Before(old.done) {
		first[key] = c
	}
}

// marks reports whether the change marks an object as deleted that others hold up.
func (c change) marks() bool {
	return c.before != nil && c.after != nil && c.before.DeletionTimestamp == nil && c.after.DeletionTimestamp != nil
}

// removes reports whether the change begins the end of an object.
func (c change) removes() bool {
	return c.before != nil && c.before.DeletionTimestamp == nil && (c.after == nil || c.marks())
}

// holders maps the identities of processes to the replicas that they were.
func (h *history) holders() map[string]string {
	out := map[string]string{}
	for i := range h.calls {
		c := &h.calls[i]
		if c.resource == "leases" && isReplica(c.user) && c.wrote() {
			if holder := parse(c.response).Spec.HolderIdentity; holder != "" {
				out[holder] = c.user
			}
		}
	}
	return out
}

// terminating reports whether a namespace was being deleted at a revision.
func (h *history) terminating(namespace string, revision int64) bool {
	for _, l := range h.namespaces {
		if l.name == namespace && l.died != 0 && l.died <= revision && l.born <= revision {
			if next := h.nextNamespace(namespace, l.born); next == 0 || revision < next {
				return true
			}
		}
	}
	return false
}

// nextNamespace returns when a namespace was made anew after the one that was made at
// a revision.
func (h *history) nextNamespace(namespace string, born int64) int64 {
	var next int64
	for _, l := range h.namespaces {
		if l.name == namespace && l.born > born && (next == 0 || l.born < next) {
			next = l.born
		}
	}
	return next
}
