package opening

import "fmt"

const (
	redactedObject = "<object>"
	redactedOpened = "<opened manifest>"
)

// String says nothing of the content.
func (Object) String() string { return redactedObject }

// GoString says nothing of the content.
func (Object) GoString() string { return redactedObject }

// Format says nothing of the content, whatever the verb.
func (Object) Format(f fmt.State, _ rune) { fmt.Fprint(f, redactedObject) }

// MarshalJSON says nothing of the content: structured logs marshal what they get.
func (Object) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedObject + `"`), nil }

// MarshalLog is what structured logs show.
func (Object) MarshalLog() any { return redactedObject }

// String says nothing of the content.
func (Opened) String() string { return redactedOpened }

// GoString says nothing of the content.
func (Opened) GoString() string { return redactedOpened }

// Format says nothing of the content, whatever the verb.
func (Opened) Format(f fmt.State, _ rune) { fmt.Fprint(f, redactedOpened) }

// MarshalJSON says nothing of the content: structured logs marshal what they get.
func (Opened) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedOpened + `"`), nil }

// MarshalLog is what structured logs show.
func (Opened) MarshalLog() any { return redactedOpened }
