//go:build !unix

package editor

import (
	"os"
	"os/exec"
	"os/signal"
)

func setApart(*exec.Cmd) {}

func ignoreSignals() { signal.Ignore(os.Interrupt) }

func endings() []os.Signal { return []os.Signal{os.Interrupt} }

// effect is what a signal means to a session.
func effect(_ os.Signal, editing bool) int {
	if editing {
		return effectNone // a key to the editor, which has it already
	}
	return effectNow
}

// terminalName is the console of the process, whatever its streams are.
const terminalName = "CONIN$"

// openAtOnce: no file makes us wait here.
const openAtOnce = 0

// inForeground: there is no background.
func inForeground(*os.File) bool { return true }
