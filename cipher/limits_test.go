package cipher_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitseal/gitseal/cipher"
	"github.com/gitseal/gitseal/formats"
	"github.com/gitseal/gitseal/formats/all"
	"github.com/gitseal/gitseal/keysources"
)

// Every value is authenticated with its path, so a long key above many values is
// refused instead of being copied for each of them.
func TestLongKeysAboveManyValuesAreRefused(t *testing.T) {
	f, _ := all.ByName("json")
	recipients := []keysources.Recipient{identity(t).Recipient()}
	for values, ok := range map[int]bool{10: true, 1000: false} {
		src := `{"` + strings.Repeat("k", 1<<20) + `": [1` + strings.Repeat(",1", values-1) + `]}`
		_, err := cipher.Seal(context.Background(), f, []byte(src), cipher.SealOptions{Recipients: recipients})
		if ok != (err == nil) || !ok && !errors.Is(err, formats.ErrLimit) {
			t.Errorf("%d values: got %v", values, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}
