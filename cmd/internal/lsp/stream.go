package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

const (
	// maxMessage is the longest message that is read, in bytes: a text of maxText may
	// need several for a character.
	maxMessage = 64 << 20
	// maxHeader bounds a line of a message's header, maxHeaders their number.
	maxHeader  = 1 << 10
	maxHeaders = 32
)

// stream frames messages as LSP does: headers, an empty line, JSON. Messages that are
// not JSON-RPC are answered with an error, and passed over.
type stream struct {
	r *bufio.Reader

	mu  sync.Mutex // guards what follows, and the order of writes
	w   io.Writer
	err error
}

var _ jsonrpc2.ObjectStream = (*stream)(nil)

func newStream(in io.Reader, out io.Writer) *stream {
	return &stream{r: bufio.NewReaderSize(in, maxHeader), w: out}
}

// broken returns what ended the stream, nil if that was its end.
func (s *stream) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close does nothing: who has opened the two ends closes them.
func (s *stream) Close() error { return nil }

// WriteObject writes a message.
func (s *stream) WriteObject(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.w.Write(append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(body)), body...))
	return err
}

// ReadObject reads the next message that is one.
func (s *stream) ReadObject(v any) error {
	for {
		body, err := s.frame()
		if errors.Is(err, errTooLong) {
			s.refuse(jsonrpc2.CodeInvalidRequest, "the message is too long")
			continue
		}
		if err != nil {
			s.end(err)
			return err
		}
		err = json.Unmarshal(body, v)
		if err == nil {
			return nil
		}
		// What was read of it must not be taken for a part of the next.
		reflect.ValueOf(v).Elem().SetZero()
		if json.Valid(body) {
			s.refuse(jsonrpc2.CodeInvalidRequest, "this is no request, notification or response")
			continue
		}
		s.refuse(jsonrpc2.CodeParseError, "this is no JSON")
	}
}

func (s *stream) end(err error) {
	if err == io.EOF {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// refuse answers what has no ID that could be read.
func (s *stream) refuse(code int64, text string) {
	type answer struct {
		Version string          `json:"jsonrpc"`
		ID      *jsonrpc2.ID    `json:"id"`
		Error   *jsonrpc2.Error `json:"error"`
	}
	// Whether it can be written is seen when the next message is.
	_ = s.WriteObject(answer{Version: "2.0", Error: &jsonrpc2.Error{Code: code, Message: text}})
}

var errTooLong = errors.New("the message is too long")

// errHeader: without a length there is no telling where the next message begins.
var errHeader = errors.New("a message's header is malformed")

// frame reads one message. After errTooLong, the next one can be read.
func (s *stream) frame() ([]byte, error) {
	length, err := s.header()
	if err != nil {
		return nil, err
	}
	if length > maxMessage {
		if n, err := io.CopyN(io.Discard, s.r, length); n < length {
			return nil, cutOff(err)
		}
		return nil, errTooLong
	}
	// Memory is used for what comes, not for what was announced.
	body, err := io.ReadAll(io.LimitReader(s.r, length))
	if int64(len(body)) < length {
		err = cutOff(err)
	}
	return body, err
}

// cutOff is the error of a message that ends too early.
func cutOff(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header returns the length of the message that follows.
func (s *stream) header() (int64, error) {
	length := int64(-1)
	for n := range maxHeaders {
		line, err := s.r.ReadSlice('\n')
		if err == io.EOF && (n > 0 || len(line) > 0) {
			return 0, io.ErrUnexpectedEOF
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return 0, errHeader
		}
		if err != nil {
			return 0, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" && length >= 0 {
			return length, nil
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return 0, errHeader
		}
		if !strings.EqualFold(name, "Content-Length") {
			continue
		}
		if length, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil || length < 0 {
			return 0, errHeader
		}
	}
	return 0, errHeader
}
