package cipher_test

import (
	"testing"

	"github.com/gitseal/gitseal/cipher"
)

// A program that opens the files of many must be able to go on after a defect that
// one file met: nothing may panic where nobody can recover.
func TestPanicsReachTheCallersGoroutine(t *testing.T) {
	panics := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	inParallel := panics(func() {
		cipher.InParallel(func(from, _ int) error {
			if from > 0 {
				panic("found")
			}
			return nil
		})
	})
	later := panics(func() { cipher.Later(func() int { panic("found") })() })
	if inParallel == nil && panics(func() { cipher.InParallel(func(int, int) error { panic("found") }) }) == nil {
		t.Error("inParallel does not panic")
	}
	if later != "found" {
		t.Errorf("later: got %v", later)
	}
}
