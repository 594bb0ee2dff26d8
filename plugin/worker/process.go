package worker

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
)

// process is one process of the pool, used by one request at a time.
type process struct {
	cmd     *exec.Cmd
	buffer  *bufio.Writer
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
	// A group of its own: a terminal's interrupt is for the server, which lets
	// requests end.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
	w.in, w.buffer = in, bufio.NewWriter(in)
	w.encoder, w.decoder = gob.NewEncoder(w.buffer), gob.NewDecoder(bufio.NewReader(out))
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

func (w *process) isAlive() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// lastWords is what the process said before it ended. It waits for the end,
// which is near: the pipe is broken already.
func (w *process) lastWords() string {
	select {
	case <-w.ended:
	case <-time.After(time.Second):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// kill ends the process. It may be called more than once.
func (w *process) kill() {
	w.once.Do(func() {
		_ = w.cmd.Process.Signal(os.Kill) // it may have ended
		_ = w.in.Close()
	})
}

// yieldCPU lets every other process go first from now on. It cannot be undone
// without privileges.
func (w *process) yieldCPU() {
	const lowest = 19
	// The process leads a group of its own, so all its threads are meant.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, w.cmd.Process.Pid, lowest) // it may have ended
}

// do has one conversation with the process.
func (w *process) do(req Request, known map[observe.Ask]observe.Answer, timeout time.Duration, stage func(string)) (Result, error) {
	j := job{Announce: req.Announce, Request: req.Request, Known: known, Timeout: 2 * timeout}
	if err := w.say(j); err != nil {
		return Result{}, fmt.Errorf("writing a job: %w", err)
	}
	for {
		var s said
		if err := w.decoder.Decode(&s); err != nil {
			return Result{}, fmt.Errorf("reading a result: %w", err)
		}
		switch {
		case s.Result != nil:
			return *s.Result, nil
		case s.Ask != nil:
			if err := w.say(observe.Look(req.Tree, *s.Ask)); err != nil {
				return Result{}, fmt.Errorf("writing a file: %w", err)
			}
		default:
			stage(s.Stage)
		}
	}
}

func (w *process) say(v any) error {
	if err := w.encoder.Encode(v); err != nil {
		return err
	}
	return w.buffer.Flush()
}
