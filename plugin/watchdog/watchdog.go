package watchdog

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Defaults of [Limits].
const (
	DefaultTimeout       = 60 * time.Second
	DefaultMemory  int64 = 512 << 20
)

// ExitCode is the exit code of a process that a Watchdog ended.
const ExitCode = 3

// interval is how often the limits are looked at.
const interval = 5 * time.Millisecond

// Limits bounds one run of a program. A zero field means its default.
type Limits struct {
	// Timeout is the time since Start. Flag --timeout.
	Timeout time.Duration
	// Memory is what the Go runtime has taken from the system, in bytes.
	// Flag --memory-limit.
	Memory int64
}

// Watchdog is running from Start to Stop.
type Watchdog struct {
	program string
	limits  Limits
	w       io.Writer
	exit    func(code int)
	start   time.Time
	stage   atomic.Pointer[string]
	done    atomic.Bool
	stopped chan struct{}
}

// Start begins to watch. On a breach it writes one line to w, which begins
// with program, and ends the process with ExitCode.
//
// It also tells the garbage collector to stay below the limit and lets stacks
// grow past it, so that the line comes before the runtime's own last words.
func Start(w io.Writer, program string, limits Limits) *Watchdog {
	limits = limits.withDefaults()
	boundAllocation(limits.Memory)
	return start(w, program, limits, os.Exit)
}

func (l Limits) withDefaults() Limits {
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	return l
}

func start(w io.Writer, program string, limits Limits, exit func(int)) *Watchdog {
	limits = limits.withDefaults()
	debug.SetMemoryLimit(limits.Memory / 4 * 3)
	const largestStack = 1 << 40
	debug.SetMaxStack(int(min(max(limits.Memory, 1<<30), largestStack) * 4))
	dog := &Watchdog{
		program: program, limits: limits, w: w, exit: exit, start: time.Now(), stopped: make(chan struct{}),
	}
	dog.Stage("starting")
	go dog.watch()
	return dog
}

// Stage names what is going on: "rendering templates".
func (d *Watchdog) Stage(name string) { d.stage.Store(&name) }

// Stop looks at the limits once more and ends the watch. It may be called more
// than once. The last look matters: the runtime can hold back every other
// goroutine while one fills a large block.
func (d *Watchdog) Stop() {
	d.check(newSamples())
	if !d.done.Swap(true) {
		close(d.stopped)
	}
}

func (d *Watchdog) watch() {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	samples := newSamples()
	for {
		select {
		case <-d.stopped:
			return
		case <-tick.C:
			d.check(samples)
		}
	}
}

// newSamples asks for what the runtime has from the system, and for the part
// of it that it has given back.
func newSamples() []metrics.Sample {
	return []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
}

func (d *Watchdog) check(samples []metrics.Sample) {
	metrics.Read(samples)
	used := samples[0].Value.Uint64() - samples[1].Value.Uint64()
	switch {
	case used > uint64(d.limits.Memory): //nolint:gosec // start has made it positive
		d.end("used more than %s of memory (--memory-limit)", size(d.limits.Memory))
	case time.Since(d.start) > d.limits.Timeout:
		d.end("took longer than %s (--timeout)", d.limits.Timeout)
	}
}

func (d *Watchdog) end(format string, args ...any) {
	if d.done.Swap(true) {
		return // the work was done in the same moment
	}
	close(d.stopped)
	fmt.Fprintf(d.w, "%s: %s "+format+"; look for a loop without end in the chart, or raise the limit\n", //nolint:errcheck // there is nowhere else to say it
		append([]any{d.program, *d.stage.Load()}, args...)...)
	d.exit(ExitCode)
}

// size writes bytes as people wrote the flag: 512Mi.
func size(n int64) string {
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.suffix)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
