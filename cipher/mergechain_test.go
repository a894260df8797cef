package cipher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats/merge"
)

// chain returns a file as a rebase of n commits without a key leaves it: each change was
// merged into what the one before it gave.
func chain(t *testing.T, s store, n int) []byte {
	t.Helper()
	side := mustSeal(t, "yaml", []byte("a: one\nz: one\n"), cipher.SealOptions{Recipients: recipients(t, aliceKey)}).Bytes
	onto := after(t, "yaml", side, "a: one\nz: ZZZ\n", nil)
	for i := range n {
		next := after(t, "yaml", side, fmt.Sprintf("a: v%d\nz: one\n", i), nil)
		v := merge.Versions{Base: side, Ours: onto, Theirs: next}
		m, err := cipher.MergeSealed(format(t, "yaml"), v, s.record(v))
		if err != nil || len(m.Conflicts) > 0 {
			t.Fatalf("commit %d: %v, %d conflicts", i, err, len(m.Conflicts))
		}
		side, onto = next, m.Ours
	}
	return onto
}

func TestLongRebaseIsResealed(t *testing.T) {
	s := store{}
	const commits = 200
	src := chain(t, s, commits)
	r, err := cipher.Reseal(context.Background(), format(t, "yaml"), src, mergeOptions(t, s, merge.Versions{}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(mustOpen(t, "yaml", r.Bytes).PlaintextBytes()), fmt.Sprintf("a: v%d\nz: ZZZ\n", commits-1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTooLongRebaseIsOneError(t *testing.T) {
	s := store{}
	const tooMany = 515
	_, err := cipher.Reseal(context.Background(), format(t, "yaml"), chain(t, s, tooMany), mergeOptions(t, s, merge.Versions{}))
	if !errors.Is(err, cipher.ErrMergeDepth) {
		t.Fatal(err)
	}
	if n := strings.Count(err.Error(), "merged from"); n != 1 {
		t.Errorf("it says %d times what it is about: %.300s", n, err)
	}
}
