package history

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/changes"
	"github.com/gitseal/gitseal/cmd/internal/gitrepo"
	"github.com/gitseal/gitseal/cmd/internal/manifest"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// Opener returns the plain form of a sealed version, or an error if it cannot. What
// it returns is compared and never shown.
type Opener func(ctx context.Context, f formats.Format, sealed []byte) ([]byte, error)

// version is one version of a file, read as far as it can be.
type version struct {
	*changes.Version
	// err is why it cannot be read.
	err error
	// byCipher finds sealed leaves by their ciphertext, which is never the same twice;
	// byPath finds values.
	byCipher map[string]int
	byPath   map[string]int

	side Side
	// src is the content, of a SealedManifest the file that it holds in spec.document.
	src    []byte
	format formats.Format
	// prints are the fingerprints of the plain values by their paths; opened says that
	// it was tried to find them.
	prints map[string]print
	opened bool
}

// Key is that of the hashes that stand for values in comparisons. It lives in memory
// only.
type Key []byte

// NewKey returns a random key.
func NewKey() Key {
	key := make(Key, sha256.Size)
	_, _ = rand.Read(key) // it cannot fail
	return key
}

// print stands for a plain value: its keyed hash, under a key that lives as long as
// the process.
type print [sha256.Size]byte

// sealed reports whether the version has metadata.
func (v *version) sealed() bool { return v != nil && v.Version != nil && v.Metadata != nil }

// readable reports whether the version could be read.
func (v *version) readable() bool { return v != nil && v.err == nil }

// token stands for a value of a version: the same value of two versions has the same
// token as long as the data key is the same.
type token struct {
	sealed bool
	text   string
}

// tokenOf returns the token of a leaf; ok is false for one that holds nothing.
func (v *version) tokenOf(i int) (token, bool) {
	l := &v.Document.Leaves[i]
	if l.Kind.Empty() || l.Text == "" || l.Kind == formats.Comment {
		return token{}, false
	}
	return token{v.Leaves[i].State == cipher.StateSealed, l.Text}, true
}

// find returns the leaf that has a token: a sealed value anywhere, for it may have
// moved within a list, a plain one only at its place.
func (v *version) find(t token, at string) (int, bool) {
	if t.sealed {
		i, ok := v.byCipher[t.text]
		return i, ok
	}
	i, ok := v.byPath[at]
	if !ok || v.Leaves[i].State == cipher.StateSealed || v.Document.Leaves[i].Text != t.text {
		return 0, false
	}
	return i, true
}

// loader reads versions. It keeps the latest ones: the next step of a history is
// about one of those.
type loader struct {
	ctx    context.Context
	git    *gitrepo.Repo
	format func(string) formats.Format
	open   Opener
	key    Key
	cache  map[Side]*version
	order  []Side
	// held are contents that no object has.
	held map[Side][]byte
	// usual are the prints of values that are alike at many places by chance.
	usual map[print]bool
}

// maxCached is how many versions are kept.
const maxCached = 256

func newLoader(ctx context.Context, git *gitrepo.Repo, o Options) *loader {
	return &loader{
		ctx: ctx, git: git, format: o.Format, open: o.Open, key: o.Key,
		cache: map[Side]*version{}, held: map[Side][]byte{}, usual: map[print]bool{},
	}
}

// keep makes a version of the content of the work tree.
func (l *loader) keep(name string, data []byte) Side {
	s := Side{name, "worktree"}
	l.held[s] = data
	return s
}

// equal reports whether two versions have the same bytes, line endings aside, which
// git may have changed.
func (l *loader) equal(a, b Side) bool {
	x, errX := l.content(a)
	y, errY := l.content(b)
	crlf, lf := []byte("\r\n"), []byte("\n")
	return errX == nil && errY == nil && (bytes.Equal(x, y) || bytes.Equal(bytes.ReplaceAll(x, crlf, lf), bytes.ReplaceAll(y, crlf, lf)))
}

// at returns what a commit has under a name.
func (l *loader) at(commit, name string) (Side, bool) {
	s := Side{name, commit + ":"}
	data, err := l.git.At(commit, name)
	if err != nil {
		return Side{}, false
	}
	l.held[s] = data
	return s, true
}

func (l *loader) content(s Side) ([]byte, error) {
	if data, ok := l.held[s]; ok {
		return data, nil
	}
	if s.Blob == "" {
		return nil, gitrepo.ErrNone
	}
	return l.git.Blob(s.Blob)
}

