package gettingstarted

import (
	"context"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// onKind types the page as it is printed, with the machine's docker and kind. Only the repositories are elsewhere: the
// clone is of this checkout, and what is pushed is served to the cluster at the address of docker's bridge.
func onKind(ctx context.Context, t *testing.T, root, home string) site {
	t.Helper()
	gateway, err := programs.Run(ctx, ".", os.Environ(), "docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
	if err != nil {
		t.Fatal(err)
	}
	projects := filepath.Join(home, "git")
	bare := filepath.Join(projects, "hello.git")
	if _, err := programs.Run(ctx, home, os.Environ(), "git", "init", "-q", "--bare", "-b", "main", bare); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("kind", "delete", "cluster", "--name", "core-pipeline").CombinedOutput(); err != nil {
			t.Errorf("deleting the cluster: %v\n%s", err, out)
		}
	})
	return site{
		instead: map[string]string{
			"git clone https://github.com/example/core-pipeline-cmp": "git clone -q " + root + " core-pipeline-cmp",
			"    repoURL: https://github.com/example/hello.git":      "    repoURL: http://" + serveGit(t, strings.TrimSpace(gateway), projects) + "/hello.git",
		},
		env: newUser(home, bare, os.Getenv("PATH")),
	}
}

// serveGit serves bare repositories by HTTP until the test ends, and returns the address.
func serveGit(t *testing.T, host, projects string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + projects, "GIT_HTTP_EXPORT_ALL=1"},
	}}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// TestServeGit: what was pushed to a repository can be cloned from the server.
func TestServeGit(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		out, err := programs.Run(t.Context(), dir, newUser(dir, filepath.Join(dir, "git", "hello.git"), os.Getenv("PATH")), "git", args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run("init", "-q", "--bare", "-b", "main", "git/hello.git")
	run("init", "-q", "-b", "main", "work")
	run("-C", "work", "commit", "-q", "--allow-empty", "-m", "one")
	run("-C", "work", "push", "-q", "https://github.com/example/hello.git", "main")
	run("clone", "-q", "http://"+serveGit(t, "127.0.0.1", filepath.Join(dir, "git"))+"/hello.git", "clone")
	if a, b := run("-C", "work", "rev-parse", "HEAD"), run("-C", "clone", "rev-parse", "HEAD"); a != b {
		t.Errorf("pushed %s, cloned %s", a, b)
	}
}
