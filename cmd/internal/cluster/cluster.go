// Package cluster reads SealedManifests, SealKeyrings and published recipients from a
// Kubernetes cluster.
//
// It runs the user's kubectl, which knows how to get there and as whom, and reads its
// JSON into small types of its own. What it returns is safe to print: whoever may write
// a status may put anything into it.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
)

// maxAnswer bounds what is read of kubectl's answer: 10,000 manifests have some 50 MB.
const maxAnswer = 1 << 30

// Kubectl is how the cluster is asked.
type Kubectl struct {
	// Program is the name or path of kubectl; "kubectl" if empty.
	Program string
	// Kubeconfig and Context are given on as flags if they are set.
	Kubeconfig, Context string
	// Env is its whole environment, in the form of os.Environ.
	Env []string
}

// Where says which objects are meant.
type Where struct {
	// Namespace, if not empty, else that of the context.
	Namespace string
	// All namespaces.
	All bool
	// Names of objects; all if there are none.
	Names []string
}

// get runs kubectl get and returns its answer. The error is an [*Error].
func (k Kubectl) get(ctx context.Context, resource string, w Where) ([]byte, error) {
	program := k.Program
	if program == "" {
		program = "kubectl"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, &Error{Reason: NoKubectl, Message: clean(program)}
	}
	cmd := exec.CommandContext(ctx, path, k.args(resource, w)...)
	cmd.Env = k.Env
	var said tail
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, &Error{Reason: NoKubectl, Message: clean(program)}
	}
	answer, readErr := io.ReadAll(io.LimitReader(out, maxAnswer+1))
	if len(answer) > maxAnswer {
		_ = cmd.Process.Kill() // it would wait for a reader
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(answer) > maxAnswer:
		return nil, &Error{Reason: BadAnswer, Message: "the answer is too large"}
	case err != nil:
		return nil, explain(said.String())
	}
	return answer, readErr
}

// args are the arguments of kubectl get.
func (k Kubectl) args(resource string, w Where) []string {
	args := []string{"get", resource, "--output=json", "--request-timeout=60s"}
	if k.Kubeconfig != "" {
		args = append(args, "--kubeconfig="+k.Kubeconfig)
	}
	if k.Context != "" {
		args = append(args, "--context="+k.Context)
	}
	switch {
	case w.All:
		args = append(args, "--all-namespaces")
	case w.Namespace != "":
		args = append(args, "--namespace="+w.Namespace)
	}
	return append(append(args, "--"), w.Names...)
}

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

// maxSaid is how much of kubectl's messages is kept.
const maxSaid = 64 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - maxSaid; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}

// Reason says what kind of failure an [Error] is.
type Reason string

// The reasons.
const (
	// NoKubectl: there is no such program.
	NoKubectl Reason = "no kubectl"
	// NoContext: the configuration does not say which cluster, or names one that it
	// does not have.
	NoContext Reason = "no context"
	// Unreachable: the cluster did not answer.
	Unreachable Reason = "unreachable"
	// Unauthorized: the cluster does not know the user.
	Unauthorized Reason = "unauthorized"
	// Forbidden: the user may not read it.
	Forbidden Reason = "forbidden"
	// NotInstalled: the cluster has no such kind of objects.
	NotInstalled Reason = "not installed"
	// NotFound: there is no object of that name.
	NotFound Reason = "not found"
	// BadAnswer: what came is not what was asked for.
	BadAnswer Reason = "bad answer"
	// Failed is everything else.
	Failed Reason = "failed"
)

// Error says why the cluster could not be asked.
type Error struct {
	Reason Reason
	// Message is the program that is missing, or what kubectl said, in one line.
	Message string
}

// Error returns the message.
func (e *Error) Error() string {
	if e.Reason == NoKubectl {
		return "the program " + e.Message + " is not there"
	}
	return "asking the cluster: " + e.Message
}

// ReasonOf returns the reason of an error, "" if it is none of an [*Error].
func ReasonOf(err error) Reason {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// explain tells from kubectl's messages what is wrong. There is no other way: its exit
// code is always 1.
func explain(said string) *Error {
	e := &Error{Reason: Failed, Message: lastLine(said)}
	for _, known := range []struct {
		reason Reason
		texts  []string
	}{
		{NotInstalled, []string{"the server doesn't have a resource type", "no matches for kind", "could not find the requested resource"}},
		{NotFound, []string{"(NotFound)"}},
		{Forbidden, []string{"(Forbidden)"}},
		{Unauthorized, []string{"You must be logged in", "(Unauthorized)", "getting credentials:", "the server has asked for the client to provide credentials"}},
		{NoContext, []string{"context was not found", "no configuration has been provided", "invalid configuration", "no such file or directory", "current-context", "error loading config", "localhost:8080 was refused"}},
		{Unreachable, []string{"Unable to connect to the server", "was refused", "connection refused", "i/o timeout", "no such host", "context deadline exceeded", "EOF", "etcdserver", "ServiceUnavailable"}},
	} {
		for _, text := range known.texts {
			if strings.Contains(said, text) {
				e.Reason = known.reason
				return e
			}
		}
	}
	return e
}

// maxMessage bounds a message, in bytes.
const maxMessage = 400

// lastLine returns the last line that says something: those before it are mostly
// retries and warnings.
func lastLine(said string) string {
	lines := strings.FieldsFunc(said, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			line = strings.TrimPrefix(line, "error: ")
			if rest, ok := strings.CutPrefix(line, "Error from server ("); ok {
				_, line, _ = strings.Cut(rest, "): ")
			}
			return strings.TrimSuffix(cut(clean(line), maxMessage), ".")
		}
	}
	return "kubectl failed and did not say why"
}
