package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SealKeyring says with which identities the SealedManifests of which namespaces are
// opened, and what they may hold. Its status publishes the recipients to seal for.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=skr,categories=gitseal
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type SealKeyring struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec SealKeyringSpec `json:"spec,omitempty"`
	// Status publishes the recipients.
	// Until the controller has seen the object it is about no generation, so that
	// tools that know kstatus wait: they take an object without a status for done.
	//
	// +kubebuilder:default:={"observedGeneration":-1}
	Status SealKeyringStatus `json:"status,omitempty"`
}

// SealKeyringList is a list of SealKeyrings.
//
// +kubebuilder:object:root=true
type SealKeyringList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SealKeyring `json:"items"`
}

// SealKeyringSpec is what a cluster's administrator sets.
//
// +kubebuilder:validation:XValidation:rule="!has(self.policy) || !has(self.policy.integrity) || self.policy.integrity != 'Warn' || !has(self.policy.context) || self.policy.context != 'Warn' || has(self.namespaceSelector) && (has(self.namespaceSelector.matchLabels) && self.namespaceSelector.matchLabels.size() > 0 || has(self.namespaceSelector.matchExpressions) && self.namespaceSelector.matchExpressions.size() > 0)",message="integrity and context are both Warn, with which a file opens in every namespace that the keyring serves: set namespaceSelector, or one of them to Require"
type SealKeyringSpec struct {
	// NamespaceSelector selects the namespaces that may use the keyring; if it is
	// absent, all may. A namespace that several select needs spec.keyring.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// Identities open manifests.
	//
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Identities []IdentitySource `json:"identities,omitempty"`
	// Recovery are public keys, whose private sides are not in the cluster, that
	// everything is to be sealed for, too: of age, SSH, OpenPGP (a fingerprint), or a
	// key of a service.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="!self.exists(r, r.contains('SECRET-KEY') || r.contains('PRIVATE KEY'))",message="recovery holds a private key, which has to stay off the cluster, and is no secret any more: make a new one, and give its public key"
	// +kubebuilder:validation:XValidation:rule="self.all(r, r.startsWith('age1') || r.startsWith('ssh-ed25519 ') || r.startsWith('ssh-rsa ') || r.startsWith('arn:') || r.startsWith('projects/') || r.startsWith('https://') || r.startsWith('http://') || r.matches('^([0-9A-Fa-f]{40,64}|[a-z0-9-]+:[0-9a-fA-F-]{36})$'))",message="every entry has to be a public key: age1…, ssh-ed25519 …, ssh-rsa …, an OpenPGP fingerprint, or a key of a service (arn:…, projects/…, https://…, REGION:UUID)"
	Recovery []string `json:"recovery,omitempty"`
	// Policy is what manifests have to be like.
	Policy Policy `json:"policy,omitempty"`
	// Renewal adds a new age identity on schedule; absent means never.
	Renewal *Renewal `json:"renewal,omitempty"`
}

// IdentitySource is where one identity, or several, come from: exactly one field
// beside the name.
//
// +kubebuilder:validation:XValidation:rule="[has(self.age), has(self.sealedAge), has(self.kms)].filter(x, x).size() == 1",message="exactly one of age, sealedAge and kms is needed"
type IdentitySource struct {
	// Name of the identity in this keyring.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Age identities in a Secret of the controller's namespace.
	Age *SecretKey `json:"age,omitempty"`
	// SealedAge are age identities in a Secret of the controller's namespace, in a
	// file that is itself sealed (binary format) for keys of services: one call of
	// the service when the controller starts opens all manifests.
	SealedAge *SealedSecretKey `json:"sealedAge,omitempty"`
	// KMS keys that open manifests directly, with the credentials of the controller:
	// no key but these is asked, whatever a manifest names.
	KMS *KMSKeys `json:"kms,omitempty"`
}