// version reads a version. That of a file that is not there is nil.
func (l *loader) version(s Side) (*version, error) {
	if s.Blob == "" {
		return nil, nil
	}
	if v, ok := l.cache[s]; ok {
		return v, nil
	}
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	v := &version{side: s}
	var err error
	v.src, err = l.content(s)
	switch {
	case errors.Is(err, gitrepo.ErrNone) || errors.Is(err, gitrepo.ErrTooLarge):
		v.err = err // a partial clone lacks objects
	case err != nil:
		return nil, err
	default:
		v.format, v.src = manifest.Inside(l.format(s.Path), v.src)
		v.parse()
	}
	if len(l.order) >= maxCached {
		delete(l.cache, l.order[0])
		l.order = l.order[1:]
	}
	l.order = append(l.order, s)
	l.cache[s] = v
	return v, nil
}

func (v *version) parse() {
	if v.Version, v.err = changes.Parse(v.format, v.src); v.err != nil {
		v.Version = nil
		return
	}
	v.byCipher, v.byPath = map[string]int{}, map[string]int{}
	for i := range v.Leaves {
		l := &v.Document.Leaves[i]
		if l.Kind == formats.Comment {
			continue
		}
		v.byPath[l.Path.Text()] = i
		if v.Leaves[i].State == cipher.StateSealed {
			v.byCipher[l.Text] = i
		}
	}
}

// print returns the fingerprint of a value; ok is false if nobody here can open the
// version.
func (l *loader) print(v *version, i int) (p print, ok bool) {
	leaf := &v.Document.Leaves[i]
	if v.Leaves[i].State != cipher.StateSealed {
		return l.printOf(leaf.Text), true
	}
	if !v.opened {
		v.opened = true
		v.prints = l.printsOf(v)
	}
	p, ok = v.prints[leaf.Path.Text()]
	return p, ok
}

func (l *loader) printOf(text string) print {
	h := hmac.New(sha256.New, l.key)
	h.Write([]byte(text))
	p := print(h.Sum(nil))
	if isUsual(text) {
		l.usual[p] = true
	}
	return p
}

// isUsual reports whether a value is so short or plain that another place may well
// have it by chance: a boolean, a small number, a port, "prod".
func isUsual(text string) bool {
	const shortest, fewest = 6, 3
	kinds := map[rune]bool{}
	for _, r := range text {
		kinds[r] = true
	}
	return len(text) < shortest || len(kinds) < fewest
}

func (l *loader) printsOf(v *version) map[string]print {
	if l.open == nil {
		return nil
	}
	plain, err := l.open(l.ctx, v.format, v.src)
	if err != nil {
		return nil
	}
	defer clear(plain)
	doc, err := v.format.Parse(plain)
	if err != nil {
		return nil
	}
	out := map[string]print{}
	for i := range doc.Leaves {
		if leaf := &doc.Leaves[i]; leaf.Kind != formats.Comment {
			out[leaf.Path.Text()] = l.printOf(leaf.Text)
		}
	}
	return out
}

// Answer is what is known of a question.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// same says whether two values that differ in their tokens are the same value.
func (l *loader) same(a *version, i int, b *version, j int) Answer {
	wasSealed, isSealed := b.Leaves[j].State == cipher.StateSealed, a.Leaves[i].State == cipher.StateSealed
	if !wasSealed && !isSealed {
		return No
	}
	x, okX := l.print(a, i)
	y, okY := l.print(b, j)
	switch {
	case okX && okY && hmac.Equal(x[:], y[:]):
		return Yes
	case okX && okY:
		return No
	case wasSealed && isSealed && !rotated(a, b):
		return No
	}
	return Unknown
}

// rotated reports whether two sealed versions have different data keys: nothing that
// is encrypted with it, and no wrapping of it, is the same.
func rotated(a, b *version) bool {
	for text := range a.byCipher {
		if _, ok := b.byCipher[text]; ok {
			return false
		}
	}
	for _, s := range slices.Concat(a.Metadata.Groups...) {
		for _, t := range slices.Concat(b.Metadata.Groups...) {
			if enc := s.Get("enc"); enc != "" && enc == t.Get("enc") && keysources.SameKey(s, t) {
				return false
			}
		}
	}
	return true
}

// similarity says how much the keys of two versions agree, from 0 to 1. It is 0
// unless the later one is sealed: of plain files git knows as much.
func (l *loader) similarity(was, is Side) float64 {
	b, err := l.version(is)
	if err != nil || !b.readable() || !b.sealed() {
		return 0
	}
	a, err := l.version(was)
	if err != nil || !a.readable() || len(a.byPath)+len(b.byPath) == 0 {
		return 0
	}
	// One key alone, such as that of all binary files, says nothing.
	if len(b.byPath) < 2 && stem(was.Path) != stem(is.Path) {
		return 0
	}
	both := 0
	for p := range b.byPath {
		if _, ok := a.byPath[p]; ok {
			both++
		}
	}
	return 2 * float64(both) / float64(len(a.byPath)+len(b.byPath))
}

// stem returns a file's name up to its first dot behind the first character.
func stem(name string) string {
	base := path.Base(name)
	if i := strings.IndexByte(base[1:], '.'); i >= 0 {
		return base[:i+1]
	}
	return base
}
