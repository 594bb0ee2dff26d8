package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
)

// The reasons of an [Error], for metrics.
const (
	ReasonInvalid   = "invalid"   // the input is wrong
	ReasonQueue     = "queue"     // the deadline passed before there was a worker
	ReasonDeadline  = "deadline"  // the request's deadline passed while it was rendered
	ReasonTimeout   = "timeout"   // --timeout
	ReasonMemory    = "memory"    // --memory-limit
	ReasonPreempted = "preempted" // a slow render made room for others
	ReasonCanceled  = "canceled"  // nobody waits for the answer any more
	ReasonCrash     = "crash"     // the worker broke down
	ReasonShutdown  = "shutdown"  // the server is ending
)

// Reasons lists them.
func Reasons() []string {
	return append(killReasons(), ReasonInvalid, ReasonQueue)
}

// killReasons are those for which a process is ended.
func killReasons() []string {
	return []string{ReasonDeadline, ReasonTimeout, ReasonMemory, ReasonPreempted, ReasonCanceled, ReasonCrash, ReasonShutdown}
}

// Error is why a request has no result. Its text is for people.
type Error struct{ Reason, Text string }

func (e *Error) Error() string { return e.Text }

var (
	errTimeout   = errors.New("--timeout")
	errPreempted = errors.New("preempted")
	errClosed    = errors.New("the server is shutting down")
)

// phaseQueue is the wait for a worker; the other phases are the stages that a
// worker names.
const phaseQueue = "queue"

// phases notes which part of a request took how long.
type phases struct {
	ctx     context.Context //nolint:containedctx // lives as long as the request
	metrics *telemetry.Metrics
	name    string
	since   time.Time
	first   time.Time
}

// begin ends the current phase and begins the next; "" is none.
func (p *phases) begin(name string) {
	now := time.Now()
	if p.first.IsZero() {
		p.first = now
	}
	if p.name != "" {
		p.metrics.Phase(phaseLabel(p.name), now.Sub(p.since))
		telemetry.Phase(p.ctx, p.name, p.since, now)
	}
	p.name, p.since = name, now
}

// phaseLabel keeps to the names that package plugin uses; a worker that was
// taken over must not be able to make series.
func phaseLabel(name string) string {
	switch name {
	case phaseQueue, "starting", "loading the chart", "reading values", "rendering templates",
		"applying the overlay", "checking the objects", "encoding the objects", "reading the schema":
		return strings.ReplaceAll(name, " ", "_")
	}
	return "other"
}

const lookForLoop = "; look for a loop without end in the chart"

// explain says for people why w, or the queue if that is nil, came to no
// result, in which phase, and what to change.
func (p *Pool) explain(err error, times *phases, w *process) error {
	phase, took := times.name, time.Since(times.since).Round(time.Millisecond)
	e := &Error{}
	switch {
	case errors.Is(err, errClosed):
		e.Reason, e.Text = ReasonShutdown, "the sidecar is shutting down"
	case errors.Is(err, context.Canceled):
		e.Reason, e.Text = ReasonCanceled, fmt.Sprintf("repo-server gave up the request after %s of %s", took, phase)
	case errors.Is(err, context.DeadlineExceeded) && phase == phaseQueue:
		e.Reason = ReasonQueue
		e.Text = fmt.Sprintf("the request's deadline passed after %s in the queue for one of %d workers\n"+
			"hint: raise --workers and the container's CPU, add replicas of repo-server, or raise the *_REPO_SERVER_TIMEOUT_SECONDS of Argo CD", took, p.opts.Workers)
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason = ReasonDeadline
		e.Text = fmt.Sprintf("%s for %s when the request's deadline passed (%s since it was received)%s\n"+
			"hint: the deadline is Argo CD's: *_REPO_SERVER_TIMEOUT_SECONDS of the application controller and the API server", phase, took, time.Since(times.first).Round(time.Millisecond), lookForLoop)
	case errors.Is(err, errTimeout):
		e.Reason = ReasonTimeout
		e.Text = fmt.Sprintf("%s for %s when the render had taken %s (--timeout)%s, or raise the limit", phase, took, p.opts.Timeout, lookForLoop)
	case errors.Is(err, errPreempted):
		e.Reason = ReasonPreempted
		e.Text = fmt.Sprintf("%s for %s when the render was ended to make room for others (--slow-workers, --slow-after)%s", phase, took, lookForLoop)
	case w != nil && w.lastWords() != "":
		e.Reason, e.Text = verdict(w.lastWords())
	case w != nil:
		e.Reason, e.Text = ReasonCrash, phase+" was cut short: the worker was killed, most likely for the memory limit of the container; set --memory-limit and --workers to fit"
	default:
		e.Reason, e.Text = ReasonCrash, err.Error()
	}
	if w != nil {
		p.opts.Metrics.Killed(e.Reason)
	}
	return e
}

// verdict reads a process's last words, which are the watchdog's or those of
// the runtime. The latter have a stack, and a panic may quote a value.
func verdict(words string) (reason, text string) {
	if text, ok := strings.CutPrefix(words, "worker: "); ok {
		if strings.Contains(text, "(--timeout)") {
			return ReasonTimeout, text
		}
		return ReasonMemory, text
	}
	if strings.HasPrefix(words, "panic: ") {
		return ReasonCrash, "rendering stopped unexpectedly; this is a bug of the plugin"
	}
	return ReasonMemory, "rendering asked for far more memory at once than --memory-limit allows" + lookForLoop
}
