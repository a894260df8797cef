package age_test

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

	"filippo.io/age/plugin"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

func recipient(tb testing.TB, text string) age.Recipient {
	tb.Helper()
	r, err := age.ParseRecipient(text)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func wrapped(tb testing.TB, r keysources.Recipient) keysources.Stanza {
	tb.Helper()
	s, err := r.Wrap(context.Background(), dataKey)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestPluginLaws(t *testing.T) {
	installPlugin(t, "gitsealtest")
	r, id := pluginKey("gitsealtest", "plain", key1)
	_, other := pluginKey("gitsealtest", "plain", key2)
	keysourcestest.Source{
		Recipient: recipient(t, r), Identity: identity(t, id), Stranger: identity(t, other),
		Secrets: []string{key1, id, id[40:60]},
	}.Run(t)
}

// user is a UI that answers and counts.
type user struct {
	answer    string
	yes       bool
	asked     atomic.Int32
	confirmed atomic.Int32
	mu        sync.Mutex // guards said
	said      []string
}

func (u *user) ui() age.UI {
	note := func(text string) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.said = append(u.said, text)
	}
	return age.UI{
		Ask: func(_ context.Context, prompt string, secret bool) (string, error) {
			u.asked.Add(1)
			if !secret {
				return "", errors.New("a secret was asked for as if it were none")
			}
			if u.answer == "" {
				return "", errors.New("cancelled")
			}
			note(prompt)
			return u.answer, nil
		},
		Confirm: func(context.Context, string, string, string) (bool, error) {
			u.confirmed.Add(1)
			return u.yes, nil
		},
		Tell: note,
		Warn: note,
	}
}

func (u *user) heard() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.said, "|")
}

// pluginRing returns a keyring with an identity of the test plugin, and a stanza
// for it.
func pluginRing(t *testing.T, how string) (*age.Keyring, keysources.Stanza) {
	t.Helper()
	installPlugin(t, "gitsealtest")
	r, id := pluginKey("gitsealtest", how, key1)
	return age.NewKeyring(environment{"SOPS_AGE_KEY": id}.get), wrapped(t, recipient(t, r))
}

func TestPluginsTalkToTheUser(t *testing.T) {
	for _, tt := range []struct {
		how    string
		user   *user
		opens  bool
		reason keysources.Reason
		hears  string
	}{
		{"asks", &user{answer: "123456"}, true, "", "age-plugin-gitsealtest: PIN of the device"},
		{"asks", &user{answer: "wrong"}, false, keysources.Unreachable, "wrong PIN"},
		{"asks", &user{}, false, keysources.Unauthenticated, ""},
		{"confirms", &user{yes: true}, true, "", ""},
		{"confirms", &user{}, false, keysources.Unreachable, "not confirmed"},
		{"says", &user{}, true, "", "age-plugin-gitsealtest: touch[2J me"},
		{"fails", &user{}, false, keysources.Unreachable, "no device[2J hunter2-hunter2"},
		{"lies", &user{}, false, keysources.Damaged, ""},
	} {
		t.Run(fmt.Sprintf("%s %v %s", tt.how, tt.opens, tt.user.answer), func(t *testing.T) {
			ring, s := pluginRing(t, tt.how)
			ring.UI = tt.user.ui()
			key, err := ring.Unwrap(t.Context(), s)
			if tt.opens != (err == nil) || tt.opens && !bytes.Equal(key, dataKey) {
				t.Fatalf("got %d bytes, error %v", len(key), err)
			}
			if err != nil && (keysources.ReasonOf(err) != tt.reason || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("got error %q, want the reason %s and nothing that the plugin said", err, tt.reason)
			}
			if heard := tt.user.heard(); !strings.Contains(heard, tt.hears) || strings.Contains(heard, "\x1b") {
				t.Errorf("the user heard %q, want %q", heard, tt.hears)
			}
		})
	}
}

func TestPluginWithoutAUserDoesNotHang(t *testing.T) {
	for _, how := range []string{"asks", "confirms"} {
		ring, s := pluginRing(t, how)
		_, err := ring.Unwrap(t.Context(), s)
		if keysources.ReasonOf(err) != keysources.Unauthenticated || !strings.Contains(err.Error(), "terminal") {
			t.Errorf("%s: got error %v, want the reason unauthenticated", how, err)
		}
	}
}

