package gitrepo

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Holding returns which of many contents have some bytes in them; one that is not there,
// or larger than the limit of Open, has not. Asking for all at once costs much less than
// asking for each with Blob.
func (r *Repo) Holding(ids []string, mark []byte) (map[string]bool, error) {
	c, err := r.start("cat-file", "--batch", "--buffer")
	if err != nil {
		return nil, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c.in, strings.Join(ids, "\n")+"\n") // a git that has died says so below
		_ = c.in.Close()
	}()
	have := map[string]bool{}
	for _, id := range ids {
		var blob []byte
		if blob, err = c.answer(r.limit); err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrTooLarge) {
			break
		}
		have[id] = bytes.Contains(blob, mark)
		err = nil
	}
	err = errors.Join(err, c.close())
	<-written
	return have, err
}
