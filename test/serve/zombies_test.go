package serve

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// TestFirstProcess runs the server as the first process of a namespace, as in
// a container: it takes the exit status of workers that are killed, and of
// what probes leave to it.
func TestFirstProcess(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and unshare, for a namespace of processes")
	}
	s := start(t, []string{unshare, "--pid", "--fork", "--kill-child", "--"}, "--workers", "2", "--timeout", "1s")
	first := s.processes(t)[1]
	for range 3 {
		if _, err := (cmptest.Call{Archive: cmptest.Chart(t, loop), Env: cmptest.Env("loop", "null")}).Generate(within(t, time.Minute), s.socket); err == nil {
			t.Error("a loop has a result")
		}
	}
	probe := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(first), "--pid", "--", "sh", "-c", "sleep 0.1 & sleep 0.2 & true")
	if out, err := probe.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mustAnswer(t, s.socket, "after")
	until(t, "no zombies, and two workers", func() bool {
		// The one that runs unshare, the server, its workers.
		return s.zombies(t) == 0 && len(s.processes(t)) == 2+2
	})
}
