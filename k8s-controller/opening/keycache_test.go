package opening_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
	"github.com/gitseal/gitseal/k8s-controller/keyring"
	"github.com/gitseal/gitseal/k8s-controller/opening"
	"github.com/gitseal/gitseal/keysources"
)

const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// fakeKMS wraps by encoding, and counts.
type fakeKMS struct {
	calls atomic.Int64
	// answer, if not nil, comes in place of the key.
	answer func(ctx context.Context) ([]byte, error)
}

func (*fakeKMS) String() string { return arn }
func (*fakeKMS) Remote() bool   { return true }

func (*fakeKMS) Wrap(_ context.Context, key []byte) (keysources.Stanza, error) {
	return keysources.Stanza{Type: keysources.TypeKMS, Fields: []keysources.Field{
		{Name: "arn", Value: arn}, {Name: "created_at", Value: "2026-01-02T03:04:05Z"},
		{Name: "enc", Value: base64.StdEncoding.EncodeToString(key)}, {Name: "aws_profile"},
	}}, nil
}

func (f *fakeKMS) Unwrap(ctx context.Context, s keysources.Stanza) ([]byte, error) {
	f.calls.Add(1)
	if f.answer != nil {
		return f.answer(ctx)
	}
	return base64.StdEncoding.DecodeString(s.Get("enc"))
}

// kmsSet is a keyring whose only identity is the service's key.
func kmsSet(tb testing.TB, name string, f *fakeKMS) *keyring.Set {
	tb.Helper()
	key, err := keyring.ParseKey(arn)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := keyring.New(keyring.Parts{Name: name, Identities: []keyring.Identity{keyring.Service(key, f)}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// kmsManifest is sealed for the service's key, and has a data key of its own.
func kmsManifest(tb testing.TB, f *fakeKMS) *v1alpha1.SealedManifest {
	tb.Helper()
	o := inlineOptions(tb, "k8s:*/*")
	o.Recipients = []keysources.Recipient{f}
	m := fromYAML(tb, sealText(tb, "yaml", head+"stringData:\n  a: canary\n", o))
	m.Namespace, m.Name = "prod", "db"
	return m
}

func TestManifestsWithOneWrappedKeyCostOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKMS{answer: nil}
		m := kmsManifest(t, f)
		want, _ := base64.StdEncoding.DecodeString(encOf(t, m))
		f.answer = func(context.Context) ([]byte, error) {
			time.Sleep(20 * time.Millisecond) // so that all come while the first waits
			return append([]byte(nil), want...), nil
		}
		keys := kmsSet(t, "default", f)
		var hits, misses atomic.Int64
		opener := opening.New(opening.Options{Counted: func(hit bool) {
			if hit {
				hits.Add(1)
			} else {
				misses.Add(1)
			}
		}})
		open := func() {
			o, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys})
			if err != nil {
				t.Error(err)
			} else if got := o.Keys; len(got) != 1 || got[0] != (v1alpha1.KeyUse{ID: arn, Type: "kms"}) {
				t.Errorf("got %+v", got)
			}
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(open)
		}
		wg.Wait()
		for range 50 {
			open()
		}
		if f.calls.Load() != 1 || hits.Load() != 99 || misses.Load() != 1 {
			t.Errorf("%d calls, %d hits, %d misses", f.calls.Load(), hits.Load(), misses.Load())
		}
		time.Sleep(15*time.Minute + time.Second)
		open()
		if f.calls.Load() != 2 {
			t.Errorf("%d calls after the key has expired", f.calls.Load())
		}
		// Another keyring has to ask for itself.
		if _, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: kmsSet(t, "other", f)}); err != nil || f.calls.Load() != 3 {
			t.Errorf("%v, %d calls for another keyring", err, f.calls.Load())
		}
		time.Sleep(time.Hour) // the timers end
	})
}

// encOf returns what was wrapped.
func encOf(tb testing.TB, m *v1alpha1.SealedManifest) string {
	tb.Helper()
	var enc string
	changeBlock(tb, m, func(b map[string]any) { enc = b["kms"].([]any)[0].(map[string]any)["enc"].(string) })
	return enc
}

