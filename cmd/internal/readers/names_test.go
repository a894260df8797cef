package readers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/readers"
	"github.com/gitseal/gitseal/cmd/internal/rules"
	"github.com/gitseal/gitseal/keysources"
)

func TestNamesOf(t *testing.T) {
	got, err := readers.NamesOf(&rules.Config{Names: []rules.Name{{Name: "alice", Reader: "age1a"}, {Name: "alice", Reader: arn}, {Name: "bob", Reader: "age1b"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []readers.Named{{"alice", stanza("age", "recipient", "age1a")}, {"alice", stanza("kms", "arn", arn)}, {"bob", stanza("age", "recipient", "age1b")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, names := range map[string][]rules.Name{
		`c:3: gitseal.names: "x": carol: not the name`:                        {{Name: "x", Reader: "carol", Line: 3}},
		`c:4: gitseal.names: age1a is called both "x" and "y"`:                {{Name: "x", Reader: "age1a", Line: 3}, {Name: "y", Reader: "age1a", Line: 4}},
		`c:1: gitseal.names: the name "age1b" is itself the name of a reader`: {{Name: "age1b", Reader: "age1a", Line: 1}},
		`c:2: gitseal.names: ssh-rsa AAAA y@b is called both "x" and "y"`:     {{Name: "x", Reader: "ssh-rsa AAAA x@a"}, {Name: "y", Reader: "ssh-rsa AAAA y@b", Line: 2}},
		`c: gitseal.names: "x": this is a private key, not a recipient`:       {{Name: "x", Reader: "AGE-PLUGIN-X-1CANARY"}},
	} {
		_, err := readers.NamesOf(&rules.Config{Path: "c", Names: names})
		if err == nil || !strings.HasPrefix(err.Error(), text) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("got %v, want %s", err, text)
		}
	}
}

func TestSameSeesThroughSpellings(t *testing.T) {
	vault := func(address, engine string) keysources.Stanza {
		return stanza("hc_vault", "vault_address", address, "engine_path", engine, "key_name", "k")
	}
	for _, tt := range []struct {
		name string
		a, b keysources.Stanza
		want bool
	}{
		{"the comment of an ssh key", stanza("age", "recipient", "ssh-ed25519 AAAA me@here"), stanza("age", "recipient", "ssh-ed25519 AAAA"), true},
		{"another ssh key", stanza("age", "recipient", "ssh-ed25519 AAAB me@here"), stanza("age", "recipient", "ssh-ed25519 AAAA me@here"), false},
		{"a fingerprint with spaces", stanza("pgp", "fp", "fbc7 b9e2"), stanza("pgp", "fp", "FBC7B9E2"), true},
		{"slashes at the end of an address", vault("https://v/", "transit/"), vault("https://v", "transit"), true},
		{"another engine", vault("https://v", "a"), vault("https://v", "b"), false},
		{"what wrapping adds", stanza("age", "recipient", "age1a", "enc", "x"), stanza("age", "recipient", "age1a", "enc", "y"), true},
		{"another role", stanza("kms", "arn", arn, "role", role), stanza("kms", "arn", arn), false},
	} {
		if got := readers.Same(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := readers.Same(tt.b, tt.a); got != tt.want {
			t.Errorf("%s, turned round: %v", tt.name, got)
		}
	}
}
