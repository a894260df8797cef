// Package editor lets people edit a text that must not be kept anywhere: in their
// own editor, told to keep no copies, in a private folder in memory that goes away
// whatever ends us.
package editor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/gitseal/gitseal/cmd/internal/launch"
)

var (
	// ErrInterrupted: a signal ended the session.
	ErrInterrupted = errors.New("interrupted")
	// ErrDetached: the editor returned at once and goes on by itself, and there is
	// nobody to say when it is done.
	ErrDetached = errors.New("the editor does not wait until the file is closed")
	// ErrNotFound: there is no such program.
	ErrNotFound = errors.New("the editor was not found")
	// ErrNoTerminal: the editor needs a terminal, and there is none.
	ErrNoTerminal = errors.New("there is no terminal for the editor")
	// ErrNoText: the editor has removed the file.
	ErrNoText = errors.New("the editor left no file")
	// ErrNotRegular: the editor has put something else in place of the file.
	ErrNotRegular = errors.New("the editor left something that is no regular file")
	// ErrTooLarge: the text is larger than the limit.
	ErrTooLarge = errors.New("the text is too large")
)

// ExitError says that the editor did not end well, which means: write nothing.
type ExitError struct{ Code int }

// Error names the exit code.
func (e *ExitError) Error() string {
	return fmt.Sprintf("the editor ended with exit code %d", e.Code)
}

// Options is what a session needs.
type Options struct {
	Command *Command
	// Name is the base name of the file, from which the editor guesses its kind.
	Name string
	// Comment begins a comment line of the format, "" if it has none. Notes stand on
	// top of the text as comments.
	Comment string
	Places  Places
	// Guard is the program, with arguments, that calls [Guard] for the folder behind
	// them.
	Guard []string
	// Environ is the environment, of the form of [os.Environ]. What opens sealed
	// files is taken out of it.
	Environ []string
	// In, Out and Err are the standard streams.
	In, Out, Err *os.File
	// MaxSize is how many bytes the text may have.
	MaxSize int64
	// Ask shows a question and returns the answer; it is nil if nobody is there.
	Ask func(ctx context.Context, question string) (string, error)
	// Tell and Warn show a message.
	Tell, Warn func(text string)
}

// Session is an open editing session. It holds plaintext: it prints redacted.
type Session struct {
	o    Options
	work *workspace
	// ctx ends when a signal ends the session.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	signals chan os.Signal
	// editing: the editor runs. stopped: it was asked to end. heard: a signal came.
	editing, stopped, heard atomic.Bool
	watching                sync.WaitGroup
	// last is the text as the editor left it.
	last []byte
}

