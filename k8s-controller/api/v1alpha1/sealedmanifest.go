package v1alpha1

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SealedManifest is a sealed object, which the controller opens and applies in the
// SealedManifest's own namespace. It has two forms.
//
// The inline form is a core Secret that was sealed in sops's format, with apiVersion
// and kind changed: type, immutable, data, stringData and sops stand where the file
// has them. It becomes the Secret of the same name.
//
// The document form holds the text of a sealed file in spec.document.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=smf,categories=gitseal
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Key",type=string,JSONPath=`.status.keys[0].id`,priority=1
// +kubebuilder:printcolumn:name="Applied",type=date,JSONPath=`.status.lastAppliedTime`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="!(has(self.data) || has(self.stringData)) || has(self.sops)",message="data without a sops block is not sealed: seal the file first, with gitseal seal --manifest"
// +kubebuilder:validation:XValidation:rule="!has(self.sops) || has(self.data) || has(self.stringData)",message="a sops block without data and stringData has nothing to open"
// +kubebuilder:validation:XValidation:rule="(has(self.sops) || has(self.data) || has(self.stringData)) != (has(self.spec) && has(self.spec.document))",message="exactly one form is needed: sops with data or stringData at the top level, or spec.document"
// +kubebuilder:validation:XValidation:rule="!(has(self.spec) && has(self.spec.document)) || !(has(self.type) || has(self.immutable))",message="type and immutable at the top level belong to the inline form: use spec.target.type, or put them into the document"
type SealedManifest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Type of the Secret; Opaque if empty.
	//
	// +kubebuilder:validation:XValidation:rule="self != 'kubernetes.io/service-account-token' && self != 'bootstrap.kubernetes.io/token'",message="tokens that give access to the cluster are never made from a SealedManifest"
	Type corev1.SecretType `json:"type,omitempty"`
	// Immutable makes the Secret immutable.
	Immutable *bool `json:"immutable,omitempty"`
	// Data of the Secret: sealed values, base64 inside.
	//
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=2048
	// +kubebuilder:validation:XValidation:rule="self.all(k, self[k] == '' || self[k].startsWith('ENC[AES256_GCM,'))",message="every value has to be sealed (ENC[AES256_GCM,…]): the file holds a plain one, seal it again with gitseal seal"
	Data map[string]string `json:"data,omitempty"`
	// StringData of the Secret: sealed values.
	//
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=2048
	// +kubebuilder:validation:XValidation:rule="self.all(k, self[k] == '' || self[k].startsWith('ENC[AES256_GCM,'))",message="every value has to be sealed (ENC[AES256_GCM,…]): the file holds a plain one, seal it again with gitseal seal"
	StringData map[string]string `json:"stringData,omitempty"`
	// Sops is the metadata block of the sealed file. Every field of it is kept.
	//
	// +optional
	Sops *Sops `json:"sops,omitempty"`

	Spec SealedManifestSpec `json:"spec,omitempty"`
	// Status says what the controller last saw and did. It holds nothing that
	// was sealed, and no hash of it but RolloutHash.
	// Until the controller has seen the object it is about no generation, so that
	// tools that know kstatus wait: they take an object without a status for done.
	//
	// +kubebuilder:default:={"observedGeneration":-1}
	Status SealedManifestStatus `json:"status,omitempty"`
}

// SealedManifestList is a list of SealedManifests.
//
// +kubebuilder:object:root=true
type SealedManifestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SealedManifest `json:"items"`
}

