package lsp

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/check"
	"github.com/gitseal/gitseal/formats"
)

const (
	configName = check.ConfigName
	// maxText is the longest text that is looked at, in bytes; maxDocuments is how many
	// may be open.
	maxText      = formats.MaxSource
	maxDocuments = 1000
)

// document is a text that is open in the editor. What it holds is replaced, never
// changed in place.
type document struct {
	uri     string
	path    string
	version int
	text    []byte
	// tooLong: there is no text, because it is too long.
	tooLong bool
	// timer checks the text when nothing more is typed.
	timer *time.Timer
	// seen is what is known of the text, nil if it was not looked at yet.
	seen *view
}

func (s *server) opened(p openParams) {
	path := pathOf(p.Document.URI)
	if path == "" {
		return // a text that is no file has no rule
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.documents[p.Document.URI]
	if old == nil && len(s.documents) >= maxDocuments {
		return
	}
	if old != nil {
		old.timer.Stop()
	}
	d := &document{uri: p.Document.URI, path: resolve(path)}
	d.timer = time.AfterFunc(time.Hour, func() { s.spawn(func() { s.check(d.uri) }) })
	d.set(p.Document.Version, p.Document.Text)
	s.documents[d.uri] = d
	d.timer.Reset(0)
}

func (d *document) set(version int, text string) {
	d.version, d.text, d.tooLong, d.seen = version, []byte(text), false, nil
	if len(text) > maxText {
		d.text, d.tooLong = nil, true
	}
}

func (s *server) changed(p changeParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.documents[p.Document.URI]
	if d == nil {
		return
	}
	for _, c := range p.Changes {
		if c.Range == nil { // we have asked for nothing else
			d.set(p.Document.Version, c.Text)
		}
	}
	d.timer.Reset(s.Pause)
}

func (s *server) saved(p documentParams) {
	s.mu.Lock()
	d := s.documents[p.Document.URI]
	if d != nil {
		d.seen = nil // what is on the disk counts, too
		d.timer.Reset(0)
	}
	s.mu.Unlock()
	if d != nil && filepath.Base(d.path) == configName {
		s.recheckAll()
	}
}

func (s *server) closed(p documentParams) {
	s.mu.Lock()
	d := s.documents[p.Document.URI]
	delete(s.documents, p.Document.URI)
	s.mu.Unlock()
	if d != nil {
		d.timer.Stop()
		s.spawn(func() { s.check(d.uri) })
	}
}

// recheckAll checks all texts: a rule may have changed.
func (s *server) recheckAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.documents {
		d.seen = nil
		d.timer.Reset(0)
	}
}

// check publishes the diagnostics of a text as it is now, none if it was closed.
func (s *server) check(uri string) {
	s.checking.Lock()
	defer s.checking.Unlock()
	_, _ = guarded(func() (any, error) {
		p := diagnosticsParams{URI: uri, Diagnostics: []diagnostic{}}
		if v := s.view(uri); v != nil {
			p.Version, p.Diagnostics = v.version, v.diagnostics
			if s.current(uri) != v.version {
				return nil, nil // another check is to come
			}
		}
		return nil, s.conn.Notify(s.ctx, "textDocument/publishDiagnostics", p)
	})
}

// current returns the version of a text.
func (s *server) current(uri string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.documents[uri]; d != nil {
		return d.version
	}
	return -1
}

// view returns what is known of an open text, nil if there is none.
func (s *server) view(uri string) *view {
	s.mu.Lock()
	d := s.documents[uri]
	if d == nil {
		s.mu.Unlock()
		return nil
	}
	v, seen := newView(d, s.root), d.seen
	s.mu.Unlock()
	if seen != nil {
		return seen
	}
	v.look(s.Rules)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.version == v.version && s.documents[uri] == d {
		d.seen = v
	}
	return v
}

// sealedOnDisk reports whether a file is sealed as it is stored.
func sealedOnDisk(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, formats.MaxSealed))
	return err == nil && check.LooksSealed(data)
}
