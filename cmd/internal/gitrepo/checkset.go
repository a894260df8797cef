package gitrepo

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// Listed returns the files of a work tree that git tracks, or would add: those that it
// ignores are left out. The folder, which may be the root itself, limits them to what is
// below it. Paths are seen from the root, with slashes; a file that was deleted may be
// among them.
func Listed(ctx context.Context, root, folder string) ([]string, error) {
	args := []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard"}
	if rel, err := filepath.Rel(root, folder); err == nil && rel != "." {
		args = append(args, "--", ":(top,literal)"+filepath.ToSlash(rel))
	}
	out, err := Git(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(strings.Split(string(out), "\x00"), func(n string) bool { return n == "" || strings.HasSuffix(n, "/") })
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Indexed returns the regular files in the index, seen from the top of the work tree.
func Indexed(ctx context.Context, root string) ([]Side, error) {
	out, err := Git(ctx, root, "ls-files", "-z", "--stage")
	if err != nil {
		return nil, err
	}
	// <mode> SP <id> SP <stage> TAB <path> NUL
	return entries(string(out), func(head []string) (mode, id string, ok bool) {
		return head[0], head[1], len(head) == 3 && head[2] == "0"
	})
}

// Skipped returns the regular files in the index, below a folder, that git was told to
// leave out of the work tree: those outside of a sparse checkout (skip-worktree).
func Skipped(ctx context.Context, root, folder string) ([]Side, error) {
	args := []string{"ls-files", "-z", "--stage", "-t"}
	if rel, err := filepath.Rel(root, folder); err == nil && rel != "." {
		args = append(args, "--", ":(top,literal)"+filepath.ToSlash(rel))
	}
	out, err := Git(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	// S SP <mode> SP <id> SP <stage> TAB <path> NUL
	var list []Side
	for line := range strings.SplitSeq(string(out), "\x00") {
		line, skipped := strings.CutPrefix(line, "S ")
		if !skipped {
			continue
		}
		found, err := entries(line, func(head []string) (mode, id string, ok bool) { return head[0], head[1], true })
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// InTree returns the regular files of a commit or tree.
func InTree(ctx context.Context, root, commit string) ([]Side, error) {
	out, err := Git(ctx, root, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	// <mode> SP <type> SP <id> TAB <path> NUL
	return entries(string(out), func(head []string) (mode, id string, ok bool) { return head[0], head[2], true })
}

func entries(out string, read func(head []string) (mode, id string, ok bool)) ([]Side, error) {
	var list []Side
	for _, line := range strings.Split(out, "\x00") {
		if line == "" {
			continue
		}
		head, path, found := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !found || len(fields) != 3 {
			return nil, errOutOfStep
		}
		mode, id, ok := read(fields)
		if s := side(mode, id, path); ok && s.Regular {
			list = append(list, s)
		}
	}
	return list, nil
}

// CommitFiles are what a commit changed.
type CommitFiles struct {
	Commit string
	Files  []Difference
}

// CommitsBetween returns the commits that b has and a has not, the oldest first, each
// with what it changed of its (first) parent; of a merge, only files that are like in
// none of its parents. A renamed file has gone, and is a new one. Without a, all commits
// of b are meant.
func CommitsBetween(ctx context.Context, root, a, b string) ([]CommitFiles, error) {
	args := []string{"rev-list", "--reverse", "--topo-order", b}
	if a != "" {
		args = append(args, "^"+a)
	}
	commits, err := Git(ctx, root, append(args, "--")...)
	if err != nil || len(commits) == 0 {
		return nil, err
	}
	out, err := GitInput(ctx, root, commits, "diff-tree", "--stdin", "-r", "-c", "--root", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
	if err != nil {
		return nil, err
	}
	return parseCommits(string(out))
}

// parseCommits reads what diff-tree --stdin -z prints: the name of a commit, and then
// for each file (git-diff(1), RAW OUTPUT FORMAT and DIFF FORMAT FOR MERGES) as many
// colons as there are parents, that many modes and one more, so many ids, a letter for
// each parent, NUL, and the path.
func parseCommits(out string) ([]CommitFiles, error) {
	var list []CommitFiles
	fields := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for i := 0; i < len(fields); i++ {
		text := strings.TrimSpace(fields[i])
		if text == "" {
			continue
		}
		if text[0] != ':' {
			list = append(list, CommitFiles{Commit: text})
			continue
		}
		parents := len(text) - len(strings.TrimLeft(text, ":"))
		head := strings.Fields(text[parents:])
		i++
		if len(head) != 2*parents+3 || i >= len(fields) || len(list) == 0 {
			return nil, errOutOfStep
		}
		last := &list[len(list)-1]
		last.Files = append(last.Files, Difference{
			Status: head[2*parents+2][0],
			Old:    side(head[0], head[parents+1], fields[i]), New: side(head[parents], head[2*parents+1], fields[i]),
		})
	}
	return list, nil
}

// InCommit returns a file as it is in a commit, or an error that is [ErrNone]. The path
// is seen from the top of the work tree, with slashes. A bare repository has it, too.
func (r *Repo) InCommit(commit, path string) ([]byte, error) {
	object := commit + ":" + path
	if strings.Contains(object, "\n") {
		return r.single(object)
	}
	return r.ask(object)
}

// IsLink reports whether a path is a symbolic link in a commit, or in the index if that
// is "".
func IsLink(ctx context.Context, root, commit, path string) (bool, error) {
	args := []string{"ls-tree", "-z", "--full-tree", "--end-of-options", commit, path}
	if commit == "" {
		args = []string{"ls-files", "-z", "--stage", "--", ":(top,literal)" + path}
	}
	out, err := Git(ctx, root, args...)
	return strings.HasPrefix(string(out), "120000 "), err
}
