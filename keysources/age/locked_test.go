package age_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/age"
	"github.com/gitseal/gitseal/keysources/keysourcestest"
)

func TestSSHLaws(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa"} {
		me, other := newSSHKey(t, kind), newSSHKey(t, kind)
		for _, locked := range []bool{false, true} {
			name, text := kind, me.plain
			if locked {
				name, text = kind+" with a passphrase", me.locked
			}
			t.Run(name, func(t *testing.T) {
				u := &user{answer: passphrase}
				ring := age.NewKeyring(environment{"SOPS_AGE_SSH_PRIVATE_KEY_FILE": write(t, text, t.TempDir(), "key")}.get)
				ring.UI = u.ui()
				stranger := age.NewKeyring(environment{"SOPS_AGE_SSH_PRIVATE_KEY_FILE": write(t, other.locked, t.TempDir(), "key")}.get)
				keysourcestest.Source{
					Recipient: recipient(t, me.public+" me@here"), Identity: ring, Stranger: stranger,
					Secrets: []string{strings.Split(me.plain, "\n")[3], passphrase},
				}.Run(t)
				if got := u.asked.Load(); locked && got != 1 || !locked && got != 0 {
					t.Errorf("asked for the passphrase %d times", got)
				}
			})
		}
	}
}

func TestLockedFileLaws(t *testing.T) {
	for _, armored := range []bool{false, true} {
		u := &user{answer: passphrase}
		ring := age.NewKeyring(environment{"SOPS_AGE_KEY_FILE": write(t, lockedFile(t, "# x\n"+key1+"\n", armored), t.TempDir(), "keys")}.get)
		ring.UI = u.ui()
		keysourcestest.Source{
			Recipient: recipient(t, recipient1), Identity: ring, Stranger: identity(t, key2), Secrets: append(secretsOf(key1), passphrase),
		}.Run(t)
		if got := u.asked.Load(); got != 1 {
			t.Errorf("armored %v: asked for the passphrase %d times, want 1", armored, got)
		}
	}
}

// TestKeysAreFoundWhereSopsFindsThem: each place and form of a key on its own.
func TestKeysAreFoundWhereSopsFindsThem(t *testing.T) {
	ed, rsaKey := newSSHKey(t, "ed25519"), newSSHKey(t, "rsa")
	for _, tt := range []struct {
		name, recipient string
		place           func(t *testing.T, env environment)
	}{
		{"~/.ssh/id_ed25519", ed.public, func(t *testing.T, env environment) { write(t, ed.plain, env["HOME"], ".ssh", "id_ed25519") }},
		{"~/.ssh/id_rsa", rsaKey.public, func(t *testing.T, env environment) { write(t, rsaKey.plain, env["HOME"], ".ssh", "id_rsa") }},
		{"~/.ssh/id_rsa with a passphrase", rsaKey.public, func(t *testing.T, env environment) { write(t, rsaKey.locked, env["HOME"], ".ssh", "id_rsa") }},
		{"both, the first broken", rsaKey.public, func(t *testing.T, env environment) {
			write(t, "hunter2", env["HOME"], ".ssh", "id_ed25519")
			write(t, rsaKey.plain, env["HOME"], ".ssh", "id_rsa")
		}},
		{"SOPS_AGE_SSH_PRIVATE_KEY_CMD", ed.public, func(t *testing.T, env environment) {
			env["SOPS_AGE_SSH_PRIVATE_KEY_CMD"], _ = keyCommand(t, "print '"+ed.plain+"'")
		}},
		{"SOPS_AGE_SSH_PRIVATE_KEY_CMD with a passphrase", ed.public, func(t *testing.T, env environment) {
			env["SOPS_AGE_SSH_PRIVATE_KEY_CMD"], _ = keyCommand(t, "print '"+ed.locked+"'")
		}},
		{"an ssh key in SOPS_AGE_KEY_FILE", ed.public, func(t *testing.T, env environment) {
			env["SOPS_AGE_KEY_FILE"] = write(t, ed.plain, env["HOME"], "key")
		}},
		{"SOPS_AGE_KEY with an encrypted file", recipient1, func(t *testing.T, env environment) { env["SOPS_AGE_KEY"] = lockedFile(t, key1, true) }},
		{"SOPS_AGE_KEY_CMD with an encrypted file", recipient1, func(t *testing.T, env environment) {
			env["SOPS_AGE_KEY_CMD"], _ = keyCommand(t, "print '"+lockedFile(t, key1, true)+"'")
		}},
		{"the default file, encrypted", recipient1, func(t *testing.T, env environment) {
			write(t, lockedFile(t, key1, false), age.DefaultFile(env.get))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			env := environment{"HOME": home, "USERPROFILE": home, "AppData": home}
			tt.place(t, env)
			u := &user{answer: passphrase}
			ring := age.NewKeyring(env.get)
			ring.UI = u.ui()
			key, err := ring.Unwrap(t.Context(), wrapped(t, recipient(t, tt.recipient)))
			if err != nil || !bytes.Equal(key, dataKey) || u.asked.Load() > 1 {
				t.Errorf("got %d bytes, asked %d times, error %v", len(key), u.asked.Load(), err)
			}
		})
	}
}

