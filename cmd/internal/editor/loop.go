package editor

import (
	"bytes"
	"context"
	"errors"
	"strings"
)

var (
	// ErrUnchanged: the text was left as it was.
	ErrUnchanged = errors.New("nothing was changed")
	// ErrEmpty: all of the text was deleted, which means: write nothing.
	ErrEmpty = errors.New("the text is empty")
)

// Again is what [Job].Accept returns to have the text edited once more.
type Again struct {
	// Err is what was wrong with the text.
	Err error
	// Text is what to show, nil for the text as it was left.
	Text []byte
	// Notes say what to do, line by line.
	Notes []string
}

// Error is that of Err.
func (a *Again) Error() string { return a.Err.Error() }

// Unwrap returns Err.
func (a *Again) Unwrap() error { return a.Err }

// GaveUpError says that a text that was not accepted was left as it was, or that
// nobody is there to correct it. Err is what was wrong with it.
type GaveUpError struct{ Err error }

// Error is that of Err.
func (e *GaveUpError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Job is a text to be edited until it is accepted.
type Job struct {
	// Text is what the editor shows, under Notes.
	Text  []byte
	Notes []string
	// Base is what means, at first, that nothing was changed.
	Base []byte
	// Accept takes the text. If it is not good, the error is an *[Again]; any other
	// error ends the loop.
	Accept func(ctx context.Context, text []byte) error
}

// Loop opens a text in the editor again and again until it is accepted, or left as
// it was, or emptied. Its error is one of those of Edit, ErrUnchanged, ErrEmpty, a
// *[GaveUpError], or that of Accept.
func (s *Session) Loop(j Job) error {
	text, notes := j.Text, j.Notes
	var again *Again
	for {
		edited, err := s.editNoted(text, notes, again)
		switch {
		case err != nil:
			return err
		case again != nil && bytes.Equal(edited, text):
			return &GaveUpError{Err: again.Err}
		case again == nil && bytes.Equal(edited, j.Base):
			return ErrUnchanged
		case isBlank(edited):
			return ErrEmpty
		}
		again = nil
		if err = j.Accept(s.ctx, edited); !errors.As(err, &again) {
			return s.orInterrupted(err)
		}
		if s.o.Ask == nil {
			return &GaveUpError{Err: again.Err}
		}
		if text, notes = again.Text, again.Notes; text == nil {
			text = edited
		}
	}
}

// orInterrupted returns the error, or that a signal is behind it.
func (s *Session) orInterrupted(err error) error {
	if err != nil && s.ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// editNoted opens a text with notes, on top of it if its format has comments.
func (s *Session) editNoted(text []byte, notes []string, again *Again) ([]byte, error) {
	if s.o.Comment == "" && len(notes) > 0 {
		for _, note := range notes {
			s.o.Tell(note)
		}
		if again != nil {
			answer, err := s.o.Ask(s.ctx, "press Enter to edit the text again, or type q to give up")
			if err != nil {
				return nil, s.orInterrupted(err)
			}
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "q") {
				return text, nil // left as it was
			}
		}
	}
	shown, own := Annotate(text, s.o.Comment, notes)
	_, err := s.Edit(shown)
	s.last = own.Strip(s.last)
	return s.last, err
}