// TestPINIsAskedForOnce: files that are opened in one call cost one PIN, and a
// PIN that was wrong is not tried again.
func TestPINIsAskedForOnce(t *testing.T) {
	ring, s := pluginRing(t, "asks")
	u := &user{answer: "123456"}
	ring.UI = u.ui()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := ring.Unwrap(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := u.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
	bad := &user{answer: "wrong"}
	ring, s = pluginRing(t, "asks")
	ring.UI = bad.ui()
	for range 2 {
		if _, err := ring.Unwrap(t.Context(), s); err == nil {
			t.Error("a wrong PIN opened it")
		}
	}
	if got := bad.asked.Load(); got != 2 {
		t.Errorf("asked %d times for a PIN that was wrong, want 2", got)
	}
}

func TestPluginThatHangsEndsWithTheContext(t *testing.T) {
	ring, s := pluginRing(t, "hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := ring.Unwrap(ctx, s)
	if keysources.ReasonOf(err) != keysources.Timeout || !strings.Contains(err.Error(), "age-plugin-gitsealtest") {
		t.Errorf("got error %v, want the reason timeout and the plugin's name", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := ring.Unwrap(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got error %v, want context.Canceled", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestPluginRecipientThatFails(t *testing.T) {
	installPlugin(t, "gitsealtest")
	public := identity(t, key1).Recipient().String()
	for how, want := range map[string]keysources.Reason{
		"fails": keysources.Unreachable, "asks": keysources.Unauthenticated, "hangs": keysources.Timeout,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if how == "hangs" {
			ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
		}
		r := recipient(t, plugin.EncodeRecipient("gitsealtest", []byte(how+" "+public)))
		s, err := r.Wrap(ctx, dataKey)
		cancel()
		if keysources.ReasonOf(err) != want || s.Get("enc") != "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got error %v, want the reason %s", how, err, want)
		}
	}
	// The keyring's recipients reach its user.
	u := &user{answer: "123456"}
	ring := age.NewKeyring(environment{}.get)
	ring.UI = u.ui()
	text := plugin.EncodeRecipient("gitsealtest", []byte("asks "+public))
	r, err := ring.Recipient(recipient(t, text).Key())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wrap(t.Context(), dataKey); err != nil || u.asked.Load() != 1 {
		t.Errorf("asked %d times, error %v", u.asked.Load(), err)
	}
}

func TestPluginThatIsMissingIsNamed(t *testing.T) {
	r, id := pluginKey("gitsealmissing", "plain", key1)
	if _, err := recipient(t, r).Wrap(t.Context(), dataKey); keysources.ReasonOf(err) != keysources.Unavailable ||
		!strings.Contains(err.Error(), "age-plugin-gitsealmissing") {
		t.Errorf("wrapping: got error %v", err)
	}
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY": id + " " + key2}.get)
	if _, err := ring.Unwrap(t.Context(), stanzaFor(t, key2)); err != nil {
		t.Errorf("with a good identity beside it: %v", err)
	}
	if _, err := ring.Unwrap(t.Context(), stanzaFor(t, key1)); keysources.ReasonOf(err) != keysources.Unavailable {
		t.Errorf("got error %v, want the reason unavailable", err)
	}
}

// TestBadPluginsDoNotHideAGoodOne: one that fails, one that lies and one that is
// missing stand before it.
func TestBadPluginsDoNotHideAGoodOne(t *testing.T) {
	installPlugin(t, "gitsealtest")
	r, good := pluginKey("gitsealtest", "plain", key1)
	_, fails := pluginKey("gitsealtest", "fails", key1)
	_, lies := pluginKey("gitsealtest", "lies", key1)
	_, missing := pluginKey("gitsealmissing", "plain", key1)
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY": strings.Join([]string{missing, fails, lies, good}, "\n")}.get)
	if key, err := ring.Unwrap(t.Context(), wrapped(t, recipient(t, r))); err != nil || !bytes.Equal(key, dataKey) {
		t.Errorf("got %d bytes, error %v", len(key), err)
	}
}

func TestPluginIdentitiesHaveTheRecipientOfTheirComment(t *testing.T) {
	r, id := pluginKey("gitsealtest", "plain", key1)
	for _, tt := range []struct{ name, text, want string }{
		{"as age writes it", "# created: today\n# public key: " + r + "\n" + id, r},
		{"as a hardware key's plugin writes it", "#       Serial: 1, Slot: 1\n#    Recipient: " + r + "\n" + id, r},
		{"none", "# nothing\n" + id, ""},
		{"of another identity", "# public key: " + r + "\n" + key2 + "\n" + id, ""},
		{"damaged", "# public key: " + r[:len(r)-1] + "\n" + id, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ids, err := age.ParseIdentities(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := ids[len(ids)-1].Recipient().String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			ring := age.NewKeyring(environment{}.get, write(t, tt.text, t.TempDir(), "keys"))
			mine, err := ring.Recipients(t.Context())
			known := tt.want != ""
			if known != (err == nil) || known && mine[0].String() != tt.want {
				t.Errorf("own recipients: got %v, error %v", mine, err)
			}
		})
	}
}
