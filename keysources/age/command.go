package age

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/google/shlex"

	"github.com/gitseal/gitseal/keysources"
)

// command is a variable that holds a command which prints private keys. It is run
// when nothing else opens a stanza, with SOPS_AGE_RECIPIENT set to the recipient;
// for another recipient again, if what it printed before opens nothing, until it
// prints the same twice.
type command struct {
	variable string
	// ssh is set if it prints an ssh key: it is run for stanzas of ssh keys only.
	ssh  bool
	line string

	// turn guards what follows; it is held while the command runs.
	turn gate
	// runs holds how it ended. :: recipient → nil or error
	runs    map[string]error
	printed bundle
	digest  [sha256.Size]byte
	// constant is set when it does not depend on the recipient.
	constant bool
}

func newCommand(variable string, ssh bool, env func(string) string) *command {
	return &command{variable: variable, ssh: ssh, line: env(variable), turn: newGate(), runs: map[string]error{}}
}

// bind returns what unwraps in one call, without asking anybody but the command.
func (k *command) bind(c *call) age.Identity {
	return attempt{call: c, what: k.variable, unwrap: func(stanzas []*age.Stanza) ([]byte, error) {
		if k.line == "" || k.ssh && !forSSH(stanzas) {
			return nil, age.ErrIncorrectIdentity
		}
		if err := k.turn.enter(c.ctx); err != nil {
			return nil, err
		}
		defer k.turn.leave()
		key, err := k.printed.native().Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
		if err := k.ask(c); err != nil {
			return nil, err
		}
		return k.printed.native().Unwrap(stanzas)
	}}
}

// ask runs the command, unless that is known to be of no use. The caller holds
// turn.
func (k *command) ask(c *call) error {
	if err, known := k.runs[c.reader]; known || k.constant {
		return err
	}
	out, err := k.run(c.ctx, c.reader)
	if c.ctx.Err() != nil {
		return c.ctx.Err() // a call that was given up says nothing about the next one
	}
	if err == nil {
		err = k.take(out)
	}
	k.runs[c.reader] = err
	return err
}

// take reads what the command printed.
func (k *command) take(out []byte) error {
	digest := sha256.Sum256(out)
	if digest == k.digest {
		k.constant = true
		return nil
	}
	b, err := parseFile("the output of "+k.variable, out, noPublicKey)
	if len(b.ids)+len(b.locked) == 0 {
		if err == nil {
			return nil // as if there were no such key
		}
		return trouble{keysources.Malformed, err.Error()}
	}
	k.digest = digest
	k.printed.add(b)
	return nil
}

// found returns what it has printed so far.
func (k *command) found(c *call) bundle {
	if k.turn.enter(c.ctx) != nil {
		return bundle{}
	}
	defer k.turn.leave()
	return k.printed
}

// forSSH reports whether one of the stanzas is for an ssh key.
func forSSH(stanzas []*age.Stanza) bool {
	for _, s := range stanzas {
		if strings.HasPrefix(s.Type, "ssh-") {
			return true
		}
	}
	return false
}

// grace is how long a command's children may hold on to its output after it was
// stopped.
const grace = 2 * time.Second

func (k *command) run(ctx context.Context, recipient string) ([]byte, error) {
	words, err := shlex.Split(k.line)
	if err != nil || len(words) == 0 {
		return nil, trouble{keysources.Malformed, k.variable + ": not a command line"}
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "SOPS_AGE_RECIPIENT="+recipient)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = grace
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		reason := keysources.Unauthenticated
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			reason = keysources.Unavailable
		}
		return nil, trouble{reason, k.variable + ": " + err.Error()}
	}
	return out.Bytes(), nil
}
