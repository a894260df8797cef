package opening

import (
	"encoding/base64"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

const (
	fieldData       = "data"
	fieldStringData = "stringData"
)

// newSecret returns a Secret without content.
func newSecret(namespace, name string, t corev1.SecretType) *corev1.Secret {
	if t == "" {
		t = corev1.SecretTypeOpaque
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Type:       t, Data: map[string][]byte{},
	}
}

// checkSecret refuses what the policy, or the API server, does not allow.
func (a *admission) checkSecret(s *corev1.Secret, where string) error {
	if !a.allowsKind("v1", "Secret") {
		return a.kindNotAllowed(where)
	}
	// The API server would put a service account's token into such a Secret, and
	// take the content of the other for credentials to join the cluster with.
	if s.Type == corev1.SecretTypeServiceAccountToken || s.Type == corev1.SecretTypeBootstrapToken {
		return refuse(v1alpha1.ReasonKindNotAllowed, "%stype: Secrets of this type are never made", where)
	}
	if allowed := a.policy.AllowedSecretTypes; len(allowed) > 0 && !slices.Contains(allowed, s.Type) {
		return refuse(v1alpha1.ReasonKindNotAllowed, "%stype: it is not among those that the keyring allows: %s", where, joined(allowed))
	}
	if len(validation.IsDNS1123Subdomain(s.Name)) > 0 {
		return invalid("%sthe name of the Secret is not one that an object may have", where)
	}
	if len(s.Data) > maxValues {
		return invalid("%smore than %d keys", where, maxValues)
	}
	size := 0
	for k, v := range s.Data {
		if len(validation.IsConfigMapKey(k)) > 0 {
			return invalid("%s%s: a key of a Secret may have letters, digits, -, _ and . only", where, at(fieldData, k))
		}
		size += len(v)
	}
	if size > corev1.MaxSecretSize {
		return invalid("%sthe Secret is larger than the API server takes", where)
	}
	return nil
}

func joined[S ~string](list []S) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

// setValue sets the content of one key as field has it; stringData, which wins, has
// to come after data.
func setValue(s *corev1.Secret, field, key string, v formats.Scalar, where string) error {
	if v.Kind != formats.String {
		return invalid("%s%s: this is no string: put quotes around it and seal it again", where, at(field, key))
	}
	if field == fieldStringData {
		s.Data[key] = []byte(v.Text)
		return nil
	}
	// As in the API server, line breaks are all that may stand between the digits.
	content, err := base64.StdEncoding.Strict().DecodeString(v.Text)
	if err != nil {
		return invalid("%s%s: this is not base64; plain text belongs in stringData", where, at(field, key))
	}
	s.Data[key] = content
	return nil
}

// inlineSecret returns the Secret of an opened inline manifest.
func (a *admission) inlineSecret(plain *formats.Document) (*corev1.Secret, error) {
	m := a.manifest
	s := newSecret(m.Namespace, m.Name, m.Type)
	s.Labels, s.Annotations = CopiedMetadata(m)
	if m.Immutable != nil {
		immutable := *m.Immutable
		s.Immutable = &immutable
	}
	for _, field := range []string{fieldData, fieldStringData} {
		for i := range plain.Leaves {
			l := &plain.Leaves[i]
			if p := l.Path.Parent; p == nil || p.Parent == nil || p.Key != field {
				continue
			}
			if err := setValue(s, field, l.Path.Key, l.Scalar, ""); err != nil {
				return nil, err
			}
		}
	}
	return s, a.checkSecret(s, "")
}
