package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// mask stands for a value, however long that is.
const mask = "••••••••"

// screen is what the person sees.
type screen struct {
	out     io.Writer
	answers *bufio.Reader // nil: nobody can be asked
	reveal  bool
	steps   int
}

// Write takes news about what takes long.
func (s *screen) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if _, err := fmt.Fprintf(s.out, "  … %s\n", strings.TrimRight(line, "\n")); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (s *screen) say(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

// step begins a new one.
func (s *screen) step(title string) {
	s.steps++
	s.say("\n%d. %s\n", s.steps, title)
}

// command shows a command as it can be typed.
func (s *screen) command(args ...string) { s.say("   $ %s\n", strings.Join(args, " ")) }

// output shows what a command wrote.
func (s *screen) output(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		s.say("   %s", line)
	}
}

// wantsToSee asks whether values are to be shown.
func (s *screen) wantsToSee() bool {
	if s.reveal || s.answers == nil {
		return s.reveal
	}
	s.say("   (Enter goes on; r and Enter shows the value) ")
	line, err := s.answers.ReadString('\n')
	return err == nil && strings.TrimSpace(line) == "r"
}

// invite says how to go on.
func (s *screen) invite(stage *Stage) {
	s.say(`
The cluster stays up until you press Ctrl-C. In another terminal:

   export KUBECONFIG=%s
   export PATH=%s:$PATH
   cd %s

   kubectl get sealedmanifests -A          # or: gitseal k8s status -A
   kubectl get sealkeyring default -o yaml
   gitseal seal --manifest FILE.sealed.yaml && kubectl apply -f FILE.sealed.yaml
   kubectl -n shop delete secret db        # it comes back
   tail -f %s

docs/kubernetes.md has the rest. Keys and files are gone when this ends.
`, stage.Kubeconfig, stage.bin, stage.Work, stage.Log)
}
