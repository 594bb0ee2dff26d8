package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const repository = "../.."

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "serve-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "core-pipeline-cmp")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/core-pipeline-cmp")
		build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is a running `core-pipeline-cmp serve`.
type server struct {
	cmd     *exec.Cmd
	dir     string // its working and temporary directory
	socket  string
	metrics string // the address
	ended   chan struct{}
	log     *lines
}

// lines collects what a program prints.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the program until the test ends. wrap is what runs it: strace,
// say.
func start(t testing.TB, wrap []string, args ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "serve-") //nolint:usetesting // the path of a socket is short, that of t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &server{dir: filepath.Join(dir, "tmp"), socket: filepath.Join(dir, "plugins", "p.sock"), ended: make(chan struct{}), log: &lines{}}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	line := append(append([]string{}, wrap...), binary, "serve", "--socket", s.socket, "--metrics-address", "127.0.0.1:0")
	line = append(line, args...)
	s.cmd = exec.Command(line[0], line[1:]...) // it is ended below, with everything that it has started
	s.cmd.Dir, s.cmd.Env = s.dir, []string{"HOME=" + s.dir, "TMPDIR=" + s.dir, "SECRET=canary"}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			log := s.log.String()
			t.Logf("the end of the log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	until(t, "the line that says it serves", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("it ended before it served:\n%s", s.log)
		default:
		}
		return s.findAddress()
	})
	return s
}

func (s *server) kill() {
	select {
	case <-s.ended:
	default:
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
}

func (s *server) findAddress() bool {
	scan := bufio.NewScanner(strings.NewReader(s.log.String()))
	for scan.Scan() {
		var line struct{ Msg, MetricsAddress string }
		if json.Unmarshal(scan.Bytes(), &line) == nil && line.Msg == "serving" {
			s.metrics = line.MetricsAddress
			return true
		}
	}
	return false
}

// metric is the sum of a metric over its labels.
func (s *server) metric(t testing.TB, name string) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // a connection that is kept would be counted
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(body)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndex(rest, " ")+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+v, true
	}
	if !found && !strings.HasSuffix(name, "_total") { // a counter that counts nothing has no series
		t.Fatalf("there is no metric %s", name)
	}
	return sum
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// processes are the program and its workers, without those that have ended.
func (s *server) processes(t testing.TB) (pids []int) {
	t.Helper()
	for _, p := range tree(t, s.cmd.Process.Pid) {
		if p.state != "Z" {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

type process struct {
	pid   int
	state string
}

// tree is the process and all that descend from it.
func tree(t testing.TB, pid int) []process {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // it has ended meanwhile
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	all := []process{{pid, after[:1]}}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread that has ended has none
		for child := range strings.FieldsSeq(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, tree(t, n)...)
			}
		}
	}
	return all
}

// zombies counts the processes that nobody has taken the exit status of.
func (s *server) zombies(t testing.TB) (n int) {
	t.Helper()
	for _, p := range tree(t, s.cmd.Process.Pid) {
		if p.state == "Z" {
			n++
		}
	}
	return n
}

// pss is the memory of the whole sidecar in bytes; memory that processes share
// counts once.
func (s *server) pss(t testing.TB) (total int64) {
	t.Helper()
	for _, pid := range s.processes(t) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended meanwhile
		}
		for line := range strings.Lines(string(data)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kilobytes, _ := strconv.ParseInt(f[1], 10, 64)
				total += kilobytes << 10
			}
		}
	}
	return total
}

// files are the files in the directories that it may write to.
func (s *server) files(t testing.TB) (found []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(s.dir), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path != s.socket {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