func TestRememberedKeysAreBounded(t *testing.T) {
	f := &fakeKMS{}
	var manifests []*v1alpha1.SealedManifest
	for range 5 {
		manifests = append(manifests, kmsManifest(t, f))
	}
	keys, opener := kmsSet(t, "default", f), opening.New(opening.Options{KeysKept: 2})
	open := func(i int) {
		if _, err := opener.Open(t.Context(), opening.Request{Manifest: manifests[i], Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range manifests {
		open(i)
	}
	open(4)
	open(3)
	if n := f.calls.Load(); n != 5 {
		t.Errorf("%d calls: the last two are remembered", n)
	}
	open(0)
	if n := f.calls.Load(); n != 6 {
		t.Errorf("%d calls: the first was dropped", n)
	}
	open(3) // used after 4
	if n := f.calls.Load(); n != 6 {
		t.Errorf("%d calls: what was used last stays", n)
	}
}

func TestServicesThatFailAreAskedAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		err       error
		reason    string
		transient bool
	}{
		{"unreachable", &keysources.Error{Reader: arn, Reason: keysources.Unreachable}, v1alpha1.ReasonKeyUnavailable, true},
		{"throttled", &keysources.Error{Reader: arn, Reason: keysources.Throttled}, v1alpha1.ReasonKeyUnavailable, true},
		{"denied", &keysources.Error{Reader: arn, Reason: keysources.Denied, Detail: "AccessDeniedException"}, v1alpha1.ReasonKeyUnavailable, true},
		{"something else", errors.New("something else"), v1alpha1.ReasonKeyUnavailable, true},
		{"damaged", &keysources.Error{Reader: arn, Reason: keysources.Damaged}, v1alpha1.ReasonDecryptionFailed, false},
		{"not for it", keysources.ErrNotForMe, v1alpha1.ReasonNoMatchingKey, false},
		{"not for it, wrapped", fmt.Errorf("here: %w", keysources.ErrNotForMe), v1alpha1.ReasonNoMatchingKey, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeKMS{}
				m, keys, opener := kmsManifest(t, f), kmsSet(t, "default", f), opening.New(opening.Options{})
				f.answer = func(context.Context) ([]byte, error) { return nil, c.err }
				_, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys})
				if r := wantRefusal(t, err, c.reason, ""); r.Transient != c.transient {
					t.Errorf("transient: %v", r.Transient)
				}
				if !errors.Is(c.err, keysources.ErrNotForMe) {
					again := false
					f.answer = func(context.Context) ([]byte, error) { again = true; return nil, c.err }
					if _, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys}); err == nil || again {
						t.Errorf("at once: asked: %v, %v", again, err)
					}
				}
				time.Sleep(6 * time.Second)
				f.answer = nil
				if _, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: keys}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

func TestServiceThatHangsIsGivenUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKMS{}
		m := kmsManifest(t, f)
		f.answer = func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
		opener := opening.New(opening.Options{Timeout: 5 * time.Second})
		// One who gives up early does not fail the others.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{short, t.Context()} {
			wg.Go(func() {
				_, err := opener.Open(ctx, opening.Request{Manifest: m, Keys: kmsSet(t, "default", f)})
				var r *opening.Refusal
				if !errors.As(err, &r) || r.Reason != v1alpha1.ReasonKeyUnavailable || !r.Transient {
					t.Errorf("got %s: %v", reason(err), err)
				}
			})
		}
		wg.Wait()
		if n := f.calls.Load(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestPanicOfAKeySourceIsContained(t *testing.T) {
	f := &fakeKMS{}
	m := kmsManifest(t, f)
	f.answer = func(context.Context) ([]byte, error) { panic("canary") }
	_, err := openWith(m, kmsSet(t, "default", f))
	wantRefusal(t, err, v1alpha1.ReasonKeyUnavailable, "the key source failed")
}

func TestAgeKeysAreNotRemembered(t *testing.T) {
	asked := 0
	opener := opening.New(opening.Options{Counted: func(bool) { asked++ }})
	m := inline(t, "stringData:\n  a: canary\n")
	for range 2 {
		if _, err := opener.Open(t.Context(), opening.Request{Manifest: m, Keys: set(t, v1alpha1.Policy{}, clusterKey)}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 0 {
		t.Errorf("asked %d times", asked)
	}
}
