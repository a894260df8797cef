package cipher

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitseal/gitseal/formats"
)

var (
	// ErrNotSealed: the file has no metadata block.
	ErrNotSealed = errors.New("not sealed")
	// ErrAlreadySealed: the file to be sealed has a metadata block.
	ErrAlreadySealed = errors.New("already sealed")
	// ErrTampered is wrapped by every [TamperedError].
	ErrTampered = errors.New("not as it was sealed")
	// ErrNothingSelected: the selector selects no value of the file.
	ErrNothingSelected = errors.New("the selector selects no value of this file")
	// ErrSelector: the selector is not one, or cannot be used on this file.
	ErrSelector = errors.New("bad selector")
	// ErrUnsupported: the file is well-formed, but uses something that this
	// version does not know.
	ErrUnsupported = errors.New("not supported by this version")
	// ErrNoRecipients: a file would be sealed for nobody.
	ErrNoRecipients = errors.New("no recipients")
	// ErrIntegrity: a file without sops.seal was opened where that is required.
	ErrIntegrity = errors.New("the file has no sops.seal entry")
	// ErrContext: the file was sealed for another place.
	ErrContext = errors.New("sealed for another context")
	// ErrHalfMerged: the file was merged, or edited ([MarkEdited]), without its data
	// key, so that nothing vouches for it as a whole until it is resealed.
	ErrHalfMerged = errors.New("merged or edited without its key, and not resealed yet")
	// ErrEdited: the file was edited without its data key ([MarkEdited]), and no reader has
	// accepted the changes; it is not merged, as nobody could vouch for the result.
	ErrEdited = errors.New("edited without its key, and its changes are not accepted yet")
	// ErrNotHalfMerged: the file was not merged without its key, or was resealed.
	ErrNotHalfMerged = errors.New("neither merged nor edited without its key: there is nothing to reseal")
	// ErrPartGone: a version that a half-merged file was made of is not at hand.
	ErrPartGone = errors.New("a version that the file was merged from is not in this repository")
	// ErrVerify: what was just sealed does not give the plain file back. The
	// result must not be used; it is a defect of this program.
	ErrVerify = errors.New("the sealed file would not give the plain file back")
)

// Reason says which check a tampered file failed.
type Reason string

// The reasons, in the order in which the checks are made.
const (
	// ReasonMetadata: a field of the metadata block is missing or malformed.
	ReasonMetadata Reason = "metadata"
	// ReasonMalformedValue: a value begins as a sealed one and is not one.
	ReasonMalformedValue Reason = "malformed-value"
	// ReasonPlainValue: a plain value stands where the selector wants a sealed one.
	ReasonPlainValue Reason = "plain-value"
	// ReasonValue: a sealed value was changed, or moved from another key or file.
	ReasonValue Reason = "value"
	// ReasonType: a sealed value's type does not fit what was sealed.
	ReasonType Reason = "type"
	// ReasonMAC: sops's MAC does not match: values were changed, added, removed
	// or reordered.
	ReasonMAC Reason = "mac"
	// ReasonSealMAC: our MAC does not match: the same, or keys, structure, kinds,
	// readers, selectors or other metadata were changed.
	ReasonSealMAC Reason = "seal-mac"
	// ReasonComments: comments were changed, added or removed.
	ReasonComments Reason = "comments"
	// ReasonSpelling: the spelling entry was changed.
	ReasonSpelling Reason = "spelling"
	// ReasonMerge: a half-merged file holds something that merging its versions
	// does not give.
	ReasonMerge Reason = "merge"
	// ReasonUnselected: a sealed value stands where the selector leaves values plain,
	// in a file that nothing vouches for.
	ReasonUnselected Reason = "unselected-value"
)

func (r Reason) text() string {
	switch r {
	case ReasonMetadata:
		return "the metadata block is damaged"
	case ReasonMalformedValue:
		return "this is not a well-formed sealed value"
	case ReasonPlainValue:
		return "a plain value stands where a sealed one belongs"
	case ReasonValue:
		return "this value was changed, or moved here from elsewhere"
	case ReasonType:
		return "this value's type was changed"
	case ReasonMAC:
		return "the MAC does not match: values were changed, added, removed or reordered"
	case ReasonSealMAC:
		return "the sops.seal MAC does not match: keys, structure, kinds, readers or metadata were changed"
	case ReasonComments:
		return "comments were changed, added or removed"
	case ReasonSpelling:
		return "the spelling entry was changed"
	case ReasonMerge:
		return "this is not what merging the file's versions gives: somebody changed it afterwards"
	case ReasonUnselected:
		return "a sealed value stands where the selector leaves values plain"
	}
	return string(r)
}

// TamperedError says that a file is not as it was sealed. Nothing of such a file
// is ever returned.
type TamperedError struct {
	Reason Reason
	// Path is the place, nil if the file as a whole is concerned.
	Path *formats.Path
	// Field is the metadata field concerned, "" for none.
	Field string
}

// Error returns the place and the reason.
func (e *TamperedError) Error() string {
	s := e.Reason.text()
	if e.Field != "" {
		s = "sops." + e.Field + ": " + s
	}
	if e.Path != nil {
		s = e.Path.String() + ": " + s
	}
	return s
}

// Unwrap returns ErrTampered.
func (e *TamperedError) Unwrap() error { return ErrTampered }

// PathError is an error about one place in a document.
type PathError struct {
	Path *formats.Path
	Err  error
}

// Error returns the path and the cause.
func (e *PathError) Error() string { return e.Path.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.Err }

// NoIdentityError says that no identity opens the file.
type NoIdentityError struct {
	// Readers are those that the file is sealed for.
	Readers []string
	// Causes are what went wrong with identities that may have fitted.
	Causes []error
	// Groups, Needed and Opened count the key groups: how many there are, of how
	// many a share is needed, and of how many one was found. They are 0 if there is
	// a single group.
	Groups, Needed, Opened int
}

// Error names the number of readers and the causes.
func (e *NoIdentityError) Error() string {
	s := "no identity opens this file"
	switch {
	case e.Opened >= e.Needed && e.Groups > 0:
		s = "the shares of the key groups do not fit together"
	case e.Groups > 0:
		s = fmt.Sprintf("%d of %d key groups are needed to open this file, and %d could be opened", e.Needed, e.Groups, e.Opened)
	}
	if texts := e.causes(); len(texts) > 0 {
		s += " (" + strings.Join(texts, "; ") + ")"
	}
	return s
}

// maxCausesShown bounds what an error message says of them.
const maxCausesShown = 8

// causes returns the texts of the causes, each once.
func (e *NoIdentityError) causes() []string {
	var out []string
	more := 0
	seen := map[string]bool{}
	for _, c := range e.Causes {
		text := strings.ReplaceAll(c.Error(), "\n", "; ")
		switch {
		case seen[text]:
		case len(out) < maxCausesShown:
			out = append(out, text)
		default:
			more++
		}
		seen[text] = true
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// Unwrap returns the causes.
func (e *NoIdentityError) Unwrap() []error { return e.Causes }
