package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Commit is what a history says of one commit.
type Commit struct {
	Hash    string
	Parents []string
	// Author is the author's name; Time is when they made the change, which a later
	// rebase or merge leaves alone.
	Author string
	Time   time.Time
}

// Touch is a commit that changed one file: one that left it as none of its parents
// had it. A merge that took the file from one side is none.
type Touch struct {
	Commit *Commit
	// Path is relative to the root, with slashes.
	Path string
	// Blob names the content, "" if the commit removed the file, or left something
	// else than a file in its place.
	Blob string
	// Was are the blobs in the parents; there is none in a first commit, nor in the
	// oldest commits of a shallow clone.
	Was []string
}

// LogOptions are the choices of Log.
type LogOptions struct {
	// Paths are relative to the root, with slashes. They mean themselves, not patterns.
	Paths []string
	// All follows all branches, tags and other refs, not only HEAD.
	All bool
}

// commitFormat is what git is asked to print of a commit: fields that end in zero
// bytes, the first of which begins with a byte that no other line begins with.
const commitFormat = "format:%x01%H%x00%P%x00%aN%x00%at%x00"

// Log returns the commits that changed some files, along all parents, no commit
// before its children. A repository without commits has none.
func (r *Repo) Log(opts LogOptions) ([]Touch, error) {
	if len(opts.Paths) == 0 || !opts.All && !r.hasHead() {
		return nil, nil
	}
	args := []string{
		"--literal-pathspecs", "-c", "log.showRoot=true", "-c", "diff.relative=false", "log", "--topo-order", "--full-history", "-c", "--raw", "-z",
		"--no-abbrev", "--no-renames", "--no-color", "--no-decorate", "--no-show-signature", "--no-notes", "--no-ext-diff",
		"--format=" + commitFormat, "HEAD",
	}
	if opts.All {
		args[len(args)-1] = "--all"
	}
	names := opts.Paths
	input := "--\n" + strings.Join(names, "\n") + "\n"
	if strings.Contains(strings.Join(names, ""), "\n") {
		// Lines cannot hold such names.
		args, input = append(append(args, "--"), names...), ""
	} else {
		args = append(args, "--stdin")
	}
	var out []Touch
	err := r.read(input, args, func(tokens func() (string, bool)) (err error) {
		out, err = readLog(tokens)
		return err
	})
	return out, err
}

// hasHead reports whether there is a commit to begin with.
func (r *Repo) hasHead() bool {
	c, err := r.start("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, c.out)
	return errors.Join(err, c.close()) == nil
}

// read runs git with an input and hands on its output, which ends each token with a
// zero byte.
func (r *Repo) read(input string, args []string, use func(tokens func() (string, bool)) error) error {
	c, err := r.start(args...)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.in, input)
		written <- errors.Join(err, c.in.Close())
	}()
	err = use(func() (string, bool) {
		token, err := c.out.ReadString(0)
		return strings.TrimSuffix(token, "\x00"), err == nil || token != ""
	})
	if closeErr := c.close(); err == nil && closeErr != nil {
		err = closeErr
	}
	<-written // what git did not want to read does not matter if it is content
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	return nil
}

// readLog reads what git log prints with commitFormat, --raw, -c and -z.
func readLog(next func() (string, bool)) ([]Touch, error) {
	var out []Touch
	var commit *Commit
	for token, ok := next(); ok; token, ok = next() {
		token = strings.TrimPrefix(token, "\n")
		switch {
		case token == "":
		case token[0] == 1:
			parents, _ := next()
			author, _ := next()
			seconds, _ := next()
			at, err := strconv.ParseInt(seconds, 10, 64)
			if err != nil {
				return nil, errOutOfStep
			}
			commit = &Commit{Hash: token[1:], Parents: strings.Fields(parents), Author: author, Time: time.Unix(at, 0).UTC()}
		case token[0] == ':' && commit != nil:
			path, ok := next()
			raw, err := parseRawLine(token)
			if !ok || err != nil {
				return nil, errOutOfStep
			}
			t := Touch{Commit: commit, Path: path, Blob: raw.blobs[len(raw.blobs)-1], Was: raw.blobs[:len(raw.blobs)-1]}
			if len(commit.Parents) == 0 {
				t.Was = nil
			}
			out = append(out, t)
		default:
			return nil, errOutOfStep
		}
	}
	return out, nil
}

