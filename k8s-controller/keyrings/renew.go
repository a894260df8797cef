package keyrings

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources/age"
)

// renew makes a new identity if the newest is old enough, and returns in how long that
// will be, 0 if it is not known. It never makes a first one, and never deletes any.
//
// The Secret's name follows from the identity that it succeeds, so that of two leaders
// one gets AlreadyExists, however old what they see is.
func (k *keeper) renew(ctx context.Context, kr *v1alpha1.SealKeyring, loaded latest) (time.Duration, error) {
	newest, in, ok := renewalDue(kr, loaded, k.Now())
	if !ok || in > 0 {
		delete(k.blocked, kr.Name)
		return in, nil
	}
	if loaded.Retry() {
		return 0, nil // what cannot be read for now may be newer
	}
	if first, err := k.isFirst(ctx, kr); err != nil || !first {
		return 0, err
	}
	secret, err := k.successor(ctx, kr, loaded, newest)
	if err != nil {
		k.block(kr, "the identity that is to succeed "+keyring.Short(newest.ID)+" cannot be made: "+err.Error())
		return 0, err
	}
	err = k.client.Create(ctx, secret, client.FieldOwner(fieldManager))
	if apierrors.IsAlreadyExists(err) {
		k.alreadyThere(ctx, kr, secret.Name)
		return 0, nil
	}
	if err != nil {
		// The text of the server's refusal could quote what it was given.
		reason := string(apierrors.ReasonForError(err))
		k.block(kr, "the Secret "+secret.Name+" of a renewed identity cannot be created: "+reason)
		return 0, fmt.Errorf("creating the Secret of a renewed identity: %s", reason)
	}
	delete(k.blocked, kr.Name)
	recipient := secret.Annotations[keyring.RecipientAnnotation]
	ctrl.LoggerFrom(ctx).Info("made a new identity", "secret", secret.Name, "recipient", keyring.Short(recipient))
	k.events.Eventf(kr, nil, corev1.EventTypeNormal, "IdentityRenewed", "Renew",
		"made the identity %s in the Secret %s; what is sealed from now on is for it, and older ones still open what was sealed for them",
		keyring.Short(recipient), secret.Name)
	return 0, nil
}

// isFirst reports whether the identity to be made is the first one that succeeds the
// newest there is. Another may have, and its Secret is missing. What the cache has of the
// status may be older than that.
func (k *keeper) isFirst(ctx context.Context, kr *v1alpha1.SealKeyring) (bool, error) {
	var now v1alpha1.SealKeyring
	if err := k.live.Get(ctx, client.ObjectKeyFromObject(kr), &now); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	loaded, ok := k.loaded(&now)
	if !ok {
		return false, nil // the loader will tell
	}
	_, gone := missing(&now, loaded)
	return !gone, nil
}

// successor returns the Secret of a new identity, kept as the one before it is: sealed
// for the keys of a service, or not.
func (k *keeper) successor(ctx context.Context, kr *v1alpha1.SealKeyring, loaded latest, newest keyring.Identity) (*corev1.Secret, error) {
	id, err := age.Generate(!kr.Spec.Renewal.Classic)
	if err != nil {
		return nil, err
	}
	n := keyring.NewSecret{
		Namespace: k.Namespace, Name: keyring.SuccessorName(kr.Name, newest.ID), Keyring: kr.Name,
		Identities: []age.Identity{id}, Created: k.Now(),
	}
	if keys := loaded.Sealed[newest.ID]; len(keys) > 0 {
		n.SealFor, err = keyring.SealingRecipients(k.Sources, keys, kr.Spec.Recovery)
		if err != nil {
			return nil, err
		}
	}
	return n.Secret(ctx)
}

// alreadyThere deals with a successor that exists and is not the newest identity: it
// was made just now, or cannot be used, and nobody but a person can tell what to do.
func (k *keeper) alreadyThere(ctx context.Context, kr *v1alpha1.SealKeyring, name string) {
	var s corev1.Secret
	if err := k.secrets.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: name}, &s); err != nil {
		return // not seen yet: the loader will tell
	}
	for _, data := range s.Data {
		clear(data)
	}
	// A generous time for what another leader made a moment ago to be loaded here.
	const settled = 2 * time.Minute
	if k.Now().Sub(s.CreationTimestamp.Time) > settled {
		k.block(kr, "the Secret "+name+" exists but gives no newer identity; see the keyring's condition, and mend or delete the Secret")
	}
}

// block says, once, why a keyring is not renewed.
func (k *keeper) block(kr *v1alpha1.SealKeyring, why string) {
	if k.blocked[kr.Name] {
		return
	}
	k.blocked[kr.Name] = true
	k.events.Eventf(kr, nil, corev1.EventTypeWarning, "RenewalBlocked", "Renew", "%s", clip(why, maxEvent))
}
