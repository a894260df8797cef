package rollout

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// The Secret that keeps the key, in the controller's namespace.
const (
	KeySecret = "gitseal-rollout-key"
	keyField  = "key"
	keySize   = 32
)

// hashSize is how much of an HMAC is kept: enough that no two contents of a Secret
// are ever confused.
const hashSize = 16

// maxName is how long the name of an annotation may be, without its prefix.
const maxName = 63

// Annotation returns the pod template's annotation for a Secret.
func Annotation(secret string) string {
	if len(secret) <= maxName {
		return v1alpha1.RolloutAnnotationPrefix + secret
	}
	sum := sha256.Sum256([]byte(secret))
	digest := hex.EncodeToString(sum[:16])
	return v1alpha1.RolloutAnnotationPrefix + secret[:maxName-1-len(digest)] + "-" + digest
}

// hasher makes keyed hashes. It prints redacted.
type hasher struct {
	// id tells keys apart: hashes under another key are not comparable.
	id  string
	key []byte
}

// String says nothing of the key.
func (*hasher) String() string { return "rollout key" }

// GoString says nothing of the key.
func (*hasher) GoString() string { return "rollout key" }

func newHasher(secret []byte) (*hasher, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "gitseal rollout v1: content", sha256.Size)
	if err != nil {
		return nil, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "gitseal rollout v1: id of the key", 6)
	if err != nil {
		return nil, err
	}
	return &hasher{id: hex.EncodeToString(id), key: key}, nil
}

// sum hashes the content of a manifest's Secret. Everything is length-prefixed, and
// the name is part of it: equal contents of two Secrets have different hashes. So is
// the manifest's uid: somebody who makes another one in its place, with a guess in it,
// learns nothing by comparing.
func (h *hasher) sum(m *v1alpha1.SealedManifest, s *corev1.Secret) string {
	mac := hmac.New(sha256.New, h.key)
	write(mac, []byte(m.Namespace))
	write(mac, []byte(m.UID))
	write(mac, []byte(s.Name))
	content := maps.Clone(s.Data)
	if content == nil {
		content = make(map[string][]byte)
	}
	for k, v := range s.StringData { // which wins, as in the API
		content[k] = []byte(v)
	}
	for _, k := range slices.Sorted(maps.Keys(content)) {
		write(mac, []byte(k))
		write(mac, content[k])
	}
	return hex.EncodeToString(mac.Sum(nil)[:hashSize])
}

func write(mac hash.Hash, b []byte) {
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
	mac.Write(b)
}

// sums are the hashes of a manifest's Secrets. In a status they stand as
//
//	v1:KEY-ID NAME=HASH,NAME=HASH
//
// A + behind a hash says that workloads may have been restarted since, with another
// content.
type sums struct {
	keyID  string
	hashes map[string]string
	begun  map[string]bool
}

const (
	sumsVersion = "v1:"
	begunMark   = "+"
)

// change is a Secret's content that workloads have to be restarted with.
type change struct {
	// sum is its hash.
	sum string
	// back: it is what it was before a rollout began that did not end.
	back bool
}

func (h *hasher) sums(m *v1alpha1.SealedManifest, secrets []*corev1.Secret) sums {
	out := sums{keyID: h.id, hashes: make(map[string]string, len(secrets))}
	for _, s := range secrets {
		out.hashes[s.Name] = h.sum(m, s)
	}
	return out
}

// String returns the form that a status keeps.
func (s sums) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.hashes)) {
		mark := ""
		if s.begun[name] {
			mark = begunMark
		}
		list = append(list, name+"="+s.hashes[name]+mark)
	}
	return sumsVersion + s.keyID + " " + strings.Join(list, ",")
}

// parseSums is the inverse of String. What it does not know it takes for nothing:
// then the contents are noted, and nothing is restarted.
func parseSums(text string) sums {
	rest, ok := strings.CutPrefix(text, sumsVersion)
	if !ok {
		return sums{}
	}
	keyID, list, _ := strings.Cut(rest, " ")
	out := sums{keyID: keyID, hashes: make(map[string]string), begun: make(map[string]bool)}
	for item := range strings.SplitSeq(list, ",") {
		if name, sum, ok := strings.Cut(item, "="); ok {
			out.hashes[name], out.begun[name] = strings.CutSuffix(sum, begunMark)
		}
	}
	return out
}

// changedSince returns the Secrets that were known before with another content, and
// those with the same of which a rollout has begun.
func (s sums) changedSince(before sums) map[string]change {
	out := make(map[string]change)
	if s.keyID != before.keyID {
		return out
	}
	for name, sum := range s.hashes {
		if old, known := before.hashes[name]; known && (old != sum || before.begun[name]) {
			out[name] = change{sum: sum, back: old == sum}
		}
	}
	return out
}

// haveBegun reports whether the rollouts of all that changed are marked as begun.
func (s sums) haveBegun(changed map[string]change) bool {
	for name := range changed {
		if !s.begun[name] {
			return false
		}
	}
	return true
}

// begin marks the rollouts of what changed as begun.
func (s sums) begin(changed map[string]change) sums {
	s.begun = maps.Clone(s.begun)
	for name := range changed {
		s.begun[name] = true
	}
	return s
}

// keyCache keeps the hasher once there is one.
type keyCache struct {
	mu sync.Mutex // guards h
	h  *hasher
}

// hasher returns the one whose key is in the controller's namespace; the first that
// needs it makes the key.
func (r *Roller) hasher(ctx context.Context) (*hasher, error) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if r.keys.h != nil {
		return r.keys.h, nil
	}
	key, err := r.loadKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the key of rollouts from Secret %s/%s: %w", r.namespace, KeySecret, err)
	}
	r.keys.h, err = newHasher(key)
	return r.keys.h, err
}

// loadKey reads the key, or makes it. Of two that make it, one wins.
func (r *Roller) loadKey(ctx context.Context) ([]byte, error) {
	at := client.ObjectKey{Namespace: r.namespace, Name: KeySecret}
	var found corev1.Secret
	err := r.client.Get(ctx, at, &found)
	if apierrors.IsNotFound(err) {
		if err = r.makeKey(ctx); err == nil || apierrors.IsAlreadyExists(err) {
			err = r.client.Get(ctx, at, &found)
		}
	}
	if err != nil {
		return nil, err
	}
	key := found.Data[keyField]
	if len(key) != keySize {
		return nil, fmt.Errorf("it has no usable field %q: delete the Secret to have a new key made", keyField)
	}
	return key, nil
}

func (r *Roller) makeKey(ctx context.Context) error {
	key := make([]byte, keySize)
	rand.Read(key) // never fails
	immutable := true
	return r.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: KeySecret},
		Immutable:  &immutable,
		Data:       map[string][]byte{keyField: key},
	}, r.owner)
}
