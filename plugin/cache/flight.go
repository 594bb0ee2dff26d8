package cache

import (
	"context"
	"crypto/sha256"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// flightKey is equal for requests that are the same in every way.
type flightKey struct {
	key      key
	tree     string
	versions [sha256.Size]byte
}

// flight is a render that several requests wait for.
type flight struct {
	done   chan struct{}
	result worker.Result
	err    error
	// waiting is guarded by Cache.mu.
	waiting int
	cancel  context.CancelCauseFunc
}

// fly calls render, or joins a call of the same key. The call goes on as long
// as somebody waits for it: the one that came first may leave. The last one to
// leave ends it, and gets to know how far it came.
func (c *Cache) fly(ctx context.Context, k flightKey, render func(context.Context) (worker.Result, error)) (r worker.Result, shared bool, err error) {
	c.mu.Lock()
	f, shared := c.flights[k]
	if !shared || k.tree == "" {
		own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		f, shared = &flight{done: make(chan struct{}), cancel: cancel}, false
		c.flights[k] = f
		go func() {
			f.result, f.err = render(own)
			c.mu.Lock()
			if c.flights[k] == f {
				delete(c.flights, k)
			}
			c.mu.Unlock()
			cancel(nil)
			close(f.done)
		}()
	}
	f.waiting++
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.result, shared, f.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last && c.flights[k] == f {
		delete(c.flights, k) // nobody may join what is about to end
	}
	c.mu.Unlock()
	if !last {
		return worker.Result{}, shared, context.Cause(ctx)
	}
	f.cancel(context.Cause(ctx))
	<-f.done
	return f.result, shared, f.err
}
