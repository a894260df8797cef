package keyservice_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
)

func TestDialTakesOnlyAddressesThatAreSafe(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want string // "" if it is taken
	}{
		{"unix:///run/x.sock", ""},
		{"tcp://127.0.0.1:5000", ""},
		{"tcp://[::1]:5000", ""},
		{"tcp://localhost:5000", "in clear"},
		{"tcp://0.0.0.0:5000", "in clear"},
		{"tcp://keys.example:5000", "in clear"},
		{"tcp://:5000", "in clear"},
		{"tcp://127.0.0.1", "HOST:PORT"},
		{"tcp://127.0.0.1:99999", "HOST:PORT"},
		{"tcp://127.0.0.1:5000/path", "HOST:PORT"},
		{"tcp://me:secret@127.0.0.1:5000", "HOST:PORT"},
		{"unix://relative", "absolute"},
		{"unix:relative", "absolute"},
		{"http://127.0.0.1:5000", "HOST:PORT"},
		{"/run/x.sock", "HOST:PORT"},
		{"", "HOST:PORT"},
		{"tcp://%zz", "HOST:PORT"},
	} {
		s, err := keyservice.Dial(noEnv, tt.url)
		switch {
		case err == nil:
			s.Close()
			if tt.want != "" {
				t.Errorf("%s: taken", tt.url)
			}
		case tt.want == "" || keysources.ReasonOf(err) != keysources.Malformed || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.want)
		}
	}
	for _, e := range []func(string) string{
		env(keyservice.CertEnv, "c.pem"), env(keyservice.CertEnv, "c", keyservice.KeyEnv, "k", keyservice.CAEnv, "/nonexistent"),
	} {
		if _, err := keyservice.Dial(e, "tcp://127.0.0.1:5000"); keysources.ReasonOf(err) != keysources.Malformed {
			t.Errorf("incomplete TLS: got %v", err)
		}
	}
}

func TestASilentServerIsNamedInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // it is never read from, and never answered
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = dial(t, noEnv, "unix://"+path).Unwrap(ctx, stanzaFor(keysources.TypeAge, "age1x"))
	if keysources.ReasonOf(err) != keysources.Timeout || !strings.Contains(err.Error(), path) || time.Since(begin) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestNobodyListensIsSaidAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	begin := time.Now()
	_, err := dial(t, noEnv, "unix://"+path).Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "age1x"))
	if keysources.ReasonOf(err) != keysources.Unreachable || !strings.Contains(err.Error(), path) || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestThrottledCallsAreTriedAgain(t *testing.T) {
	p := newPair(t)
	src := newSource(t, keysources.TypeAge, p)
	tries := 0
	src.Before = func(_ context.Context, reader string) error {
		if tries++; tries < 3 {
			return &keysources.Error{Reader: reader, Reason: keysources.Throttled}
		}
		return errors.New("reached")
	}
	c := dial(t, noEnv, serveUnix(t, src, keysources.TypeAge, keyservice.ServerOptions{}))
	_, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "age1x"))
	if err == nil || tries != 3 {
		t.Errorf("got %v after %d tries", err, tries)
	}
	tries = -1000
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Unwrap(ctx, stanzaFor(keysources.TypeAge, "age1x")); keysources.ReasonOf(err) != keysources.Throttled && keysources.ReasonOf(err) != keysources.Timeout {
		t.Errorf("got %v", err)
	}
}
