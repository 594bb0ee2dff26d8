package worker

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// DefaultTimeout bounds one render.
const DefaultTimeout = 60 * time.Second

// Options configures a Pool. Command is required; a zero field of the others
// means its default.
type Options struct {
	// Command starts a process that calls Run on its standard input and output.
	Command []string
	// Env is the environment of the processes.
	Env []string
	// Workers is the number of processes, and so of renders at a time; the
	// number of CPUs by default. Flag --workers.
	Workers int
	// Timeout bounds one render, apart from the time in the queue.
	// Flag --timeout.
	Timeout time.Duration
}

// ErrClosed is returned for requests after Close.
var ErrClosed = errors.New("the server is shutting down")

// Pool renders in processes. It is safe for concurrent use.
type Pool struct {
	opts Options
	// idle holds a place for each process: one that is warm, or nil for one
	// that is to be started.
	idle   chan *process
	closed chan struct{}
	once   sync.Once
}

// NewPool starts the processes of a pool. Close ends them.
func NewPool(opts Options) (*Pool, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	p := &Pool{opts: opts, idle: make(chan *process, opts.Workers), closed: make(chan struct{})}
	for range opts.Workers {
		started, err := start(opts)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.idle <- started
	}
	return p, nil
}

// Close kills the processes that are idle and lets no more start; those that
// render are killed when they are done.
func (p *Pool) Close() {
	p.once.Do(func() {
		close(p.closed)
		for {
			select {
			case w := <-p.idle:
				w.kill()
			default:
				return
			}
		}
	})
}

// Generate returns one JSON document for each object of the request. The text
// of an error is for people: plugin.Message has made it.
func (p *Pool) Generate(ctx context.Context, tree source.Tree, req plugin.Request) ([]string, error) {
	r, err := p.do(ctx, tree, job{Request: req})
	return r.Manifests, err
}

// Announce lists the parameters of the application in dir.
func (p *Pool) Announce(ctx context.Context, tree source.Tree, dir string) ([]plugin.Announcement, error) {
	r, err := p.do(ctx, tree, job{Announce: true, Request: plugin.Request{Dir: dir}})
	return r.Announcements, err
}

func (p *Pool) do(ctx context.Context, tree source.Tree, j job) (result, error) {
	begin := time.Now()
	w, err := p.acquire(ctx, begin)
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	begin = time.Now()
	// A process that hangs ends when it is killed, and the pipe with it.
	stop := context.AfterFunc(ctx, w.kill)
	r, err := w.do(tree, j)
	if !stop() || err != nil {
		w.kill()
		p.release(nil)
		return result{}, explain(ctx, w, begin, err)
	}
	p.release(w)
	if r.Error != "" {
		return result{}, errors.New(r.Error)
	}
	return r, nil
}

// acquire waits for a process.
func (p *Pool) acquire(ctx context.Context, begin time.Time) (*process, error) {
	select {
	case <-p.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case w := <-p.idle:
		if w != nil {
			return w, nil
		}
		w, err := start(p.opts)
		if err != nil {
			p.release(nil)
		}
		return w, err
	case <-p.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("waited %s for one of %d workers (--workers): %w", round(time.Since(begin)), p.opts.Workers, ctx.Err())
	}
}

// release gives a place back.
func (p *Pool) release(w *process) {
	select {
	case <-p.closed:
		w.kill()
	default:
		p.idle <- w
	}
}

// explain says why a process did not come to a result.
func explain(ctx context.Context, w *process, begin time.Time, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("rendering took longer than %s (--timeout, or the deadline of the request); look for a loop without end in the chart", round(time.Since(begin)))
	case ctx.Err() != nil:
		return ctx.Err()
	case w.lastWords() != "":
		return errors.New(w.lastWords())
	}
	return fmt.Errorf("the worker broke down: %w", err)
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// process is one process of the pool, used by one request at a time.
type process struct {
	cmd     *exec.Cmd
	encoder *gob.Encoder
	decoder *gob.Decoder
	in      io.Closer
	once    sync.Once
	ended   chan struct{}

	mu   sync.Mutex
	last string
}

func start(opts Options) (*process, error) {
	w := &process{ended: make(chan struct{})}
	w.cmd = exec.Command(opts.Command[0], opts.Command[1:]...) //nolint:gosec,noctx // the program itself; it outlives a request
	w.cmd.Env = opts.Env
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	w.in, w.encoder, w.decoder = in, gob.NewEncoder(in), gob.NewDecoder(out)
	go w.listen(stderr)
	return w, nil
}

// listen keeps the first line that the process says on standard error: the
// watchdog's, or that of the runtime. Then it reaps the process.
func (w *process) listen(stderr io.Reader) {
	defer close(w.ended)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		w.mu.Lock()
		if w.last == "" {
			w.last = lines.Text()
		}
		w.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, stderr) // a line that was too long
	_ = w.cmd.Wait()                   // how it ended is in its last words
}

// lastWords is what the process said before it ended, without a stack trace.
func (w *process) lastWords() string {
	select {
	case <-w.ended:
	case <-time.After(time.Second):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(w.last, "fatal error:") || strings.HasPrefix(w.last, "runtime:") {
		return "rendering asked for more memory at once than there is, far above --memory-limit; look for a loop without end in the chart"
	}
	if strings.HasPrefix(w.last, "panic:") {
		return "rendering stopped unexpectedly; this is a bug of the plugin"
	}
	return w.last
}

// kill ends the process. It may be called more than once, and on nil.
func (w *process) kill() {
	if w == nil {
		return
	}
	w.once.Do(func() {
		_ = w.cmd.Process.Signal(os.Kill) // it may have ended
		_ = w.in.Close()
	})
}

// do has one conversation with the process.
func (w *process) do(tree source.Tree, j job) (result, error) {
	if err := w.encoder.Encode(j); err != nil {
		return result{}, fmt.Errorf("writing a job: %w", err)
	}
	for {
		var s said
		if err := w.decoder.Decode(&s); err != nil {
			return result{}, fmt.Errorf("reading a result: %w", err)
		}
		switch {
		case s.Result != nil:
			return *s.Result, nil
		case s.Ask != nil:
			if err := w.encoder.Encode(lookUp(tree, *s.Ask)); err != nil {
				return result{}, fmt.Errorf("writing a file: %w", err)
			}
		}
	}
}
