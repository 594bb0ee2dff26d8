package e2e

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// moduleRoot is the project's own module, seen from this package: go test runs in the package's directory.
const moduleRoot = "../.."

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// pluginName is what an Application writes into spec.source.plugin.name: metadata.name, a dash, spec.version.
const pluginName = "core-pipeline-v1"

// server is a running argocd-cmp-server with our plugin.
type server struct {
	plugins string // the directory of the sockets, ARGOCD_PLUGINSOCKFILEPATH
	work    string // ARGOCD_CMP_WORKDIR: the server unpacks every request in here
	tmp     string // the temporary directory of the server and of the plugin's commands
	log     *logBuffer
	native  bool // core-pipeline-cmp serve, without argocd-cmp-server
}

func (s *server) socket() string { return filepath.Join(s.plugins, pluginName+".sock") }

// contracts are the two ways to run the plugin.
var contracts = map[string]func(*testing.T) *server{
	"exec":   func(t *testing.T) *server { return startServer(t, nil) },
	"native": func(t *testing.T) *server { return startNative(t) },
}

// startServer runs argocd-cmp-server as the sidecar would and waits until it accepts connections. It listens on
// its unix socket and on nothing else. change, if not nil, edits the plugin's configuration.
func startServer(t *testing.T, change func(plugin string) string) *server {
	t.Helper()
	bin, err := programs.ArgoCD()
	if err != nil {
		t.Fatal("building Argo CD: ", err)
	}
	s, config := newServer(t, change)
	s.start(t, bin, "--config-dir-path", config, "--loglevel", "info")
	return s
}

// startNative runs `core-pipeline-cmp serve` in its place.
func startNative(t *testing.T, args ...string) *server {
	t.Helper()
	bin, err := programs.Project()
	if err != nil {
		t.Fatal("building the project: ", err)
	}
	s, _ := newServer(t, nil)
	s.native = true
	s.start(t, filepath.Join(bin, "core-pipeline-cmp"), append([]string{"serve", "--socket", s.socket(), "--workers", "2", "--metrics-address", "off"}, args...)...)
	return s
}

// newServer makes the directories of a server, and the one of its configuration.
func newServer(t *testing.T, change func(plugin string) string) (*server, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cp-") //nolint:usetesting // the path of a socket is short, that of t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &server{
		plugins: filepath.Join(dir, "plugins"), work: filepath.Join(dir, "work"), tmp: filepath.Join(dir, "tmp"),
		log: &logBuffer{},
	}
	config := filepath.Join(dir, "config")
	for _, d := range []string{s.plugins, s.work, s.tmp, config} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plugin, err := os.ReadFile(filepath.Join(moduleRoot, "plugin", "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		plugin = []byte(change(string(plugin)))
	}
	if err := os.WriteFile(filepath.Join(config, "plugin.yaml"), plugin, 0o644); err != nil {
		t.Fatal(err)
	}
	return s, config
}

// start runs the program until the test ends, and waits until it serves.
func (s *server) start(t *testing.T, bin string, args ...string) {
	t.Helper()
	path, err := programs.Project()
	if err != nil {
		t.Fatal("building the project: ", err)
	}
	// The test binary dies at its deadline without running any clean-up, so the server has to be gone before.
	ctx := context.Background()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-5*time.Second))
		t.Cleanup(cancel)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = []string{
		"PATH=" + path, // as in the image: our program and nothing else
		"HOME=" + s.tmp,
		"TMPDIR=" + s.tmp,
		"ARGOCD_PLUGINSOCKFILEPATH=" + s.plugins,
		"ARGOCD_CMP_WORKDIR=" + s.work,
	}
	cmd.Dir = s.tmp
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The whole group, and at once: after SIGTERM argocd-cmp-server 3.6.1 removes its socket but goes on serving.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		select {
		case <-exited: // its number may belong to somebody else by now
		default:
			_ = cmd.Cancel()
			<-exited
		}
		if t.Failed() {
			t.Logf("%s's log:\n%s", filepath.Base(bin), s.log)
		}
	})
	s.waitUntilServing(t, exited)
}

// waitUntilServing polls the socket: the server gives no other sign that it is ready.
func (s *server) waitUntilServing(t *testing.T, exited <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", s.socket())
		if err == nil {
			_ = conn.Close() // only asked whether somebody answers
			return
		}
		select {
		case <-tick.C:
		case <-exited:
			t.Fatalf("argocd-cmp-server ended before it served:\n%s", s.log)
		case <-ctx.Done():
			t.Fatalf("argocd-cmp-server does not serve: %v\n%s", err, s.log)
		}
	}
}

// leftovers lists what the requests so far have left on the disk. The answer leaves before the server has removed
// the request's directory, so this waits for an end that has to come.
func (s *server) leftovers(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var found []string
		for _, root := range []string{s.tmp, filepath.Join(s.work, "_cmp_server")} {
			err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // removed while we look
				}
				if err == nil && path != root {
					found = append(found, path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(found) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return found
		}
	}
}

// logBuffer collects the output of a process while the test reads it.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
