package pgp_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources"
	"github.com/gitseal/gitseal/keysources/pgp"
	"github.com/gitseal/gitseal/keysources/pgp/pgptest"
)

// TestRevokedAndExpiredKeys: nothing new is wrapped for them, what was wrapped
// opens.
func TestRevokedAndExpiredKeys(t *testing.T) {
	h := pgptest.NewHome(t)
	s := pgp.New(h.Env)
	revoked := h.Generate(t, pgptest.Key{Name: "revoked"})
	expired := h.Generate(t, pgptest.Key{Name: "expired", Expires: "seconds=3"})
	for _, tt := range []struct {
		fp, detail string
		end        func()
	}{
		{revoked, "revoked", func() { h.Revoke(t, revoked) }},
		{expired, "expired", func() { time.Sleep(4 * time.Second) }},
	} {
		if tt.fp == expired && testing.Short() {
			continue
		}
		st := wrap(t, s, tt.fp)
		tt.end()
		_, err := recipient(t, s, tt.fp).Wrap(t.Context(), dataKey())
		if e := wantReason(t, err, keysources.Disabled); e.Detail != tt.detail {
			t.Errorf("detail: got %q, want %q", e.Detail, tt.detail)
		}
		unwraps(t, s, st)
	}
}

func TestWrapSaysWhyItFailed(t *testing.T) {
	h := pgptest.NewHome(t)
	s := pgp.New(h.Env)
	h.GPG(t, nil, "--batch", "--passphrase", "", "--quick-generate-key", "signs <s@example.com>", "ed25519", "sign", "never")
	disabled := h.Generate(t, pgptest.Key{Name: "disabled"})
	h.GPG(t, []byte("disable\nquit\n"), "--no-tty", "--command-fd", "0", "--edit-key", disabled)
	for _, tt := range []struct {
		name, fp string
		want     keysources.Reason
	}{
		{"no such key", strings.Repeat("0", 40), keysources.NotFound},
		{"no such short key", strings.Repeat("1", 16), keysources.NotFound},
		{"a key that only signs", h.Fingerprints(t, "signs")[0], keysources.Disabled},
		{"a disabled key", disabled, keysources.Disabled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := recipient(t, s, tt.fp).Wrap(t.Context(), dataKey())
			if e := wantReason(t, err, tt.want); e.Reader != tt.fp {
				t.Errorf("reader: got %q", e.Reader)
			}
			t.Log(err)
		})
	}
}

// TestConfigurationAddsNoReaders: encrypt-to is ignored, what cannot be ignored
// is refused.
func TestConfigurationAddsNoReaders(t *testing.T) {
	h := pgptest.NewHome(t)
	s := pgp.New(h.Env)
	me, other := h.Generate(t, pgptest.Key{Name: "me"}), h.Generate(t, pgptest.Key{Name: "other"})
	h.Configure(t, "gpg.conf", "encrypt-to "+other, "hidden-encrypt-to "+other, "default-recipient "+other)
	st := wrap(t, s, me)
	onlyOther := pgptest.NewHome(t)
	onlyOther.Import(t, h.ExportSecret(t, other))
	_, err := pgp.New(onlyOther.Env).Unwrap(t.Context(), st)
	wantReason(t, err, keysources.NotFound)

	h.Configure(t, "gpg.conf", "recipient "+other)
	_, err = recipient(t, s, me).Wrap(t.Context(), dataKey())
	if err == nil {
		t.Fatal("another reader was added without a word")
	}
	wantReason(t, err, keysources.Malformed)
}

// TestMissingPrograms: no gpg, a gpg that is none, one that always fails.
func TestMissingPrograms(t *testing.T) {
	h := pgptest.NewHome(t)
	st := wrap(t, pgp.New(h.Env), h.Generate(t, pgptest.Key{Name: "me"}))
	folder := t.TempDir()
	script := filepath.Join(folder, "failing")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho 'secret words' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/nonexistent/gpg", "no-such-gpg-on-the-path", folder, script} {
		s := pgp.New(with(h.Env, "SOPS_GPG_EXEC", program))
		_, err := s.Unwrap(t.Context(), st)
		wantReason(t, err, keysources.Unavailable)
		if strings.Contains(err.Error(), "secret words") {
			t.Errorf("the error repeats what gpg says: %v", err)
		}
		_, err = recipient(t, s, st.Get("fp")).Wrap(t.Context(), dataKey())
		wantReason(t, err, keysources.Unavailable)
	}
}

