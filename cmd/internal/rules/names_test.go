package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func TestNamesOfReaders(t *testing.T) {
	c, err := rules.Parse("c", []byte(`keys:
  - &alice age1alice
gitseal:
  names:
    alice: *alice
    bob:
      - age1bob
      - " FBC7 B9E2"
    deploy bot: arn:aws:kms:x:1:key/a
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []rules.Name{
		{Name: "alice", Reader: "age1alice", Line: 5},
		{Name: "bob", Reader: "age1bob", Line: 7},
		{Name: "bob", Reader: "FBC7 B9E2", Line: 8},
		{Name: "deploy bot", Reader: "arn:aws:kms:x:1:key/a", Line: 9},
	}
	if diff := cmp.Diff(want, c.Names); diff != "" {
		t.Error(diff)
	}
}

func TestNamesAreReadStrictly(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"a list", "gitseal: {names: [a]}", `c:1: gitseal.names must be a map`},
		{"a number", "gitseal: {names: {a: 1234}}", `c:1: gitseal.names: "a" must be a reader or a list of readers; numbers need quotes`},
		{"a map", "gitseal: {names: {a: {b: c}}}", `c:1: gitseal.names: "a" must be a reader or a list of readers; numbers need quotes`},
		{"nothing", "gitseal: {names: {a: }}", `c:1: gitseal.names: "a" must be a reader or a list of readers; numbers need quotes`},
		{"an empty list", "gitseal: {names: {a: []}}", `c:1: gitseal.names: "a" names nobody`},
		{"twice", "gitseal:\n  names:\n    a: x\n    a: y", `c:4: the key "a" stands twice in one map`},
		{"a flag", "gitseal: {names: {--json: x}}", `c:1: gitseal.names: a name has 1 to 64 printable characters, none of them a comma, and does not begin with - or a space`},
		{"a secret key", "gitseal: {names: {a: AGE-SECRET-KEY-1CANARY}}", `c:1: gitseal.names: "a" holds a secret key where a recipient belongs`},
	} {
		_, err := rules.Parse("c", []byte(tt.src))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
