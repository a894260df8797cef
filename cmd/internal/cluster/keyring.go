package cluster

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Keyring is a SealKeyring.
type Keyring struct {
	Name  string
	Ready Condition
	// Recipients are whom to seal for, in the order to write them in.
	Recipients []string
	Identities []Identity
}

// Identity is one key of a keyring.
type Identity struct {
	Key
	Source string
	// Retiring: nothing new is sealed for it.
	Retiring bool
	// Missing: it was the newest, and cannot be loaded any more.
	Missing bool
	// Created is zero if it is not known.
	Created time.Time
	// Manifests is how many of the cluster's it opens.
	Manifests int
}

// Unused reports whether nothing in the cluster needs the key any more.
func (i Identity) Unused() bool { return i.Retiring && i.Manifests == 0 }

// Keyrings returns the SealKeyrings, in the order of their names. The error is an
// [*Error] or the context's.
func (k Kubectl) Keyrings(ctx context.Context) ([]Keyring, error) {
	answer, err := k.get(ctx, "sealkeyrings.gitseal.dev", Where{})
	if err != nil {
		return nil, err
	}
	return DecodeKeyrings(answer)
}

// DecodeKeyrings reads what kubectl get prints about SealKeyrings.
func DecodeKeyrings(answer []byte) ([]Keyring, error) {
	objects, err := decode(answer, kindKeyring)
	if err != nil {
		return nil, err
	}
	out := make([]Keyring, 0, len(objects))
	for _, o := range objects {
		kr := Keyring{Name: clean(o.Metadata.Name), Ready: o.Status.condition("Ready")}
		for _, r := range o.Status.Recipients {
			kr.Recipients = append(kr.Recipients, clean(r))
		}
		for _, id := range o.Status.Identities {
			i := Identity{Key: Key{ID: clean(id.ID), Type: clean(id.Type)}, Source: clean(id.Source), Retiring: id.State == "Retiring", Missing: id.State == "Missing", Manifests: id.Manifests}
			if id.CreatedAt != nil {
				i.Created = *id.CreatedAt
			}
			kr.Identities = append(kr.Identities, i)
		}
		out = append(out, kr)
	}
	slices.SortStableFunc(out, func(a, b Keyring) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// recipientsName is the ConfigMap that the controller publishes recipients in. Every
// authenticated user may read it.
const recipientsName = "gitseal-recipients"

// Published returns the recipients of each keyring, as the controller in a namespace
// has published them. The error is an [*Error] or the context's.
func (k Kubectl) Published(ctx context.Context, namespace string) (map[string][]string, error) {
	answer, err := k.get(ctx, "configmaps", Where{Namespace: namespace, Names: []string{recipientsName}})
	if err != nil {
		return nil, err
	}
	return DecodePublished(answer)
}

// DecodePublished reads what kubectl get prints about the ConfigMap: a comma-separated
// list under the name of each keyring. Names of another form, such as .sops.yaml, are
// no keyrings.
func DecodePublished(answer []byte) (map[string][]string, error) {
	var o struct {
		Kind string            `json:"kind"`
		Data map[string]string `json:"data"`
	}
	if err := one(answer, &o); err != nil {
		return nil, err
	}
	if o.Kind != "ConfigMap" {
		return nil, badAnswer("it is no ConfigMap")
	}
	out := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(o.Data)) {
		if strings.HasPrefix(name, ".") {
			continue
		}
		var list []string
		for r := range strings.SplitSeq(o.Data[name], ",") {
			if r = strings.TrimSpace(clean(r)); r != "" {
				list = append(list, r)
			}
		}
		if len(list) > 0 {
			out[clean(name)] = list
		}
	}
	return out, nil
}
