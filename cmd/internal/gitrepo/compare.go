package gitrepo

import (
	"context"
	"strings"
)

// Side is one side of a difference.
type Side struct {
	// Path is seen from the top of the work tree, with slashes; "" if there is no
	// such file on this side.
	Path string
	// Regular: it is a file, and neither a link nor a submodule.
	Regular bool
	// ID is the object that holds the content, "" if only the work tree does.
	ID string
}

// Difference is a file that is not the same on two sides.
type Difference struct {
	// Status is git's letter: A(dded), C(opied), D(eleted), M(odified), R(enamed),
	// T(ype changed) or U(nmerged: the file is in conflict).
	Status   byte
	Old, New Side
}

// CompareOptions say what is compared: without Commits, the index with the work
// tree; with one, it with the work tree; with two, these.
type CompareOptions struct {
	// Staged puts the index in place of the work tree, and HEAD in that of the index.
	Staged bool
	// Commits are names of objects as Resolve returns them.
	Commits []string
	// Paths, seen from the top of the work tree, limit what is compared to them and
	// what is below them; none means all.
	Paths []string
}

// Compare lists the files that differ. Submodules are left out. A file in conflict
// is one difference, its new side that of the work tree.
func Compare(ctx context.Context, root string, o CompareOptions) ([]Difference, error) {
	args := []string{
		"diff", "--raw", "-z", "--no-abbrev", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative",
		"--ignore-submodules=all", "-O/dev/null",
	}
	if o.Staged {
		args = append(args, "--cached")
	}
	args = append(append(args, o.Commits...), "--")
	for _, p := range o.Paths {
		args = append(args, ":(top,literal)"+p)
	}
	out, err := Git(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	list, err := parseRaw(string(out))
	for i := range list {
		// To find renames, git gives contents names that only the work tree has.
		if d := &list[i]; !o.Staged && len(o.Commits) < 2 && strings.IndexByte("ACR", d.Status) >= 0 {
			d.New.ID = ""
		}
	}
	return list, err
}

// parseRaw reads git's raw format (git-diff(1), RAW OUTPUT FORMAT, with -z):
//
//	:<mode> <mode> <id> <id> <status>[score] NUL <path> NUL [<path> NUL]
func parseRaw(out string) ([]Difference, error) {
	var list []Difference
	unmerged := map[string]bool{}
	fields := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for i := 0; i < len(fields) && fields[i] != ""; {
		head := strings.Fields(strings.TrimPrefix(fields[i], ":"))
		if len(head) != 5 || i+1 >= len(fields) {
			return nil, errOutOfStep
		}
		d := Difference{Status: head[4][0]}
		d.Old, d.New = side(head[0], head[2], fields[i+1]), side(head[1], head[3], fields[i+1])
		i += 2
		if d.Status == 'R' || d.Status == 'C' {
			if i >= len(fields) {
				return nil, errOutOfStep
			}
			d.New.Path = fields[i]
			i++
		}
		// Of a file in conflict git also tells how it differs from our side.
		switch path := fields[i-1]; {
		case d.Status == 'U':
			unmerged[path] = true
			d.New = Side{Path: path, Regular: true}
		case unmerged[path]:
			continue
		}
		list = append(list, d)
	}
	return list, nil
}

func side(mode, id, path string) Side {
	s := Side{Path: path, Regular: strings.HasPrefix(mode, "100"), ID: id}
	if strings.Trim(id, "0") == "" {
		s.ID = ""
	}
	if strings.Trim(mode, "0") == "" {
		return Side{}
	}
	return s
}

// Resolve returns the name of the object that a revision means: a commit, or a tree
// if it names one. It is ErrNone if there is no such revision.
func Resolve(ctx context.Context, root, revision string) (string, error) {
	out, err := Git(ctx, root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{object}")
	if ExitCode(err) > 0 {
		return "", ErrNone
	}
	return strings.TrimSpace(string(out)), err
}

// MergeBase returns the best common ancestor of two commits, or ErrNone.
func MergeBase(ctx context.Context, root, a, b string) (string, error) {
	out, err := Git(ctx, root, "merge-base", a, b)
	if ExitCode(err) == 1 {
		return "", ErrNone
	}
	return strings.TrimSpace(string(out)), err
}
