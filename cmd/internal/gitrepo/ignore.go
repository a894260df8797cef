package gitrepo

import (
	"context"
	"errors"
	"os/exec"
)

// Ignored reports whether git would leave an untracked file out of a commit. The
// root is that of the file's work tree; the file need not exist.
func Ignored(ctx context.Context, root, file string) (bool, error) {
	env, err := environment(ctx, root)
	if err != nil {
		return false, err
	}
	err = command(ctx, root, env, "check-ignore", "--quiet", "--", file).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}
