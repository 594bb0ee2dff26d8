package worker

import (
	"context"
	"sync"
	"time"
)

// lanes gives out places to render. A place in the fast lane is for a render
// that has not taken long yet; one that has goes on in the slow lane, if there
// is room, and leaves its place to the next. So a few renders that never end
// cannot hold up all the others.
type lanes struct {
	// slowAfter is how long a render may have a place in the fast lane, and
	// safe how long it cannot be ended for others after that.
	slowAfter, safe time.Duration
	// perApplication bounds the places of one Application, in both lanes.
	perApplication int

	mu         sync.Mutex
	fast, slow int // free places
	queue      queue
	running    map[string]int
	slowLane   []*place // the oldest first
}

// place is the right to render. Its time counts from begin on.
type place struct {
	lanes       *lanes
	application string
	// onSlow is called when the place moves to the slow lane, and end when it
	// is needed for others.
	onSlow, end func()

	// Guarded by lanes.mu.
	since          time.Time
	timer          *time.Timer // nil before begin
	isSlow, isDone bool
}

// acquire waits for a place. onSlow and end are called at most once each, from
// another goroutine, and not after release.
func (l *lanes) acquire(ctx context.Context, application string, onSlow, end func()) (*place, error) {
	l.mu.Lock()
	t := l.queue.push(application)
	l.grant()
	l.mu.Unlock()
	select {
	case <-t.granted:
	case <-ctx.Done():
		l.mu.Lock()
		waiting := l.queue.remove(t)
		l.mu.Unlock()
		if waiting {
			return nil, context.Cause(ctx)
		}
	}
	return &place{lanes: l, application: application, onSlow: onSlow, end: end}, nil
}

// begin starts the time of the place, the first time that it is called. What
// its process needs to get ready is not the render's fault: on a busy machine
// that alone may take longer than slowAfter.
func (p *place) begin() {
	l := p.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.timer == nil && !p.isDone {
		p.since, p.timer = time.Now(), time.AfterFunc(l.slowAfter, p.slowDown)
	}
}

// grant hands free places to those who wait. The caller holds mu.
func (l *lanes) grant() {
	if l.running == nil {
		l.running = map[string]int{}
	}
	for l.fast > 0 {
		t := l.queue.pop(func(application string) bool { return l.running[application] < l.perApplication })
		if t == nil {
			return
		}
		l.fast--
		l.running[t.application]++
		close(t.granted)
	}
}

// slowDown moves the place to the slow lane. If that is full and somebody
// waits, the oldest there is ended; this one tries again soon.
func (p *place) slowDown() {
	l := p.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.isDone {
		return
	}
	if l.slow == 0 {
		if l.queue.size > 0 && len(l.slowLane) > 0 && time.Since(l.slowLane[0].since) > l.slowAfter+l.safe {
			l.slowLane[0].end()
		}
		p.timer = time.AfterFunc(l.slowAfter/10+time.Millisecond, p.slowDown)
		return
	}
	l.slow--
	l.fast++
	p.isSlow = true
	l.slowLane = append(l.slowLane, p)
	p.onSlow()
	l.grant()
}

// release gives the place back. It tells whether it was in the slow lane.
func (p *place) release() (wasSlow bool) {
	l := p.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	p.isDone = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.isSlow {
		l.slow++
		for i, other := range l.slowLane {
			if other == p {
				l.slowLane = append(l.slowLane[:i:i], l.slowLane[i+1:]...)
				break
			}
		}
	} else {
		l.fast++
	}
	if l.running[p.application]--; l.running[p.application] == 0 {
		delete(l.running, p.application)
	}
	l.grant()
	return p.isSlow
}

// waiting is the number of requests in the queue.
func (l *lanes) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.size
}
