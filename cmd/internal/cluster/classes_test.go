package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitseal/gitseal/cmd/internal/cluster"
)

// TestAClassIsLedByAnyOfItsLeases: what the Leases say of each class that is asked for,
// and which Leases nobody asked for. Each Lease is what follows gitseal-controller, and +
// if it is renewed.
func TestAClassIsLedByAnyOfItsLeases(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	for name, tt := range map[string]struct{ leases, classes, want string }{
		"as usual":                     {"+", "", "(leads)"},
		"none":                         {"", " x", "(missing) x(missing)"},
		"lost":                         {"=", "", "(lost)"},
		"a class of its own":           {"+ -x=", " x", "(leads) x(lost)"},
		"one that was uninstalled":     {"+ -old=", "", "(leads) | old"},
		"of a class only":              {"= -x+", "x", "x(leads) | gitseal-controller"},
		"by labels":                    {".0a1b2c3d4e+", "", "(leads)"},
		"by labels, and one before":    {"= .0a1b2c3d4e+", "", "(leads)"},
		"by labels, of a class":        {"+ -x= -x.0a1b2c3d4e+", " x", "(leads) x(leads)"},
		"by labels, all lost":          {".0a1b2c3d4e= .1a1b2c3d4e=", "", "(lost)"},
		"of a class that nobody names": {"= -x.0a1b2c3d4e+", "", "(lost) | x.0a1b2c3d4e"},
		"another class leads":          {"= -blue+", "", "(lost) | blue"},
		"a class within a class":       {"-a= -a-b+", "a a-b", "a(lost) a-b(leads)"},
	} {
		t.Run(name, func(t *testing.T) {
			var l cluster.Leases
			for _, spec := range strings.Fields(tt.leases) {
				suffix, renewed := spec[:len(spec)-1], now.Add(-time.Second)
				if spec[len(spec)-1] == '=' {
					renewed = now.Add(-time.Hour)
				}
				answer := fmt.Sprintf(`{"kind":"Lease","metadata":{"name":"gitseal-controller%s"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"renewTime":%q}}`, suffix, renewed.Format(time.RFC3339))
				got, err := cluster.DecodeControllers([]byte(answer))
				if err != nil {
					t.Fatal(err)
				}
				l.Controllers = append(l.Controllers, got...)
			}
			classes, rest := l.Classes(strings.Split(tt.classes, " "))
			var texts []string
			for _, c := range classes {
				texts = append(texts, fmt.Sprintf("%s(%s)", c.Name, c.Leading(now)))
			}
			if rest != nil {
				texts = append(texts, "|")
			}
			for _, c := range rest {
				texts = append(texts, strings.TrimPrefix(c.Lease, "gitseal-controller-"))
			}
			if diff := cmp.Diff(tt.want, strings.Join(texts, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// What may not be read is not missing.
	l := cluster.Leases{Unseen: []string{"x"}}
	classes, _ := l.Classes([]string{"", "x"})
	if got := []cluster.Leading{classes[0].Leading(now), classes[1].Leading(now)}; !slices.Equal(got, []cluster.Leading{cluster.Missing, cluster.Unseen}) {
		t.Errorf("got %v", got)
	}
}
