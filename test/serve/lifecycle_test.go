package serve

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// within is a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func good(t testing.TB, application string) cmptest.Call {
	t.Helper()
	return cmptest.Call{Archive: cmptest.Chart(t, cmptest.ConfigMap), Env: cmptest.Env(application, "null")}
}

func goodAnswer(application string) string {
	return `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"` + application + `"}}`
}

func mustAnswer(t testing.TB, socket, application string) {
	t.Helper()
	got, err := good(t, application).Generate(within(t, time.Minute), socket)
	if err != nil || len(got) != 1 || got[0] != goodAnswer(application) {
		t.Errorf("%s: got %v, %v", application, got, err)
	}
}

// loop ends in hours, and makes no garbage.
const loop = "{{ $l := until 100000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}"

func slow(t testing.TB, rounds string) cmptest.Call {
	t.Helper()
	return cmptest.Call{Archive: cmptest.Chart(t, "{{ range until "+rounds+" }}{{ range until 1000 }}{{ end }}{{ end }}"+cmptest.ConfigMap), Env: cmptest.Env("slow", "null")}
}

// TestDrain sends SIGTERM while a request is rendered: it is answered, then
// the program ends, with its socket and its workers.
func TestDrain(t *testing.T) {
	s := start(t, nil)
	var request sync.WaitGroup
	request.Go(func() {
		if got, err := slow(t, "2000").Generate(within(t, time.Minute), s.socket); err != nil || len(got) != 1 {
			t.Errorf("the request under way got %v, %v", got, err)
		}
	})
	until(t, "the request", func() bool { return s.metric(t, "core_pipeline_cmp_requests_in_flight") == 1 })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	request.Wait()
	<-s.ended
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(s.socket); err == nil {
		t.Error("the socket is left")
	}
	until(t, "the end of the workers", func() bool { return len(tree(t, s.cmd.Process.Pid)) == 0 })
}

func TestDrainEnds(t *testing.T) {
	s := start(t, nil, "--drain-timeout", "300ms")
	var request sync.WaitGroup
	request.Go(func() {
		if _, err := (cmptest.Call{Archive: cmptest.Chart(t, loop), Env: cmptest.Env("loop", "null")}).Generate(within(t, time.Minute), s.socket); err == nil {
			t.Error("a loop without end has a result")
		}
	})
	until(t, "the request", func() bool { return s.metric(t, "core_pipeline_cmp_requests_in_flight") == 1 })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	request.Wait()
}

// TestServerThatIsKilled leaves workers and a socket behind: the workers end
// by themselves, and the next server takes the socket's place.
func TestServerThatIsKilled(t *testing.T) {
	s := start(t, nil, "--workers", "2")
	workers := s.processes(t)[1:]
	if len(workers) != 2 {
		t.Fatalf("workers %v", workers)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	until(t, "the end of the workers", func() bool {
		for _, pid := range workers {
			if p := tree(t, pid); len(p) > 0 && p[0].state != "Z" {
				return false
			}
		}
		return true
	})
	if _, err := os.Lstat(s.socket); err != nil {
		t.Fatal("there is no stale socket to try: ", err)
	}
	next := exec.CommandContext(t.Context(), binary, "serve", "--socket", s.socket, "--metrics-address", "off")
	next.Stderr = s.log
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the next server", func() bool { return healthcheck(t, s.socket) == nil })
	mustAnswer(t, s.socket, "again")
	_ = next.Process.Signal(syscall.SIGTERM)
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
}

func healthcheck(t testing.TB, sockets ...string) error {
	t.Helper()
	args := []string{"healthcheck"}
	for _, socket := range sockets {
		args = append(args, "--socket", socket)
	}
	return exec.CommandContext(within(t, 30*time.Second), binary, args...).Run()
}

func TestSocketOfSomebodyElse(t *testing.T) {
	s := start(t, nil)
	file := filepath.Join(s.dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		s.socket: "another process serves it", file: "is not a socket", "/" + strings.Repeat("x", 120): "longer than 107 bytes",
	} {
		out, err := exec.CommandContext(within(t, time.Minute), binary, "serve", "--socket", socket, "--metrics-address", "off").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s\nwant %s", socket, err, out, want)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "precious" {
		t.Errorf("the file was changed: %q, %v", data, err)
	}
	mustAnswer(t, s.socket, "undisturbed")
}

// TestSockets serves two versions of the plugin at once, for a repo-server of
// another user.
func TestSockets(t *testing.T) {
	second := filepath.Join(t.TempDir(), "v2.sock")
	s := start(t, nil, "--socket", second, "--socket-mode", "0666")
	for _, socket := range []string{s.socket, second} {
		mustAnswer(t, socket, "a")
		info, err := os.Lstat(socket)
		if err != nil || info.Mode().Perm() != 0o666 {
			t.Errorf("%s: %v, %v", socket, info, err)
		}
	}
	if err := healthcheck(t, s.socket, second); err != nil {
		t.Error("healthcheck: ", err)
	}
	if err := healthcheck(t, s.socket, second+".absent"); err == nil {
		t.Error("healthcheck says that a socket that is not there is healthy")
	}
}

// TestClientsThatAreNone connect and say nothing, or nonsense.
func TestClientsThatAreNone(t *testing.T) {
	s := start(t, nil)
	for _, words := range []string{"", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff", strings.Repeat("\x00", 1<<16)} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "unix", s.socket)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = connection.Write([]byte(words)) // it may hang up
		mustAnswer(t, s.socket, "neighbour")
		_ = connection.Close()
	}
}
