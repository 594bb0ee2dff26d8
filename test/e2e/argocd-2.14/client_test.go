package oldclient

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v2/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v2/util/cmp"
	"google.golang.org/protobuf/types/known/emptypb"
)

const moduleRoot = "../../.."

// build makes the project's programs.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", dir+"/", "./cmd/...")
	cmd.Dir = moduleRoot
	// The Go that this module asks for is no matter of the project's.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// serve starts the server, and returns its socket when it listens.
func serve(t *testing.T, bin string, args ...string) string {
	t.Helper()
	// Not t.TempDir: the address of a unix socket holds about 107 bytes.
	dir, err := os.MkdirTemp("", "cp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "core-pipeline-v1.sock")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "core-pipeline-cmp"), append([]string{"serve", "--socket", socket, "--metrics-address", "off"}, args...)...)
	cmd.Env, cmd.Dir = []string{"TMPDIR=" + dir}, dir
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server's log:\n%s", &log)
		}
	})
	patience, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(patience, "unix", socket)
		if err == nil {
			conn.Close()
			return socket
		}
		select {
		case <-tick.C:
		case <-patience.Done():
			t.Fatal(err)
		}
	}
}

// repository is a copy of what a deployment repository holds.
func repository(t *testing.T) string {
	t.Helper()
	repo := t.TempDir()
	for _, dir := range []string{"charts", "argocd/envs"} {
		if err := os.CopyFS(filepath.Join(repo, dir), os.DirFS(filepath.Join(moduleRoot, dir))); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.Mkdir(filepath.Join(repo, ".git"), 0o755), os.WriteFile(filepath.Join(repo, ".git", "HEAD"), []byte("ref: refs/heads/main\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

const chart = "charts/core-pipeline"

func environ(environment string) []string {
	return []string{
		"ARGOCD_APP_NAME=core-pipeline", "ARGOCD_APP_NAMESPACE=default", "ARGOCD_APP_SOURCE_PATH=" + chart,
		"KUBE_VERSION=1.37.2", "KUBE_API_VERSIONS=v1,apps/v1",
		`ARGOCD_APP_PARAMETERS=[{"name":"environment","string":"` + environment + `"}]`,
	}
}

func connect(t *testing.T, socket string) (context.Context, apiclient.ConfigManagementPluginServiceClient) {
	t.Helper()
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(socket).NewConfigManagementPluginClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx, client
}

func send(t *testing.T, ctx context.Context, stream cmp.StreamSender, repo string, env []string) {
	t.Helper()
	if err := cmp.SendRepoStream(ctx, filepath.Join(repo, chart), repo, stream, env, nil); err != nil {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	bin, repo := build(t), repository(t)
	socket := serve(t, bin)

	t.Run("configuration", func(t *testing.T) {
		ctx, client := connect(t, socket)
		c, err := client.CheckPluginConfiguration(ctx, &emptypb.Empty{})
		if err != nil || c.GetIsDiscoveryConfigured() || c.GetProvideGitCreds() {
			t.Errorf("%v, %v", c, err)
		}
	})
	for _, environment := range []string{"dev", "staging", "prod"} {
		t.Run(environment, func(t *testing.T) {
			ctx, client := connect(t, socket)
			stream, err := client.GenerateManifest(ctx)
			if err != nil {
				t.Fatal(err)
			}
			send(t, ctx, stream, repo, environ(environment))
			r, err := stream.CloseAndRecv()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Join(r.GetManifests(), "\n"), render(t, bin, repo, environment); got != want {
				t.Errorf("not what `core-pipeline render` prints.\nserve:\n%s\nrender:\n%s", got, want)
			}
		})
	}
	t.Run("error", func(t *testing.T) {
		ctx, client := connect(t, socket)
		stream, err := client.GenerateManifest(ctx)
		if err != nil {
			t.Fatal(err)
		}
		send(t, ctx, stream, repo, environ("prodd"))
		if _, err := stream.CloseAndRecv(); err == nil || !strings.Contains(err.Error(), "prodd") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("parameters", func(t *testing.T) {
		ctx, client := connect(t, socket)
		stream, err := client.GetParametersAnnouncement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		send(t, ctx, stream, repo, environ("dev"))
		r, err := stream.CloseAndRecv()
		if err != nil || len(r.GetParameterAnnouncements()) < 10 || r.GetParameterAnnouncements()[0].GetName() != "environment" {
			t.Errorf("%v, %v", r, err)
		}
	})
}

func TestDiscovery(t *testing.T) {
	bin, repo := build(t), repository(t)
	socket := serve(t, bin, "--discovery")
	ctx, client := connect(t, socket)
	stream, err := client.MatchRepository(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send(t, ctx, stream, repo, nil)
	m, err := stream.CloseAndRecv()
	if err != nil || !m.GetIsSupported() || !m.GetIsDiscoveryEnabled() {
		t.Errorf("%v, %v", m, err)
	}
}

// render is what a developer sees: an object in JSON on each line.
func render(t *testing.T, bin, repo, environment string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "core-pipeline"), "render", "--output", "json", "--environment", environment,
		"--release-name", "core-pipeline", "--namespace", "default", "--kube-version", "1.37.2", "--api-versions", "v1", "--api-versions", "apps/v1", chart)
	cmd.Dir, cmd.Env = repo, []string{"HOME=" + repo}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out))
}