// SealedManifestSpec holds a document, and how the objects are kept. Nothing in it
// can widen what the keyring allows.
//
// +kubebuilder:validation:XValidation:rule="has(self.document) || !(has(self.format) || has(self.target))",message="format and target belong to the document form: they need spec.document"
// +kubebuilder:validation:XValidation:rule="!has(self.document) || self.document.contains('ENC[AES256_GCM,')",message="spec.document holds no sealed value: seal the file first, with gitseal seal"
// +kubebuilder:validation:XValidation:rule="!has(self.format) || !(self.format in ['ini', 'binary']) || (has(self.target) && has(self.target.key))",message="an ini or binary document needs spec.target.key, the key of the Secret that it becomes"
type SealedManifestSpec struct {
	// Document is the text of a sealed file, in place of the inline form.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	Document string `json:"document,omitempty"`
	// Format of the document; yaml if empty.
	//
	// +kubebuilder:validation:Enum=yaml;json;dotenv;ini;binary
	Format string `json:"format,omitempty"`
	// Target makes one Secret of the document instead of the objects in it.
	// Documents that are no YAML or JSON need it.
	Target *Target `json:"target,omitempty"`
	// ServiceAccountName is the service account, in this namespace, in whose name
	// objects other than Secrets are applied.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// Keyring names the SealKeyring to use; if empty, the one that selects the
	// namespace.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	Keyring string `json:"keyring,omitempty"`
	// Class names the controller that is responsible; see its flag --class.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9./]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	Class string `json:"class,omitempty"`
	// Suspend stops the controller from writing objects, but for letting go of them
	// (Orphan). It does not hold up a deletion.
	Suspend bool `json:"suspend,omitempty"`
	// DeletionPolicy says what becomes of the objects when the SealedManifest is
	// deleted; Delete if empty.
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// ConflictPolicy says what happens if an object exists that is not ours; Fail if
	// empty.
	ConflictPolicy ConflictPolicy `json:"conflictPolicy,omitempty"`
	// DriftPolicy says what happens if somebody changed an object; Correct if empty.
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`
	// ImmutablePolicy says what happens if an immutable Secret has to change; Fail if
	// empty.
	ImmutablePolicy ImmutablePolicy `json:"immutablePolicy,omitempty"`
	// Rollout says whether workloads that use the Secret are restarted when its
	// content changes; None if empty.
	Rollout Rollout `json:"rollout,omitempty"`
}

// Target describes the Secret that is made of a document.
//
// +kubebuilder:validation:XValidation:rule="!has(self.key) || !(self.key == '.' || self.key.startsWith('..'))",message="key is no valid key of a Secret: it may not be . or begin with .."
type Target struct {
	// Name of the Secret; that of the SealedManifest if empty. If it changes, the
	// Secret of the old name is pruned.
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// Type of the Secret; Opaque if empty.
	//
	// +kubebuilder:validation:XValidation:rule="self != 'kubernetes.io/service-account-token' && self != 'bootstrap.kubernetes.io/token'",message="tokens that give access to the cluster are never made from a SealedManifest"
	Type corev1.SecretType `json:"type,omitempty"`
	// Key under which the whole opened document is put. Without it, a dotenv
	// document becomes a Secret with a key for each variable.
	//
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// DeletionPolicy is what becomes of objects whose SealedManifest is deleted.
//
// +kubebuilder:validation:Enum=Delete;Orphan
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionDelete has the garbage collector delete them.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionOrphan leaves them.
	DeletionOrphan DeletionPolicy = "Orphan"
)

// ConflictPolicy is what happens if an object exists that is not ours.
//
// +kubebuilder:validation:Enum=Fail;Adopt;Merge
type ConflictPolicy string

// The conflict policies.
const (
	// ConflictFail leaves it alone and fails.
	ConflictFail ConflictPolicy = "Fail"
	// ConflictAdopt makes it ours: afterwards it has our content and no other.
	ConflictAdopt ConflictPolicy = "Adopt"
	// ConflictMerge adds our keys and leaves the others and the owner. If the
	// SealedManifest is deleted, our keys are removed.
	ConflictMerge ConflictPolicy = "Merge"
)

// DriftPolicy is what happens if somebody else changed an object of ours.
//
// +kubebuilder:validation:Enum=Correct;Warn
type DriftPolicy string

// The drift policies.
const (
	// DriftCorrect applies our content again.
	DriftCorrect DriftPolicy = "Correct"
	// DriftWarn says so in the status and in an event.
	DriftWarn DriftPolicy = "Warn"
)

// ImmutablePolicy is what happens if an immutable Secret has to change.
//
// +kubebuilder:validation:Enum=Fail;Recreate
type ImmutablePolicy string

// The immutable policies.
const (
	// ImmutableFail keeps the Secret and fails.
	ImmutableFail ImmutablePolicy = "Fail"
	// ImmutableRecreate deletes the Secret and makes it anew.
	ImmutableRecreate ImmutablePolicy = "Recreate"
)

// Rollout says whether workloads are restarted.
//
// +kubebuilder:validation:Enum=None;Annotate
type Rollout string

// The rollouts.
const (
	// RolloutNone leaves workloads alone.
	RolloutNone Rollout = "None"
	// RolloutAnnotate sets an annotation of the pod templates that use the Secret.
	RolloutAnnotate Rollout = "Annotate"
)

// SealedManifestStatus says what the controller last saw and did. It holds nothing
// that was sealed, and no hash of it but RolloutHash.
type SealedManifestStatus struct {
	// ObservedGeneration is the generation that the conditions are about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ObservedDigest is of all that the result depends on: the sealed form, and the
	// keyring's policy. Never of plaintext.
	ObservedDigest string `json:"observedDigest,omitempty"`
	// Class of the controller that wrote this, "" if it has none. If it is absent, that is
	// not known.
	Class *string `json:"class,omitempty"`
	// Keyring that was used.
	Keyring string `json:"keyring,omitempty"`
	// Keys that opened the sealed form: those a reader of them must not lose.
	//
	// +listType=atomic
	Keys []KeyUse `json:"keys,omitempty"`
	// Integrity says what was verified.
	Integrity *Integrity `json:"integrity,omitempty"`
	// Resources are the objects that were applied.
	//
	// +listType=atomic
	Resources []Resource `json:"resources,omitempty"`
	// LastAppliedTime is when an object was last written.
	LastAppliedTime *metav1.Time `json:"lastAppliedTime,omitempty"`
	// RolloutHash is an HMAC of the plaintext under a key of the controller, kept
	// only for Rollout.
	RolloutHash string `json:"rolloutHash,omitempty"`
	// LastHandledReconcileAt is the value of the annotation gitseal.dev/reconcile-at
	// that was last acted on.
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// Conditions are Ready, and Reconciling and Stalled as kstatus has them.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// KeyUse names a key that opened a manifest.
type KeyUse struct {
	// ID is public: an age recipient, an ARN, a key's URL; of a long one KeyID.
	ID string `json:"id"`
	// Type is the kind of key source, as in the sops block: age, kms, hc_vault, …
	Type string `json:"type"`
}

// KeyID returns the name of a key in the status of what it opened: the ID itself, or,
// of an age recipient of more than 100 bytes, its first 24, "...", and its last 8, as in
// "age1pq1q0w5v8lsydcwpx0jz...n3dfm7ja". Post-quantum recipients have 1,960 characters,
// which would be a quarter of each object. They end in a checksum of the whole, which
// no other IDs do: those stay as they are.
func KeyID(id string) string {
	const longest, head, tail = 100, 24, 8
	if len(id) <= longest || !strings.HasPrefix(id, "age1") {
		return id
	}
	return id[:head] + "..." + id[len(id)-tail:]
}

// Integrity says what of a manifest was verified.
type Integrity struct {
	// MAC is Verified (our MAC), or SopsOnly.
	MAC string `json:"mac"`
	// Context is the width of what the manifest is sealed for: Strict (this name),
	// Namespace, Keyring (anywhere the keyring reaches), or None.
	Context string `json:"context"`
}

// Resource is an object that was applied.
type Resource struct {
	APIVersion      string    `json:"apiVersion"`
	Kind            string    `json:"kind"`
	Name            string    `json:"name"`
	UID             types.UID `json:"uid,omitempty"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	// Merged says that only some of its fields are ours, see ConflictMerge.
	Merged bool `json:"merged,omitempty"`
}

