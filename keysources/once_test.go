package keysources_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// counter is an identity that counts its calls and answers as it is told.
type counter struct {
	calls atomic.Int32
	hold  chan struct{}
	err   error
}

func (c *counter) String() string { return "counter" }
func (c *counter) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	c.calls.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return []byte(s.Get("enc")), c.err
}

func TestOnceAsksOnceForEachWrappedKey(t *testing.T) {
	c := &counter{hold: make(chan struct{})}
	id := keysources.Once(c)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			enc := "x"
			if i%2 == 0 {
				enc = "y"
			}
			key, err := id.Unwrap(t.Context(), stanza("kms", "enc", enc))
			if err != nil || string(key) != enc {
				t.Errorf("got %q, %v", key, err)
			}
			clear(key) // others must not see this
		})
	}
	time.Sleep(10 * time.Millisecond)
	close(c.hold)
	wg.Wait()
	if n := c.calls.Load(); n != 2 {
		t.Errorf("%d calls for 2 wrapped keys", n)
	}
	// What names the reader is part of what is asked.
	_, _ = id.Unwrap(t.Context(), stanza("kms", "arn", "a", "enc", "x"))
	withContext := stanza("kms", "enc", "x")
	withContext.Context = []keysources.Field{{Name: "arn", Value: "a"}}
	_, _ = id.Unwrap(t.Context(), withContext)
	if n := c.calls.Load(); n != 4 {
		t.Errorf("%d calls for 4 stanzas", n)
	}
}

func TestOnceRemembersRefusals(t *testing.T) {
	c := &counter{err: &keysources.Error{Reason: keysources.Denied}}
	id := keysources.Once(c)
	for range 3 {
		if _, err := id.Unwrap(t.Context(), stanza("kms", "enc", "x")); keysources.ReasonOf(err) != keysources.Denied {
			t.Errorf("got %v", err)
		}
	}
	if n := c.calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// TestOnceDoesNotRememberWhoGaveUp: the next caller, and one who waits, ask again.
func TestOnceDoesNotRememberWhoGaveUp(t *testing.T) {
	c := &counter{hold: make(chan struct{})}
	id := keysources.Once(c)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := id.Unwrap(ctx, stanza("kms", "enc", "x"))
		first <- err
	}()
	for c.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	second := make(chan error)
	go func() {
		_, err := id.Unwrap(t.Context(), stanza("kms", "enc", "x"))
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	close(c.hold)
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}
}
