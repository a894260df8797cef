package mask

import (
	"encoding/binary"
	"io"
)

// Writer masks what is written to it and passes it on. It holds back no more than
// what could be the beginning of a value, at most 31 bytes. Close ends it.
type Writer struct {
	m   *Masker
	dst io.Writer
	// buf are the bytes that are not settled yet.
	buf []byte
	// covered is how many bytes of buf a pattern has been found in that began
	// before them, or at the first.
	covered int
	// shown is how many bytes of buf have been passed on, as they are or masked,
	// because nothing came after them for a while.
	shown int
	tails []tail
	// masking: the last thing passed on was Stars.
	masking bool
	out     []byte
}

// tail is a long pattern whose head was found.
type tail struct {
	// from is where in the buffer the rest is to go on.
	from int
	rest string
	// spaces counts the bytes of white space that the pattern does not have.
	spaces int
}

const (
	// maxTails bounds the work for output in which a value repeats itself.
	maxTails = 32
	// maxSpaces is how much white space in a row may come in between: a line feed
	// of wrapped base64, the indentation of a block in YAML.
	maxSpaces = 64
)

// Writer returns a writer that masks what goes to dst.
func (m *Masker) Writer(dst io.Writer) *Writer { return &Writer{m: m, dst: dst} }

// Write masks b. Its error is that of the underlying writer.
func (w *Writer) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	w.settle(false)
	return len(b), w.emit()
}

// Close passes on what was held back. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.settle(true)
	return w.emit()
}

// Held is how many bytes were written and not passed on.
func (w *Writer) Held() int { return len(w.buf) - w.shown }

// Show passes on up to three bytes that are held back, for they tell little; what
// follows is still masked as if they had not been shown.
func (w *Writer) Show() error {
	if len(w.buf) < MinLength && w.covered == 0 && len(w.tails) == 0 {
		w.out = append(w.out, w.buf[w.shown:]...)
		w.shown, w.masking = len(w.buf), false
	}
	return w.emit()
}

// Cover passes on Stars in the place of what is held back. It is the beginning of
// a value, of which the rest may follow at any time.
func (w *Writer) Cover() error {
	if w.Held() > 0 {
		w.star()
		w.shown = len(w.buf)
	}
	return w.emit()
}

func (w *Writer) emit() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.dst.Write(w.out)
	w.out = w.out[:0]
	return err
}

func (w *Writer) star() {
	if !w.masking {
		w.out = append(w.out, Stars...)
		w.masking = true
	}
}

// settle passes on all of the buffer that what follows cannot change; the whole
// of it at the end.
func (w *Writer) settle(end bool) {
	p := 0
	for p < len(w.buf) {
		if p >= w.covered && p >= w.shown && len(w.tails) == 0 {
			n := w.m.nothing(w.buf[p:])
			if n > 0 {
				w.out = append(w.out, w.buf[p:p+n]...)
				w.masking = false
				p += n
			}
		}
		f := w.m.at(w.buf[p:])
		if f.more && !end {
			break
		}
		if f.n > 0 {
			w.covered = max(w.covered, p+f.n)
			w.follow(f.long, p+f.n)
		}
		w.pass(p)
		p++
	}
	w.drop(p)
}

// nothing returns the length of what is at the beginning of b and certainly no
// part of a pattern. Without the last three bytes: they are too few to tell.
func (m *Masker) nothing(b []byte) int {
	i := 0
	for ; i+MinLength <= len(b); i++ {
		if m.filter.has(binary.LittleEndian.Uint32(b[i:])) {
			return i
		}
	}
	return i
}

func (w *Writer) follow(long span, from int) {
	for _, e := range w.m.entries[long.lo:long.hi] {
		if e.rest != "" && len(w.tails) < maxTails {
			w.tails = append(w.tails, tail{from: from, rest: e.rest})
		}
	}
}

// pass passes on the byte at p.
func (w *Writer) pass(p int) {
	c := w.buf[p]
	covered := p < w.covered
	kept := w.tails[:0]
	for _, t := range w.tails {
		if p >= t.from {
			took, more := t.take(c)
			covered = covered || took
			if !more {
				continue
			}
		}
		kept = append(kept, t)
	}
	w.tails = kept
	switch {
	case p < w.shown:
	case covered:
		w.star()
	default:
		w.out = append(w.out, c)
		w.masking = false
	}
}

// take tells whether c is the next byte of the rest, and whether more may come.
func (t *tail) take(c byte) (took, more bool) {
	if !isSpace(c) {
		for t.rest != "" && t.rest[0] != c && isSpace(t.rest[0]) {
			t.rest = t.rest[1:]
		}
	}
	if t.rest != "" && t.rest[0] == c {
		t.rest, t.spaces = t.rest[1:], 0
		return true, t.rest != ""
	}
	t.spaces++
	return false, t.rest != "" && isSpace(c) && t.spaces <= maxSpaces
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// drop forgets the first n bytes of the buffer.
func (w *Writer) drop(n int) {
	w.buf = w.buf[:copy(w.buf, w.buf[n:])]
	w.covered, w.shown = max(0, w.covered-n), max(0, w.shown-n)
	for i := range w.tails {
		w.tails[i].from = max(0, w.tails[i].from-n)
	}
}
