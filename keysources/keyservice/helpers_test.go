package keyservice_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
	"github.com/gitseal/gitseal/keysources/keyservice/keyservicetest"
)

// pair is an age key pair.
type pair struct{ recipient, identity string }

func newPair(t *testing.T) pair {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return pair{recipient: id.Recipient().String(), identity: id.String()}
}

func newSource(t *testing.T, typ string, p ...pair) *keyservicetest.Source {
	t.Helper()
	var ids []string
	for _, q := range p {
		ids = append(ids, q.identity)
	}
	s, err := keyservicetest.New(typ, ids...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// log keeps events.
type log struct {
	mu     sync.Mutex
	events []keyservice.Event
}

func (l *log) add(e keyservice.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *log) all() []keyservice.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]keyservice.Event(nil), l.events...)
}

func noEnv(string) string { return "" }

// env returns an environment with some variables.
func env(kv ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == name {
				return kv[i+1]
			}
		}
		return ""
	}
}

// start serves sources at a listener until the test ends.
func start(t *testing.T, l *keyservice.Listener, s *keyservice.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
}

func listenUnix(t *testing.T, o keyservice.ListenOptions) *keyservice.Listener {
	t.Helper()
	l, err := keyservice.Listen(t.Context(), "unix://"+filepath.Join(t.TempDir(), "d", "s"), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveUnix serves one source at a socket and returns its address.
func serveUnix(t *testing.T, src keysources.Source, typ string, o keyservice.ServerOptions) string {
	t.Helper()
	l := listenUnix(t, keyservice.ListenOptions{})
	start(t, l, keyservice.NewServer(map[string]keysources.Source{typ: src}, keysources.Policy{}, o))
	return l.Address()
}

func dial(t *testing.T, env func(string) string, url string) *keyservice.Source {
	t.Helper()
	s, err := keyservice.Dial(env, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dataKey() []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i*37 + 200)
	}
	return b
}

// stanzaFor is a stanza whose wrapped key is no age file.
func stanzaFor(typ, reader string) keysources.Stanza {
	st := keyservicetest.KeyOf(typ, reader)
	st.Fields = append(st.Fields, keysources.Field{Name: "enc", Value: "e"})
	return st
}
