// Package sealedobject opens sealed Kubernetes objects outside of a cluster: Secrets
// that were sealed in sops's format, and SealedManifests, whether they stand in a file
// or some tool has read them and added labels and annotations. What comes out are
// plain objects, or the same with a token in place of each value.
//
// It reads no files and prints nothing; trees print redacted.
package sealedobject

import (
	"errors"
	"fmt"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
)

// Mode says what becomes of sealed values.
type Mode string

// The modes.
const (
	// Plain opens them.
	Plain Mode = "plain"
	// Masked puts a token in place of each, which changes when the value does. It needs
	// no identity.
	Masked Mode = "masked"
	// Passthrough leaves sealed objects as they are, for a cluster to open.
	Passthrough Mode = "passthrough"
)

// ParseMode reads the name of a mode.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Plain, Masked, Passthrough:
		return m, nil
	}
	return "", fmt.Errorf("there is no mode %q; there are %s, %s and %s", s, Plain, Masked, Passthrough)
}

// Opener opens objects. It may be used from several goroutines.
type Opener struct {
	Mode Mode
	// Options are how files are opened. Context and AllowReordered are set here.
	Options cipher.OpenOptions
	// Namespace, if not empty, is what everything has to be sealed for, whatever
	// namespace an object names; what is not sealed for any is refused.
	Namespace string
	// AllowUnbound opens SealedManifests that are sealed for no place, too, from which
	// somebody may have taken what they are sealed for.
	AllowUnbound bool
}

// Opened is what came of a file or an object.
type Opened struct {
	// Objects are plain or masked, or with Passthrough sealed.
	Objects []formats.Node
	// Warnings are for people; they hold no value.
	Warnings []string
}

// ErrNoObject: what was opened is no Kubernetes object.
var ErrNoObject = errors.New("holds no Kubernetes object")

// Error says what is wrong with an object, and what to do about it.
type Error struct {
	// Object names it, "" if there is nothing to say.
	Object string
	Msg    string
	Hint   string
	// Err is the cause, nil if there is none but Msg.
	Err error
}

// Error returns "object: message: cause".
func (e *Error) Error() string {
	s := e.Msg
	if e.Object != "" && s != "" {
		s = e.Object + ": " + s
	} else if s == "" {
		s = e.Object
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