// TestProgramOfSOPS_GPG_EXEC is the one that runs, with the arguments that were
// meant and without anything else of ours.
func TestProgramOfSOPS_GPG_EXEC(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	folder := t.TempDir()
	script := filepath.Join(folder, "my gpg")
	text := "#!/bin/sh\necho \"$*\" >>'" + folder + "/calls'\nenv >>'" + folder + "/env'\nexec gpg \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s := pgp.New(with(h.Env, "SOPS_GPG_EXEC", script, "SOPS_AGE_KEY", "hunter2", "VAULT_TOKEN", "hunter2"))
	unwraps(t, s, wrap(t, s, fp))
	calls, err := os.ReadFile(filepath.Join(folder, "calls"))
	if lines := strings.Count(string(calls), "\n"); err != nil || lines != 3 || strings.Count(string(calls), fp) != 2 {
		t.Errorf("calls: got %q, error %v", calls, err)
	}
	vars, err := os.ReadFile(filepath.Join(folder, "env"))
	if err != nil || !strings.Contains(string(vars), "GNUPGHOME="+h.Dir) || strings.Contains(string(vars), "hunter2") {
		t.Errorf("environment: got %q, error %v", vars, err)
	}
}

// TestPassphraseWithoutTerminal ends at once instead of waiting for somebody.
func TestPassphraseWithoutTerminal(t *testing.T) {
	for _, tt := range []struct{ name, file, line string }{
		{"pinentry", "gpg-agent.conf", "# as it comes"},
		{"no pinentry", "gpg-agent.conf", "pinentry-program /nonexistent/pinentry"},
		{"a pinentry that was cancelled", "gpg.conf", "pinentry-mode cancel"},
		{"no prompts", "gpg.conf", "pinentry-mode error"},
		{"gpg's own prompt", "gpg.conf", "pinentry-mode loopback\nbatch"},
		{"a wrong passphrase", "gpg.conf", "pinentry-mode loopback\npassphrase wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := pgptest.NewHome(t)
			s := pgp.New(h.Env)
			st := wrap(t, s, h.Generate(t, pgptest.Key{Name: "me", Passphrase: "hunter2"}))
			h.Configure(t, tt.file, tt.line) // and the agent forgets
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := s.Unwrap(ctx, st)
			wantReason(t, err, keysources.Unauthenticated)
			t.Log(err)
		})
	}
}

// TestPassphraseThatIsThere: given by the configuration, or known to the agent.
func TestPassphraseThatIsThere(t *testing.T) {
	h := pgptest.NewHome(t)
	s := pgp.New(h.Env)
	st := wrap(t, s, h.Generate(t, pgptest.Key{Name: "me", Passphrase: "hunter2"}))
	h.Configure(t, "gpg.conf", "pinentry-mode loopback", "passphrase hunter2")
	unwraps(t, s, st)
	// The agent has seen it now.
	if err := os.Remove(filepath.Join(h.Dir, "gpg.conf")); err != nil {
		t.Fatal(err)
	}
	unwraps(t, s, st)
	h.StopAgent(t)
	_, err := s.Unwrap(t.Context(), st)
	wantReason(t, err, keysources.Unauthenticated) // the control
}

// TestSilentGPGEndsWithTheDeadline: so does a prompt that nobody answers.
func TestSilentGPGEndsWithTheDeadline(t *testing.T) {
	h := pgptest.NewHome(t)
	st := wrap(t, pgp.New(h.Env), h.Generate(t, pgptest.Key{Name: "me"}))
	script := filepath.Join(t.TempDir(), "silent")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := pgp.New(with(h.Env, "SOPS_GPG_EXEC", script))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Unwrap(ctx, st)
	wantReason(t, err, keysources.Timeout)
	_, err = recipient(t, s, st.Get("fp")).Wrap(ctx, dataKey())
	wantReason(t, err, keysources.Timeout)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Unwrap(cancelled, st); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got error %v", err)
	}
}

// TestEndlessGPGIsStopped: what is unpacked may be far larger than the message.
func TestEndlessGPGIsStopped(t *testing.T) {
	h := pgptest.NewHome(t)
	fp := h.Generate(t, pgptest.Key{Name: "me"})
	bomb := h.GPG(t, make([]byte, 25<<20), "--batch", "--trust-model", "always", "--armor", "--encrypt", "--recipient", fp)
	if len(bomb) > 60_000 {
		t.Fatalf("the message has %d bytes, so that it is refused before gpg sees it", len(bomb))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	got, err := pgp.New(h.Env).Unwrap(ctx, stanza(fp, bomb))
	if err == nil || got != nil {
		t.Fatalf("got %d bytes, error %v", len(got), err)
	}
	wantReason(t, err, keysources.Damaged)
}
