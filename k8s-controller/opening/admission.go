package opening

import (
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
)

// admission is what a manifest has to pass, before any key is used and after.
type admission struct {
	manifest  *v1alpha1.SealedManifest
	file      *sealedFile
	policy    v1alpha1.Policy
	integrity v1alpha1.Integrity
	warnings  []string
}

func (a *admission) requires(r v1alpha1.Requirement) bool { return r != v1alpha1.Warn }

func (a *admission) warn(text string) { a.warnings = append(a.warnings, Printable(text)) }

// checkConflictPolicy refuses a conflict policy that the keyring's administrator did not
// allow. It looks at nothing that was sealed.
func checkConflictPolicy(m *v1alpha1.SealedManifest, keys *keyring.Set) error {
	if m == nil {
		return nil // read says so
	}
	asked := m.Spec.ConflictPolicy
	if asked == "" || asked == v1alpha1.ConflictFail || slices.Contains(keys.Policy().ConflictPolicies, asked) {
		return nil
	}
	return refuse(v1alpha1.ReasonNotAllowed, "spec.conflictPolicy is %s, which policy.conflictPolicies of SealKeyring %s does not allow: have it added there, or leave it out", asked, keys.Name())
}

// check makes the checks that need no key. Its error is a *Refusal.
func (a *admission) check() error {
	meta := a.file.meta
	if meta.Merged() != nil {
		return refusalOf(cipher.ErrHalfMerged, a.file, nil)
	}
	if a.file.inline {
		if err := a.checkInline(); err != nil {
			return err
		}
	}
	a.integrity.MAC = MACVerified
	if meta.Seal == nil {
		if a.requires(a.policy.Integrity) {
			return unprotected()
		}
		a.integrity.MAC = MACSopsOnly
	}
	if !a.file.inline {
		if err := a.checkCovered(); err != nil {
			return err
		}
	}
	if list, malformed := meta.Proposals(); len(list)+malformed > 0 {
		a.warn("the file holds proposals that were neither accepted nor dropped: they have no effect")
	}
	return a.bind()
}

// inlineSelectors are what an inline manifest may be sealed with. No other expression
// is known to select data and stringData and nothing that a Secret may have.
func inlineSelectors() []string {
	return []string{`^(data|stringData)$`, `^(stringData|data)$`, `^data$`, `^stringData$`, `^(data)$`, `^(stringData)$`}
}

func (a *admission) checkInline() error {
	meta := a.file.meta
	if s := meta.Selector; s.Kind != cipher.EncryptedRegex || !slices.Contains(inlineSelectors(), s.Pattern) {
		return invalid("sops: an inline manifest has to be sealed with encrypted_regex %s", inlineSelectors()[0])
	}
	if !meta.MACOnlyEncrypted {
		return invalid("sops: an inline manifest has to be sealed with mac_only_encrypted, as labels and the like change in the cluster")
	}
	for i, selected := range meta.Selector.Select(a.file.doc) {
		l := &a.file.doc.Leaves[i]
		switch {
		case !selected:
			return refuse(v1alpha1.ReasonPlaintextRejected, "%s: the file's selector leaves this value plain, so that nothing vouches for it", l.Path)
		case meta.Seal == nil && l.Text == "":
			// Sealed or not, an empty value looks the same. Our MAC covers it, sops's does not.
			return refuse(v1alpha1.ReasonPlaintextRejected, "%s: nothing vouches for this empty value: seal the file with gitseal, or leave the key out", l.Path)
		}
	}
	return nil
}

// checkCovered refuses sealed values in a document that would not be opened, and
// plain ones that no MAC covers: kinds and names may be among them.
func (a *admission) checkCovered() error {
	meta := a.file.meta
	if meta.Seal != nil && !meta.MACOnlyEncrypted {
		return nil // our MAC covers all of it
	}
	for i, selected := range meta.Selector.Select(a.file.doc) {
		l := &a.file.doc.Leaves[i]
		switch {
		case selected || l.Kind == formats.Comment:
		case strings.HasPrefix(l.Text, cipher.SealedPrefix):
			return invalid("spec.document: %s: a sealed value stands where the file's selector leaves values plain", l.Path)
		case meta.MACOnlyEncrypted && a.requires(a.policy.Integrity):
			return refuse(v1alpha1.ReasonPlaintextRejected,
				"spec.document: %s: nothing vouches for this plain value, as the file is sealed with mac_only_encrypted: seal it without", l.Path)
		case meta.MACOnlyEncrypted:
			a.warn("spec.document: nothing vouches for the plain values of the file, as it is sealed with mac_only_encrypted")
			return nil
		}
	}
	return nil
}
