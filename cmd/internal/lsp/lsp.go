// Package lsp is a language server for sealed files: it tells editors what is wrong with
// the sealed text that they show, what is known of its values, and makes changes to it.
// It speaks LSP 3.17 (https://microsoft.github.io/language-server-protocol).
//
// No plain value is ever in what it says. It writes no file: what a command changes is
// an edit of the editor's text, which people save or undo.
package lsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/formats"
)

// File is the text of a file as an editor shows it. The text may be a secret: it prints
// redacted.
type File struct {
	// Path is absolute, links resolved. Name is what people call the file.
	Path, Name string
	Text       []byte
}

// String names the file.
func (f File) String() string { return f.Name }

// GoString is String.
func (f File) GoString() string { return f.Name }

// Made is a new, sealed text of a file.
type Made struct {
	Text []byte
	// Note tells people what was done.
	Note string
}

// Rules says what the configurations say.
type Rules interface {
	// Expect returns what the rules say now about the file at an absolute path, whose
	// links are resolved. Its error says which configuration cannot be used.
	Expect(path string) (check.Expected, error)
}

// Sealer makes new sealed texts in memory. Its errors are shown to people.
type Sealer interface {
	// Seal seals a plain text, or the plain values in a sealed one.
	Seal(ctx context.Context, f File) (Made, error)
	// Generate puts a new secret of a kind at a key of a sealed text.
	Generate(ctx context.Context, f File, key *formats.Path, kind string) (Made, error)
	// Sync seals a sealed text for the readers that its rule names.
	Sync(ctx context.Context, f File) (Made, error)
}

// Age says since when a value is what it is.
type Age struct {
	// Since is when that was committed; it is zero if it is not.
	Since  time.Time
	Commit string
	// AtLeast: the value may be older.
	AtLeast bool
	// Limit is how old a value may get by the file's rule, 0 for as old as it likes.
	Limit time.Duration
}

// History knows how old values are.
type History interface {
	// Ages returns the ages of the sealed values of a text by their key paths in full.
	Ages(ctx context.Context, f File) (map[string]Age, error)
}

// Options are what a server works with.
type Options struct {
	In  io.Reader
	Out io.Writer
	// Version is what the server says its version is.
	Version string
	Rules   Rules
	Sealer  Sealer
	// History may be nil.
	History History
	// Generators are the kinds of secrets that Sealer makes; the first is offered.
	Generators []string
	// Pause is for how long nothing must be typed before a text is checked; 0 for the
	// usual time.
	Pause time.Duration
}

// ErrNoShutdown: the client went away without saying so.
var ErrNoShutdown = errors.New("the editor went away without ending the server")

// usualPause is Options.Pause if that is 0.
const usualPause = 150 * time.Millisecond

// Serve serves one client until it says exit, its messages end, or ctx does. It returns
// nil if the client had asked for the shutdown, and else ErrNoShutdown or the cause.
func Serve(ctx context.Context, o Options) error {
	if o.Pause == 0 {
		o.Pause = usualPause
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newServer(ctx, o)
	stream := newStream(o.In, o.Out)
	// The library's log would repeat what it read.
	quiet := jsonrpc2.SetLogger(log.New(io.Discard, "", 0))
	s.start(jsonrpc2.NewConn(ctx, stream, s, quiet))
	<-s.conn.DisconnectNotify()
	cancel()
	s.wait()
	switch {
	case s.wasShutDown():
		return nil
	case stream.broken() != nil:
		return fmt.Errorf("reading from the editor: %w", stream.broken())
	}
	return ErrNoShutdown
}
