package remote

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gitseal/gitseal/keysources"
)

// A frame is four bytes, the length of what follows with the most significant
// byte first, and that many bytes of JSON. Each side first sends a hello; then the
// parent sends requests, and the child one response to each but opCancel.

// maxFrame is the longest JSON of a frame, in bytes. The largest stanzas, of
// post-quantum recipients, are below 10 KiB.
const maxFrame = 1 << 20

// errFrame means that the other side does not speak the protocol.
var errFrame = errors.New("not a frame of the protocol")

// secret is a data key. It prints redacted.
type secret []byte

// Format prints "[redacted]".
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// The hello.
const (
	protocolName = "gitseal-keyservice"
	// protocolVersion changes when an older side would misunderstand the other.
	protocolVersion = 1
	roleParent      = "parent"
	roleChild       = "child"
)

type hello struct {
	Protocol string
	Version  int
	Role     string
}

// The operations.
const (
	opUnwrap = "unwrap" // :: the data key in Stanza
	opWrap   = "wrap"   // :: DataKey wrapped for the key that is Stanza
	opCancel = "cancel" // :: nobody waits for the answer to ID any more
)

type request struct {
	ID     uint64
	Op     string
	Source string            `json:",omitempty"`
	Stanza keysources.Stanza `json:",omitzero"`
	// DataKey is what to wrap.
	DataKey secret `json:",omitempty"`
	// Timeout is the time that is left for the answer, in nanoseconds; 0 for none.
	Timeout int64 `json:",omitempty"`
}

type response struct {
	ID      uint64
	DataKey secret            `json:",omitempty"`
	Stanza  keysources.Stanza `json:",omitzero"`
	Error   *wireError        `json:",omitempty"`
}

// encodeFrame returns the frame of a message.
func encodeFrame(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, errFrame // the cause could quote the message
	}
	if len(body) > maxFrame {
		return nil, fmt.Errorf("%w: more than %d bytes", errFrame, maxFrame)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}

// readFrame reads a frame into a message, strictly. It returns io.EOF only if r
// ends between two frames.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("%w: more than %d bytes", errFrame, maxFrame)
	}
	// The length is not believed before the bytes are there.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(n)); err != nil {
		return io.ErrUnexpectedEOF
	}
	defer clear(body.Bytes())
	d := json.NewDecoder(bytes.NewReader(body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || d.InputOffset() != int64(n) {
		return errFrame // the cause could quote the message
	}
	return nil
}

// checkHello reports whether the other side is what it should be.
func (h hello) check(role string) error {
	switch {
	case h.Protocol != protocolName || h.Role != role:
		return errFrame
	case h.Version != protocolVersion:
		return fmt.Errorf("%w: version %d instead of %d", errFrame, h.Version, protocolVersion)
	}
	return nil
}
