package opening

import (
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/gitseal/gitseal/keysources"
)

// keyName is a digest that names a wrapped key.
type keyName [sha256.Size]byte

// errKeySource is what is left of a key source's panic.
var errKeySource = errors.New("the key source failed")

// keyCache remembers data keys that services have unwrapped: manifests that share a
// wrapped key cost one call, also if they are opened at the same time. Failures are
// remembered for a few seconds. Keys are overwritten when they go.
type keyCache struct {
	most    int
	ttl     time.Duration
	timeout time.Duration
	counted func(hit bool)

	mu    sync.Mutex // guards what follows
	keys  map[keyName]*list.Element
	used  *list.List // of *keptKey, the last used first
	calls map[keyName]*keyCall
	// failed are the last failures: somebody who has a manifest looked at again and
	// again does not have a service called as often.
	failed map[keyName]failedCall
}

// What is remembered of failures.
const (
	failedFor  = 5 * time.Second
	failedMost = 1024
)

// failedCall is a failure, and when it is forgotten.
type failedCall struct {
	err   error
	until time.Time
}

// keptKey is one data key, or a share of one.
type keptKey struct {
	name  keyName
	bytes []byte
	timer *time.Timer
}

// keyCall is a call that is under way.
type keyCall struct {
	done chan struct{} // closed when key and err are there
	key  []byte
	err  error
}

func newKeyCache(o Options) *keyCache {
	c := &keyCache{
		most: max(0, o.KeysKept), ttl: o.KeepFor, timeout: o.Timeout, counted: o.Counted,
		keys: map[keyName]*list.Element{}, used: list.New(), calls: map[keyName]*keyCall{}, failed: map[keyName]failedCall{},
	}
	if c.counted == nil {
		c.counted = func(bool) {}
	}
	return c
}

// get returns a key, which ask unwraps if it is not remembered. The caller may do
// with the result as it likes.
func (c *keyCache) get(ctx context.Context, name keyName, ask func(context.Context) ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if e := c.keys[name]; e != nil {
		c.used.MoveToFront(e)
		key := bytes.Clone(e.Value.(*keptKey).bytes)
		c.mu.Unlock()
		c.counted(true)
		return key, nil
	}
	if f, found := c.failed[name]; found && time.Now().Before(f.until) {
		c.mu.Unlock()
		return nil, f.err
	}
	call, waiting := c.calls[name]
	if !waiting {
		call = &keyCall{done: make(chan struct{})}
		c.calls[name] = call
		// Whoever waits may give up without failing the others.
		go c.call(context.WithoutCancel(ctx), name, call, ask)
	}
	c.mu.Unlock()
	select {
	case <-call.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !errors.Is(call.err, keysources.ErrNotForMe) {
		c.counted(waiting && call.err == nil)
	}
	return bytes.Clone(call.key), call.err
}

// call asks, and keeps the answer.
func (c *keyCache) call(ctx context.Context, name keyName, call *keyCall, ask func(context.Context) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	key, err := guarded(ctx, ask)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		call.key = bytes.Clone(key)
		c.keep(name, key)
	}
	c.fail(name, err)
	call.err = err
	delete(c.calls, name)
	close(call.done)
}

// fail must be called with mu held. What was not asked of a service is not kept, nor
// that it did not answer in time, which has cost enough time already.
func (c *keyCache) fail(name keyName, err error) {
	delete(c.failed, name)
	if err == nil || errors.Is(err, keysources.ErrNotForMe) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if len(c.failed) >= failedMost {
		clear(c.failed)
	}
	c.failed[name] = failedCall{err, time.Now().Add(failedFor)}
}

// guarded turns a panic into an error: it would end the process otherwise.
func guarded(ctx context.Context, ask func(context.Context) ([]byte, error)) (key []byte, err error) {
	defer func() {
		if recover() != nil {
			key, err = nil, errKeySource
		}
	}()
	return ask(ctx)
}

// keep must be called with mu held.
func (c *keyCache) keep(name keyName, key []byte) {
	if c.most == 0 {
		return
	}
	kept := &keptKey{name: name, bytes: key}
	e := c.used.PushFront(kept)
	c.keys[name] = e
	kept.timer = time.AfterFunc(c.ttl, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(e)
	})
	for c.used.Len() > c.most {
		c.drop(c.used.Back())
	}
}

// drop must be called with mu held.
func (c *keyCache) drop(e *list.Element) {
	kept := e.Value.(*keptKey)
	if c.keys[kept.name] != e {
		return
	}
	kept.timer.Stop()
	clear(kept.bytes)
	delete(c.keys, kept.name)
	c.used.Remove(e)
}
