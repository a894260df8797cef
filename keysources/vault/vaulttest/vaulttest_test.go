package vaulttest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/keysources/vault/vaulttest"
)

func TestStartsAndStops(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := vaulttest.Start(t)
	if !s.Alive(t.Context()) {
		t.Error("it does not answer")
	}
	s.Stop()
	if s.Alive(t.Context()) {
		t.Error("it answers after its end")
	}
}

// TestTokensAreLimited holds what the tests of others rely on.
func TestTokensAreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := vaulttest.Start(t)
	s.CreateKey(t, "k")
	token := s.Token(t, time.Hour, "transit/keys/k=read")
	if token == s.Root || token == "" {
		t.Fatalf("got the token %q", token)
	}
	lookup := s.Write(t, "auth/token/lookup", map[string]any{"token": token})
	policies, _ := lookup.Data["policies"].([]any)
	if len(policies) != 1 || !strings.HasPrefix(policies[0].(string), "test-") {
		t.Errorf("policies: got %v", policies)
	}
}
