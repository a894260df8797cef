package gitrepo

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// localVars are the variables that tie git to one repository, as listed by
// "git rev-parse --local-env-vars". git sets some of them for its hooks.
var localVars = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS",
	"GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX",
	"GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
	"GIT_WORK_TREE",
}

// pathVars are those of them that hold a path which may be relative to the
// folder that we run in, and would lead elsewhere from a repository's root.
var pathVars = []string{"GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE"}

// environment returns the environment for git in root. What our own environment
// says about a repository holds only if it is about this one: a hook of one
// repository may well be working on a file of another.
func environment(ctx context.Context, root string) ([]string, error) {
	own := os.Environ()
	scrubbed := append(slices.DeleteFunc(slices.Clone(own), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(localVars, name)
	}),
		"GIT_TERMINAL_PROMPT=0",
		"GIT_OPTIONAL_LOCKS=0",
		// A missing object of a partial clone is no reason to call its server.
		"GIT_NO_LAZY_FETCH=1",
		"LC_ALL=C",
	)
	if os.Getenv("GIT_DIR") == "" && os.Getenv("GIT_INDEX_FILE") == "" {
		return scrubbed, nil
	}
	ours, err := gitDir(ctx, "", own)
	if err != nil || ours == "" {
		return scrubbed, err
	}
	if ours == root { // bare
		return restore(scrubbed)
	}
	theirs, err := gitDir(ctx, root, scrubbed)
	if err != nil || ours != theirs {
		return scrubbed, err
	}
	return restore(scrubbed)
}

// gitDir returns the resolved repository folder that git uses in dir, "" if none.
func gitDir(ctx context.Context, dir string, env []string) (string, error) {
	out, err := command(ctx, dir, env, "rev-parse", "--absolute-git-dir").Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	if errors.Is(err, exec.ErrNotFound) || errors.As(err, &exit) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(strings.TrimSuffix(string(out), "\n"))
}

// restore adds the repository's variables back, their paths made absolute.
func restore(env []string) ([]string, error) {
	for _, name := range localVars {
		value, ok := os.LookupEnv(name)
		// The prefix speaks about the folder that we run in.
		if !ok || name == "GIT_PREFIX" {
			continue
		}
		if slices.Contains(pathVars, name) && value != "" {
			abs, err := filepath.Abs(value)
			if err != nil {
				return nil, err
			}
			value = abs
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}

// Previous returns the latest earlier version of one file: that of the index or
// else of the last commit. Without any its error is [ErrNone].
func Previous(ctx context.Context, file string, limit int64) ([]byte, error) {
	root, ok := Root(filepath.Dir(file))
	if !ok {
		return nil, ErrNone
	}
	repo, err := Open(ctx, root, limit)
	if err != nil {
		return nil, err
	}
	for blob, readErr := range repo.Versions(file) {
		return blob, errors.Join(readErr, repo.Close())
	}
	return nil, errors.Join(ErrNone, repo.Close())
}