// The types of conditions.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
)

// The reasons of conditions. All but Applied, Suspended, OtherClass and Drifted are
// failures.
const (
	ReasonApplied           = "Applied"
	ReasonSuspended         = "Suspended"
	ReasonOtherClass        = "OtherClass"
	ReasonProgressing       = "Progressing"
	ReasonDrifted           = "Drifted"
	ReasonNoKeyring         = "NoKeyring"
	ReasonNoMatchingKey     = "NoMatchingKey"
	ReasonDecryptionFailed  = "DecryptionFailed"
	ReasonMACMismatch       = "MACMismatch"
	ReasonContextMismatch   = "ContextMismatch"
	ReasonUnbound           = "Unbound"
	ReasonPlaintextRejected = "PlaintextRejected"
	ReasonInvalidDocument   = "InvalidDocument"
	ReasonKindNotAllowed    = "KindNotAllowed"
	ReasonNotAllowed        = "NotAllowed"
	ReasonTargetConflict    = "TargetConflict"
	ReasonTargetImmutable   = "TargetImmutable"
	ReasonTargetInvalid     = "TargetInvalid"
	ReasonKeyUnavailable    = "KeyUnavailable"
	ReasonForbidden         = "Forbidden"
	ReasonQuotaExceeded     = "QuotaExceeded"
	ReasonTerminating       = "NamespaceTerminating"
	ReasonAPIError          = "APIError"
)

// Annotations and labels.
const (
	// ManagedLabel marks what the controller keeps; its value is "true".
	ManagedLabel = Group + "/managed"
	// ManifestAnnotation on an object names the SealedManifest it comes from.
	ManifestAnnotation = Group + "/manifest"
	// ReconcileAnnotation, set to anything new, asks for a reconcile.
	ReconcileAnnotation = Group + "/reconcile-at"
	// RolloutAnnotationPrefix, and the Secret's name or its hash, is the annotation
	// of pod templates.
	RolloutAnnotationPrefix = "rollout." + Group + "/"
)
