package opening

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/keysources"
)

// Refusal says why a manifest was not opened.
type Refusal struct {
	// Reason is one of v1alpha1's.
	Reason string
	// Message is for people, and holds no value.
	Message string
	// Transient: trying again may help though nothing has changed in the cluster.
	Transient bool
	// Err is the cause, nil if there is no other.
	Err error
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// maxMessage bounds a message in bytes, maxNamed the readers that one names.
const (
	maxMessage  = 1024
	maxNamed    = 8
	maxWarnings = 16
)

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Message: Printable(fmt.Sprintf(format, args...))}
}

func invalid(format string, args ...any) *Refusal {
	return refuse(v1alpha1.ReasonInvalidDocument, format, args...)
}

// Printable makes a text that names keys of a stranger's file fit for a status: they
// may hold anything.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}

// refusalOf translates an error of a format or of cipher.
func refusalOf(err error, file *sealedFile, keys *keyring.Set) *Refusal {
	r := translate(err, file, keys)
	r.Err = err
	return r
}

func translate(err error, file *sealedFile, keys *keyring.Set) *Refusal {
	var tampered *cipher.TamperedError
	var none *cipher.NoIdentityError
	var malformed *formats.Error
	switch {
	case errors.As(err, &tampered) && file.vouched() && foundWithKey(tampered.Reason):
		return refuse(v1alpha1.ReasonMACMismatch, "%sthe file is not what was sealed: a value, a key or the metadata was changed, or moved here from elsewhere%s",
			file.where(), file.advice(&cipher.TamperedError{Reason: tampered.Reason}))
	case errors.As(err, &tampered):
		return refuse(reasonOf(tampered), "%s%s", tampered, file.advice(tampered))
	case errors.As(err, &none):
		return notUnwrapped(none, keys)
	case errors.As(err, &malformed):
		return invalid("%s%s", file.where(), file.say(malformed))
	case errors.Is(err, cipher.ErrHalfMerged):
		return invalid("%sthis file was merged or edited without its key: run \"gitseal reseal\" on it", file.where())
	case errors.Is(err, cipher.ErrNotSealed):
		return refuse(v1alpha1.ReasonPlaintextRejected, "%sthis is not a sealed file: it has no sops block", file.where())
	case errors.Is(err, cipher.ErrIntegrity):
		return unprotected()
	case errors.Is(err, cipher.ErrContext):
		return refuse(v1alpha1.ReasonContextMismatch, "sealed for another place")
	case errors.Is(err, cipher.ErrSelector):
		return invalid("sops: the selector is not one")
	case errors.Is(err, cipher.ErrUnsupported):
		return invalid("the file needs a newer version of the controller")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		r := refuse(v1alpha1.ReasonKeyUnavailable, "there was no time to open the manifest")
		r.Transient = true
		return r
	}
	return invalid("the sealed file cannot be read")
}

func unprotected() *Refusal {
	return refuse(v1alpha1.ReasonMACMismatch,
		"the file has no sops.seal entry, which the keyring's policy requires: seal it with gitseal, or ask for integrity: Warn")
}

// reasonOf returns the condition's reason for what was tampered with.
func reasonOf(t *cipher.TamperedError) string {
	switch t.Reason {
	case cipher.ReasonMetadata:
		return v1alpha1.ReasonInvalidDocument
	case cipher.ReasonPlainValue:
		return v1alpha1.ReasonPlaintextRejected
	case cipher.ReasonMalformedValue, cipher.ReasonValue, cipher.ReasonType, cipher.ReasonUnselected:
		return v1alpha1.ReasonDecryptionFailed
	}
	return v1alpha1.ReasonMACMismatch
}

// vouched reports whether our MAC decides whether the file is what was sealed.
func (f *sealedFile) vouched() bool { return f.meta != nil && f.meta.Seal != nil }

// foundWithKey reports whether it takes the data key to find a defect. Which of these
// it is must not be told: somebody who puts another's ciphertext into a manifest of his
// own would learn from it whether a value is a number, say.
func foundWithKey(r cipher.Reason) bool {
	switch r {
	case cipher.ReasonValue, cipher.ReasonType, cipher.ReasonMAC, cipher.ReasonSealMAC, cipher.ReasonComments, cipher.ReasonSpelling:
		return true
	}
	return false
}

// advice explains keys that YAML 1.1 readers rename: kubectl sends true for on.
func (f *sealedFile) advice(t *cipher.TamperedError) string {
	if !f.inline {
		return ""
	}
	renamed := func(p *formats.Path) bool { return p != nil && looksRenamed(p.Key) }
	found := renamed(t.Path)
	for i := range f.doc.Leaves {
		found = found || t.Path == nil && renamed(f.doc.Leaves[i].Path)
	}
	if !found {
		return ""
	}
	return "; kubectl renames keys such as on, no, y or 1.0 that stand without quotes in YAML: put them in quotes"
}

// looksRenamed reports whether a key is what kubectl makes of one that is no string.
func looksRenamed(key string) bool {
	if key == "true" || key == "false" {
		return true
	}
	_, err := strconv.ParseFloat(key, 64)
	return err == nil
}

// noMatchingKey says for whom the manifest was sealed.
func noMatchingKey(keys *keyring.Set, readers []string) *Refusal {
	if waiting := keys.Waiting(); len(waiting) > 0 {
		return &Refusal{Reason: v1alpha1.ReasonKeyUnavailable, Transient: true,
			Message: Printable(fmt.Sprintf("keyring %s: none of its keys fits, and some cannot be had at present: %s", keys.Name(), some(waiting)))}
	}
	if len(readers) == 0 {
		return invalid("sops: the file is sealed for nobody")
	}
	return refuse(v1alpha1.ReasonNoMatchingKey, "keyring %s has no key for any of the readers of this file: %s", keys.Name(), some(readers))
}

// notUnwrapped says why keys that should fit do not open the file.
func notUnwrapped(none *cipher.NoIdentityError, keys *keyring.Set) *Refusal {
	damaged := false
	for _, cause := range none.Causes {
		switch keysources.ReasonOf(cause) {
		case keysources.Damaged, keysources.Malformed:
			damaged = true
		default:
			return &Refusal{Reason: v1alpha1.ReasonKeyUnavailable, Transient: true, Message: Printable(none.Error())}
		}
	}
	switch {
	case damaged:
		return refuse(v1alpha1.ReasonDecryptionFailed, "%s", none)
	case none.Groups > 0 && len(keys.Waiting()) == 0:
		return refuse(v1alpha1.ReasonNoMatchingKey, "keyring %s: %s; sealed for %s", keys.Name(), none, some(none.Readers))
	}
	return noMatchingKey(keys, none.Readers)
}

// some names a few readers, each shortened.
func some(readers []string) string {
	short := make([]string, 0, maxNamed+1)
	for i, r := range readers {
		if i == maxNamed {
			short = append(short, fmt.Sprintf("and %d more", len(readers)-i))
			break
		}
		short = append(short, keyring.Short(r))
	}
	return strings.Join(short, ", ")
}