// TestNobodyIsAskedWithoutNeed: an identity without a passphrase opens it, or the
// ssh key is another one.
func TestNobodyIsAskedWithoutNeed(t *testing.T) {
	ed, other := newSSHKey(t, "ed25519"), newSSHKey(t, "ed25519")
	home := t.TempDir()
	write(t, ed.locked, home, ".ssh", "id_ed25519")
	line, log := keyCommand(t, "print "+key2)
	env := environment{
		"HOME": home, "USERPROFILE": home, "SOPS_AGE_KEY": key1, "SOPS_AGE_KEY_CMD": line,
		"SOPS_AGE_KEY_FILE": write(t, lockedFile(t, keyPQ, true), home, "keys"),
	}
	u := &user{answer: passphrase}
	ring := age.NewKeyring(env.get)
	ring.UI = u.ui()
	for _, s := range []keysources.Stanza{stanzaFor(t, key1), stanzaFor(t, key2)} {
		if _, err := ring.Unwrap(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
	if u.asked.Load() != 0 {
		t.Errorf("asked %d times although other identities opened the stanza", u.asked.Load())
	}
	if _, err := ring.Unwrap(t.Context(), wrapped(t, recipient(t, ed.public))); err != nil || u.asked.Load() != 1 {
		t.Errorf("ssh: asked %d times, error %v", u.asked.Load(), err)
	}
	if heard := u.heard(); !strings.Contains(heard, "id_ed25519") || strings.Contains(heard, "keys") {
		t.Errorf("asked for %q, want the ssh key alone", heard)
	}
	if _, err := ring.Unwrap(t.Context(), wrapped(t, recipient(t, other.public))); !errors.Is(err, keysources.ErrNotForMe) || u.asked.Load() != 2 {
		t.Errorf("a stranger's: asked %d times, error %v, want 2 (the file may hold it) and ErrNotForMe", u.asked.Load(), err)
	}
	// The first for key2; the others were for other recipients, until it had
	// printed the same twice.
	want := append([]string{recipient2}, strings.Fields(ed.public)...)
	if diff := cmp.Diff(want, calls(t, log)); diff != "" {
		t.Errorf("the command was run for (-want +got):\n%s", diff)
	}
}

func TestPassphraseIsAskedForOnceWhateverComesOfIt(t *testing.T) {
	ed := newSSHKey(t, "ed25519")
	for _, tt := range []struct {
		name, file, recipient string
		user                  *user
		says                  string
	}{
		{"ssh, wrong", ed.locked, ed.public, &user{answer: "wrong"}, "wrong passphrase"},
		{"file, wrong", lockedFile(t, key1, true), recipient1, &user{answer: "wrong"}, "wrong passphrase"},
		{"ssh, not given", ed.locked, ed.public, &user{}, "was not given"},
		{"file, not given", lockedFile(t, key1, false), recipient1, &user{}, "was not given"},
		{"file, with other things", lockedFile(t, "hunter2", false), recipient1, &user{answer: passphrase}, "line 1: not an age identity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ring := age.NewKeyring(environment{"SOPS_AGE_KEY_FILE": write(t, tt.file, t.TempDir(), "keys")}.get)
			ring.UI = tt.user.ui()
			s := wrapped(t, recipient(t, tt.recipient))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, err := ring.Unwrap(t.Context(), s)
					if keysources.ReasonOf(err) != keysources.Unauthenticated || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
						t.Errorf("got error %v, want one that says %q", err, tt.says)
					}
				})
			}
			wg.Wait()
			if got := tt.user.asked.Load(); got != 1 {
				t.Errorf("asked %d times, want 1", got)
			}
		})
	}
}

func TestWithoutATerminalTheErrorSaysWhatToSet(t *testing.T) {
	ed := newSSHKey(t, "ed25519")
	for file, want := range map[string]string{ed.locked: "SOPS_AGE_SSH_PRIVATE_KEY_FILE", lockedFile(t, key1, true): "SOPS_AGE_KEY_FILE"} {
		name := write(t, file, t.TempDir(), "keys")
		ring := age.NewKeyring(environment{"SOPS_AGE_KEY_FILE": name}.get)
		text := recipient1
		if file == ed.locked {
			text = ed.public
		}
		_, err := ring.Unwrap(t.Context(), wrapped(t, recipient(t, text)))
		if keysources.ReasonOf(err) != keysources.Unauthenticated || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want the file's name and %s", err, want)
		}
	}
}

