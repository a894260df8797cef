package keyservice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/keyservice"
	"github.com/gitseal/gitseal/keysources/keyservice/keyservicetest"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

func TestAKeyServiceObeysTheLaws(t *testing.T) {
	p, q := newPair(t), newPair(t)
	mine := dial(t, noEnv, serveUnix(t, newSource(t, keysources.TypeAge, p), keysources.TypeAge, keyservice.ServerOptions{}))
	theirs := dial(t, noEnv, serveUnix(t, newSource(t, keysources.TypeAge, q), keysources.TypeAge, keyservice.ServerOptions{}))
	r, err := mine.Recipient(keyservicetest.KeyOf(keysources.TypeAge, p.recipient))
	if err != nil {
		t.Fatal(err)
	}
	law := keysourcestest.Source{Recipient: r, Identity: onlyAge{mine}, Stranger: onlyAge{theirs}, Secrets: []string{p.identity, q.identity}}
	law.Run(t)
	if !keysources.IsRemote(mine) {
		t.Error("the source does not say that it is remote")
	}
}

// onlyAge is a key service that is only asked about age stanzas: the laws are for
// sources of one type.
type onlyAge struct{ *keyservice.Source }

func (o onlyAge) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if st.Type != keysources.TypeAge {
		return nil, keysources.ErrNotForMe
	}
	return o.Source.Unwrap(ctx, st)
}

func TestClientsLearnReasonAndReaderOnly(t *testing.T) {
	const secretDetail = "arn:aws:iam::1:role/internal at 10.0.0.7"
	var cause error
	src := newSource(t, keysources.TypeKMS)
	src.Before = func(context.Context, string) error { return cause }
	events := &log{}
	c := dial(t, noEnv, serveUnix(t, src, keysources.TypeKMS, keyservice.ServerOptions{Log: events.add}))
	for _, reason := range []keysources.Reason{
		keysources.Unreachable, keysources.Timeout, keysources.Throttled, keysources.Unauthenticated, keysources.Denied,
		keysources.NotFound, keysources.Disabled, keysources.Malformed, keysources.Damaged, keysources.Refused, keysources.Unavailable,
	} {
		cause = fmt.Errorf("wrapped: %w", &keysources.Error{Reader: "somebody-else", Reason: reason, Detail: secretDetail})
		_, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeKMS, "arn"))
		if got := keysources.ReasonOf(err); got != reason {
			t.Errorf("%s: got %v", reason, err)
		}
		if !strings.HasPrefix(err.Error(), "arn: ") || strings.Contains(err.Error(), "10.0.0.7") || strings.Contains(err.Error(), "somebody") {
			t.Errorf("%s: the client is told %q", reason, err)
		}
	}
	cause = errors.New("plain: " + secretDetail)
	if _, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeKMS, "arn")); err == nil || strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("a plain error: the client is told %q", err)
	}
	cause = keysources.ErrNotForMe
	if _, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeKMS, "arn")); !errors.Is(err, keysources.ErrNotForMe) {
		t.Errorf("not for me: got %v", err)
	}
	first := events.all()[0]
	if first.Method != "Decrypt" || first.Type != "kms" || first.Reader != "arn" || !strings.HasPrefix(first.Peer, "uid ") || !strings.Contains(first.Err.Error(), secretDetail) {
		t.Errorf("the log has %+v", first)
	}
}

