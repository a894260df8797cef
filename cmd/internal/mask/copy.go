package mask

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// showAfter is how long up to three bytes that could begin a value are held
	// back, and coverAfter how much longer more of them are. Prompts do not end in
	// a line feed, and people wait for them.
	showAfter  = 50 * time.Millisecond
	coverAfter = time.Second

	bufferSize = 64 << 10
)

// Source is what Copy reads: a pipe's end.
type Source interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// Copy masks what comes from src and passes it on to dst until src ends or is
// closed. If nothing follows, bytes that could begin a value are passed on after
// a while: up to three as they are, more of them masked.
func (m *Masker) Copy(dst io.Writer, src Source) error {
	w := m.Writer(dst)
	buf := make([]byte, bufferSize)
	wait := showAfter
	for {
		deadline := time.Time{}
		if w.Held() > 0 && wait > 0 {
			deadline = time.Now().Add(wait)
		}
		if err := src.SetReadDeadline(deadline); err != nil && !errors.Is(err, os.ErrClosed) {
			return err
		}
		n, err := src.Read(buf)
		if n > 0 {
			wait = showAfter
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			clear(buf)
			return errors.Join(w.Close(), realError(err))
		case wait == showAfter:
			wait, err = coverAfter, w.Show()
		default:
			wait, err = 0, w.Cover()
		}
		if err != nil {
			return err
		}
	}
}

// realError drops the errors that only mean the end.
func realError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
