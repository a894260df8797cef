package gitrepo

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

var (
	// ErrNone: there is no such version, because the file is new, or no git
	// repository or no git is there at all.
	ErrNone = errors.New("no earlier version in git")
	// ErrTooLarge: the version is larger than the limit.
	ErrTooLarge = errors.New("the version in git is too large")
)

// Version names a version of a file.
type Version uint8

// The versions, in the order in which they are worth trying.
const (
	// Index is what the next commit would hold. A file in conflict has none.
	Index Version = iota
	// Head is what the last commit holds.
	Head
)

func (v Version) object(rel string) string {
	// "./" makes git read the name literally and relative to the folder it runs in.
	return [...]string{":./", "HEAD:./"}[v] + rel
}

// Repo reads versions of the files of one work tree. Its methods may be called
// from several goroutines. Versions are the stored bytes: line endings and filters
// that git applies on checkout are not.
type Repo struct {
	root  string
	limit int64
	// start starts a git, with the context and environment of Open.
	start func(args ...string) (*conversation, error)

	mu sync.Mutex // guards what follows and the conversation with git
	// conv is started with the first question, and nil before.
	conv *conversation
	// broken is the error after which the conversation is out of step.
	broken error
}

// Open prepares reading from the work tree with the given topmost folder, links
// resolved. No version larger than limit bytes is read. The caller closes the Repo;
// the end of ctx stops it.
func Open(ctx context.Context, root string, limit int64) (*Repo, error) {
	env, err := environment(ctx, root)
	if err != nil {
		return nil, err
	}
	start := func(args ...string) (*conversation, error) { return converse(command(ctx, root, env, args...)) }
	return &Repo{root: root, limit: limit, start: start}, nil
}

// Close ends the conversation with git.
func (r *Repo) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conv == nil {
		return nil
	}
	c := r.conv
	r.conv, r.broken = nil, errors.New("reading from git after Close")
	return c.close()
}

// Versions returns the earlier versions of a file that there are, the index first,
// without repeating the same bytes. It reads only as far as the caller goes. An
// error ends the sequence; no version at all is an empty sequence, not an error.
func (r *Repo) Versions(file string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var last []byte
		have := false
		for _, v := range []Version{Index, Head} {
			blob, err := r.Read(file, v)
			if errors.Is(err, ErrNone) || err == nil && have && bytes.Equal(blob, last) {
				continue
			}
			if !yield(blob, err) || err != nil {
				return
			}
			last, have = blob, true
		}
	}
}

// Read returns one version of a file, or an error that is [ErrNone]. The path is
// resolved and lies below the root.
func (r *Repo) Read(file string, v Version) ([]byte, error) {
	rel, err := filepath.Rel(r.root, file)
	if err != nil || !filepath.IsLocal(rel) || strings.ContainsRune(rel, 0) {
		return nil, fmt.Errorf("reading %q from git: it is outside %s", file, r.root)
	}
	object := v.object(filepath.ToSlash(rel))
	var blob []byte
	if strings.Contains(object, "\n") {
		// Questions in a conversation are lines.
		blob, err = r.single(object)
	} else {
		blob, err = r.ask(object)
	}
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, fmt.Errorf("reading %q from git: %w", rel, err)
	}
	return blob, err
}

// ask gets an object through the conversation, which starts git only once.
func (r *Repo) ask(object string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return nil, r.broken
	}
	if r.conv == nil {
		c, err := r.start("cat-file", "--batch")
		if err != nil {
			return nil, err
		}
		r.conv = c
	}
	blob, err := r.conv.get(object, r.limit)
	if err == nil || errors.Is(err, ErrNone) || errors.Is(err, ErrTooLarge) {
		return blob, err
	}
	// git has died, or its answer made no sense. Its own words say why.
	closeErr := r.conv.close()
	r.conv = nil
	if closeErr != nil {
		err = closeErr
	}
	var git *Error
	if errors.As(err, &git) && strings.Contains(git.Text, "not a git repository") {
		// Something called .git that is none.
		err = ErrNone
	}
	r.broken = err
	return nil, err
}

// single runs git for one object.
//
// A git that fails because the object is not there is not to be told from one that
// refuses the repository, so the conversation is asked first, about anything.
func (r *Repo) single(object string) ([]byte, error) {
	if _, err := r.ask("HEAD"); err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	c, err := r.start("cat-file", "blob", object)
	if err != nil {
		return nil, err
	}
	blob, err := io.ReadAll(io.LimitReader(c.out, r.limit+1))
	tooLarge := int64(len(blob)) > r.limit
	if closeErr := c.close(); err == nil && !tooLarge && closeErr != nil {
		return nil, ErrNone
	}
	if err == nil && tooLarge {
		return nil, ErrTooLarge
	}
	return blob, err
}

// conversation is a running git.
type conversation struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	pipe   io.ReadCloser
	stderr *bounded
}

func converse(cmd *exec.Cmd) (*conversation, error) {
	c := &conversation{cmd: cmd, stderr: &bounded{}}
	c.cmd.Stderr = c.stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.pipe, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(c.pipe)
	err = c.cmd.Start()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, ErrNone
	}
	return c, err
}

// close ends git and returns what it complained about, if it failed.
func (c *conversation) close() error {
	// git ends at the end of its input, or when its output goes nowhere.
	_ = c.in.Close()
	_ = c.pipe.Close()
	err := c.cmd.Wait()
	if err == nil {
		return nil
	}
	return &Error{Text: cmp.Or(c.stderr.line(), "git failed"), Err: err}
}

// Error is a failure of git, told in its own words.
type Error struct {
	// Text is the first line that git wrote about it.
	Text string
	Err  error
}

// Error returns git's words.
func (e *Error) Error() string { return e.Text }

// Unwrap returns how git ended.
func (e *Error) Unwrap() error { return e.Err }

// maxStderr bounds what is kept of git's complaints.
const maxStderr = 4096

// bounded keeps the beginning of what is written to it.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), maxStderr-len(w.b))]...)
	return len(p), nil
}

func (w *bounded) line() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(w.b)), "\n")
	return line
}

// waitDelay is how long a git that was told to stop may go on holding its pipes.
const waitDelay = 2 * time.Second

// command returns a git that asks nobody anything and changes nothing.
func command(ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	// A file system monitor is a program that the repository's configuration names.
	args = append([]string{"--no-pager", "-c", "core.fsmonitor=false"}, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, env, waitDelay
	return cmd
}
