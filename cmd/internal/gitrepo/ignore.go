package gitrepo

import (
	"context"
	"errors"
	"os/exec"
	"strings"
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

// IgnoredAmong returns those of the files that git would leave out of a commit and
// that are not in it already, with one call of git. All lie in the work tree with
// the given root. The error says that there is no git, or what it complained about.
func IgnoredAmong(ctx context.Context, root string, files []string) (map[string]bool, error) {
	env, err := environment(ctx, root)
	if err != nil {
		return nil, err
	}
	cmd := command(ctx, root, env, "check-ignore", "-z", "--stdin")
	cmd.Stdin = strings.NewReader(strings.Join(files, "\x00") + "\x00")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ignored := map[string]bool{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		ignored[name] = name != ""
	}
	return ignored, nil
}
