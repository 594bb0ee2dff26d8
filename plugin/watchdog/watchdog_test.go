package watchdog

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The eaters run in a process of their own: TestMain runs one and exits.
var eaters = map[string]func(){
	"loop": func() {
		for i := 0; ; i++ {
			sink = i
		}
	},
	"one large block": func() { sink = strings.Repeat("x", 2_000_000_000) },
	"many blocks": func() {
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte("x"), 1<<10))
			sink = all
		}
	},
	"a growing list": func() {
		var list []int
		for i := range 2_000_000_000 {
			list = append(list, i)
		}
		sink = list
	},
	"recursion": func() { sink = recurse(1) },
}

var sink any

func recurse(n int) int {
	var frame [64]int
	frame[n%64] = n
	return recurse(n+1) + frame[(n+1)%64] //nolint:staticcheck // without an end on purpose
}

const eaterVariable = "WATCHDOG_TEST_EATER"

func TestMain(m *testing.M) {
	if name := os.Getenv(eaterVariable); name != "" {
		timeout := time.Minute
		if name == "loop" {
			timeout = time.Second
		}
		dog := Start(os.Stderr, "program", Limits{Timeout: timeout, Memory: 256 << 20})
		dog.Stage("rendering templates")
		eaters[name]()
		dog.Stop()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// exitRuntime is the exit code of a Go process that cannot go on, and refused
// its first line when the system refuses memory.
const exitRuntime = 2

var refused = regexp.MustCompile(`^(?:runtime: .*\n)?fatal error: .*(?:out of memory|cannot allocate memory)`)

func TestEnd(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range eaters {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = append(os.Environ(), eaterVariable+"="+name)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			err := cmd.Run()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if ok && exit.ExitCode() == exitRuntime && name != "loop" && refused.Match(stderr.Bytes()) {
				return // the system was quicker than the watch; package supervise and the pool translate that
			}
			if !ok || exit.ExitCode() != ExitCode {
				t.Fatalf("%v, want exit code %d\n%.2000s", err, ExitCode, stderr.String())
			}
			want := "program: rendering templates used more than 256Mi of memory (--memory-limit)"
			if name == "loop" {
				want = "program: rendering templates took longer than 1s (--timeout)"
			}
			if got := stderr.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("the last words are\n%.2000s\nwant one line that starts with\n%s", got, want)
			}
		})
	}
}

func TestStop(t *testing.T) {
	exited := make(chan int, 1)
	var out bytes.Buffer
	dog := start(&out, "program", Limits{Timeout: time.Nanosecond}, func(code int) { exited <- code })
	if code := <-exited; code != ExitCode {
		t.Errorf("exit code %d", code)
	}
	dog.Stop()
	if !strings.HasPrefix(out.String(), "program: starting took longer than 1ns (--timeout)") {
		t.Errorf("last words: %q", out.String())
	}

	quiet := start(&out, "program", Limits{}, func(int) { t.Error("a stopped watchdog ended the process") })
	quiet.Stop()
	quiet.Stop()
	quiet.end("was stopped")
	if strings.Contains(out.String(), "was stopped") {
		t.Error("a stopped watchdog spoke")
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{512 << 20: "512Mi", 2 << 30: "2Gi", 4 << 10: "4Ki", 1000: "1000 bytes"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
