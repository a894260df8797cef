package gitrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os/exec"
)

// Git runs git in the work tree with the given topmost folder, or in any other
// folder, and returns what it prints. It is for questions and for what the caller
// means to change; git asks nobody anything. If there is no git, the error wraps
// [exec.ErrNotFound]; if git fails, it is an [*Error] in git's own words, which
// wraps its exit status.
func Git(ctx context.Context, root string, args ...string) ([]byte, error) {
	return GitInput(ctx, root, nil, args...)
}

// GitInput is [Git] with something to read for git.
func GitInput(ctx context.Context, root string, input []byte, args ...string) ([]byte, error) {
	env, err := environment(ctx, root)
	if err != nil {
		return nil, err
	}
	cmd := command(ctx, root, env, args...)
	stderr := &bounded{}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, &Error{Text: cmp.Or(stderr.line(), "git failed"), Err: err}
	}
	return out, err
}

// ExitCode returns how git ended, by an error of [Git]: -1 if it did not run.
func ExitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
