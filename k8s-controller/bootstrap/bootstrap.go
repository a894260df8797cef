// Package bootstrap makes a SealKeyring with its first identity.
//
// An administrator runs it. The controller never makes a first identity: one that was
// made silently is one that nobody has a way back from.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

var (
	// ErrExists: there is a SealKeyring of that name.
	ErrExists = errors.New("the SealKeyring exists already")
	// ErrNotInstalled: the API server does not know SealKeyrings.
	ErrNotInstalled = errors.New("the cluster does not know SealKeyrings")
	// ErrAmbiguous: another SealKeyring is for all namespaces, too.
	ErrAmbiguous = errors.New("there would be two SealKeyrings for all namespaces")
	// ErrRecovery: the SealKeyring whose identity is lost has other recovery keys.
	ErrRecovery = errors.New("the SealKeyring has recovery keys of its own")
	// ErrSecret: there is a Secret of the name that the identity's would have, and it is
	// not what an earlier run with the same options could have left.
	ErrSecret = errors.New("a Secret is in the way")
)

// IdentityName is the name of the first identity in spec.identities.
const IdentityName = "initial"

const fieldManager = "gitseal-controller-init"

// Options say what is made.
type Options struct {
	// Namespace is the controller's own. It is created if it is not there.
	Namespace string
	// Keyring is the name of the SealKeyring.
	Keyring string
	// NamespaceSelector selects the namespaces that the keyring is for; nil means all.
	NamespaceSelector *metav1.LabelSelector
	// Import are the identities to use; if there are none, one is made.
	Import []age.Identity
	// Classic makes an X25519 identity in place of a post-quantum hybrid one, now and
	// when it is renewed.
	Classic bool
	// Recovery are public keys that everything is to be sealed for, too.
	Recovery []string
	// Keys of services: if there are any, the cluster keeps the identity sealed for
	// them (and for Recovery) only.
	Keys []string
	// Sources ask services, by the types of stanzas; needed for Keys.
	Sources map[string]keysources.Source
	// RenewEvery is how old an identity gets before the controller makes another, 0 for
	// never.
	RenewEvery time.Duration
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

// Check reports what makes the options unusable.
func (o Options) Check() error {
	const longestLabel = 63
	switch {
	case len(validation.IsDNS1123Label(o.Namespace)) > 0:
		return fmt.Errorf("%q is no name of a namespace", o.Namespace)
	case len(validation.IsDNS1123Subdomain(o.Keyring)) > 0 || len(o.Keyring) > longestLabel:
		return fmt.Errorf("%q is no name for a keyring: small letters, digits, - and . make one, %d at most", o.Keyring, longestLabel)
	case o.RenewEvery != 0 && o.RenewEvery < time.Hour:
		return fmt.Errorf("identities cannot be renewed every %s: an hour is the least", o.RenewEvery)
	}
	for i, name := range o.Keys {
		if _, err := keyring.ParseKey(name); err != nil {
			return fmt.Errorf("key %d is %w (an ARN, projects/…, a key's URL)", i+1, err)
		}
	}
	return nil
}

// Result says what there is now.
type Result struct {
	// Recipients are whom to seal for.
	Recipients []string
	// Secret is the name of the identity's Secret.
	Secret string
	// Restored: the SealKeyring was there, and its identity was not.
	Restored bool
	// NewNamespace and NewSecret: they were not there before. A Secret that was is that
	// of an earlier run, or of a keyring that was deleted, and its identity is used.
	NewNamespace, NewSecret bool
}

// Run makes the namespace if it is not there, the identity's Secret, and the
// SealKeyring, in this order: run again after a failure, it takes up where it ended. Of
// a SealKeyring that was made like this, and whose Secret is gone, it makes the Secret.
//
// Its error is or wraps ErrExists, ErrAmbiguous, ErrRecovery, ErrNotInstalled,
// ErrSecret, what the API server said, or what sealing for Keys met with.
func Run(ctx context.Context, c client.Client, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	lost, err := Absent(ctx, c, o)
	if err != nil {
		return nil, err
	}
	var r Result
	if r.NewNamespace, err = ensureNamespace(ctx, c, o.Namespace); err != nil {
		return nil, err
	}
	if lost != nil {
		r.Restored = true
		o.Recovery = lost.Spec.Recovery
	}
	id, err := o.ensureSecret(ctx, c, &r)
	if err != nil {
		return nil, err
	}
	r.Recipients = append([]string{id}, o.Recovery...)
	if lost != nil {
		return &r, nil
	}
	err = c.Create(ctx, o.sealKeyring(), client.FieldOwner(fieldManager))
	if apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("%w: %s", ErrExists, o.Keyring)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the SealKeyring %s: %w", o.Keyring, err)
	}
	return &r, nil
}