// SecretKey is a key of a Secret in the controller's namespace.
type SecretKey struct {
	// SecretName is the name of the Secret.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// Key in the Secret; identity if empty.
	//
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// SealedSecretKey is a sealed file in a Secret, and the keys that may open it.
type SealedSecretKey struct {
	SecretKey `json:",inline"`
	KMSKeys   `json:",inline"`
}

// KMSKeys are keys of services, as sops and gitseal name them.
type KMSKeys struct {
	// Keys are ARNs, URLs of Vault's transit keys, resource IDs, and so on.
	//
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=2048
	Keys []string `json:"keys"`
}

// Policy is what manifests have to be like.
type Policy struct {
	// Integrity: Require (the default) refuses files without our MAC; Warn opens
	// what sops sealed, too.
	Integrity Requirement `json:"integrity,omitempty"`
	// Context: Require (the default) refuses files that do not say what they are
	// for; Warn opens them. One that says something else is always refused.
	Context Requirement `json:"context,omitempty"`
	// AllowedKinds of objects; Secrets if empty.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.apiVersion.startsWith('gitseal.dev/'))",message="objects of gitseal.dev cannot come out of a SealedManifest"
	AllowedKinds []AllowedKind `json:"allowedKinds,omitempty"`
	// AllowedSecretTypes, if any, are all that Secrets may have. Service account and
	// bootstrap tokens are never allowed.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(t, t != 'kubernetes.io/service-account-token' && t != 'bootstrap.kubernetes.io/token')",message="tokens that give access to the cluster are never made from a SealedManifest: leave their types out"
	AllowedSecretTypes []corev1.SecretType `json:"allowedSecretTypes,omitempty"`
	// ConflictPolicies other than Fail that manifests may ask for; none if empty.
	// Whoever may write a manifest takes over objects of its namespace with Adopt,
	// whosever they are, and adds keys to them with Merge.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:XValidation:rule="!('Fail' in self)",message="Fail is always allowed: Adopt and Merge are to be listed here"
	ConflictPolicies []ConflictPolicy `json:"conflictPolicies,omitempty"`
}

// Requirement says how strict a rule is.
//
// +kubebuilder:validation:Enum=Require;Warn
type Requirement string

// The requirements.
const (
	Require Requirement = "Require"
	Warn    Requirement = "Warn"
)

// AllowedKind is a kind of namespaced objects.
type AllowedKind struct {
	// APIVersion such as v1 or apps/v1.
	//
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$`
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// Kind such as ConfigMap.
	//
	// +kubebuilder:validation:Pattern=`^[A-Z][a-zA-Z0-9]*$`
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
}

// Renewal is how age identities are renewed.
type Renewal struct {
	// Every is the age of the newest identity at which a new one is made, one hour
	// at least: 720h is thirty days.
	//
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(.[0-9]+)?(h|m|s))+$') && duration(self) >= duration('1h')",message="every has to be one hour at least, written like 720h"
	Every metav1.Duration `json:"every"`
	// Classic makes X25519 identities instead of post-quantum hybrid ones.
	Classic bool `json:"classic,omitempty"`
}

// SealKeyringStatus publishes the recipients.
type SealKeyringStatus struct {
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Recipients are those to seal for now: the newest identity and the recovery
	// keys, in the order in which they are to be written.
	//
	// +listType=atomic
	Recipients []string `json:"recipients,omitempty"`
	// Identities say what each identity is used for.
	//
	// +listType=map
	// +listMapKey=id
	Identities []IdentityStatus `json:"identities,omitempty"`
	// Conditions: Ready.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// IdentityStatus is one identity.
type IdentityStatus struct {
	// ID is the recipient.
	ID string `json:"id"`
	// Source is the name in spec.identities, or the Secret of a renewed one.
	Source string `json:"source"`
	// Type as in the sops block.
	Type string `json:"type"`
	// State is Active (sealed for), Retiring, or Missing.
	State string `json:"state"`
	// CreatedAt is when the identity was made, if that is known.
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`
	// Manifests is how many it opened; a Retiring one with none may be deleted.
	Manifests int32 `json:"manifests"`
}

// The states of identities.
const (
	StateActive   = "Active"
	StateRetiring = "Retiring"
	// StateMissing is that of the newest one if it was Active and cannot be loaded any
	// more: no other is made until it is there again, or taken out of the status.
	StateMissing = "Missing"
)
