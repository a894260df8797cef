package keyrings

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

const (
	// RecipientsName is the ConfigMap, in the controller's namespace, that says whom to
	// seal for: under the name of each SealKeyring a comma-separated list, and under
	// RulesKey rules to put into a repository.
	RecipientsName = "gitseal-recipients"
	// RulesKey is the key of the rules; no SealKeyring can have that name.
	RulesKey = ".sops.yaml"

	fieldManager = "gitseal-controller"
)

// publish writes the ConfigMap of recipients if it is not as it should be.
func (k *keeper) publish(ctx context.Context) error {
	data, err := k.recipients(ctx)
	if err != nil {
		return err
	}
	var cm corev1.ConfigMap
	err = k.live.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: RecipientsName}, &cm)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the ConfigMap of recipients: %w", err)
	}
	if err == nil && sameData(cm.Data, data) || err != nil && len(data) == 0 {
		return nil
	}
	apply := applycore.ConfigMap(RecipientsName, k.Namespace).WithData(data)
	if err := k.client.Apply(ctx, apply, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing the ConfigMap of recipients: %w", err)
	}
	return nil
}

// sameData reports whether got is what is wanted. Keys that others have put there stay,
// and cost a write that changes nothing now and then.
func sameData(got, want map[string]string) bool {
	for name, text := range want {
		if got[name] != text {
			return false
		}
	}
	return len(got) == len(want)
}

// recipients returns the data of the ConfigMap.
func (k *keeper) recipients(ctx context.Context) (map[string]string, error) {
	var all v1alpha1.SealKeyringList
	if err := k.client.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing keyrings: %w", err)
	}
	slices.SortFunc(all.Items, func(a, b v1alpha1.SealKeyring) int { return strings.Compare(a.Name, b.Name) })
	data := map[string]string{}
	var rules []keyring.Rule
	for i := range all.Items {
		kr := &all.Items[i]
		list := kr.Status.Recipients
		if loaded, ok := k.loaded(kr); ok {
			list = published(&kr.Status, loaded.Loaded)
		}
		if len(list) == 0 {
			continue
		}
		data[kr.Name] = strings.Join(list, ",")
		rules = append(rules, keyring.Rule{Keyring: kr.Name, Recipients: list})
	}
	if len(rules) > 0 {
		data[RulesKey] = keyring.Rules(rules)
	}
	return data, nil
}