// Open makes the private folder. The caller closes the session. The context is
// that of the program, whose end by a keyboard's Ctrl-C is the editor's business
// while the editor runs.
func Open(ctx context.Context, o Options) (*Session, error) {
	if o.Name == "" || o.Name != filepath.Base(o.Name) || o.Name == "." || o.Name == ".." || o.Name == string(filepath.Separator) {
		return nil, errors.New("a text needs a file name")
	}
	s := &Session{o: o}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	// From here on nothing but a kill ends us, and that the guard sees.
	s.watch()
	context.AfterFunc(ctx, s.endWithProgram)
	var err error
	if s.work, err = newWorkspace(o.Places, o.Guard, launch.NewEnvironment(o.Environ, true, nil).List()); err != nil {
		s.unwatch()
		return nil, err
	}
	for name, text := range o.Command.files {
		if err == nil {
			err = s.work.put(filepath.Join(s.work.state(), filepath.FromSlash(name)), []byte(text))
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OnDisk reports whether the folder is not in memory, as there is no such place.
func (s *Session) OnDisk() bool { return s.work.onDisk }

// Dir returns the private folder.
func (s *Session) Dir() string { return s.work.dir }

// Context ends when a signal ends the session. What is done between two runs of the
// editor goes by it.
func (s *Session) Context() context.Context { return s.ctx }

// Last returns the text as the editor left it, without notes, nil if the editor did
// not run. It is there whatever went wrong.
func (s *Session) Last() []byte { return s.last }

// Close removes the folder. It may be called again.
func (s *Session) Close() error {
	if s.work == nil {
		return nil
	}
	err := s.work.close()
	s.work = nil
	s.unwatch()
	return err
}

// Keep closes the session and leaves the folder, with the text in it, where it is.
// It is the last resort.
func (s *Session) Keep() (path string) {
	path = s.work.path(s.o.Name)
	s.work.keep()
	s.work = nil
	s.unwatch()
	return path
}

// String says nothing of the text.
func (s *Session) String() string { return "<editing " + s.o.Name + ">" }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// quick is the time in which nobody edits anything.
const quick = time.Second

// Edit opens a text in the editor and returns what it has become. The error is an
// *[ExitError] or one of the sentinels, or says that the editor does not run.
func (s *Session) Edit(text []byte) ([]byte, error) {
	if s.ctx.Err() != nil {
		return s.last, ErrInterrupted
	}
	path := s.work.path(s.o.Name)
	if err := s.work.put(path, text); err != nil {
		return nil, fmt.Errorf("writing the text for the editor: %w", bare(err))
	}
	start := time.Now()
	code, held, err := s.run(path)
	if err != nil {
		return nil, errors.Join(err, s.read(path))
	}
	if s.stopped.Load() {
		s.cancel(ErrInterrupted)
	}
	err = s.read(path)
	if s.ctx.Err() != nil || code != 0 {
		s.takeEmergency(path)
	}
	switch {
	case s.ctx.Err() != nil:
		return s.last, ErrInterrupted
	case code != 0:
		return s.last, &ExitError{Code: code}
	case err != nil:
		return nil, err
	}
	if time.Since(start) < quick && slices.Equal(s.last, text) && s.seemsDetached(held) {
		return s.waitForDetached(path)
	}
	return s.last, nil
}

// seemsDetached reports whether an editor that returned at once may go on in a
// window. held: something that it has started goes on.
func (s *Session) seemsDetached(held bool) bool {
	switch c := s.o.Command; {
	case c.terminal:
		return false
	case c.detaches || held:
		return true
	}
	return s.o.Ask != nil // people can tell, if there are any
}

func (s *Session) waitForDetached(path string) ([]byte, error) {
	if s.o.Ask == nil {
		return nil, ErrDetached
	}
	s.o.Warn(s.o.Command.Name() + " returned at once, and nothing has changed; if it goes on in a window, save and close the file there first" + waitHint(s.o.Command))
	if _, err := s.o.Ask(s.ctx, "press Enter when you are done"); err != nil {
		if s.ctx.Err() != nil {
			err = ErrInterrupted
		}
		return s.last, errors.Join(err, s.read(path))
	}
	return s.last, s.read(path)
}

func waitHint(c *Command) string {
	if c.known {
		return ""
	}
	return " (most editors have a switch to wait, as in EDITOR='code --wait')"
}

// run runs the editor. held reports whether something that it has started lives on.
func (s *Session) run(path string) (code int, held bool, err error) {
	if err := s.prepare(); err != nil {
		return 0, false, err
	}
	p, closeTerminal, err := s.program(path)
	if err != nil {
		return 0, false, err
	}
	defer closeTerminal()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, false, err
	}
	defer r.Close()
	defer keepTerminal(p.In)()
	p.Extra = []*os.File{w} // only to see when all that have it are gone
	process, err := launch.Start(p)
	// From here on it has what the keyboard sends, and what we are sent.
	s.editing.Store(err == nil)
	defer s.editing.Store(false)
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return 0, false, err
	}
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		code, err := process.Wait()
		ended <- end{code, err}
	}()
	select {
	case e := <-ended:
		return e.code, isHeld(r), e.err
	case <-s.ctx.Done():
		return 0, false, nil // it was asked to end, and had its time
	}
}

// isHeld reports whether somebody holds the other end of a pipe.
func isHeld(r *os.File) bool {
	const moment = 20 * time.Millisecond
	if err := r.SetReadDeadline(time.Now().Add(moment)); err != nil {
		return false
	}
	_, err := r.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// prepare tells a server that is to open the file what to keep.
func (s *Session) prepare() error {
	c := s.o.Command
	if c.before == nil || c.shell != "" {
		return nil
	}
	args := c.before(c)
	cmd := exec.CommandContext(s.ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stderr = s.environment(), s.o.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("telling %s to keep no copies: %w", c.name, bare(err))
	}
	return nil
}

func (s *Session) environment() []string {
	env := launch.NewEnvironment(s.o.Environ, false, nil)
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		if !s.o.Command.ownTemp {
			env.Set(name, s.work.state()) // what goes through a filter, say
		}
	}
	return env.List()
}

// program puts together what to run.
func (s *Session) program(path string) (p launch.Program, done func(), err error) {
	c := s.o.Command
	args := c.argv(path, s.work.state())
	p = launch.Program{Args: args, Env: s.environment(), In: s.o.In, Out: s.o.Out, Err: s.o.Err}
	if p.Path, err = exec.LookPath(args[0]); err != nil {
		return p, nil, fmt.Errorf("%w: %s: %w", ErrNotFound, args[0], bare(err))
	}
	done = func() {}
	if !c.terminal || c.unattended() || isTerminal(p.In) && isTerminal(p.Out) {
		return p, done, nil
	}
	tty, err := os.OpenFile(terminalName, os.O_RDWR, 0)
	if err != nil {
		return p, nil, ErrNoTerminal
	}
	p.In, p.Out, p.Err = tty, tty, tty
	return p, func() { _ = tty.Close() }, nil
}

// keepTerminal returns what brings a terminal back into the state that it is in now:
// an editor that was killed, or that we do not wait for, leaves it raw.
func keepTerminal(f *os.File) (restore func()) {
	if !isTerminal(f) {
		return func() {}
	}
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	return func() {
		if inForeground(f) {
			_ = term.Restore(int(f.Fd()), state) // it may be gone
		}
	}
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// bare drops the path, which is the workspace's, from an error.
func bare(err error) error {
	var p *os.PathError
	var e *exec.Error
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &e):
		return e.Err
	}
	return err
}

// isBlank reports whether nothing is left of a text.
func isBlank(text []byte) bool { return strings.TrimSpace(string(text)) == "" }
