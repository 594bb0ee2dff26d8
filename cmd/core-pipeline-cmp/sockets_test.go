package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSockets holds what docs/operating.md says about sockets: one server
// answers on several, replaces those that were left behind and no others, and
// removes its own when it ends.
func TestSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "cmp-") //nolint:usetesting // the path of a socket is short, that of t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	old, current := filepath.Join(dir, "core-pipeline-v1.sock"), filepath.Join(dir, "core-pipeline-v2.sock")
	leaveBehind(t, old)
	sockets := []string{"--socket", old, "--socket", current}

	server := serving(t, append(sockets, "--socket-mode", "0666")...)
	for end := time.Now().Add(30 * time.Second); exec.CommandContext(t.Context(), "core-pipeline-cmp", append([]string{"healthcheck"}, sockets...)...).Run() != nil; {
		if time.Now().After(end) {
			t.Fatalf("the server does not become healthy:\n%s", server.Stderr)
		}
	}
	for _, socket := range []string{old, current} {
		if info, err := os.Stat(socket); err != nil || info.Mode() != os.ModeSocket|0o666 {
			t.Errorf("%s: %v %v", socket, info, err)
		}
	}
	second := serving(t, "--socket", current)
	if err := second.Wait(); err == nil || !strings.Contains(second.Stderr.(*bytes.Buffer).String(), "another process serves it") {
		t.Errorf("a second server: %v\n%s", err, second.Stderr)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil || !strings.Contains(server.Stderr.(*bytes.Buffer).String(), `"msg":"draining"`) {
		t.Errorf("after SIGTERM: %v\n%s", err, server.Stderr)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("sockets are left: %v %v", left, err)
	}
}

// serving starts a server that ends with the test.
func serving(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "core-pipeline-cmp", slices.Concat([]string{"serve", "--workers", "1", "--metrics-address", "127.0.0.1:0"}, args)...)
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// leaveBehind makes a socket that nobody serves any more.
func leaveBehind(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = syscall.Close(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
}
