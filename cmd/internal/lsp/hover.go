package lsp

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/redacted"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
)

// hover says what is known of the value at a place, or of the file at its metadata.
func (s *server) hover(ctx context.Context, p hoverParams) (any, error) {
	v := s.view(p.Document.URI)
	if v == nil || v.meta == nil {
		return nil, nil
	}
	off := v.lines.offset(p.Position)
	if at := v.metaAt(); at >= 0 && v.lines.position(off).Line == v.lines.position(at).Line {
		return hoverText(v.fileLines(), v.lineOf(at)), nil
	}
	i := v.leafAt(off)
	if i < 0 {
		return nil, nil
	}
	text := v.valueLines(i)
	if v.leaves[i].State == cipher.StateSealed {
		text = append(text, s.ageLines(ctx, v, v.leaves[i].Path)...)
	}
	return hoverText(text, v.lines.span(v.parsed.Leaves[i].Start, v.parsed.Leaves[i].End)), nil
}

// hoverText is plain text: keys and names in a file could be written so that they
// become links or pictures.
func hoverText(lines []string, at textRange) hoverResult {
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	return hoverResult{Contents: markup{Kind: "plaintext", Value: strings.Join(lines, "\n")}, Range: at}
}

// oneLine takes out what could steer a terminal or turn text round.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, text)
}

// valueLines describe one value of a sealed text.
func (v *view) valueLines(i int) []string {
	info := v.leaves[i]
	out := []string{info.Path.String()}
	switch info.State {
	case cipher.StateSealed:
		out = append(out, fmt.Sprintf("sealed %s, ciphertext %s", info.Kind, redacted.Tag(v.parsed.Leaves[i].Text)))
	case cipher.StatePlain:
		return append(out, "plain: the selector leaves it for everybody to read ("+v.meta.Selector.String()+")")
	case cipher.StateEmpty:
		out = append(out, "empty, so that nothing is sealed")
	case cipher.StateExposed:
		out = append(out, "PLAIN, and to be sealed: the file does not open as it is")
	case cipher.StateMalformed:
		out = append(out, "begins as a sealed value, and is none")
	}
	out = append(out, v.readerLines()...)
	out = append(out, "selector: "+v.meta.Selector.String())
	list, _ := v.meta.Proposals()
	if len(list) == 0 {
		return out
	}
	places := cipher.PlacesOf(v.meta, v.parsed)
	for _, p := range list {
		at := places.Of(p)
		if at.Path.Equal(info.Path) && at.State != cipher.PlaceTaken && at.State != cipher.PlaceLost {
			out = append(out, proposalLine(p))
		}
	}
	return out
}

func proposalLine(p cipher.Proposal) string {
	by := p.By
	if by == "" {
		by = "somebody"
	}
	return fmt.Sprintf("proposed: another value (%s), it says by %s, %s", p.ID(), by, p.At.UTC().Format(time.DateOnly))
}

// fileLines describe a sealed text as a whole.
func (v *view) fileLines() []string {
	sealed := 0
	for i, info := range v.leaves {
		if info.State == cipher.StateSealed && v.parsed.Leaves[i].Kind != formats.Comment {
			sealed++
		}
	}
	out := []string{fmt.Sprintf("%d values sealed, the last change %s", sealed, v.meta.LastModified.UTC().Format(time.RFC3339))}
	out = append(out, v.readerLines()...)
	out = append(out, "selector: "+v.meta.Selector.String())
	if r := v.expected.Applied.Rule; r != nil {
		out = append(out, fmt.Sprintf("rule: %s:%d", v.expected.Source, r.Line))
	}
	list, _ := v.meta.Proposals()
	for _, p := range list {
		out = append(out, p.Path.String()+": "+proposalLine(p))
	}
	return out
}

// maxReaders bounds how many readers are listed.
const maxReaders = 10

