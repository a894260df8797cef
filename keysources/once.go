package keysources

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
)

// Once returns an identity that asks id at most once for each wrapped key, and
// remembers the answer: files that share a data key cost one call. Two callers
// that ask for the same at the same time share one call, too. A call that was
// cancelled or ran out of time is not remembered.
func Once(id Identity) Identity {
	return &once{id: id, calls: map[[sha256.Size]byte]*call{}}
}

type once struct {
	id    Identity
	mu    sync.Mutex // guards calls
	calls map[[sha256.Size]byte]*call
}

// call is one wrapped key that is, or was, unwrapped.
type call struct {
	done chan struct{} // closed when key and err are there
	key  []byte
	err  error
}

func (o *once) String() string { return o.id.String() }
func (o *once) Remote() bool   { return IsRemote(o.id) }

func (o *once) Unwrap(ctx context.Context, s Stanza) ([]byte, error) {
	digest := s.digest()
	for {
		o.mu.Lock()
		c, known := o.calls[digest]
		if !known {
			c = &call{done: make(chan struct{})}
			o.calls[digest] = c
		}
		o.mu.Unlock()
		if !known {
			o.ask(ctx, s, digest, c)
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Somebody else's deadline says nothing about ours.
		if known && gaveUp(c.err) && ctx.Err() == nil {
			continue
		}
		return append([]byte(nil), c.key...), c.err
	}
}

func (o *once) ask(ctx context.Context, s Stanza, digest [sha256.Size]byte, c *call) {
	defer close(c.done)
	c.key, c.err = o.id.Unwrap(ctx, s)
	if gaveUp(c.err) || ctx.Err() != nil {
		o.mu.Lock()
		delete(o.calls, digest)
		o.mu.Unlock()
	}
}

func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || ReasonOf(err) == Timeout
}

// digest names a stanza by all that is in it.
func (s Stanza) digest() [sha256.Size]byte {
	h := sha256.New()
	write := func(t string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(t))))
		h.Write([]byte(t))
	}
	write(s.Type)
	for _, list := range [][]Field{s.Fields, s.Context} {
		h.Write(binary.AppendUvarint(nil, uint64(len(list))))
		for _, f := range list {
			write(f.Name)
			write(f.Value)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
