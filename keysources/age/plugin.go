package age

import (
	"errors"
	"io/fs"
	"os/exec"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/gitseal/gitseal/keysources"
)

// question names a secret that a plugin asks for.
type question struct{ key, prompt string }

// pluginRun is one run of a plugin.
type pluginRun struct {
	*call
	name string
	// key is the identity that it is run for, "" for a recipient.
	key string
	// refused is set when the plugin asked and nobody answered.
	refused bool
	// given are the answers of this run.
	given map[question]string
}

// runPlugin runs f, which runs the plugin with the client that it is given, and
// nobody else runs the plugin meanwhile. The plugin's process cannot be stopped
// from here: when the call is given up, f goes on until the plugin ends, which
// well-behaved ones do at the latest when this process does.
func runPlugin[T any](c *call, name, key string, f func(*plugin.ClientUI) (T, error)) (T, error) {
	var none T
	g := c.pluginGate(name)
	if err := g.enter(c.ctx); err != nil {
		return none, err
	}
	defer g.leave()
	run := &pluginRun{call: c, name: name, key: key, given: map[question]string{}}
	v, err := f(run.client())
	run.keepAnswers(err == nil)
	return v, run.explain(err)
}

// client answers the plugin. The age library reads and answers a plugin's
// messages one after the other.
func (r *pluginRun) client() *plugin.ClientUI {
	return &plugin.ClientUI{
		DisplayMessage: func(_, text string) error {
			r.tell(program(r.name) + ": " + text)
			return nil
		},
		RequestValue: func(_, prompt string, secret bool) (string, error) { return r.value(prompt, secret) },
		Confirm:      func(_, prompt, yes, no string) (bool, error) { return r.confirm(prompt, yes, no) },
		WaitTimer:    func(string) { r.tell("waiting for " + program(r.name)) },
	}
}

// value answers a request. A secret that has opened a stanza before is given
// again, once: a PIN is not asked for once a file, and a PIN that is wrong by now
// is not tried twice.
func (r *pluginRun) value(prompt string, secret bool) (string, error) {
	q := question{r.key, prompt}
	_, again := r.given[q]
	if known, ok := r.answer(q); ok && secret && !again {
		r.given[q] = known
		return known, nil
	}
	if r.ui.Ask == nil {
		r.refused = true
		return "", errNobody
	}
	v, err := ask(r.ctx, r.session, func() (string, error) {
		return r.ui.Ask(r.ctx, program(r.name)+": "+printable(prompt), secret)
	})
	if err != nil {
		r.refused = true
		return "", err
	}
	if secret {
		r.given[q] = v
	}
	return v, nil
}

func (r *pluginRun) confirm(prompt, yes, no string) (bool, error) {
	if r.ui.Confirm == nil {
		r.refused = true
		return false, errNobody
	}
	ok, err := ask(r.ctx, r.session, func() (bool, error) {
		return r.ui.Confirm(r.ctx, program(r.name)+": "+printable(prompt), printable(yes), printable(no))
	})
	r.refused = r.refused || err != nil
	return ok, err
}

func (s *session) answer(q question) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.answers[q]
	return v, ok
}

// keepAnswers remembers the secrets of a run that worked, and forgets those of
// one that did not.
func (r *pluginRun) keepAnswers(worked bool) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	for q, v := range r.given {
		if worked && r.key != "" {
			r.answers[q] = v
		} else {
			delete(r.answers, q)
		}
	}
}

// explain says in our own words why a plugin failed. What it said itself is kept
// for the user's eyes.
func (r *pluginRun) explain(err error) error {
	var missing *plugin.NotFoundError
	var start *exec.Error
	var path *fs.PathError
	switch {
	case err == nil, errors.Is(err, age.ErrIncorrectIdentity):
		return err
	case errors.As(err, &missing):
		return trouble{keysources.Unavailable, program(r.name) + " is not in PATH"}
	case errors.As(err, &start), errors.As(err, &path):
		return trouble{keysources.Unavailable, program(r.name) + " cannot be started"}
	case r.refused:
		return trouble{keysources.Unauthenticated, program(r.name) + " has a question, and got no answer: run this at a terminal"}
	}
	r.call.mu.Lock()
	defer r.call.mu.Unlock()
	r.says = append(r.says, "age-plugin-"+err.Error())
	return trouble{keysources.Unreachable, program(r.name) + " failed"}
}

// program returns the name of a plugin's program.
func program(name string) string { return "age-plugin-" + name }
