// Package rescue keeps edits that could not be saved, sealed, until they are taken
// up again. It never sees plaintext: what it is given is sealed already.
package rescue

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

var (
	// ErrNone: there is no copy of that ID.
	ErrNone = errors.New("no such rescue copy")
	// ErrMalformed: a file among the copies is none.
	ErrMalformed = errors.New("not a rescue copy")
)

// MaxSize bounds the file of a copy, in bytes.
const MaxSize = 1 << 30

const (
	suffix   = ".json"
	version  = 1
	idLength = 8
)

// Copy is an edit that was kept.
type Copy struct {
	// ID names the copy: eight letters and digits.
	ID string
	// File is the absolute path of the file that was edited, Format the name of its
	// format.
	File, Format string
	// At is when the copy was made.
	At time.Time
	// Base is the sealed file that the edit began with, empty for a new file.
	Base []byte
	// Text is the edited text, sealed as a binary file.
	Text []byte
	// Redacted: the text has tokens in place of the values of Base.
	Redacted bool
}

// stored is the content of a copy's file.
type stored struct {
	Version int       `json:"v"`
	File    string    `json:"file"`
	Format  string    `json:"format"`
	At      time.Time `json:"at"`
	Base    []byte    `json:"base,omitempty"`
	Text    []byte    `json:"text"`
	// Redacted was not there at first; it is left out where it is false.
	Redacted bool `json:"redacted,omitempty"`
}

// Store is a folder of copies.
type Store struct{ dir string }

// DefaultDir returns the folder for the user's copies, "" if there is no place for
// one: $XDG_STATE_HOME/gitseal/rescue, else below ~/.local/state.
func DefaultDir(getenv func(string) string) string {
	base := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		base = getenv("LocalAppData") // Windows
	}
	if home := cmp.Or(getenv("HOME"), getenv("USERPROFILE")); !filepath.IsAbs(base) && filepath.IsAbs(home) {
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return filepath.Join(base, "gitseal", "rescue")
}

// New returns the store in a folder, which need not be there yet.
func New(dir string) *Store { return &Store{dir: dir} }

// Save keeps a copy and returns its ID. One with an ID replaces the copy that has
// it.
func (s *Store) Save(c Copy) (id string, err error) {
	if s.dir == "" {
		return "", errors.New("there is no home folder to keep a rescue copy in")
	}
	if id = c.ID; id == "" {
		id = newID()
	}
	if !isID(id) {
		return "", ErrNone
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fmt.Errorf("making a folder for rescue copies: %w", err)
	}
	data, err := json.Marshal(stored{Version: version, File: c.File, Format: c.Format, At: c.At.UTC(), Base: c.Base, Text: c.Text, Redacted: c.Redacted})
	if err != nil {
		return "", err
	}
	_, err = atomicfile.Write(s.path(id), data, atomicfile.Options{Expect: atomicfile.Anything(), Perm: 0o600})
	return id, err
}

// Load returns a copy. Its error is or wraps ErrNone or ErrMalformed, or says why
// the file cannot be read.
func (s *Store) Load(id string) (*Copy, error) {
	if s.dir == "" || !isID(id) {
		return nil, ErrNone
	}
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	return decode(id, data)
}

// decode reads the file of a copy.
func decode(id string, data []byte) (*Copy, error) {
	var in stored
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if len(data) > MaxSize || d.Decode(&in) != nil {
		return nil, ErrMalformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || in.Version != version || !filepath.IsAbs(in.File) || len(in.Text) == 0 {
		return nil, ErrMalformed
	}
	return &Copy{ID: id, File: in.File, Format: in.Format, At: in.At, Base: in.Base, Text: in.Text, Redacted: in.Redacted}, nil
}

// List returns the copies, the oldest first. What is not well-formed is left out.
func (s *Store) List() ([]Copy, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for rescue copies: %w", err)
	}
	var out []Copy
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if c, err := s.Load(id); err == nil {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b Copy) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Drop removes a copy.
func (s *Store) Drop(id string) error {
	if s.dir == "" || !isID(id) {
		return ErrNone
	}
	err := os.Remove(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	return err
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+suffix) }

func newID() string { return strings.ToLower(rand.Text()[:idLength]) }

func isID(id string) bool {
	return len(id) == idLength && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}
