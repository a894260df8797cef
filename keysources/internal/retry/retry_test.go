package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/internal/retry"
)

func TestPauseKnowsWhenToGiveUp(t *testing.T) {
	if !retry.Pause(t.Context(), 0, 0) {
		t.Error("the first attempt was the last")
	}
	if retry.Pause(t.Context(), 5, 0) {
		t.Error("a seventh attempt")
	}
	if retry.Pause(t.Context(), 0, time.Hour) {
		t.Error("waited for an hour")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	if retry.Pause(ctx, 3, 0) || time.Since(start) > 5*time.Millisecond {
		t.Errorf("waited %v although the deadline comes first", time.Since(start))
	}
}

func TestAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "3": 3 * time.Second, "-1": 0, "99999": 0, "soon": 0} {
		if got := retry.After(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTransport(t *testing.T) {
	for _, tt := range []struct {
		err    error
		reason keysources.Reason
		again  bool
	}{
		{fmt.Errorf("x: %w", syscall.ECONNREFUSED), keysources.Unreachable, false},
		{fmt.Errorf("x: %w", syscall.ECONNRESET), keysources.Unreachable, true},
		{io.ErrUnexpectedEOF, keysources.Unreachable, true},
		{&net.DNSError{IsTemporary: true}, keysources.Unreachable, true},
		{&net.DNSError{IsNotFound: true}, keysources.Unreachable, false},
		{context.DeadlineExceeded, keysources.Timeout, false},
		{errors.New("token canary"), keysources.Unreachable, false},
	} {
		got := retry.Transport(tt.err)
		if got.Reason != tt.reason || got.Again != tt.again {
			t.Errorf("%v: %+v", tt.err, got)
		}
	}
}
