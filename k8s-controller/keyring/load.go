package keyring

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// The reasons of a keyring's condition Ready, beside v1alpha1.ReasonKeyUnavailable.
const (
	// ReasonLoaded: all identities are in use.
	ReasonLoaded = "Loaded"
	// ReasonNoIdentity: the keyring has none.
	ReasonNoIdentity = "NoIdentity"
	// ReasonIdentityMissing: a Secret, or its key, is not there.
	ReasonIdentityMissing = "IdentityMissing"
	// ReasonIdentityUnusable: what a Secret holds is no identity, or a name is that of
	// no key.
	ReasonIdentityUnusable = "IdentityUnusable"
	// ReasonInvalid: the SealKeyring itself cannot be used.
	ReasonInvalid = "Invalid"
)

// maxIdentities bounds how many identities one Secret may hold.
const maxIdentities = 64

// Problem is why a source gives no identity, or not all it should. Its text holds
// nothing of a Secret's content.
type Problem struct {
	// Source is the name in spec.identities, or that of a Secret.
	Source          string
	Reason, Message string
	// Transient: it may go away without anything in the cluster changing.
	Transient bool
}

// String returns "source: message".
func (p Problem) String() string { return p.Source + ": " + p.Message }

// Loaded is what became of a SealKeyring.
type Loaded struct {
	Set      *Set
	Problems []Problem
	// Sealed says, of each age identity that is kept sealed, the keys of services that
	// it is sealed for, as the keyring names them.
	Sealed map[string][]string
}

// Retry reports whether a problem may go away by itself.
func (l Loaded) Retry() bool {
	return slices.ContainsFunc(l.Problems, func(p Problem) bool { return p.Transient })
}

// Loader makes Sets. It remembers what services unwrapped, so that they are asked
// again only when something changed. It may be used from several goroutines.
type Loader struct {
	sources map[string]keysources.Source

	mu     sync.Mutex              // guards opened
	opened map[string]openedSecret // by keyring and source
}

// openedSecret is a sealed file of identities that was opened.
type openedSecret struct {
	digest [sha256.Size]byte // of the file and the keys that may open it
	ids    []age.Identity
}

// NewLoader returns a Loader that asks services through sources, by the types of
// stanzas: those of keysources/all.
func NewLoader(sources map[string]keysources.Source) *Loader {
	return &Loader{sources: sources, opened: map[string]openedSecret{}}
}

// GoString hides what was opened.
func (l *Loader) GoString() string { return "keyring.Loader" }

// Format is GoString for every verb.
func (l *Loader) Format(f fmt.State, _ rune) { fmt.Fprint(f, l.GoString()) }

// Load reads the identities of a SealKeyring from the Secrets of the controller's
// namespace: those that it names, and those of the label [Label]. A source that
// cannot be read does not hide the others. There is always a Set, though perhaps
// without identities.
//
// A sealed file that a service does not open for now keeps the identities that were
// read from that source before.
func (l *Loader) Load(ctx context.Context, kr *v1alpha1.SealKeyring, secrets []corev1.Secret) Loaded {
	r := loading{loader: l, ctx: ctx, kr: kr, secrets: map[string]*corev1.Secret{}, sealed: map[string][]string{}}
	for i := range secrets {
		r.secrets[secrets[i].Name] = &secrets[i]
	}
	named := map[string]bool{}
	for _, src := range kr.Spec.Identities {
		r.source(src)
		if n := secretName(src); n != "" {
			named[n] = true
		}
	}
	for i := range secrets {
		if s := &secrets[i]; s.Labels[Label] == kr.Name && !named[s.Name] {
			r.renewed(s)
		}
	}
	r.forgetOthers()
	return r.finish()
}

// Forget drops what is remembered of a SealKeyring that is gone.
func (l *Loader) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.opened {
		if strings.HasPrefix(k, name+"\x00") {
			delete(l.opened, k)
		}
	}
}

// loading is one call of Load.
type loading struct {
	loader   *Loader
	ctx      context.Context
	kr       *v1alpha1.SealKeyring
	secrets  map[string]*corev1.Secret
	ids      []Identity
	problems []Problem
	waiting  []string
	sealed   map[string][]string
	// used are the entries of loader.opened that are still of use.
	used map[string]bool
}

