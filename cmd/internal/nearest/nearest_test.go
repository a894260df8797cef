package nearest_test

import (
	"testing"

	"github.com/gitseal/gitseal/cmd/internal/nearest"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"seal", "seal", 0}, {"sael", "seal", 2}, {"unseel", "unseal", 1}, {"kitten", "sitting", 3}} {
		if got := nearest.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