func TestWhatRequestsNameNeedsPermission(t *testing.T) {
	kms := newSource(t, keysources.TypeKMS)
	var asked atomic.Int32
	kms.Before = func(context.Context, string) error { asked.Add(1); return errors.New("asked") }
	l := listenUnix(t, keyservice.ListenOptions{})
	allowed := keysources.Use{Kind: keysources.UseKMSRole, Value: "arn:aws:iam::1:role/good"}
	start(t, l, keyservice.NewServer(map[string]keysources.Source{"kms": kms}, keysources.Policy{}.With(allowed), keyservice.ServerOptions{}))
	c := dial(t, noEnv, l.Address())
	with := func(name, value string) keysources.Stanza {
		st := stanzaFor(keysources.TypeKMS, "arn:aws:kms:eu-west-1:1:key/x")
		st.Fields = append(st.Fields, keysources.Field{Name: name, Value: value})
		return st
	}
	for _, st := range []keysources.Stanza{
		with("role", "arn:aws:iam::1:role/evil"), with("aws_profile", "admin"), stanzaFor(keysources.TypeKMS, "arn:aws:kms:evil.example#:1:key/x"),
	} {
		if _, err := c.Unwrap(t.Context(), st); keysources.ReasonOf(err) != keysources.Refused {
			t.Errorf("unwrapping: got %v", err)
		}
		r, err := c.Recipient(st)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Wrap(t.Context(), dataKey()); keysources.ReasonOf(err) != keysources.Refused {
			t.Errorf("wrapping: got %v", err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the source was asked %d times", n)
	}
	if _, err := c.Unwrap(t.Context(), with("role", allowed.Value)); keysources.ReasonOf(err) == keysources.Refused || asked.Load() != 1 {
		t.Errorf("an allowed role: got %v, asked %d times", err, asked.Load())
	}
}

func TestRequestsAreLimited(t *testing.T) {
	p := newPair(t)
	src := newSource(t, keysources.TypeAge, p)
	var now, most atomic.Int32
	src.Before = func(ctx context.Context, _ string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		return nil
	}
	url := serveUnix(t, src, keysources.TypeAge, keyservice.ServerOptions{Concurrent: 8})
	// Several connections, so that the limit is not that of one of them.
	var wg sync.WaitGroup
	for range 4 {
		c := dial(t, noEnv, url)
		r, err := c.Recipient(keyservicetest.KeyOf(keysources.TypeAge, p.recipient))
		if err != nil {
			t.Fatal(err)
		}
		for range 32 {
			wg.Go(func() {
				st, err := r.Wrap(t.Context(), dataKey())
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.Unwrap(t.Context(), st); err != nil || !bytes.Equal(got, dataKey()) {
					t.Errorf("another key, error %v", err)
				}
			})
		}
	}
	wg.Wait()
	if n := most.Load(); n > 8 || n < 4 {
		t.Errorf("up to %d requests were worked on at the same time, want 8", n)
	}
}

func TestAServerGivesUpOnSlowSources(t *testing.T) {
	src := newSource(t, keysources.TypeAge)
	src.Before = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	c := dial(t, noEnv, serveUnix(t, src, keysources.TypeAge, keyservice.ServerOptions{Timeout: 50 * time.Millisecond}))
	begin := time.Now()
	_, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "age1x"))
	if keysources.ReasonOf(err) != keysources.Timeout || time.Since(begin) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	p := newPair(t)
	c := dial(t, noEnv, serveUnix(t, newSource(t, keysources.TypeAge, p), keysources.TypeAge, keyservice.ServerOptions{}))
	r, err := c.Recipient(keyservicetest.KeyOf(keysources.TypeAge, p.recipient))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1025, 100 << 10, 1 << 20} {
		if _, err := r.Wrap(t.Context(), make([]byte, size)); err == nil {
			t.Errorf("a data key of %d bytes was wrapped", size)
		}
	}
	if _, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeKMS, "arn")); keysources.ReasonOf(err) != keysources.Unavailable {
		t.Errorf("a type that is not offered: got %v", err)
	}
	big := stanzaFor(keysources.TypeAge, "age1x")
	big.Fields[1].Value = strings.Repeat("A", 1<<20)
	if _, err := c.Unwrap(t.Context(), big); keysources.ReasonOf(err) != keysources.Malformed {
		t.Errorf("a huge wrapped key: got %v", err)
	}
	for _, st := range []keysources.Stanza{{Type: "age"}, {Type: "unknown", Fields: stanzaFor("age", "x").Fields}} {
		if _, err := c.Recipient(st); keysources.ReasonOf(err) != keysources.Malformed {
			t.Errorf("%v: got %v", st, err)
		}
	}
	vault := keysources.Stanza{Type: keysources.TypeAzure, Fields: []keysources.Field{{Name: "vault_url", Value: "https://v.vault.azure.net"}, {Name: "name", Value: "k"}}}
	if _, err := c.Recipient(vault); keysources.ReasonOf(err) != keysources.Malformed {
		t.Errorf("a key vault's key without version: got %v", err)
	}
}

func TestAPersonMayBeAsked(t *testing.T) {
	p := newPair(t)
	answer := true
	var asked []keyservice.Event
	url := serveUnix(t, newSource(t, keysources.TypeAge, p), keysources.TypeAge, keyservice.ServerOptions{
		Ask: func(_ context.Context, e keyservice.Event) bool { asked = append(asked, e); return answer },
	})
	c := dial(t, noEnv, url)
	r, err := c.Recipient(keyservicetest.KeyOf(keysources.TypeAge, p.recipient))
	if err != nil {
		t.Fatal(err)
	}
	st, err := r.Wrap(t.Context(), dataKey())
	if err != nil {
		t.Fatal(err)
	}
	answer = false
	if _, err := c.Unwrap(t.Context(), st); keysources.ReasonOf(err) != keysources.Denied {
		t.Errorf("refused by the person: got %v", err)
	}
	if len(asked) != 2 || asked[0].Method != "Encrypt" || asked[1].Method != "Decrypt" || asked[1].Reader != p.recipient {
		t.Errorf("asked: %v", asked)
	}
}

func TestAPanicEndsOneRequest(t *testing.T) {
	p := newPair(t)
	src := newSource(t, keysources.TypeAge, p)
	src.Before = func(_ context.Context, reader string) error {
		if reader == "bad" {
			panic("in a source")
		}
		return nil
	}
	c := dial(t, noEnv, serveUnix(t, src, keysources.TypeAge, keyservice.ServerOptions{}))
	if _, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "bad")); keysources.ReasonOf(err) != keysources.Malformed {
		t.Errorf("got %v", err)
	}
	if _, err := c.Unwrap(t.Context(), stanzaFor(keysources.TypeAge, "good")); keysources.ReasonOf(err) != keysources.Damaged {
		t.Errorf("afterwards: got %v", err)
	}
}
