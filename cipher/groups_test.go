package cipher_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
)

// station is an identity on another machine, which may behave badly.
type station struct {
	keysources.Identity
	// lies: what it gives is well-formed and wrong.
	lies bool
	// silent: it never answers.
	silent bool
	// fails, if not nil, is its answer.
	fails error
	calls *atomic.Int32
}

func (s station) Remote() bool { return true }

func (s station) Unwrap(ctx context.Context, st keysources.Stanza) ([]byte, error) {
	if s.calls != nil {
		s.calls.Add(1)
	}
	key, err := s.Identity.Unwrap(ctx, st)
	switch {
	case err != nil:
		return nil, err
	case s.silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case s.fails != nil:
		return nil, s.fails
	case s.lies:
		// At random: with three groups, two equal lies would cancel each other out.
		rand.Read(key[:8])
	}
	return key, nil
}

// council is n key groups of one reader each, and the readers' identities.
func council(tb testing.TB, n int) ([][]keysources.Recipient, []age.Identity) {
	tb.Helper()
	var groups [][]keysources.Recipient
	var ids []age.Identity
	for range n {
		id, err := age.Generate(false)
		if err != nil {
			tb.Fatal(err)
		}
		ids = append(ids, id)
		groups = append(groups, []keysources.Recipient{id.Recipient()})
	}
	return groups, ids
}

// TestEverySetOfGroupsThatSuffices opens the file, and no other set does.
func TestEverySetOfGroupsThatSuffices(t *testing.T) {
	for _, tt := range []struct{ k, n int }{{2, 2}, {2, 3}, {3, 5}, {5, 9}} {
		groups, ids := council(t, tt.n)
		src := []byte("a: canary-4711\n")
		sealed := mustSeal(t, "yaml", src, cipher.SealOptions{Groups: groups, Threshold: tt.k}).Bytes
		opened, refused := 0, 0
		for set := range 1 << tt.n {
			size := bits.OnesCount(uint(set))
			if size != tt.k && size != tt.k-1 {
				continue
			}
			for _, remote := range []bool{false, true} {
				have := []keysources.Identity{}
				for i, id := range ids {
					if set&(1<<i) == 0 {
						continue
					}
					if remote {
						have = append(have, station{Identity: id})
						continue
					}
					have = append(have, id)
				}
				o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: have})
				if size == tt.k && (err != nil || !bytes.Equal(o.PlaintextBytes(), src)) {
					t.Fatalf("%d of %d, groups %b, remote %v: %v", tt.k, tt.n, set, remote, err)
				}
				var none *cipher.NoIdentityError
				if size < tt.k && (!errors.As(err, &none) || none.Needed != tt.k || none.Opened != size || none.Groups != tt.n) {
					t.Fatalf("%d of %d, groups %b, remote %v: got %v", tt.k, tt.n, set, remote, err)
				}
				if err == nil {
					opened++
				} else {
					refused++
				}
			}
		}
		t.Logf("%d of %d: %d sets opened the file, %d did not", tt.k, tt.n, opened, refused)
	}
}

// TestBadGroupsDoNoHarm as long as enough good ones are there, and are named.
func TestBadGroupsDoNoHarm(t *testing.T) {
	denied := &keysources.Error{Reader: "the second", Reason: keysources.Denied}
	for _, tt := range []struct {
		name    string
		k, n    int
		bad     func(i int, id keysources.Identity) keysources.Identity
		opens   bool
		warning string
	}{
		{"one liar of 2 in 3", 2, 3, func(i int, id keysources.Identity) keysources.Identity {
			return station{Identity: id, lies: i == 0}
		}, true, "share of key group 1"},
		{"a local liar of 2 in 3", 2, 3, func(i int, id keysources.Identity) keysources.Identity {
			return localLiar{station{Identity: id, lies: i == 1}}
		}, true, "share of key group 2"},
		{"two liars of 3 in 5", 3, 5, func(i int, id keysources.Identity) keysources.Identity {
			return station{Identity: id, lies: i == 1 || i == 4}
		}, true, ""},
		{"two liars of 2 in 3", 2, 3, func(i int, id keysources.Identity) keysources.Identity {
			return station{Identity: id, lies: i < 2}
		}, false, ""},
		{"two that never answer of 3 in 5", 3, 5, func(i int, id keysources.Identity) keysources.Identity {
			return station{Identity: id, silent: i < 2}
		}, true, ""},
		{"one refuses", 2, 3, func(i int, id keysources.Identity) keysources.Identity {
			if i == 1 {
				return localLiar{station{Identity: id, fails: denied}}
			}
			return id
		}, true, "the second"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			groups, ids := council(t, tt.n)
			src := []byte("a: canary-4711\n")
			sealed := mustSeal(t, "yaml", src, cipher.SealOptions{Groups: groups, Threshold: tt.k}).Bytes
			var have []keysources.Identity
			for i, id := range ids {
				have = append(have, tt.bad(i, id))
			}
			start := time.Now()
			o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: have, Timeout: 5 * time.Second})
			if (err == nil) != tt.opens {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "do not fit together") && outcome(err) != "mac" {
					t.Errorf("got %v", err)
				}
				return
			}
			if d := time.Since(start); d > 1500*time.Millisecond {
				t.Errorf("took %v", d)
			}
			if !bytes.Equal(o.PlaintextBytes(), src) {
				t.Error("other data")
			}
			if tt.warning != "" && !strings.Contains(fmt.Sprint(o.Warnings), tt.warning) {
				t.Logf("warnings: %v", o.Warnings)
				// A good pair may be complete before the bad answer comes in.
				if _, remote := have[0].(station); !remote {
					t.Error("the bad group is not named")
				}
			}
		})
	}
}