// Absent checks that there is no such SealKeyring yet, or returns the one whose identity
// is lost, and that no namespace would get a second one by it. Its error is as that of
// [Run].
func Absent(ctx context.Context, c client.Client, o Options) (lost *v1alpha1.SealKeyring, err error) {
	var list v1alpha1.SealKeyringList
	if err := c.List(ctx, &list); meta.IsNoMatchError(err) {
		return nil, ErrNotInstalled
	} else if err != nil {
		return nil, fmt.Errorf("looking for SealKeyrings: %w", err)
	}
	for i := range list.Items {
		kr := &list.Items[i]
		switch {
		case kr.Name == o.Keyring:
			return o.lost(ctx, c, kr)
		case o.NamespaceSelector == nil && kr.Spec.NamespaceSelector == nil:
			return nil, fmt.Errorf("%w: %s is one", ErrAmbiguous, kr.Name)
		}
	}
	return nil, nil
}

// lost returns a SealKeyring of which the Secret that these options make is gone.
func (o Options) lost(ctx context.Context, c client.Client, kr *v1alpha1.SealKeyring) (*v1alpha1.SealKeyring, error) {
	exists := fmt.Errorf("%w: %s", ErrExists, o.Keyring)
	if !slices.ContainsFunc(kr.Spec.Identities, func(s v1alpha1.IdentitySource) bool {
		return s.Name == IdentityName && (len(o.Keys) > 0) == (s.SealedAge != nil)
	}) {
		return nil, exists
	}
	err := c.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: keyring.SecretName(o.Keyring)}, &corev1.Secret{})
	switch {
	case err == nil:
		return nil, exists
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("looking for the Secret of %s: %w", o.Keyring, err)
	case len(o.Recovery) > 0 && !slices.Equal(o.Recovery, kr.Spec.Recovery):
		return nil, fmt.Errorf("%w: %s", ErrRecovery, o.Keyring)
	}
	return kr, nil
}

func ensureNamespace(ctx context.Context, c client.Client, name string) (created bool, err error) {
	err = c.Create(ctx, namespace(name), client.FieldOwner(fieldManager))
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if apierrors.IsForbidden(err) {
		// Who may not create namespaces may still have one that is there.
		if got := c.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); got == nil {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("creating the namespace %s: %w", name, err)
	}
	return true, nil
}

// ensureSecret makes the identity's Secret, or takes that of an earlier run. It returns
// the identity's recipient.
func (o Options) ensureSecret(ctx context.Context, c client.Client, r *Result) (string, error) {
	r.Secret = keyring.SecretName(o.Keyring)
	key := client.ObjectKey{Namespace: o.Namespace, Name: r.Secret}
	var old corev1.Secret
	err := c.Get(ctx, key, &old)
	if apierrors.IsNotFound(err) {
		id, made, err := o.createSecret(ctx, c)
		if err != nil || made {
			r.NewSecret = made
			return id, err
		}
		err = c.Get(ctx, key, &old) // somebody else has just made one
		if err != nil {
			return "", fmt.Errorf("reading the Secret %s: %w", r.Secret, err)
		}
		return o.adopt(&old)
	}
	if err != nil {
		return "", fmt.Errorf("looking for the Secret %s: %w", r.Secret, err)
	}
	return o.adopt(&old)
}

