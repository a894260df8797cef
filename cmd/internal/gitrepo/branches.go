package gitrepo

import (
	"context"
	"strings"
)

// Branch is a branch, of the repository itself or as last seen in another one.
type Branch struct {
	// Name is as people write it: main, origin/main.
	Name string
	// Commit is the hash of its newest commit.
	Commit string
}

// OtherBranches returns the branches whose newest commit is not the one that is
// checked out, by name.
func OtherBranches(ctx context.Context, root string) ([]Branch, error) {
	out, err := Git(ctx, root, "for-each-ref", "--format=%(objectname) %(symref) %(refname)", "refs/heads/", "refs/remotes/")
	if err != nil {
		return nil, err
	}
	head, err := Git(ctx, root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil && ctx.Err() != nil {
		return nil, err // without a commit, HEAD is none of them
	}
	current := strings.TrimSpace(string(head))
	var list []Branch
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(fields) != 3 || fields[1] != "" || fields[0] == current {
			continue // a symbolic one, such as origin/HEAD, is another's second name
		}
		name := strings.TrimPrefix(strings.TrimPrefix(fields[2], "refs/heads/"), "refs/remotes/")
		list = append(list, Branch{Name: name, Commit: fields[0]})
	}
	return list, nil
}