// TestQuestionEndsWithTheContext: and says nothing about the next call.
func TestQuestionEndsWithTheContext(t *testing.T) {
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY": lockedFile(t, key1, true)}.get)
	asked := make(chan struct{}, 2)
	ring.UI.Ask = func(ctx context.Context, _ string, _ bool) (string, error) {
		asked <- struct{}{}
		if len(asked) == 2 {
			return passphrase, nil
		}
		<-ctx.Done()
		return "", ctx.Err()
	}
	s := stanzaFor(t, key1)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := ring.Unwrap(ctx, s); keysources.ReasonOf(err) != keysources.Timeout {
		t.Errorf("got error %v, want the reason timeout", err)
	}
	if _, err := ring.Unwrap(t.Context(), s); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestBrokenSSHKeysAreMentionedOnlyForSSHStanzas: people have all kinds of files
// in ~/.ssh.
func TestBrokenSSHKeysAreMentionedOnlyForSSHStanzas(t *testing.T) {
	home := t.TempDir()
	ec, ed := newSSHKey(t, "ecdsa"), newSSHKey(t, "ed25519")
	write(t, ec.plain, home, ".ssh", "id_ed25519")
	write(t, "hunter2", home, ".ssh", "id_rsa")
	ring := age.NewKeyring(environment{"HOME": home, "USERPROFILE": home, "SOPS_AGE_KEY": key1}.get)
	_, err := ring.Unwrap(t.Context(), stanzaFor(t, key2))
	if diff := cmp.Diff(keysources.ErrNotForMe.Error(), err.Error()); diff != "" {
		t.Errorf("for X25519 (-want +got):\n%s", diff)
	}
	_, err = ring.Unwrap(t.Context(), wrapped(t, recipient(t, ed.public)))
	if !errors.Is(err, keysources.ErrNotForMe) || !errors.Is(err, age.ErrUnsupported) || !strings.Contains(err.Error(), "id_rsa") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("for ssh: got error %v, want both files named", err)
	}
	if ids, err := ring.Identities(); len(ids) != 1 || err != nil {
		t.Errorf("identities: got %d, error %v", len(ids), err)
	}
}

func TestOwnRecipientsAskOnlyIfThereAreNoOthers(t *testing.T) {
	ed, home := newSSHKey(t, "ed25519"), t.TempDir()
	write(t, newSSHKey(t, "ed25519").plain, home, ".ssh", "id_ed25519")
	for _, tt := range []struct {
		name  string
		env   environment
		asked int32
		want  []string
	}{
		{"none", environment{}, 0, nil},
		{"named ssh key with a passphrase, and others", environment{
			"SOPS_AGE_SSH_PRIVATE_KEY_FILE": write(t, ed.locked, t.TempDir(), "key"), "SOPS_AGE_KEY": key1,
		}, 0, []string{recipient1, ed.public}},
		{"encrypted file beside another", environment{"SOPS_AGE_KEY": key2, "SOPS_AGE_KEY_FILE": write(t, lockedFile(t, key1, true), t.TempDir(), "k")}, 0, []string{recipient2}},
		{"encrypted file alone", environment{"SOPS_AGE_KEY_FILE": write(t, lockedFile(t, key1+"\n"+key2, true), t.TempDir(), "k")}, 1, []string{recipient1, recipient2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.env["HOME"], tt.env["USERPROFILE"] = home, home
			u := &user{answer: passphrase}
			ring := age.NewKeyring(tt.env.get)
			ring.UI = u.ui()
			mine, err := ring.Recipients(t.Context())
			if err != nil || u.asked.Load() != tt.asked {
				t.Errorf("asked %d times, error %v", u.asked.Load(), err)
			}
			var got []string
			for _, r := range mine {
				got = append(got, r.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("recipients (-want +got):\n%s", diff)
			}
		})
	}
	ring := age.NewKeyring(environment{"SOPS_AGE_KEY": lockedFile(t, key1, true)}.get)
	if mine, err := ring.Recipients(t.Context()); len(mine) != 0 || keysources.ReasonOf(err) != keysources.Unauthenticated {
		t.Errorf("without a terminal: got %v, error %v", mine, err)
	}
}

func TestFilesThatOthersMayReadAreWarnedOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes on this system")
	}
	for _, tt := range []struct {
		text string
		mode os.FileMode
		want bool
	}{
		{key1, 0o600, false}, {key1, 0o640, true}, {key1, 0o604, true},
		{lockedFile(t, key1, true), 0o644, false}, {"# nothing", 0o644, false},
	} {
		name := write(t, tt.text, t.TempDir(), "keys")
		if err := os.Chmod(name, tt.mode); err != nil {
			t.Fatal(err)
		}
		u := &user{answer: passphrase}
		ring := age.NewKeyring(environment{}.get, name)
		ring.UI = u.ui()
		if _, err := ring.Identities(); err != nil {
			t.Error(err)
		}
		if got := u.heard(); strings.Contains(got, filepath.Base(name)) != tt.want {
			t.Errorf("mode %o: the user heard %q, want a warning: %v", tt.mode, got, tt.want)
		}
	}
}
