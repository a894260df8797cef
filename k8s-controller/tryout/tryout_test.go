package main_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/internal/toolcache"
	main "github.com/gitseal/gitseal/k8s-controller/tryout"
)

// TestTryout: the one command that is in the documentation shows what it promises, shows
// no value that nobody asked for, and leaves nothing behind.
func TestTryout(t *testing.T) {
	toolcache.Kube().Need(t)
	t.Setenv("TMPDIR", t.TempDir())
	var out, errs bytes.Buffer
	if code := main.Run(t.Context(), []string{"--once"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, &errs, &out)
	}
	text := out.String()
	for _, want := range []string{
		"sealedmanifest.gitseal.dev/db condition met", "password   ••••••••", "MACMismatch: the file is not what was sealed",
		"The Secret is the one that it was", "ContextMismatch: the file was sealed for k8s:shop/db", "There is no Secret in blog",
		"2 SealedManifests: 0 open, 2 failing", "1 SealedManifest: 1 open, 0 failing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestTryoutUsage(t *testing.T) {
	for _, args := range [][]string{{"--nothing"}, {"word"}} {
		var out, errs bytes.Buffer
		if code := main.Run(t.Context(), args, strings.NewReader(""), &out, &errs); code != 2 || !strings.Contains(errs.String(), "hint: ") {
			t.Errorf("%q: exit code %d, want 2: %s", args, code, &errs)
		}
	}
}
