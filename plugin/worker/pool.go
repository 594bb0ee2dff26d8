package worker

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
)

// Defaults of [Options].
const (
	DefaultTimeout         = 60 * time.Second
	DefaultMemory    int64 = 256 << 20
	DefaultSlowAfter       = time.Second
	// safeTime is how long a slow render cannot be ended for others.
	safeTime = 10 * time.Second
	// startTime is what a new process may take to get ready, before the time
	// of the render counts, for the timeout and for the slow lane.
	startTime = 30 * time.Second
)

// Options configures a Pool. Command is required; a zero field of the others
// means its default.
type Options struct {
	// Command starts a process that calls Run on its standard streams.
	Command []string
	// Env is the environment of the processes.
	Env []string
	// Workers is the number of processes, and so of renders at a time; the
	// number of CPUs by default. Flag --workers.
	Workers int
	// SlowWorkers is how many more there may be for renders that take longer
	// than SlowAfter; as many as Workers by default. Flags --slow-workers and
	// --slow-after.
	SlowWorkers int
	SlowAfter   time.Duration
	// Timeout bounds one render, apart from the time in the queue.
	// Flag --timeout.
	Timeout time.Duration
	// Metrics counts; nil for none.
	Metrics *telemetry.Metrics
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.SlowWorkers <= 0 {
		o.SlowWorkers = o.Workers
	}
	if o.SlowAfter <= 0 {
		o.SlowAfter = DefaultSlowAfter
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return o
}

// Request is what a Pool renders.
type Request struct {
	plugin.Request
	// Announce asks for the parameters instead of the manifests.
	Announce bool
	// Application is whose turn in the queue it takes.
	Application string
	Tree        observe.Source
}

// Pool renders in processes. It is safe for concurrent use.
type Pool struct {
	opts  Options
	lanes *lanes
	// habits are what renders have asked.
	habits habits

	mu     sync.Mutex
	idle   []*process
	all    map[*process]bool
	fast   int // processes that are idle, about to be, or in the fast lane
	closed bool
}

// NewPool starts the processes of a pool. Close ends them.
func NewPool(opts Options) (*Pool, error) {
	opts = opts.withDefaults()
	p := &Pool{opts: opts, all: map[*process]bool{}, lanes: &lanes{
		slowAfter: opts.SlowAfter, safe: safeTime, perApplication: max(opts.Workers, 1), fast: opts.Workers, slow: opts.SlowWorkers,
	}}
	for range opts.Workers {
		w, err := p.start()
		if err != nil {
			p.Close()
			return nil, err
		}
		p.put(w)
	}
	opts.Metrics.DeclareKilled(killReasons())
	opts.Metrics.Gauge("queue_length", "Requests that wait for a worker.", func() float64 { return float64(p.lanes.waiting()) })
	opts.Metrics.Gauge("workers", "Worker processes.", func() float64 { return float64(p.Processes()) })
	return p, nil
}

// Processes is how many worker processes there are.
func (p *Pool) Processes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// Close kills all processes, waits for their end, and lets no more start.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var all []*process
	for w := range p.all {
		all = append(all, w)
	}
	p.mu.Unlock()
	for _, w := range all {
		w.kill()
		<-w.ended
	}
}

// Do renders. An error is an *Error, the text of which is for people; the
// result then tells what was looked at, if that is known.
func (p *Pool) Do(ctx context.Context, req Request) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	times := &phases{ctx: ctx, metrics: p.opts.Metrics}
	times.begin(phaseQueue)
	defer times.begin("")

	var current atomic.Pointer[process]
	place, err := p.lanes.acquire(ctx, req.Application,
		func() { p.demote(current.Load()) }, func() { cancel(errPreempted) })
	if err != nil {
		return Result{}, p.explain(err, times, nil)
	}
	w, err := p.take(ctx)
	if err != nil {
		place.release()
		return Result{}, p.explain(err, times, nil)
	}
	current.Store(w)
	timer := time.AfterFunc(max(p.opts.Timeout, startTime), func() { cancel(errTimeout) })
	defer timer.Stop()
	// A process that hangs ends when it is killed, and the pipe with it.
	stop := context.AfterFunc(ctx, w.kill)
	times.begin("starting")
	started := false
	r, err := w.do(req, p.habits.known(req), p.opts.Timeout, func(stage string) {
		if !started {
			started = timer.Reset(p.opts.Timeout)
			place.begin()
		}
		times.begin(stage)
	})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	wasSlow := place.release()
	if err != nil || wasSlow {
		p.retire(w, wasSlow)
	} else {
		p.put(w)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Result{}, p.explain(err, times, w)
	}
	p.habits.learn(req, r.Asked)
	if r.Problem != "" {
		return r, &Error{Reason: ReasonInvalid, Text: r.Problem}
	}
	return r, nil
}

func (p *Pool) start() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	w, err := start(p.opts)
	if err != nil {
		return nil, err
	}
	p.all[w] = true
	p.fast++
	go func() {
		<-w.ended
		p.mu.Lock()
		delete(p.all, w)
		p.mu.Unlock()
	}()
	return w, nil
}

// take returns a process. One that cannot be started is tried again: requests
// wait, they are not refused.
func (p *Pool) take(ctx context.Context) (*process, error) {
	for {
		p.mu.Lock()
		for len(p.idle) > 0 {
			last := len(p.idle) - 1
			w := p.idle[last]
			p.idle = p.idle[:last]
			if w.isAlive() {
				p.mu.Unlock()
				return w, nil
			}
			p.fast--
		}
		p.mu.Unlock()
		w, err := p.start()
		if err == nil || p.isClosed() {
			return w, err
		}
		const pause = 100 * time.Millisecond
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// put makes a process idle; there are never more than Workers.
func (p *Pool) put(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.fast > p.opts.Workers {
		p.fast--
		w.kill()
		return
	}
	p.idle = append(p.idle, w)
}

// demote is called when w moves to the slow lane. It lets others go first, and
// gets a successor in the fast lane.
func (p *Pool) demote(w *process) {
	if w != nil {
		w.yieldCPU()
	}
	p.mu.Lock()
	p.fast--
	p.mu.Unlock()
	go p.refill()
}

// retire ends a process, and starts another for its place.
func (p *Pool) retire(w *process, wasSlow bool) {
	w.kill()
	if !wasSlow {
		p.mu.Lock()
		p.fast--
		p.mu.Unlock()
	}
	go p.refill()
}

// refill starts a process ahead of the request that needs it.
func (p *Pool) refill() {
	p.mu.Lock()
	enough := p.fast >= p.opts.Workers
	p.mu.Unlock()
	if enough {
		return
	}
	if w, err := p.start(); err == nil { // else take will try again
		p.put(w)
	}
}
