package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// peer is a running server.
type peer struct {
	name    string
	process *os.Process
	socket  string
	// stop ends it; it may be called more than once.
	stop func()
	// dirs are where it may write.
	dirs []string
}

// peerNames is the order in which they are reported.
var peerNames = []string{peerShell, peerGenerate, peerDrain, peerWalk, peerUncached, peerServe}

// The pipeline that a team would put into a plugin of its own. The overlay names the file that helm has written.
const shellPlugin = `apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata: {name: shell}
spec:
  generate:
    command: [sh, -ec]
    args:
    - |
      helm template core-pipeline . --namespace "$ARGOCD_APP_NAMESPACE" --kube-version "$KUBE_VERSION" --include-crds --skip-tests $ARGOCD_ENV_VALUES > "$ARGOCD_ENV_SHELL/rendered.yaml"
      kustomize build "$ARGOCD_ENV_SHELL"
`

// startPeers starts a fresh set of servers for one case, so that nothing is left from the one before.
func startPeers(tb testing.TB, names ...string) map[string]*peer {
	tb.Helper()
	peers := map[string]*peer{}
	for _, name := range names {
		peers[name] = startPeer(tb, name)
	}
	return peers
}

func startPeer(tb testing.TB, name string) *peer {
	tb.Helper()
	argocd, err := programs.ArgoCD()
	if err != nil {
		tb.Fatal(err)
	}
	project, err := programs.Project()
	if err != nil {
		tb.Fatal(err)
	}
	root, err := os.MkdirTemp("", "cp-") //nolint:usetesting // the path of a socket is short, that of tb.TempDir is not
	if err != nil {
		tb.Fatal(err)
	}
	p := &peer{name: name, socket: filepath.Join(root, "plugins", "p.sock"), dirs: []string{filepath.Join(root, "tmp"), filepath.Join(root, "work")}}
	bin, config := filepath.Join(root, "bin"), filepath.Join(root, "config")
	for _, d := range append([]string{filepath.Dir(p.socket), bin, config}, p.dirs...) {
		if err := os.Mkdir(d, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() { _ = os.RemoveAll(root) })
	serve := []string{filepath.Join(project, "core-pipeline-cmp"), "serve", "--socket", p.socket, "--metrics-address", "off", "--log-level", "error"}
	var args []string
	path := project
	switch name {
	case peerShell:
		writePlugin(tb, config, shellPlugin)
		link(tb, os.Getenv("HELM3"), filepath.Join(bin, "helm"))
		link(tb, os.Getenv("KUSTOMIZE"), filepath.Join(bin, "kustomize"))
		path = bin + ":" + os.Getenv("PATH") // for sh
		args = []string{argocd, "--config-dir-path", config, "--loglevel", "error"}
		p.socket = filepath.Join(root, "plugins", "shell.sock")
	case peerGenerate:
		plugin, err := os.ReadFile(filepath.Join(moduleRoot, "plugin", "plugin.yaml"))
		if err != nil {
			tb.Fatal(err)
		}
		writePlugin(tb, config, string(plugin))
		args = []string{argocd, "--config-dir-path", config, "--loglevel", "error"}
		p.socket = filepath.Join(root, "plugins", "core-pipeline-v1.sock")
	case peerDrain:
		args = []string{floor(tb), "drain", p.socket}
	case peerWalk:
		args = []string{floor(tb), "walk", p.socket}
	case peerUncached:
		args = slices.Concat(serve, []string{"--cache-bytes", "0"})
	case peerServe:
		args = serve
	}
	p.start(tb, args, []string{
		"PATH=" + path, "HOME=" + p.dirs[0], "TMPDIR=" + p.dirs[0],
		"ARGOCD_PLUGINSOCKFILEPATH=" + filepath.Dir(p.socket), "ARGOCD_CMP_WORKDIR=" + p.dirs[1],
	})
	return p
}

const moduleRoot = "../../.."

func writePlugin(tb testing.TB, config, text string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(config, "plugin.yaml"), []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func link(tb testing.TB, from, to string) {
	tb.Helper()
	if err := os.Symlink(from, to); err != nil {
		tb.Fatal(err)
	}
}

func floor(tb testing.TB) string {
	tb.Helper()
	file, err := programs.Floor()
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

func (p *peer) start(tb testing.TB, args, env []string) {
	tb.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = env, p.dirs[0]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.CreateTemp(tb.TempDir(), "log")
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.process = cmd.Process
	p.stop = sync.OnceFunc(func() {
		// At once: after SIGTERM argocd-cmp-server removes its socket but goes on serving.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	tb.Cleanup(func() {
		p.stop()
		if tb.Failed() {
			text, _ := os.ReadFile(log.Name())
			tb.Logf("%s's log:\n%.4000s", p.name, text)
		}
		_ = log.Close() // the program has its own
	})
	p.waitUntilServing(tb)
}

func (p *peer) waitUntilServing(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	conn, err := grpc.NewClient("unix:"+p.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		conn.Connect()
		if !conn.WaitForStateChange(ctx, state) {
			tb.Fatal(fmt.Errorf("%s does not serve: %w", p.name, ctx.Err()))
		}
	}
}
