package controller_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/k8s-controller/api/v1alpha1"
)

// TestWhatKubectlShows is what an operator needs.
func TestWhatKubectlShows(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.put(sealed{name: "db", data: map[string]string{"a": w.value("1")}})
	w.put(sealed{name: "copied", context: "k8s:elsewhere/copied", data: map[string]string{"a": w.value("1")}})
	w.awaitReason("db", v1alpha1.ReasonApplied)
	w.awaitReason("copied", v1alpha1.ReasonContextMismatch)
	show := func(args ...string) string { return w.cluster.Kubectl(t, "", append(args, "-n", w.ns)...) }
	for _, tt := range []struct {
		args  []string
		lines [][]string // words in their order, each a line
	}{
		{[]string{"get", "smf"}, [][]string{{"NAME", "READY", "REASON", "AGE"}, {"copied", "False", "ContextMismatch"}, {"db", "True", "Applied"}}},
		{[]string{"get", "smf", "-o", "wide"}, [][]string{
			{"NAME", "READY", "REASON", "AGE", "KEY", "APPLIED", "MESSAGE"},
			{"copied", "False", "ContextMismatch", "the file was sealed for k8s:elsewhere/copied"},
			{"db", "True", "Applied", "s ", w.id.Recipient().String(), "s ", "applied Secret/db"},
		}},
		{[]string{"get", "sealkeyring", w.keyring, "-o", "wide"}, [][]string{{"NAME", "READY", "REASON", "AGE", "MESSAGE"}, {w.keyring, "True", "Loaded", "1 identity is in use"}}},
	} {
		out := show(tt.args...)
		lines := strings.Split(out, "\n")
		for i, words := range tt.lines {
			if i >= len(lines) || !inOrder(lines[i], words) {
				t.Errorf("%v: no line %v:\n%s", tt.args, words, out)
			}
		}
	}
	w.eventually("kubectl describe shows the event", func() bool {
		_, events, _ := strings.Cut(show("describe", "smf", "copied"), "\nEvents:")
		return slices.ContainsFunc(strings.Split(events, "\n"), func(line string) bool {
			return inOrder(line, []string{"Warning", "ContextMismatch", "s ", "gitseal-controller", "the file was sealed for"}) && !strings.Contains(line, "<")
		})
	}, func() string { return show("describe", "smf", "copied") })
}

// inOrder reports whether a line holds words one after the other.
func inOrder(line string, words []string) bool {
	for _, word := range words {
		_, rest, found := strings.Cut(line, word)
		if !found {
			return false
		}
		line = rest
	}
	return true
}
