package keysources

import "errors"

// Reason says why a key source could not wrap or unwrap.
type Reason string

// The reasons.
const (
	// Unreachable: no connection, or no answer that makes sense.
	Unreachable Reason = "unreachable"
	// Timeout: no answer within the deadline.
	Timeout Reason = "timeout"
	// Throttled: the service asked for fewer calls, again and again.
	Throttled Reason = "throttled"
	// Unauthenticated: there are no credentials, or they are wrong or have expired.
	Unauthenticated Reason = "unauthenticated"
	// Denied: the credentials are good, but do not allow this.
	Denied Reason = "denied"
	// NotFound: there is no such key (there, in that region).
	NotFound Reason = "not-found"
	// Disabled: the key exists, but was disabled, revoked, or is to be deleted.
	Disabled Reason = "disabled"
	// Malformed: the stanza, or what names the key, is not well-formed.
	Malformed Reason = "malformed"
	// Damaged: what is wrapped was changed, or was wrapped for another key.
	Damaged Reason = "damaged"
	// Refused: the file names something that only the user may name, see [Policy].
	Refused Reason = "refused"
	// Unavailable: a program that the source needs is not installed.
	Unavailable Reason = "unavailable"
)

func (r Reason) text() string {
	switch r {
	case Unreachable:
		return "the service cannot be reached"
	case Timeout:
		return "no answer within the deadline"
	case Throttled:
		return "the service refuses more calls for now"
	case Unauthenticated:
		return "no valid credentials"
	case Denied:
		return "the credentials do not allow it"
	case NotFound:
		return "there is no such key"
	case Disabled:
		return "the key is disabled or revoked"
	case Malformed:
		return "not well-formed"
	case Damaged:
		return "the wrapped key was changed, or belongs to another key"
	case Refused:
		return "only the file names it"
	case Unavailable:
		return "a program that it needs is missing or does not work"
	}
	return string(r)
}

// Error says why wrapping for a reader, or unwrapping a reader's stanza, failed.
// It never holds key material, credentials, or what a service sent back verbatim:
// only its error code.
type Error struct {
	// Reader is whom it was tried for, as [Stanza.Reader] gives it.
	Reader string
	Reason Reason
	// Detail says more, in a few words: an error code, an address, a variable to set.
	Detail string
	// Use is what was refused, for Refused.
	Use Use
}

// Error returns "reader: reason (detail)".
func (e *Error) Error() string {
	s := shorten(e.Reader) + ": " + e.Reason.text()
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// shorten abbreviates post-quantum recipients, which have 1,960 characters.
func shorten(reader string) string {
	if len(reader) > 100 {
		return reader[:24] + "…" + reader[len(reader)-8:]
	}
	return reader
}

// ReasonOf returns the reason of an error of a key source, "" if it has none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
