package main_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
	"github.com/gitseal/gitseal/keysources/age"
)

// TestPickIsFair: each character is as likely as any other. Of all bytes, the
// largest multiple of the alphabet's size is used, and the others are thrown away.
func TestPickIsFair(t *testing.T) {
	for _, size := range []int{2, 3, 10, 62, 64, 200, 256} {
		var alphabet []byte
		for i := range size {
			alphabet = append(alphabet, byte(i))
		}
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(255 - i)
		}
		times := 256 / size * 2 // two rounds of all bytes
		calls := 0
		got := gitseal.Pick(times*size, string(alphabet), func(int) []byte { calls++; return all })
		if calls != 2 || len(got) != times*size {
			t.Fatalf("alphabet of %d: %d calls, %d characters", size, calls, len(got))
		}
		for _, c := range alphabet {
			if n := strings.Count(got, string([]byte{c})); n != times {
				t.Errorf("alphabet of %d: character %d comes %d times, want %d", size, c, n, times)
			}
		}
	}
}

// TestGenerated: every kind is what it says, and never twice the same.
func TestGenerated(t *testing.T) {
	checks := map[string]func(secret, public string) error{
		"password": matches(`^[A-Za-z0-9]{32}$`),
		"uuid":     matches(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
		"hex": func(secret, _ string) error {
			b, err := hex.DecodeString(secret)
			return wantBytes(b, err)
		},
		"base64": func(secret, _ string) error {
			b, err := base64.StdEncoding.Strict().DecodeString(secret)
			return wantBytes(b, err)
		},
		"ssh-ed25519": func(secret, public string) error {
			key, err := ssh.ParsePrivateKey([]byte(secret))
			if err == nil && strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey()))) != public {
				err = fmt.Errorf("the public part is that of another key")
			}
			return err
		},
		"age": func(secret, public string) error {
			id, err := age.ParseIdentity(secret)
			if err == nil && id.Recipient().String() != public {
				err = fmt.Errorf("the public part is that of another key")
			}
			return err
		},
	}
	for _, kind := range gitseal.GeneratorKinds() {
		seen := map[string]bool{}
		for range 20 {
			secret, public, err := gitseal.Generate(kind)
			if err == nil {
				err = checks[kind](secret, public)
			}
			if err != nil || seen[secret] {
				t.Errorf("%s: %v, seen before: %v", kind, err, seen[secret])
			}
			seen[secret] = true
		}
	}
	if len(checks) != len(gitseal.GeneratorKinds()) {
		t.Errorf("%d kinds, %d checks", len(gitseal.GeneratorKinds()), len(checks))
	}
}

func matches(expr string) func(secret, public string) error {
	return func(secret, _ string) error {
		if !regexp.MustCompile(expr).MatchString(secret) {
			return fmt.Errorf("does not match %s", expr)
		}
		return nil
	}
}

func wantBytes(b []byte, err error) error {
	if err == nil && len(b) != 32 {
		return fmt.Errorf("%d bytes, want 32", len(b))
	}
	return err
}
