package keyring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/binary"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// Labels, annotations and keys of Secrets that hold identities.
const (
	// Label names the SealKeyring that a Secret's identity is one of.
	Label = v1alpha1.Group + "/keyring"
	// CreatedAnnotation is when the identity was made (RFC 3339). It outlives that the
	// Secret is restored from a backup.
	CreatedAnnotation = v1alpha1.Group + "/created-at"
	// RecipientAnnotation is the identity's public side, for people.
	RecipientAnnotation = v1alpha1.Group + "/recipient"
	// PlainKey is the key of age identities.
	PlainKey = "identity"
	// SealedKey is the key of a sealed file of them.
	SealedKey = "sealed-identity"
)

// CreatedAt returns when the identity in a Secret was made. The annotation counts only
// if it is earlier than the Secret itself: one in the future would keep its identity
// the newest for ever.
func CreatedAt(s *corev1.Secret) time.Time {
	t, err := time.Parse(time.RFC3339, s.Annotations[CreatedAnnotation])
	made := s.CreationTimestamp.Time
	if err != nil || !made.IsZero() && t.After(made) {
		return made
	}
	return t
}

// NewSecret is what a Secret with identities is made of.
type NewSecret struct {
	Namespace, Name string
	// Keyring is the SealKeyring that the identities are of.
	Keyring    string
	Identities []age.Identity
	Created    time.Time
	// SealFor, if there are any, are those who can open the identities; nobody else
	// can, and the Secret holds them sealed under SealedKey.
	SealFor []keysources.Recipient
}

// Secret returns an immutable Secret. Its error is what sealing met with.
func (n NewSecret) Secret(ctx context.Context) (*corev1.Secret, error) {
	if len(n.Identities) == 0 {
		return nil, errors.New("there is no identity to make a Secret of")
	}
	immutable := true
	s := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: n.Namespace, Name: n.Name,
			Labels: map[string]string{Label: n.Keyring},
			Annotations: map[string]string{
				CreatedAnnotation:   n.Created.UTC().Format(time.RFC3339),
				RecipientAnnotation: n.Identities[0].Recipient().String(),
			},
		},
		Type: corev1.SecretTypeOpaque, Immutable: &immutable,
	}
	text := n.text()
	if len(n.SealFor) == 0 {
		s.Data = map[string][]byte{PlainKey: text}
		return s, nil
	}
	defer clear(text)
	sealed, err := cipher.Seal(ctx, binary.Format{}, text, cipher.SealOptions{Recipients: n.SealFor, Now: n.Created})
	if err != nil {
		return nil, fmt.Errorf("sealing the identity: %w", err)
	}
	s.Data = map[string][]byte{SealedKey: sealed.Bytes}
	return s, nil
}

// text is a file of identities as age-keygen writes it.
func (n NewSecret) text() []byte {
	var out []byte
	for _, id := range n.Identities {
		out = fmt.Appendf(out, "# created: %s\n# public key: %s\n%s\n",
			n.Created.UTC().Format(time.RFC3339), id.Recipient(), id.SecretText())
	}
	return out
}

// SecretName returns the name of the Secret of a keyring's first identity.
func SecretName(keyring string) string {
	const longest = 200 // of 253, so that a suffix fits
	return "gitseal-" + strings.TrimRight(keyring[:min(len(keyring), longest)], "-.")
}

// SuccessorName returns the name of the Secret of the identity that is made when the
// one with the ID gets old. Whoever makes it takes this name, so that of two
// controllers only one can.
func SuccessorName(keyring, id string) string {
	const digits = 6
	sum := sha256.Sum256([]byte(keyring + "\x00" + id))
	return SecretName(keyring) + "-" + hex.EncodeToString(sum[:digits])
}

// SealingRecipients returns those whom an identity is sealed for: the keys of
// services, as [ParseKey] reads them, and recovery keys of age, so that losing the
// service does not lose the cluster.
func SealingRecipients(sources map[string]keysources.Source, keys, recovery []string) ([]keysources.Recipient, error) {
	var out []keysources.Recipient
	for n, name := range keys {
		key, err := ParseKey(name)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", n+1, err)
		}
		src, ok := sources[key.Type]
		if !ok {
			return nil, fmt.Errorf("%s: keys of the type %s cannot be asked", publicName(key), key.Type)
		}
		r, err := src.Recipient(key)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	for _, text := range recovery {
		r, err := age.ParseRecipient(text)
		if err != nil || r.Plugin() != "" {
			continue // keys of another kind cannot keep an identity of age
		}
		out = append(out, r)
	}
	return out, nil
}

// secretName is the Secret that a source names, "" if it names none.
func secretName(src v1alpha1.IdentitySource) string {
	switch {
	case src.Age != nil:
		return src.Age.SecretName
	case src.SealedAge != nil:
		return src.SealedAge.SecretName
	}
	return ""
}
