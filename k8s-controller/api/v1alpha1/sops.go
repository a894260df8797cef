package v1alpha1

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Sops is the metadata block of a sealed file. Raw is all of it, byte for byte as the
// API server sent it; the other fields are what the schema's rules look at, filled
// when JSON is read and not written from.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +structType=atomic
// +kubebuilder:validation:XValidation:rule="self.mac.startsWith('ENC[AES256_GCM,')",message="sops.mac is not sealed: take the sops block as the sealed file has it"
// +kubebuilder:validation:XValidation:rule="has(self.mac_only_encrypted) && self.mac_only_encrypted",message="sops.mac_only_encrypted has to be true, since the API server and GitOps tools add fields: seal the file with gitseal seal --manifest"
type Sops struct {
	// Raw is the whole block, a JSON object.
	Raw json.RawMessage `json:"-"`
	// MAC over the file: sealed, too.
	MAC string `json:"mac"`
	// MACOnlyEncrypted is true if the MAC is over sealed values only, so that labels
	// and the like may be added.
	MACOnlyEncrypted bool `json:"mac_only_encrypted,omitempty"`
}

// UnmarshalJSON keeps all of the block.
func (s *Sops) UnmarshalJSON(data []byte) error {
	type fields Sops
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("reading the sops block: %w", err)
	}
	*s = Sops(f)
	s.Raw = bytes.Clone(data)
	return nil
}

// MarshalJSON writes Raw, or null without it.
func (s Sops) MarshalJSON() ([]byte, error) {
	if len(s.Raw) == 0 {
		return []byte("null"), nil
	}
	return s.Raw, nil
}