func (r *loading) finish() Loaded {
	var recovery []string
	for i, text := range r.kr.Spec.Recovery {
		if !isRecipient(text) {
			r.problem(fmt.Sprintf("recovery[%d]", i), ReasonInvalid, "this is no public key, and nothing is sealed for it")
			continue
		}
		recovery = append(recovery, text)
	}
	set, err := New(Parts{
		Name: r.kr.Name, NamespaceSelector: r.kr.Spec.NamespaceSelector, Policy: r.kr.Spec.Policy,
		Recovery: recovery, Identities: r.ids, Waiting: r.waiting,
	})
	if err != nil {
		// What is malformed selects nothing: it must not turn into all namespaces.
		r.problems = append(r.problems, Problem{Source: "spec", Reason: ReasonInvalid, Message: err.Error()})
		set = nowhere(r.kr.Name, r.kr.Spec.Policy)
	}
	return Loaded{Set: set, Problems: r.problems, Sealed: r.sealed}
}

func (r *loading) problem(source, reason, message string) {
	r.problems = append(r.problems, Problem{Source: source, Reason: reason, Message: message})
}

// source reads one of spec.identities.
func (r *loading) source(src v1alpha1.IdentitySource) {
	switch {
	case src.Age != nil:
		if s, data := r.data(src.Name, *src.Age); data != nil {
			r.plain(src.Name, s, data)
		}
	case src.SealedAge != nil:
		if s, data := r.data(src.Name, src.SealedAge.SecretKey); data != nil {
			r.opened(src.Name, s, data, src.SealedAge.Keys)
		}
	case src.KMS != nil:
		for _, id := range r.keys(src.Name, src.KMS.Keys) {
			id.Source = src.Name
			r.ids = append(r.ids, id)
		}
	default:
		r.problem(src.Name, ReasonInvalid, "neither age, sealedAge nor kms is set")
	}
}

// renewed reads a Secret that the label names.
func (r *loading) renewed(s *corev1.Secret) {
	plain, sealed := s.Data[PlainKey], s.Data[SealedKey]
	switch {
	case s.Type != corev1.SecretTypeOpaque:
		r.problem(s.Name, ReasonIdentityUnusable, "the Secret is not of the type Opaque")
	case len(plain) > 0 && len(sealed) == 0:
		r.plain(s.Name, s, plain)
	case len(sealed) > 0 && len(plain) == 0:
		r.opened(s.Name, s, sealed, r.allSealing())
	default:
		r.problem(s.Name, ReasonIdentityUnusable, "the Secret must have one of the keys "+PlainKey+" and "+SealedKey)
	}
}

// allSealing lists the keys that may open sealed identities of this keyring.
func (r *loading) allSealing() []string {
	var out []string
	for _, src := range r.kr.Spec.Identities {
		if src.SealedAge != nil {
			out = append(out, src.SealedAge.Keys...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// data returns what a Secret holds under a key, nil if there is nothing to read.
func (r *loading) data(source string, ref v1alpha1.SecretKey) (*corev1.Secret, []byte) {
	key := ref.Key
	if key == "" {
		key = PlainKey
	}
	s, ok := r.secrets[ref.SecretName]
	switch {
	case !ok:
		r.problem(source, ReasonIdentityMissing, fmt.Sprintf("there is no Secret %s in the controller's namespace", ref.SecretName))
	case s.Type != corev1.SecretTypeOpaque:
		r.problem(source, ReasonIdentityUnusable, fmt.Sprintf("the Secret %s is not of the type Opaque", ref.SecretName))
	case len(s.Data[key]) == 0:
		r.problem(source, ReasonIdentityMissing, fmt.Sprintf("the Secret %s has no key %s, or an empty one", ref.SecretName, key))
	default:
		return s, s.Data[key]
	}
	return nil, nil
}

// plain reads a Secret of age identities.
func (r *loading) plain(source string, s *corev1.Secret, data []byte) {
	ids, err := ReadIdentities(data)
	if err != nil {
		r.problem(source, ReasonIdentityUnusable, fmt.Sprintf("the Secret %s: %v", s.Name, err))
	}
	r.add(source, CreatedAt(s), ids)
}

func (r *loading) add(source string, created time.Time, ids []age.Identity) {
	for _, id := range ids {
		i := Age(id)
		i.Source, i.Created = source, created
		r.ids = append(r.ids, i)
	}
}

// keys returns the identities of services' keys.
func (r *loading) keys(source string, names []string) []Identity {
	var out []Identity
	for n, name := range names {
		key, err := ParseKey(name)
		if err != nil {
			r.problem(source, ReasonIdentityUnusable, fmt.Sprintf("keys[%d]: %v", n, err))
			continue
		}
		src, ok := r.loader.sources[key.Type]
		if !ok {
			r.problem(source, ReasonIdentityUnusable, fmt.Sprintf("keys[%d]: this controller cannot ask keys of the type %s", n, key.Type))
			continue
		}
		out = append(out, Service(key, src))
	}
	return out
}
