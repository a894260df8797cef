package age

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"filippo.io/age"

	"github.com/gitseal/gitseal/keysources"
)

// UI is how keys reach the person at the terminal. The zero UI reaches nobody:
// questions fail, messages are lost. Its functions may be called from any
// goroutine; no two questions are asked at the same time.
type UI struct {
	// Ask asks for a passphrase, a PIN, or, if secret is false, something that may
	// be shown. It must give up when ctx is done.
	Ask func(ctx context.Context, prompt string, secret bool) (string, error)
	// Confirm asks a plugin's question that has one or two answers, and returns
	// whether the answer is yes. no may be empty. It must give up when ctx is done.
	Confirm func(ctx context.Context, prompt, yes, no string) (bool, error)
	// Tell shows what a plugin says: "touch your key".
	Tell func(text string)
	// Warn shows what is wrong, but does not matter now: a key file that others
	// can read.
	Warn func(text string)
}

var errNobody = errors.New("there is nobody to ask")

// session is what all calls of a keyring share.
type session struct {
	ui UI
	// asking is held while a question is on the screen.
	asking gate

	mu sync.Mutex // guards plugins and answers
	// plugins holds the gate of each plugin, which is run once at a time: most of
	// them stand for a device. :: name → gate
	plugins map[string]gate
	// answers holds the secrets that plugins were given, and could use.
	answers map[question]string
}

func newSession(ui UI) *session {
	return &session{ui: ui, asking: newGate(), plugins: map[string]gate{}, answers: map[question]string{}}
}

func (s *session) pluginGate(name string) gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plugins[name] == nil {
		s.plugins[name] = newGate()
	}
	return s.plugins[name]
}

func (s *session) warn(text string) {
	if s.ui.Warn != nil {
		s.ui.Warn(text)
	}
}

func (s *session) tell(text string) {
	if s.ui.Tell != nil {
		s.ui.Tell(printable(text))
	}
}

// ask asks one question when nobody else asks one.
func ask[T any](ctx context.Context, s *session, question func() (T, error)) (T, error) {
	var none T
	if err := s.asking.enter(ctx); err != nil {
		return none, err
	}
	defer s.asking.leave()
	return question()
}

// maxText bounds in runes what a plugin may have shown at a time.
const maxText = 1000

// printable removes from a plugin's text what could steer a terminal.
func printable(text string) string {
	out := []rune(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, text))
	return string(out[:min(len(out), maxText)])
}

// gate lets one in at a time, and those who wait give up with their context.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }

// trouble is why a key could not be used. It becomes a [keysources.Error] when it
// is known for whom it was tried.
type trouble struct {
	reason keysources.Reason
	detail string
}

func (t trouble) Error() string { return t.detail }

// call is one attempt to open a stanza, or to make one.
type call struct {
	*session
	ctx    context.Context
	reader string

	mu       sync.Mutex // guards the rest: who was given up may still report
	failures []error
	says     []string
}

func (s *session) call(ctx context.Context, reader string) *call {
	return &call{session: s, ctx: ctx, reader: reader}
}

// failed notes why a key that may be the right one could not be used.
func (c *call) failed(err error) {
	var t trouble
	if errors.As(err, &t) {
		err = &keysources.Error{Reader: c.reader, Reason: t.reason, Detail: t.detail}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, err)
}

// outcome is the error of a call in which nothing opened the stanza. What plugins
// said about it is shown, not returned: it may be anything.
func (c *call) outcome() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.says {
		c.tell(text)
	}
	late := errors.Is(c.ctx.Err(), context.DeadlineExceeded)
	switch {
	case c.ctx.Err() != nil && !late:
		return fmt.Errorf("%s: %w", shorten(c.reader), c.ctx.Err())
	case len(c.failures) > 0:
		return errors.Join(c.failures...)
	case late:
		return &keysources.Error{Reader: c.reader, Reason: keysources.Timeout}
	}
	return keysources.ErrNotForMe
}

// attempt is an identity that may ask somebody, for one call. It gives up with
// the call's context, and its failures do not end the search for another
// identity: they are noted.
type attempt struct {
	*call
	// what names it in messages.
	what string
	// foreign is set if another program gives the key, which may be any key.
	foreign bool
	unwrap  func(stanzas []*age.Stanza) ([]byte, error)
}

func (a attempt) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := await(a.ctx, func() ([]byte, error) { return a.unwrap(stanzas) })
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, age.ErrIncorrectIdentity):
	default:
		a.failed(timeout(a.ctx, a.what, err))
	}
	return nil, age.ErrIncorrectIdentity
}

// timeout names who did not answer in time, if that is what err is about.
func timeout(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return trouble{keysources.Timeout, what}
	}
	return err
}

// lastMoment is how long await waits for somebody who was told to stop, so that a
// command is gone when its caller goes.
const lastMoment = 100 * time.Millisecond

// await returns what f returns, or the context's error when that is done first;
// f may go on then, and nobody hears of it.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(lastMoment):
	}
	return none, ctx.Err()
}
