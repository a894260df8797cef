package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/doors"
	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func TestClosedDoors(t *testing.T) {
	for src, want := range map[string][]string{
		"gitseal: {doors: closed}":                          doors.Names(),
		"gitseal: {doors: open}":                            nil,
		"gitseal: {doors: []}":                              nil,
		"gitseal: {doors: [unseal, diff, accept --reveal]}": {doors.Unseal, doors.Diff, doors.Accept},
		"gitseal: {doors: [accept, exposing]}":              {doors.Accept, doors.AcceptPlain, doors.Exposing},
		"creation_rules: []":                                nil,
	} {
		c, err := rules.Parse("c", []byte(src))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if diff := cmp.Diff(want, c.ClosedDoors); diff != "" {
			t.Errorf("%s: %s", src, diff)
		}
	}
}

func TestClosedDoorsAreReadStrictly(t *testing.T) {
	for src, want := range map[string]string{
		"gitseal: {doors: shut}":      `c:1: gitseal.doors must be one of: open, closed`,
		"gitseal: {doors: {a: b}}":    `c:1: gitseal.doors must be a list`,
		"gitseal: {doors: [[]]}":      `c:1: gitseal.doors must be a string`,
		"gitseal: {doors: }":          `c:1: gitseal.doors must be one of: open, closed`,
		"gitseal: {doors: [unsaeal]}": `c:1: gitseal.doors: there is no door "unsaeal"; they are: unseal, get, edit, diff --plaintext, exec, accept --reveal, accept --plain, exposing, kustomize, helm post-render, helm get, keyservice`,
	} {
		_, err := rules.Parse("c", []byte(src))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
}
