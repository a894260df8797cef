package atomicfile

import "io"

// CompareChunk is compareChunk.
const CompareChunk = compareChunk

// SameBytes is sameBytes.
func SameBytes(r io.Reader, data []byte) error { return sameBytes(r, data) }
