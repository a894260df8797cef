package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/cmd/internal/rules"
)

func TestRotateAfter(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		text string
		want time.Duration
	}{
		{"rotate_after: 90d", 90 * day},
		{"rotateAfter: 12w", 84 * day},
		{"rotate_after: 6m", 180 * day},
		{"rotate_after: 1y", 365 * day},
		{"rotate_after: 36h", 36 * time.Hour},
		{"rotate_after: 1h30m", 90 * time.Minute},
		{"rotate_after: ' 2d '", 2 * day},
		{"rotate_after:", 0},
		{"encrypted_suffix: x", 0},
	} {
		c, err := rules.Parse(".sops.yaml", []byte("creation_rules:\n  - age: age1one\n    "+tt.text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := c.Rules[0].RotateAfter; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestRotateAfterRefusesWhatIsNoTime(t *testing.T) {
	for _, text := range []string{
		"rotate_after: 90", "rotate_after: 0d", "rotate_after: -1d", "rotate_after: d", "rotate_after: 1.5d", "rotate_after: never",
		"rotate_after: 99999999999d", "rotate_after: 4294967295y", "rotate_after: 9000y", "rotate_after: [90d]", "rotate_after: 0s",
		"{rotate_after: 1d, rotateAfter: 1d}", "rotateafter: 90d",
	} {
		src := "creation_rules:\n  - age: age1one\n    " + text + "\n"
		if rest, ok := strings.CutPrefix(text, "{"); ok {
			src = "creation_rules:\n  - {age: age1one, " + rest + "\n"
		}
		if _, err := rules.Parse(".sops.yaml", []byte(src)); err == nil || !strings.Contains(strings.ToLower(err.Error()), "rotate") {
			t.Errorf("%s: got %v, want an error that names the key", text, err)
		}
	}
}
