package editor

import (
	"os"
	"os/signal"
	"time"
)

// What a signal means to a session.
const (
	// effectNone: nothing; it is the editor's.
	effectNone = iota
	// effectSoon: the editor, which has it too, may take a moment to end.
	effectSoon
	// effectNow: the session ends.
	effectNow
)

// grace is how long an editor may take to end when it has to.
const grace = 2 * time.Second

// watch takes over the signals that would end us with plaintext left behind.
func (s *Session) watch() {
	const room = 16
	s.signals = make(chan os.Signal, room)
	signal.Notify(s.signals, endings()...)
	s.watching.Go(func() {
		for sig := range s.signals {
			s.heard.Store(true)
			switch effect(sig, s.editing.Load()) {
			case effectSoon:
				s.stopped.Store(true)
				time.AfterFunc(grace, func() { s.cancel(ErrInterrupted) })
			case effectNow:
				s.cancel(ErrInterrupted)
			}
		}
	})
}

// endWithProgram is called when the program's own context ends. If a signal that we
// have heard ends it, what that means is settled; it may have come before we listened.
func (s *Session) endWithProgram() {
	const moment = 500 * time.Millisecond
	if s.editing.Load() {
		time.Sleep(moment) // it may still be on its way to us
		if s.heard.Load() {
			return
		}
	}
	s.cancel(ErrInterrupted)
}

func (s *Session) unwatch() {
	signal.Stop(s.signals)
	close(s.signals)
	s.watching.Wait()
	s.cancel(nil)
}
