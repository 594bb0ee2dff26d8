//go:build unix

package supervise

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestVerdict ends real processes in every way and looks at what is said.
func TestVerdict(t *testing.T) {
	const stack = "\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:1 +0x1d\nexit status 2\n"
	for _, tc := range []struct {
		name, script, text string
		code               int
		want               string
	}{
		{"success", "exit 0", "warning\n", 0, "warning\n"},
		{"an error", "exit 1", "p: wrong\nfatal error: is no crash\n", 1, "p: wrong\nfatal error: is no crash\n"},
		{"usage", "exit 2", "p: panic: is no crash\n", 2, "p: panic: is no crash\n"},
		{"panic", "exit 2", "before\npanic: secret" + stack, 1, "before\np: stopped unexpectedly; this is a bug of the program\n"},
		{"memory", "exit 2", "fatal error: runtime: out of memory\n\nruntime stack:\nx" + stack, 3, "p: rendering asked for far more memory at once than --memory-limit allows; look for a loop without end in the chart\n"},
		{"memory of another system", "exit 2", "fatal error: too many address space collisions\n\nruntime stack:\nruntime.(*mheap).grow(0x1)\n" + stack, 3, "p: rendering asked for far more memory at once"},
		{"fatal error", "exit 2", "fatal error: concurrent map writes" + stack, 1, "p: stopped unexpectedly"},
		{"killed", "kill -KILL $$", "", 3, "p: was killed, most likely for the memory limit of its container"},
		{"terminated", "kill -TERM $$", "text\n", 1, "text\np: interrupted\n"},
		{"nobody reads", "kill -PIPE $$", "text\n", 1, "text\n"},
		{"another signal", "kill -ABRT $$", "goroutine", 1, "p: ended by signal aborted"},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", tc.script)
		_ = cmd.Run() // the state says how it ended
		// Whole lines are all there is; others go on.
		code, text := verdict("p", cmd.ProcessState, []byte(tc.text))
		if code != tc.code || !strings.HasPrefix(string(text), tc.want) || strings.HasSuffix(tc.want, "\n") && string(text) != tc.want {
			t.Errorf("%s: %d, %q; want %d, %q", tc.name, code, text, tc.code, tc.want)
		}
		if bytes.Contains(text, []byte("goroutine 1")) || bytes.Contains(text, []byte("secret")) {
			t.Errorf("%s shows the stack: %s", tc.name, text)
		}
	}
}

// TestUnsupervised holds that a test is not its own child: init would have
// removed the variable.
func TestUnsupervised(t *testing.T) {
	if !strings.HasSuffix(os.Args[0], ".test") {
		t.Errorf("the test's program is %s", os.Args[0])
	}
}
