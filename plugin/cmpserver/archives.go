package cmpserver

import (
	"context"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// archives bounds the memory of all repositories that are being received or
// rendered, and keeps some of those that are not any more: the Applications of
// a repository are often refreshed one after the other, and repo-server sends
// the same archive for each.
type archives struct {
	limit int64 // for all
	keep  int64 // for those that nobody uses

	mu      sync.Mutex
	used    int64
	waiting []*account
	// beyond is the account that may exceed the limit while those that are
	// received hold most of it: one of them must come to an end.
	beyond *account
	// rendered is what complete repositories in use hold. They need no more
	// to come to an end.
	rendered int64
	trees    map[string]*archive
	idle     []*archive // the longest unused first
	// coming has the checksums of those that are being received. A channel is
	// closed when that has come to an end.
	coming map[string]chan struct{}
	// latest are trees that were received last, whether or not anybody holds
	// them still: the next one may have the same files.
	latest []weak.Pointer[source.Memory]
}

// mostLatest is how many repositories can take turns and still share the files
// of their commits.
const mostLatest = 4

// patience is how long a request waits for another one to receive the same
// archive. That one's sender may be slow, or never come to an end.
const patience = 5 * time.Second

// archive is a repository whose checksum was verified.
type archive struct {
	checksum string
	tree     *source.Memory
	// bytes is what it holds if it shares no file with another one.
	bytes int64
	users int
}

// account is the memory of one request.
type account struct {
	archives *archives
	bytes    int64
	turn     chan struct{} // not nil while it waits
}

func newArchives(limit, keep int64) *archives {
	return &archives{limit: limit, keep: keep, trees: map[string]*archive{}, coming: map[string]chan struct{}{}}
}

// join returns the repository with this checksum, if it is there, and the
// caller calls release when it is done with it. It waits while another request
// receives it: all Applications of a commit are often refreshed at once, and
// unpacking costs more than all else of a request that is not rendered.
//
// Without a result it is the caller that receives it, and calls received when
// that has come to an end, be it a bad one.
func (a *archives) join(ctx context.Context, checksum string) (found *archive, received func()) {
	if a.keep <= 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if found := a.find(checksum); found != nil {
			return found, nil
		}
		a.mu.Lock()
		other := a.coming[checksum]
		if other == nil {
			own := make(chan struct{})
			a.coming[checksum] = own
			a.mu.Unlock()
			return nil, func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				delete(a.coming, checksum)
				close(own)
			}
		}
		a.mu.Unlock()
		select {
		case <-other:
		case <-timer.C:
			return nil, func() {}
		case <-ctx.Done():
			return nil, func() {} // which the receiving will notice
		}
	}
}

// find returns the repository with this checksum, if it is there. The caller
// calls release when it is done with it.
func (a *archives) find(checksum string) *archive {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.trees[checksum]
	if found == nil {
		return nil
	}
	if found.users == 0 {
		a.rendered += found.bytes
		a.idle = slices.DeleteFunc(a.idle, func(other *archive) bool { return other == found })
	}
	found.users++
	return found
}

// add hands a complete repository and its account over.
func (a *archives) add(checksum string, tree *source.Memory, paid *account) *archive {
	a.mu.Lock()
	defer a.mu.Unlock()
	added := &archive{checksum: checksum, tree: tree, bytes: paid.bytes, users: 1}
	paid.bytes = 0
	a.rendered += added.bytes
	a.latest = append([]weak.Pointer[source.Memory]{weak.Make(tree)}, a.latest[:min(len(a.latest), mostLatest-1)]...)
	if a.keep > 0 && checksum != "" && a.trees[checksum] == nil {
		a.trees[checksum] = added
	}
	a.leave(paid)
	return added
}

// like returns the trees that were received last.
func (a *archives) like() []*source.Memory {
	a.mu.Lock()
	defer a.mu.Unlock()
	var trees []*source.Memory
	a.latest = slices.DeleteFunc(a.latest, func(p weak.Pointer[source.Memory]) bool {
		tree := p.Value()
		if tree != nil {
			trees = append(trees, tree)
		}
		return tree == nil
	})
	return trees
}

// release is called when a request is done with a repository.
func (a *archives) release(done *archive) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if done.users--; done.users > 0 {
		return
	}
	a.rendered -= done.bytes
	if a.trees[done.checksum] != done {
		a.used -= done.bytes
	} else {
		a.idle = append(a.idle, done)
		idle := int64(0)
		for _, other := range a.idle {
			idle += other.bytes
		}
		for idle > a.keep {
			idle -= a.idle[0].bytes
			a.evict()
		}
	}
	a.wake()
}

func (a *archives) evict() {
	oldest := a.idle[0]
	a.idle = a.idle[1:]
	delete(a.trees, oldest.checksum)
	a.used -= oldest.bytes
}

// reserve takes n bytes for the account. It waits while there are none, unless
// this is the one account that may exceed the limit.
func (p *account) reserve(ctx context.Context, n int64) error {
	a := p.archives
	a.mu.Lock()
	for a.used+n > a.limit && len(a.idle) > 0 {
		a.evict()
	}
	if a.used+n > a.limit && len(a.waiting) == 0 && a.mayGoBeyond() {
		a.beyond = p
	}
	if a.beyond == p || a.used+n <= a.limit && len(a.waiting) == 0 {
		p.take(n)
		a.mu.Unlock()
		return nil
	}
	p.turn = make(chan struct{})
	a.waiting = append(a.waiting, p)
	a.mu.Unlock()
	select {
	case <-p.turn:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = slices.DeleteFunc(a.waiting, func(other *account) bool { return other == p })
	p.turn = nil
	if err := ctx.Err(); err != nil {
		a.wake()
		return err
	}
	p.take(n)
	a.wake()
	return nil
}

// mayGoBeyond is called with mu held.
func (a *archives) mayGoBeyond() bool { return a.beyond == nil && a.rendered <= a.limit/2 }

// take is called with mu held.
func (p *account) take(n int64) {
	p.bytes += n
	p.archives.used += n
}

// wake lets the first one in the queue go on: if there is room, or if it may
// go beyond the limit. The caller holds mu.
func (a *archives) wake() {
	if len(a.waiting) == 0 {
		return
	}
	first := a.waiting[0]
	if a.used >= a.limit {
		if !a.mayGoBeyond() {
			return
		}
		a.beyond = first
	}
	select {
	case <-first.turn:
	default:
		close(first.turn)
	}
}

// leave is called with mu held when nothing more is received for p.
func (a *archives) leave(p *account) {
	a.used -= p.bytes
	p.bytes = 0
	if a.beyond == p {
		a.beyond = nil
	}
	a.wake()
}

// close gives back what was not handed over.
func (p *account) close() {
	p.archives.mu.Lock()
	defer p.archives.mu.Unlock()
	p.archives.leave(p)
}

func (a *archives) bytes() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}