// localLiar is a station on this machine.
type localLiar struct{ station }

func (localLiar) Remote() bool { return false }

// TestAWrongAnswerOfOneReaderDoesNoHarm in a single group.
func TestAWrongAnswerOfOneReaderDoesNoHarm(t *testing.T) {
	groups, ids := council(t, 2)
	src := []byte("a: canary-4711\n")
	sealed := mustSeal(t, "yaml", src, cipher.SealOptions{Groups: [][]keysources.Recipient{{groups[0][0], groups[1][0]}}}).Bytes
	liar := localLiar{station{Identity: ids[0], lies: true}}
	o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: []keysources.Identity{liar, ids[1]}})
	if err != nil || !bytes.Equal(o.PlaintextBytes(), src) {
		t.Fatalf("got %v", err)
	}
	if w := fmt.Sprint(o.Warnings); !strings.Contains(w, ids[0].Recipient().String()) {
		t.Errorf("warnings %q do not name the reader", w)
	}
	// Alone, it looks like a file whose MAC was changed.
	if _, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: []keysources.Identity{liar}}); outcome(err) == "ok" {
		t.Error("a wrong data key opened the file")
	}
}

// TestLocalBeforeRemote: nobody far away is asked if somebody here opens the file.
func TestLocalBeforeRemote(t *testing.T) {
	var calls atomic.Int32
	alice := identityOf(t, aliceKey)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	_, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: []keysources.Identity{station{Identity: alice, calls: &calls}, alice}})
	if err != nil || calls.Load() != 0 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

// TestSilentStationsAreNamed when the deadline has passed.
func TestSilentStationsAreNamed(t *testing.T) {
	alice := identityOf(t, aliceKey)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{}).Bytes
	_, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{
		Identities: []keysources.Identity{station{Identity: alice, silent: true}}, Timeout: 50 * time.Millisecond,
	})
	if outcome(err) != "no-identity" || keysources.ReasonOf(err) != keysources.Timeout || !strings.Contains(err.Error(), alice.Recipient().String()) {
		t.Errorf("got %v", err)
	}
}

