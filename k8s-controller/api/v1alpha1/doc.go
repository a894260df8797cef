// Package v1alpha1 holds the types of gitseal.dev/v1alpha1: SealedManifest and
// SealKeyring. It has no behaviour. Deep copies and the CustomResourceDefinitions are
// made of it, from the repository's root, by
//
//	controller-gen object paths=./k8s-controller/api/... crd output:crd:dir=k8s-controller/deploy/crd
//
// +kubebuilder:object:generate=true
// +groupName=gitseal.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group, and the prefix of annotations and labels.
const Group = "gitseal.dev"

// GroupVersion returns the group and version of the types here.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: "v1alpha1"}
}

// AddToScheme registers the types.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &SealedManifest{}, &SealedManifestList{}, &SealKeyring{}, &SealKeyringList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
