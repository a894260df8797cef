// Package opening verifies a SealedManifest and returns the objects that it holds.
//
// It asks no API server. What it is given may come from anybody who can write
// SealedManifests in one namespace: nothing is returned that was not sealed for that
// manifest's place, as far as the keyring's policy asks for it, and the work for one
// manifest is bounded.
//
// No error, warning or print form holds a value, a hash or a length of one.
package opening

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// Request is a manifest, and the keyring to open it with.
type Request struct {
	Manifest *v1alpha1.SealedManifest
	Keys     *keyring.Set
}

// Opened is what a manifest holds. It prints redacted.
type Opened struct {
	// Objects are in the order of the manifest; all are in its namespace.
	Objects []Object
	// Keys opened the manifest: one, or one of each key group that was needed.
	Keys      []v1alpha1.KeyUse
	Integrity v1alpha1.Integrity
	// Warnings are for people.
	Warnings []string
}

// Object is a Secret or, where the policy allows it, something else: exactly one of
// the fields is set. It prints redacted.
type Object struct {
	// Secret has all its content in Data.
	Secret *corev1.Secret
	Other  *unstructured.Unstructured
}

// What [v1alpha1.Integrity] says of MACs and contexts.
const (
	// MACVerified: our MAC vouches for all that was opened.
	MACVerified = "Verified"
	// MACSopsOnly: the file has no sops.seal entry.
	MACSopsOnly = "SopsOnly"
	// ContextStrict: sealed for this namespace and name.
	ContextStrict = "Strict"
	// ContextNamespace: sealed for any name in this namespace.
	ContextNamespace = "Namespace"
	// ContextKeyring: sealed for wherever the keyring is used.
	ContextKeyring = "Keyring"
	// ContextNone: the file does not say what it is for.
	ContextNone = "None"
)

// Options are how an [Opener] works. The zero Options are usable.
type Options struct {
	// KeysKept is how many data keys of services are remembered; 4096 if 0, none if
	// negative.
	KeysKept int
	// KeepFor is how long they are; 15 minutes if 0.
	KeepFor time.Duration
	// Timeout bounds each call to a service; 15 seconds if 0.
	Timeout time.Duration
	// Counted, if not nil, is told for each data key of a service whether it was
	// remembered.
	Counted func(hit bool)
}

// Opener opens manifests. It may be used from several goroutines.
type Opener struct {
	timeout time.Duration
	keys    *keyCache
}

// New returns an Opener.
func New(o Options) *Opener {
	if o.KeysKept == 0 {
		o.KeysKept = 4096
	}
	if o.KeepFor <= 0 {
		o.KeepFor = 15 * time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	return &Opener{timeout: o.Timeout, keys: newKeyCache(o)}
}

// Open verifies and opens a manifest. Its error is a *[Refusal]. It never panics.
func (o *Opener) Open(ctx context.Context, r Request) (opened *Opened, err error) {
	defer func() {
		if recover() != nil {
			// What it panicked with may be a value; where it did is not.
			opened, err = nil, &Refusal{Reason: v1alpha1.ReasonInvalidDocument, Err: panicked(),
				Message: "the manifest could not be read, due to a defect of the controller"}
		}
	}()
	return o.open(ctx, r)
}

func (o *Opener) open(ctx context.Context, r Request) (*Opened, error) {
	if r.Keys == nil {
		return nil, refuse(v1alpha1.ReasonNoKeyring, "there is no keyring for this namespace")
	}
	if err := checkConflictPolicy(r.Manifest, r.Keys); err != nil {
		return nil, err
	}
	file, err := read(r.Manifest)
	if err != nil {
		return nil, err
	}
	a := admission{manifest: r.Manifest, file: file, policy: r.Keys.Policy()}
	if err := a.check(); err != nil {
		return nil, err
	}
	plain, err := o.decrypt(ctx, r.Keys, &a)
	if err != nil {
		return nil, err
	}
	objects, err := a.objects(plain.PlaintextBytes())
	if err != nil {
		return nil, err
	}
	return &Opened{Objects: objects, Keys: uses(r.Keys, plain), Integrity: a.integrity, Warnings: a.warned(plain)}, nil
}

// decrypt unwraps the data key and opens the file.
func (o *Opener) decrypt(ctx context.Context, keys *keyring.Set, a *admission) (*cipher.Opened, error) {
	ids := o.identities(keys, a.file.meta)
	if len(ids) == 0 {
		return nil, noMatchingKey(keys, a.file.meta.Readers())
	}
	opts := cipher.OpenOptions{
		Identities: ids, Timeout: o.timeout, PlainOnly: true,
		RequireSeal: a.requires(a.policy.Integrity), AllowReordered: a.file.inline,
	}
	if a.file.meta.Seal != nil {
		opts.Context = a.file.meta.Seal.Context
	}
	plain, err := cipher.Open(ctx, a.file.format, a.file.text, opts)
	if err != nil {
		return nil, refusalOf(err, a.file, keys)
	}
	return plain, nil
}

// warned lists what people should know of an opened file.
func (a *admission) warned(plain *cipher.Opened) []string {
	out := a.warnings
	for i, w := range plain.Warnings {
		if i == maxWarnings {
			return append(out, fmt.Sprintf("and %d more warnings", len(plain.Warnings)-i))
		}
		out = append(out, Printable(w.String()))
	}
	return out
}

// panicError says where a panic was, and nothing of what was at hand there.
type panicError struct{ where string }

// Error names the functions.
func (e panicError) Error() string { return "panic in " + e.where }

// panicked describes the panic that is being recovered from.
func panicked() error {
	const skip, most = 4, 8 // runtime.Callers, panicked, the deferred function, gopanic
	pc := make([]uintptr, most)
	frames := runtime.CallersFrames(pc[:runtime.Callers(skip, pc)])
	var where []string
	for {
		f, more := frames.Next()
		where = append(where, fmt.Sprintf("%s:%d", f.Function, f.Line))
		if !more {
			return panicError{strings.Join(where, " < ")}
		}
	}
}
