// Package retry is what key sources that speak HTTP themselves share: when to try
// again, and what to call what went wrong below HTTP.
package retry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

const (
	maxAttempts  = 6
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// Pause waits before another attempt: longer after each (attempts count from 0), and
// at least as long as after says. It returns false at once if there are no more of
// them, or not enough time before the deadline of ctx.
func Pause(ctx context.Context, attempt int, after time.Duration) bool {
	if attempt+1 >= maxAttempts {
		return false
	}
	wait := max(jitter(firstBackoff<<attempt), after)
	deadline, ok := ctx.Deadline()
	if wait > maxBackoff || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter returns a duration between half of d and d: callers that were refused at
// the same time should not come back at the same time.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// After reads the header Retry-After, in seconds; it is 0 if there is none that
// makes sense.
func After(h http.Header) time.Duration {
	const most = 3600
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > most {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Failure is what went wrong below HTTP.
type Failure struct {
	Reason keysources.Reason
	// Detail says more, in fixed words.
	Detail string
	// Again is set if another attempt may succeed.
	Again bool
}

// Transport tells what an error of an HTTP client's transport means.
func Transport(err error) Failure {
	f := Failure{Reason: keysources.Unreachable, Detail: "connection failed"}
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		head tls.RecordHeaderError
		to   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &cert):
		f.Detail = "the server's certificate is not valid for it"
	case errors.As(err, &head):
		f.Detail = "the server does not speak TLS"
	case errors.As(err, &dns):
		f.Detail, f.Again = "no such host", dns.IsTemporary
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Detail = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Detail, f.Again = "connection closed", true
	case errors.As(err, &to) && to.Timeout():
		f.Reason, f.Detail = keysources.Timeout, ""
	}
	return f
}