// rawChange is a line of git's raw diff format:
//
//	":"… mode… SP hash… SP status       (git-diff(1), RAW OUTPUT FORMAT)
//
// with as many colons, and modes and hashes of the old side, as there are parents.
type rawChange struct {
	// blobs are those of the parents and that of the result, "" for what is no file.
	blobs  []string
	status string
}

func parseRawLine(line string) (rawChange, error) {
	rest := strings.TrimLeft(line, ":")
	sides := len(line) - len(rest) + 1
	fields := strings.Split(rest, " ")
	if len(fields) != 2*sides+1 || fields[2*sides] == "" {
		return rawChange{}, errOutOfStep
	}
	out := rawChange{status: fields[2*sides]}
	for i := range sides {
		blob := fields[sides+i]
		// Links and submodules are no files.
		if !strings.HasPrefix(fields[i], "100") || strings.Trim(blob, "0") == "" {
			blob = ""
		}
		out.blobs = append(out.blobs, blob)
	}
	return out, nil
}

// Move is a file that a commit took away, or renamed.
type Move struct {
	// From and Blob are the file as it was.
	From, Blob string
	// To is its new name by git's judgement, "" if it was deleted.
	To string
}

// Moves returns which files commits took away or renamed. Merges and first commits
// have none.
func (r *Repo) Moves(commits []string) (map[string][]Move, error) {
	if len(commits) == 0 {
		return nil, nil
	}
	out := map[string][]Move{}
	args := []string{"diff-tree", "--stdin", "-r", "-M", "--raw", "-z", "--no-abbrev", "--no-ext-diff"}
	return out, r.read(strings.Join(commits, "\n")+"\n", args, func(next func() (string, bool)) error {
		commit := ""
		for token, ok := next(); ok; token, ok = next() {
			token = strings.TrimPrefix(token, "\n")
			if token == "" || token[0] != ':' {
				commit = token
				continue
			}
			raw, err := parseRawLine(token)
			from, ok := next()
			if err != nil || !ok || len(raw.blobs) != 2 {
				return errOutOfStep
			}
			m := Move{From: from, Blob: raw.blobs[0]}
			if raw.status[0] == 'R' {
				m.To, _ = next()
			}
			if m.Blob != "" && (raw.status == "D" || m.To != "") {
				out[commit] = append(out[commit], m)
			}
		}
		return nil
	})
}

// Descendants returns the commits of the history (of HEAD, or of all refs) that
// come after a commit.
func (r *Repo) Descendants(commit string, all bool) (map[string]bool, error) {
	tip := "HEAD"
	if all {
		tip = "--all"
	}
	c, err := r.start("rev-list", "--ancestry-path", "--no-abbrev", tip, "^"+commit)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for {
		line, err := c.out.ReadString('\n')
		if line != "" {
			out[strings.TrimSuffix(line, "\n")] = true
		}
		if err != nil {
			return out, c.close()
		}
	}
}

// At returns what a file held in a commit, or an error that is [ErrNone] or
// [ErrTooLarge]. The path is relative to the root, with slashes.
func (r *Repo) At(commit, path string) ([]byte, error) {
	name := commit + ":" + path
	if strings.Contains(name, "\n") {
		return r.single(name)
	}
	return r.ask(name)
}

// Shallow returns the commits at which the history of a shallow clone ends although
// they have parents; none of a full clone.
func Shallow(ctx context.Context, root string) (map[string]bool, error) {
	out, err := Git(ctx, root, "rev-parse", "--git-path", "shallow")
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(string(out), "\n")
	if !filepath.IsAbs(name) {
		name = filepath.Join(root, name)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	commits := map[string]bool{}
	for _, hash := range strings.Fields(string(data)) {
		commits[hash] = true
	}
	return commits, err
}
