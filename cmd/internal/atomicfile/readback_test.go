package atomicfile_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/gitseal/gitseal/cmd/internal/atomicfile"
)

// What is read back is compared piece by piece: a difference must be found in
// every piece, at its edges, and in the length.
func TestReadBackFindsEveryDifference(t *testing.T) {
	const chunk = atomicfile.CompareChunk
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk - 1, 3 * chunk, 3*chunk + 7} {
		data := bytes.Repeat([]byte{'a'}, size)
		if err := atomicfile.SameBytes(bytes.NewReader(data), data); err != nil {
			t.Errorf("%d equal bytes: got %v", size, err)
		}
		if err := atomicfile.SameBytes(iotest.HalfReader(bytes.NewReader(data)), data); err != nil {
			t.Errorf("%d equal bytes, read in parts: got %v", size, err)
		}
		others := [][]byte{append(bytes.Clone(data), 'a'), append(bytes.Clone(data), data...)}
		for _, at := range []int{0, size / 2, chunk - 1, chunk, size - 1} {
			if at < 0 || at >= size {
				continue
			}
			changed := bytes.Clone(data)
			changed[at] = 'b'
			others = append(others, changed, data[:at])
		}
		for i, other := range others {
			want := atomicfile.ErrReadBack
			if len(other) == size && bytes.Equal(other, data) {
				want = nil
			}
			if err := atomicfile.SameBytes(bytes.NewReader(other), data); !errors.Is(err, want) {
				t.Errorf("%d bytes, read back as %d (case %d): got %v, want %v", size, len(other), i, err, want)
			}
		}
	}
}

func TestReadBackReportsTheReader(t *testing.T) {
	data := make([]byte, 100)
	broken := errors.New("the disk is on fire")
	r := io.MultiReader(bytes.NewReader(data[:50]), iotest.ErrReader(broken))
	if err := atomicfile.SameBytes(r, data); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
