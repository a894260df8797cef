// Package formatstest holds the laws that every format must pass.
package formatstest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gitseal/gitseal/formats"
)

// Sample is a file that the format must accept and for which all laws must hold.
type Sample struct {
	Name   string
	Source string
}

// Suite is a format under test.
type Suite struct {
	Format formats.Format
	// Envelope says that the sealed form wraps the plain source instead of
	// splicing it, so that no byte of the plain file need be found in it.
	Envelope bool
}

// Run checks the laws of format on each sample, in a subtest each.
func Run(t *testing.T, format formats.Format, samples []Sample) {
	Suite{Format: format}.Run(t, samples)
}

// Fuzz fuzzes the laws of format from seeds. The format may refuse an input, but
// only with a *[formats.Error].
func Fuzz(f *testing.F, format formats.Format, seeds []string) {
	Suite{Format: format}.Fuzz(f, seeds)
}

// Run is the package's Run for s.
func (s Suite) Run(t *testing.T, samples []Sample) {
	t.Helper()
	for _, sample := range samples {
		t.Run(sample.Name, func(t *testing.T) {
			if err := s.Check([]byte(sample.Source)); err != nil {
				t.Errorf("source %q: %v", clip([]byte(sample.Source)), err)
			}
		})
	}
}

// Fuzz is the package's Fuzz for s.
func (s Suite) Fuzz(f *testing.F, seeds []string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var refused *Refused
		if err := s.Check(src); err != nil && !errors.As(err, &refused) {
			t.Errorf("source %q: %v", clip(src), err)
		}
	})
}

// Refused is the error of [Suite.Check] for a source that the format does not
// accept, in the way in which a format may do so.
type Refused struct{ Err *formats.Error }

// Error returns the text of the format's error.
func (r *Refused) Error() string { return "refused: " + r.Err.Error() }

// Unwrap returns the format's error.
func (r *Refused) Unwrap() error { return r.Err }

// Check returns nil if all laws hold for src, a *[Refused] if the format refuses
// src or, while saying so in a typed error, any of the edits; and else an error
// that says which law is broken.
func (s Suite) Check(src []byte) error {
	held := string(src)
	doc, err := s.Format.Parse(src)
	if err != nil {
		return refusal("parsing", err)
	}
	c := &check{Suite: s, src: src, doc: doc}
	laws := []struct {
		name string
		hold func() error
	}{
		{"spans lie in the source and do not overlap", c.spans},
		{"an empty edit changes nothing", c.emptyEdit},
		{"metadata reads back and is removed exactly", func() error { return c.orRespelled((*check).metadata) }},
		{"a sealed file has the same leaves", func() error {
			return c.orRespelled(func(c *check) error { return c.sealed(isValue) })
		}},
		{"a sealed file with sealed comments has the same leaves", func() error { return c.sealed(isSealable) }},
	}
	for _, law := range laws {
		err := law.hold()
		var refused *Refused
		if s.Envelope && errors.As(err, &refused) {
			// Not every content can be wrapped as it is.
			continue
		}
		if err != nil {
			return fmt.Errorf("law %q: %w", law.name, err)
		}
	}
	if string(src) != held {
		return errors.New("the source was written to")
	}
	return nil
}

// refusal checks that err is of the kind that a format may return.
func refusal(doing string, err error) error {
	var e *formats.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: not a *formats.Error: %w", doing, err)
	}
	for _, cause := range []error{
		formats.ErrSyntax, formats.ErrNotSealable, formats.ErrDuplicate, formats.ErrLimit, formats.ErrMetadata,
	} {
		if errors.Is(e.Cause, cause) {
			return &Refused{Err: e}
		}
	}
	return fmt.Errorf("%s: cause is none of the sentinels: %w", doing, err)
}

func isValue(l formats.Leaf) bool { return isSealable(l) && l.Kind != formats.Comment }

// isSealable leaves out what sops leaves as it is: values without bytes.
func isSealable(l formats.Leaf) bool { return !l.Kind.Empty() && l.Text != "" }

// clip bounds what a failure shows of a file.
func clip(b []byte) []byte {
	const most = 700
	if len(b) > most {
		return append(append([]byte{}, b[:most]...), "…"...)
	}
	return b
}
