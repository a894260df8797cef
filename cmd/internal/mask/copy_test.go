package mask_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/mask"
)

// screen is what someone sees.
type screen struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// shows waits until the text is on the screen.
func (s *screen) shows(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if s.String() == want {
			return
		}
	}
	t.Fatalf("got %q, want %q", s.String(), want)
}

// TestIdle: what could begin a value is shown after a while, and what follows is
// masked all the same.
func TestIdle(t *testing.T) {
	for _, tt := range []struct{ name, first, shown, second, want string }{
		{"a prompt", "Name: ", "Name: ", "x", "Name: x"},
		{"a prompt that could begin a value", "Name: hu", "Name: hu", "nter2 x", "Name: hu***** x"},
		{"a prompt that does not", "Name: hu", "Name: hu", "ngry", "Name: hungry"},
		{"half a value", "it is hunt", "it is *****", "er2 x", "it is ***** x"},
		{"what was half a value", "it is hunt", "it is *****", "ing", "it is *****ing"},
		{"a value and its beginning", "hunter2hu", "*****hu", "nter2", "*****hu*****"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			s := &screen{}
			done := make(chan error)
			go func() { done <- newMasker(t, "hunter2").Copy(s, r) }()
			start := time.Now()
			if _, err := w.WriteString(tt.first); err != nil {
				t.Fatal(err)
			}
			s.shows(t, tt.shown)
			if !strings.Contains(tt.shown, mask.Stars) && time.Since(start) > time.Second {
				t.Errorf("it took %v", time.Since(start))
			}
			if _, err := w.WriteString(tt.second); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			s.shows(t, tt.want)
		})
	}
}

// TestSlowWriter: a value that comes byte by byte, with pauses, is masked from its
// fourth byte on at the latest.
func TestSlowWriter(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{}
	done := make(chan error)
	go func() { done <- newMasker(t, "hunter2").Copy(s, r) }()
	for _, c := range "<hunter2>" {
		time.Sleep(70 * time.Millisecond)
		if _, err := w.WriteString(string(c)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "<hun*****>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