func (v *view) readerLines() []string {
	var out []string
	for i, group := range v.meta.Groups {
		label := "readers: "
		if len(v.meta.Groups) > 1 {
			label = fmt.Sprintf("readers of key group %d: ", i+1)
		}
		out = append(out, label+strings.Join(v.readerNames(group), ", "))
	}
	if n := len(v.meta.Groups); n > 1 {
		needed := v.meta.Threshold
		if needed == 0 {
			needed = n
		}
		out = append(out, fmt.Sprintf("%d of the %d key groups have to work together", needed, n))
	}
	return out
}

// readerNames lists readers, by the names that the configuration gives them.
func (v *view) readerNames(group []keysources.Stanza) []string {
	var named []readers.Named
	if v.expected.Config != nil {
		named, _ = readers.NamesOf(v.expected.Config) // without names there are the readers
	}
	var out []string
	for i, s := range group {
		if i == maxReaders {
			return append(out, fmt.Sprintf("%d more", len(group)-i))
		}
		text := short(s.Reader())
		if n := slices.IndexFunc(named, func(n readers.Named) bool { return readers.Same(n.Key, s) }); n >= 0 {
			text = named[n].Name + " (" + text + ")"
		}
		out = append(out, text)
	}
	return out
}

// short abbreviates recipients that fill a screen.
func short(reader string) string {
	const most, head, tail = 100, 24, 8
	if len(reader) <= most {
		return reader
	}
	return reader[:head] + "…" + reader[len(reader)-tail:]
}

const (
	// agePatience is how long a hover waits for git; agesTimeout is when looking ends.
	agePatience = 300 * time.Millisecond
	agesTimeout = 20 * time.Second
	// agesFresh is for how long an answer of git counts: somebody may commit.
	agesFresh = time.Minute
)

// ageCache keeps the ages of the values of one text, the last that was asked for.
type ageCache struct {
	mu   sync.Mutex // guards what follows
	key  [sha256.Size]byte
	last *ageLookup
}

// ageLookup is one question to git. What it finds is there when done is closed.
type ageLookup struct {
	at   time.Time
	done chan struct{}
	ages map[string]Age
	err  error
}

// ageLines say how old a value is, nothing if that takes too long. The answer is kept
// for the next time.
func (s *server) ageLines(ctx context.Context, v *view, path *formats.Path) []string {
	if s.History == nil {
		return nil
	}
	look := s.lookUpAges(v)
	timer := time.NewTimer(agePatience)
	defer timer.Stop()
	select {
	case <-look.done:
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return nil
	}
	age, ok := look.ages[path.Text()]
	if look.err != nil || !ok {
		return nil
	}
	return age.lines(time.Now())
}

func (s *server) lookUpAges(v *view) *ageLookup {
	h := sha256.New()
	fmt.Fprintf(h, "%q", v.Path)
	h.Write(v.Text)
	key := [sha256.Size]byte(h.Sum(nil))
	c := &s.ages
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.key == key && time.Since(c.last.at) < agesFresh {
		return c.last
	}
	look := &ageLookup{at: time.Now(), done: make(chan struct{})}
	c.key, c.last = key, look
	s.spawn(func() {
		defer close(look.done)
		ctx, cancel := context.WithTimeout(s.ctx, agesTimeout)
		defer cancel()
		_, err := guarded(func() (any, error) {
			var err error
			look.ages, err = s.History.Ages(ctx, v.File)
			return nil, err
		})
		look.err = err
	})
	return look
}

// lines say how old a value is.
func (a Age) lines(now time.Time) []string {
	if a.Since.IsZero() {
		return []string{"changed: not committed yet"}
	}
	const day = 24 * time.Hour
	age := max(0, now.Sub(a.Since))
	atLeast := ""
	if a.AtLeast {
		atLeast = "at least "
	}
	out := []string{fmt.Sprintf("changed: %s%d days ago, %s (%s)", atLeast, age/day, a.Since.UTC().Format(time.DateOnly), a.Commit)}
	if a.Limit > 0 && age > a.Limit {
		out = append(out, fmt.Sprintf("overdue: its rule says to rotate it after %d days", a.Limit/day))
	}
	return out
}