func TestBadKeyGroupsAreRefused(t *testing.T) {
	groups, _ := council(t, 3)
	for _, tt := range []struct {
		name string
		opts cipher.SealOptions
		want error
	}{
		{"no group", cipher.SealOptions{Groups: [][]keysources.Recipient{}}, cipher.ErrNoRecipients},
		{"an empty group", cipher.SealOptions{Groups: [][]keysources.Recipient{groups[0], {}}}, cipher.ErrNoRecipients},
		{"a threshold of one", cipher.SealOptions{Groups: groups, Threshold: 1}, cipher.ErrKeyGroups},
		{"a threshold beyond the groups", cipher.SealOptions{Groups: groups, Threshold: 4}, cipher.ErrKeyGroups},
		{"a negative threshold", cipher.SealOptions{Groups: groups, Threshold: -1}, cipher.ErrKeyGroups},
	} {
		if _, err := cipher.Seal(t.Context(), format(t, "yaml"), []byte("a: b\n"), tt.opts); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// TestGroupsAndTheDataKey: it stays while everybody stays, and only then.
func TestGroupsAndTheDataKey(t *testing.T) {
	groups, ids := council(t, 4)
	three := groups[:3:3]
	joined := [][]keysources.Recipient{{groups[0][0], groups[3][0]}, groups[1], groups[2]}
	src := []byte("a: b\n")
	sealed := mustSeal(t, "yaml", src, cipher.SealOptions{Groups: three, Threshold: 2}).Bytes
	prev, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: []keysources.Identity{ids[0], ids[1]}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name              string
		opts              cipher.SealOptions
		newKey, unchanged bool
	}{
		{"nothing changed", cipher.SealOptions{Groups: three, Threshold: 2}, false, true},
		{"somebody joined a group", cipher.SealOptions{Groups: joined, Threshold: 2}, false, false},
		{"a group has gone", cipher.SealOptions{Groups: three[:2], Threshold: 2}, true, false},
		{"another threshold", cipher.SealOptions{Groups: three, Threshold: 3}, true, false},
		{"groups changed places", cipher.SealOptions{Groups: [][]keysources.Recipient{groups[1], groups[0], groups[2]}, Threshold: 2}, true, false},
		{"one group of all", cipher.SealOptions{Recipients: []keysources.Recipient{groups[0][0], groups[1][0], groups[2][0]}}, true, false},
		{"asked for a new key", cipher.SealOptions{Groups: three, Threshold: 2, NewKey: true}, true, false},
	} {
		tt.opts.Previous = prev
		s := mustSeal(t, "yaml", src, tt.opts)
		if s.NewKey != tt.newKey || s.Unchanged != tt.unchanged || s.Unchanged != bytes.Equal(s.Bytes, sealed) {
			t.Errorf("%s: new key %v, unchanged %v", tt.name, s.NewKey, s.Unchanged)
		}
		have := []keysources.Identity{ids[0], ids[1], ids[2]}
		if _, err := tryOpen(t, "yaml", s.Bytes, cipher.OpenOptions{Identities: have}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// Who joined can stand in for their group.
	s := mustSeal(t, "yaml", src, cipher.SealOptions{Groups: joined, Threshold: 2, Previous: prev})
	if _, err := tryOpen(t, "yaml", s.Bytes, cipher.OpenOptions{Identities: []keysources.Identity{ids[3], ids[2]}}); err != nil {
		t.Errorf("who joined: %v", err)
	}
}

// TestALoweredThresholdIsNamed if those at hand could open the file as it was.
func TestALoweredThresholdIsNamed(t *testing.T) {
	groups, ids := council(t, 4)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups, Threshold: 3}).Bytes
	lowered := changeMeta(t, "yaml", sealed, func(m *formats.Meta) { m.Get("shamir_threshold").Text = "2" })
	for _, remote := range []bool{false, true} {
		var have []keysources.Identity
		for _, id := range ids {
			if remote {
				have = append(have, station{Identity: id})
				continue
			}
			have = append(have, id)
		}
		_, err := tryOpen(t, "yaml", lowered, cipher.OpenOptions{Identities: have})
		var tampered *cipher.TamperedError
		if !errors.As(err, &tampered) || tampered.Field != "shamir_threshold" {
			t.Errorf("remote %v: got %v", remote, err)
		}
		if _, err := tryOpen(t, "yaml", lowered, cipher.OpenOptions{Identities: have[:2]}); err == nil {
			t.Errorf("remote %v: two groups opened a file that needed three", remote)
		}
	}
}

// TestManyGroupsWithSomeWrong opens as long as enough are right, and gives up in
// time if they are not, or if it is told to.
func TestManyGroupsWithSomeWrong(t *testing.T) {
	for _, tt := range []struct {
		n, k, wrong int
		opens       bool
	}{{20, 10, 5, true}, {20, 10, 6, true}, {60, 50, 2, true}, {40, 20, 40, false}} {
		t.Run(fmt.Sprintf("%d of %d, %d wrong", tt.k, tt.n, tt.wrong), func(t *testing.T) {
			if testing.Short() && (!tt.opens || tt.n > 20) {
				t.Skip("combines many shares")
			}
			groups, ids := council(t, tt.n)
			sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups, Threshold: tt.k}).Bytes
			var have []keysources.Identity
			for i, id := range ids {
				have = append(have, localLiar{station{Identity: id, lies: i < tt.wrong}})
			}
			o, err := tryOpen(t, "yaml", sealed, cipher.OpenOptions{Identities: have})
			if (err == nil) != tt.opens {
				t.Fatalf("got %v", err)
			}
			if !tt.opens {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				start := time.Now()
				_, err := cipher.Open(ctx, format(t, "yaml"), sealed, cipher.OpenOptions{Identities: have})
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				return
			}
			if len(o.Warnings) == 0 {
				t.Error("no wrong share was named")
			}
		})
	}
}

func TestTooManyReadersAreRefused(t *testing.T) {
	groups, _ := council(t, 1)
	sealed := mustSeal(t, "yaml", []byte("a: b\n"), cipher.SealOptions{Groups: groups}).Bytes
	bad := changeMeta(t, "yaml", sealed, func(m *formats.Meta) {
		list := m.Get("age")
		for range cipher.MaxReaders {
			list.Items = append(list.Items, cloneMeta(list.Items[0]))
		}
	})
	if _, err := tryOpen(t, "yaml", bad, cipher.OpenOptions{}); !errors.Is(err, formats.ErrLimit) {
		t.Errorf("got %v", err)
	}
}
