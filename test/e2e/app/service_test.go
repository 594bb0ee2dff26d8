package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// service is a running application.
type service struct {
	t      *testing.T
	url    string
	client *http.Client
	cmd    *exec.Cmd
	ended  chan struct{}
	out    *lines
}

// lines are the lines of an output so far.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.text.String()))
}

// environ is what the pod of an environment has, with the addresses of the stack. Later entries win.
func (s *stack) environ(t *testing.T, environment string, extra map[string]string) map[string]string {
	t.Helper()
	env := podEnviron(t, environment)
	maps.Copy(env, map[string]string{
		"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": s.postgres.port, "POSTGRES_USER": user, "POSTGRES_PASSWORD": password,
		"REDIS_HOST": "127.0.0.1", "REDIS_PORT": s.redis.port, "REDIS_PASSWORD": password,
		"KAFKA_BROKERS": "127.0.0.1:" + s.kafka.port, "KAFKA_GROUP_ID": t.Name(), "HOME": t.TempDir(),
		"TRACING_ENABLED": "false", "APP_VERSION": "1.2.3", "PATH": os.Getenv("PATH"),
	})
	maps.Copy(env, extra)
	return env
}

// command is a command of the image.
func (s *stack) command(ctx context.Context, env map[string]string, wrap []string, args ...string) *exec.Cmd {
	all := slices.Concat(wrap, []string{s.app.Node}, args)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Dir = s.app.Dir
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// run starts the application as in a pod of an environment and returns when it listens. wrap is a command that runs it.
func (s *stack) run(t *testing.T, environment string, extra map[string]string, wrap ...string) *service {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	env := s.environ(t, environment, extra)
	env["PORT"] = port
	r := &service{t: t, url: "http://127.0.0.1:" + port, out: &lines{}}
	r.client = &http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	r.cmd = s.command(context.WithoutCancel(t.Context()), env, wrap, "--import", "./dist/tracing.js", "dist/main.js")
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if r.ended, err = spawn(r.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if t.Failed() {
			dir := cmp.Or(os.Getenv("E2E_ARTIFACTS"), os.TempDir())
			_ = os.MkdirAll(dir, 0o755)
			file := filepath.Join(dir, "cp-app-"+strings.ReplaceAll(t.Name(), "/", "-")+".log")
			_ = os.WriteFile(file, []byte(strings.Join(r.out.all(), "")), 0o600)
			t.Log("the application's output is in", file)
		}
	})
	eventually(t, 60*time.Second, "the application listens", func() error {
		select {
		case <-r.ended:
			t.Fatalf("the application has ended: %s", strings.Join(r.out.all(), ""))
		default:
		}
		_, _, err := r.get("/health")
		return err
	})
	return r
}

// ready starts the application and waits until it is ready.
func (s *stack) ready(t *testing.T, environment string, extra map[string]string, wrap ...string) *service {
	t.Helper()
	r := s.run(t, environment, extra, wrap...)
	eventually(t, 30*time.Second, "the application is ready", func() error { return r.expect("/ok", http.StatusOK, nil) })
	return r
}

func (r *service) get(path string) (int, string, error) {
	return r.do(context.Background(), http.MethodGet, path, "")
}

func (r *service) do(ctx context.Context, method, path, body string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	return answer.StatusCode, string(data), err
}

// expect asks for a path and reads the answer's JSON.
func (r *service) expect(path string, status int, into any) error {
	got, body, err := r.get(path)
	if err != nil {
		return err
	}
	if got != status {
		return fmt.Errorf("%s answers %d: %s", path, got, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal([]byte(body), into)
}

// terminate does what the kubelet does, and waits for the end.
func (r *service) terminate(limit time.Duration) (took time.Duration, code int) {
	r.t.Helper()
	start := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	r.await(limit)
	return time.Since(start), r.cmd.ProcessState.ExitCode()
}

func (r *service) await(limit time.Duration) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(limit):
		r.t.Fatalf("the application has not ended in %s", limit)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, limit time.Duration, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for text := range strings.FieldsSeq(string(data)) {
			child, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}
