// Package remote lets a small program use key sources that live in a child
// process, so that the many libraries those need cost nothing to programs that
// do not use them.
//
// A [Service] starts the program gitseal-keyservice when the first data key has to
// be wrapped or unwrapped, and sends it all calls of the process, any number at the
// same time. [Serve] is what the child runs. They talk over the child's standard
// input and output; nothing is in its arguments or environment but what the
// parent's own environment holds, which is where the credentials are.
//
// The child does what its parent asks: what only a file names is checked by the
// parent ([keysources.Policy]).
package remote

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gitseal/gitseal/keysources"
)

// KeyServicePrefix begins the names of sources that are key services which speak
// sops's protocol; the address follows, unix:///PATH or tcp://HOST:PORT. They take
// stanzas of every type.
const KeyServicePrefix = "keyservice:"

// Source returns the source of a name in the child: a stanza type, or
// [KeyServicePrefix] with an address. Nothing is started before its first call.
func (s *Service) Source(name string) keysources.Source {
	return source{service: s, name: name}
}

// source is a source of the child.
type source struct {
	service *Service
	name    string
}

var (
	_ keysources.Source = source{}
	_ keysources.Remote = source{}
)

// Remote returns true: such calls are the slow ones.
func (s source) Remote() bool { return true }

// String returns the name.
func (s source) String() string { return s.name }

// GoString keeps the formats that print fields from walking through the service.
func (s source) GoString() string { return "remote.source(" + s.name + ")" }

func (s source) takes(typ string) bool {
	return typ == s.name || len(s.name) > len(KeyServicePrefix) && s.name[:len(KeyServicePrefix)] == KeyServicePrefix
}

// Unwrap asks the child.
func (s source) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if !s.takes(st.Type) {
		return nil, keysources.ErrNotForMe
	}
	if err := checkText(st); err != nil {
		return nil, err
	}
	answer, err := s.service.call(ctx, request{Op: opUnwrap, Source: s.name, Stanza: st})
	if err != nil {
		return nil, err
	}
	if len(answer.DataKey) == 0 {
		return nil, &keysources.Error{Reader: st.Reader(), Reason: keysources.Unreachable, Detail: "the child answered without a data key"}
	}
	return answer.DataKey, nil
}

// Recipient returns a recipient whose key the child checks when it wraps.
func (s source) Recipient(key keysources.Stanza) (keysources.Recipient, error) {
	if !s.takes(key.Type) {
		return nil, &keysources.Error{Reader: key.Reader(), Reason: keysources.Malformed, Detail: fmt.Sprintf("%q is not a key of %s", key.Type, s.name)}
	}
	if err := checkText(key); err != nil {
		return nil, err
	}
	return recipient{source: s, key: key.Key()}, nil
}

// recipient wraps for one key in the child.
type recipient struct {
	source source
	key    keysources.Stanza
}

// String returns the reader's name.
func (r recipient) String() string { return r.key.Reader() }

// GoString returns the reader's name.
func (r recipient) GoString() string { return "remote.recipient(" + r.key.Reader() + ")" }

// Wrap asks the child.
func (r recipient) Wrap(ctx context.Context, dataKey []byte) (keysources.Stanza, error) {
	answer, err := r.source.service.call(ctx, request{Op: opWrap, Source: r.source.name, Stanza: r.key, DataKey: dataKey})
	if err != nil {
		return keysources.Stanza{}, err
	}
	if answer.Stanza.Type != r.key.Type || answer.Stanza.Get("enc") == "" {
		return keysources.Stanza{}, &keysources.Error{Reader: r.String(), Reason: keysources.Unreachable, Detail: "the child answered without a stanza"}
	}
	return answer.Stanza, nil
}

// checkText refuses what JSON would not carry as it is.
func checkText(s keysources.Stanza) error {
	for _, list := range [][]keysources.Field{s.Fields, s.Context} {
		for _, f := range list {
			if !utf8.ValidString(f.Name) || !utf8.ValidString(f.Value) {
				return &keysources.Error{Reader: s.Type, Reason: keysources.Malformed, Detail: "a field is not UTF-8"}
			}
		}
	}
	return nil
}

// remoteError is an error of the child that is more, or else, than a
// [keysources.Error].
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.causes }

// maxErrorText bounds the text of an error, in bytes.
const maxErrorText = 4 << 10

// wireError is an error on its way to the parent.
type wireError struct {
	// Text is what it says.
	Text string
	// NotForMe and Cancelled say which sentinels it wraps.
	NotForMe, Cancelled bool `json:",omitempty"`
	// Known is the keysources.Error it is or wraps, if any.
	Known *keysources.Error `json:",omitempty"`
}

func toWire(reader string, err error) *wireError {
	e := &wireError{
		Text:      cut(err.Error()),
		NotForMe:  errors.Is(err, keysources.ErrNotForMe),
		Cancelled: errors.Is(err, context.Canceled),
	}
	var known *keysources.Error
	switch {
	case errors.As(err, &known):
		k := *known
		k.Reader, k.Detail = cut(k.Reader), cut(k.Detail)
		e.Known = &k
	case errors.Is(err, context.DeadlineExceeded):
		e.Known = &keysources.Error{Reader: reader, Reason: keysources.Timeout}
		e.Text = e.Known.Error()
	}
	return e
}

func cut(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText]
	}
	return s
}

func (e *wireError) err() error {
	if e.Known != nil && !e.NotForMe && !e.Cancelled && e.Known.Error() == e.Text {
		return e.Known
	}
	out := &remoteError{text: e.Text}
	if e.NotForMe {
		out.causes = append(out.causes, keysources.ErrNotForMe)
	}
	if e.Cancelled {
		out.causes = append(out.causes, context.Canceled)
	}
	if e.Known != nil {
		out.causes = append(out.causes, e.Known)
	}
	return out
}