// createSecret makes the Secret; made is false if there is one meanwhile.
func (o Options) createSecret(ctx context.Context, c client.Client) (recipient string, made bool, err error) {
	ids := o.Import
	if len(ids) == 0 {
		id, err := age.Generate(!o.Classic)
		if err != nil {
			return "", false, err
		}
		ids = []age.Identity{id}
	}
	n := keyring.NewSecret{
		Namespace: o.Namespace, Name: keyring.SecretName(o.Keyring), Keyring: o.Keyring,
		Identities: ids, Created: o.Now(),
	}
	if len(o.Keys) > 0 {
		if n.SealFor, err = keyring.SealingRecipients(o.Sources, o.Keys, o.Recovery); err != nil {
			return "", false, err
		}
	}
	s, err := n.Secret(ctx)
	if err != nil {
		return "", false, err
	}
	err = c.Create(ctx, s, client.FieldOwner(fieldManager))
	if apierrors.IsAlreadyExists(err) {
		return "", false, nil
	}
	if err != nil {
		// The text of the server's refusal could quote what it was given.
		return "", false, fmt.Errorf("creating the Secret %s: the API server says %s", s.Name, apierrors.ReasonForError(err))
	}
	return ids[0].Recipient().String(), true, nil
}

// adopt returns the recipient of a Secret that is there, if it is what these options
// would have made.
func (o Options) adopt(s *corev1.Secret) (string, error) {
	defer func() {
		for _, data := range s.Data {
			clear(data)
		}
	}()
	inTheWay := func(why string) error { return fmt.Errorf("%w: %s/%s %s", ErrSecret, s.Namespace, s.Name, why) }
	if s.Type != corev1.SecretTypeOpaque || s.Labels[keyring.Label] != o.Keyring {
		return "", inTheWay("does not hold an identity of this keyring")
	}
	if len(o.Keys) > 0 {
		recipient := s.Annotations[keyring.RecipientAnnotation]
		if _, err := age.ParseRecipient(recipient); err != nil || len(s.Data[keyring.SealedKey]) == 0 {
			return "", inTheWay("does not hold a sealed identity")
		}
		if len(o.Import) > 0 && o.Import[0].Recipient().String() != recipient {
			return "", inTheWay("holds another identity than the one to be imported")
		}
		return recipient, nil
	}
	ids, err := keyring.ReadIdentities(s.Data[keyring.PlainKey])
	if err != nil {
		return "", inTheWay("does not hold an identity: " + err.Error())
	}
	same := func(a, b age.Identity) bool { return a.Recipient().String() == b.Recipient().String() }
	if len(o.Import) > 0 && !slices.EqualFunc(ids, o.Import, same) {
		return "", inTheWay("holds other identities than those to be imported")
	}
	return ids[0].Recipient().String(), nil
}

// Objects returns what Run makes, the Secret without its content.
func (o Options) Objects() []client.Object {
	immutable := true
	return []client.Object{namespace(o.Namespace), &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Namespace, Name: keyring.SecretName(o.Keyring), Labels: map[string]string{keyring.Label: o.Keyring},
		},
		Type: corev1.SecretTypeOpaque, Immutable: &immutable,
	}, o.sealKeyring()}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	}
}

func (o Options) sealKeyring() *v1alpha1.SealKeyring {
	kr := &v1alpha1.SealKeyring{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "SealKeyring"},
		ObjectMeta: metav1.ObjectMeta{Name: o.Keyring},
		Spec:       v1alpha1.SealKeyringSpec{NamespaceSelector: o.NamespaceSelector, Recovery: o.Recovery},
	}
	id := v1alpha1.IdentitySource{Name: IdentityName}
	ref := v1alpha1.SecretKey{SecretName: keyring.SecretName(o.Keyring), Key: keyring.PlainKey}
	if len(o.Keys) > 0 {
		ref.Key = keyring.SealedKey
		id.SealedAge = &v1alpha1.SealedSecretKey{SecretKey: ref, KMSKeys: v1alpha1.KMSKeys{Keys: o.Keys}}
	} else {
		id.Age = &ref
	}
	kr.Spec.Identities = []v1alpha1.IdentitySource{id}
	if o.RenewEvery > 0 {
		kr.Spec.Renewal = &v1alpha1.Renewal{Every: metav1.Duration{Duration: o.RenewEvery}, Classic: o.Classic}
	}
	return kr
}
