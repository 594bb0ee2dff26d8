//go:build unix

package supervise

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// The exit codes of the parent where the child has none to pass on. They are
// those of package edge, which is too large to import.
const (
	exitError = 1 // the program is at fault, or was interrupted
	exitLimit = 3 // it needed too much memory
)

// childVariable marks the child's environment. An Application cannot set it:
// Argo CD puts ARGOCD_ENV_ before the names of theirs.
const childVariable = "CORE_PIPELINE_SUPERVISED"

// unsupervised are the verbs that live long and supervise what they start, and
// the one that probes call: a child of it would be left to the server.
var unsupervised = map[string]bool{"serve": true, "worker": true, "healthcheck": true}

func init() {
	if os.Getenv(childVariable) != "" {
		_ = os.Unsetenv(childVariable) // cannot fail for a valid name
		return
	}
	program := filepath.Base(os.Args[0])
	if strings.HasSuffix(program, ".test") || len(os.Args) > 1 && unsupervised[os.Args[1]] {
		return
	}
	if code, ok := run(program, os.Stderr); ok {
		os.Exit(code)
	}
}

// run starts the child and waits for it. It is not ok if there is no child:
// the program then goes on without supervision.
func run(program string, stderr io.Writer) (code int, ok bool) {
	executable, err := os.Executable()
	if err != nil {
		return 0, false
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, false
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	//nolint:gosec // the program itself, with the arguments it was called with
	child, err := os.StartProcess(executable, os.Args, &os.ProcAttr{
		Env:   append(childEnviron(), childVariable+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, w},
		Sys:   attributes(),
	})
	_ = w.Close() // the child has its own
	if err != nil {
		signal.Stop(signals)
		return 0, false
	}
	go func() {
		for s := range signals {
			// A terminal sends SIGINT to the child itself.
			if s == syscall.SIGTERM {
				_ = child.Signal(s) // it may have ended
			}
		}
	}()
	text, _ := io.ReadAll(r) // up to the end of the child, whatever happens
	state, err := child.Wait()
	if err != nil {
		return exitError, true
	}
	code, text = verdict(program, state, text)
	_, _ = stderr.Write(text) // there is nowhere else to say it
	return code, true
}

// childEnviron lets the garbage collector wait longer: the child ends soon, and
// --memory-limit is also a limit for the collector.
func childEnviron() []string {
	env := os.Environ()
	if os.Getenv("GOGC") == "" {
		env = append(env, "GOGC=400")
	}
	return env
}

// verdict decides what the user gets to see of how the child ended.
func verdict(program string, state *os.ProcessState, text []byte) (int, []byte) {
	status, _ := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		switch status.Signal() {
		case syscall.SIGKILL:
			return exitLimit, say(program, "was killed, most likely for the memory limit of its container; set --memory-limit below that")
		case syscall.SIGTERM, syscall.SIGINT:
			return exitError, append(text, say(program, "interrupted")...)
		case syscall.SIGPIPE:
			return exitError, text // who reads the output has seen enough, as with `| head`
		}
		return exitError, say(program, "ended by signal "+status.Signal().String()+"; this is a bug of the program")
	}
	const exitRuntime = 2 // of a Go process that cannot go on
	if at := lastWords(text); state.ExitCode() == exitRuntime && at >= 0 {
		// Whatever the first line calls it, the heap could not grow.
		if bytes.Contains(text[at:], []byte("\nruntime.(*mheap).grow(")) || bytes.Contains(text[at:], []byte("out of memory")) {
			return exitLimit, append(text[:at], say(program, "rendering asked for far more memory at once than --memory-limit allows; look for a loop without end in the chart")...)
		}
		return exitError, append(text[:at], say(program, "stopped unexpectedly; this is a bug of the program")...)
	}
	return state.ExitCode(), text
}

func say(program, what string) []byte { return []byte(program + ": " + what + "\n") }

// lastWords is where the runtime's report of a crash begins, -1 if there is
// none. The report has a stack, and a panic may quote a value.
func lastWords(text []byte) int {
	if !bytes.Contains(text, []byte("\ngoroutine ")) && !bytes.Contains(text, []byte("\nruntime stack:")) {
		return -1
	}
	for at := 0; at < len(text); {
		line := text[at:]
		for _, start := range []string{"fatal error: ", "panic: ", "runtime: ", "unexpected fault", "SIG"} {
			if bytes.HasPrefix(line, []byte(start)) {
				return at
			}
		}
		next := bytes.IndexByte(line, '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return -1
}
