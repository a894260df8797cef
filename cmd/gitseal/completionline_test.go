package main_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	gitseal "github.com/gitseal/gitseal/cmd/gitseal"
)

// TestBashLine takes apart what bash says of its line.
func TestBashLine(t *testing.T) {
	for _, tt := range []struct {
		name, line, replaced string
		words                []string
		cur                  string
		// offer is what a candidate becomes.
		candidate, offer string
	}{
		{"a word", "gitseal un", "un", []string{"gitseal"}, "un", "unseal", "unseal"},
		{"nothing yet", "gitseal  ", "", []string{"gitseal"}, "", "seal", "seal"},
		{"an assignment in front", "A=1 B= gitseal s", "s", []string{"gitseal"}, "s", "seal", "seal"},
		{"quotes in front", `gitseal get 'a b' "c d" e\ f g`, "g", []string{"gitseal", "get", "a b", "c d", "e f"}, "g", "g.h", "g.h"},
		{"a colon", "gitseal seal --kms arn:aws", "aws", []string{"gitseal", "seal", "--kms"}, "arn:aws", "arn:aws:k", "aws:k"},
		{"a colon at the end", "gitseal seal --kms arn:", "", []string{"gitseal", "seal", "--kms"}, "arn:", "arn:aws:k", "aws:k"},
		{"a value", "gitseal seal --age=a", "a", []string{"gitseal", "seal"}, "--age=a", "--age=age1", "age1"},
		{"a single quote", "gitseal get 'a b", "a b", []string{"gitseal", "get"}, "a b", "a b'c$", "a b'c$"},
		{"a double quote", `gitseal get "a`, "a", []string{"gitseal", "get"}, "a", `a"b$c d`, `a\"b\$c d`},
		{"an escaped quote", `gitseal get a.\"t`, `a.\"t`, []string{"gitseal", "get"}, `a."t`, `a."tls.crt"`, `a.\"tls.crt\"`},
		{"odd characters", "gitseal get ", "", []string{"gitseal", "get"}, "", "$(x)`y`;&|<>*?[]{}!#", "\\$\\(x\\)\\`y\\`\\;\\&\\|\\<\\>\\*\\?\\[\\]\\{\\}\\!\\#"},
		{"the home folder", "gitseal get ~/a", "~/a", []string{"gitseal", "get"}, "~/a", "~/a b", `~/a\ b`},
		{"a backslash at the end", `gitseal get a\`, `a\`, []string{"gitseal", "get"}, "a", "ab", "ab"},
	} {
		got, ok := gitseal.ReadCommandLine([]string{"bash", tt.line, tt.replaced})
		if !ok {
			t.Errorf("%s: not read", tt.name)
			continue
		}
		if diff := cmp.Diff(tt.words, got.Words); diff != "" || got.Cur != tt.cur {
			t.Errorf("%s: at the cursor %q, want %q; words %s", tt.name, got.Cur, tt.cur, diff)
		}
		if offer := got.Answer(tt.candidate); offer != "space\n"+tt.offer+"\n" {
			t.Errorf("%s: offers %q, want %q", tt.name, offer, tt.offer)
		}
	}
}

// FuzzCommandLine: a line that makes no sense is no reason to panic, and what is
// offered stays on its line.
func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{"gitseal get a", `A=1 gitseal get "a b`, `x 'y' \`, "gitseal seal --age=a,b --", "", "=", "gitseal\tget\n'"} {
		f.Add("bash", line, "a")
		f.Add("fish", line, "=a")
	}
	f.Fuzz(func(t *testing.T, shell, line, cur string) {
		l, ok := gitseal.ReadCommandLine([]string{shell, line, cur})
		if !ok {
			return
		}
		if len(l.Words) == 0 {
			t.Error("no words")
		}
		if out := l.Answer("a b"); strings.Count(out, "\n") > 2 || utf8.ValidString(l.Cur) && !utf8.ValidString(out) {
			t.Errorf("answers %q", out)
		}
		gitseal.Complete(append([]string{shell, line}, cur))
	})
}
