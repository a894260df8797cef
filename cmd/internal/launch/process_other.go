//go:build !unix

package launch

import (
	"os"
	"os/signal"
)

// signals keeps us alive while the console's Ctrl-C ends the program.
type signals struct{ ch chan os.Signal }

func catchSignals() *signals {
	s := &signals{ch: make(chan os.Signal, 1)}
	signal.Notify(s.ch, os.Interrupt)
	return s
}

func usualSignals() (restore func()) { return func() {} }

func (s *signals) stop() { signal.Stop(s.ch) }

// forward has nothing to do: the console tells all its processes itself.
func (s *signals) forward(*os.Process) {}

func wait(p *os.Process) (int, error) {
	state, err := p.Wait()
	if err != nil {
		return 0, err
	}
	return state.ExitCode(), nil
}

func isBrokenPipe(error) bool { return false }
