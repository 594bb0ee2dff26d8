package kubernetes

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

const token = "e2e"

// Server is a running kube-apiserver, in which a test may do everything to what it makes.
type Server struct {
	// Config is for a client whose warnings are kept.
	Config *rest.Config
	// Kubeconfig is a file with the same access.
	Kubeconfig string
	warnings   *warnings
}

// newServer is the access to what listens at host.
func newServer(t testing.TB, host, token string) *Server {
	t.Helper()
	s := &Server{Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), warnings: &warnings{}}
	s.Config = &rest.Config{Host: host, BearerToken: token, Insecure: true, QPS: 1000, Burst: 1000, WarningHandler: s.warnings}
	writeFile(t, s.Kubeconfig, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: e2e, user: {token: %q}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
current-context: e2e
`, host, token))
	return s
}

// Warnings returns what the server has said in Warning headers to clients of
// Config since the last call.
func (s *Server) Warnings() []string { return s.warnings.take() }

type warnings struct {
	mu  sync.Mutex
	all []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.all
	w.all = nil
	return out
}

// FreePort is a port of the loopback address that nothing listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was sent
	return l.Addr().(*net.TCPAddr).Port
}

// Run runs a program until the test ends; the end of its output is shown if
// the test fails.
func Run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	name := filepath.Base(cmd.Path)
	file, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			data, _ := os.ReadFile(file.Name())
			if len(data) > 4000 {
				data = data[len(data)-4000:]
			}
			t.Logf("%s:\n%s", name, data)
		}
		_ = file.Close() // the program has its own
	})
}

// Start starts etcd and kube-apiserver and waits until it is ready. With E2E_KUBECONFIG, it is the cluster of that
// file's current context instead, which the test has for itself and leaves as it was. Definitions are the names of the
// custom resource definitions that the test makes; a cluster that has one of them is refused.
func Start(t testing.TB, definitions ...string) *Server {
	t.Helper()
	if file := os.Getenv(variable); file != "" {
		return existing(t, file, definitions)
	}
	apiserver, etcd := Program(t, "kube-apiserver"), built(t, programs.Etcd)
	dir := t.TempDir()
	client, peer, secure := FreePort(t), FreePort(t), FreePort(t)
	clientURL, peerURL := fmt.Sprintf("http://127.0.0.1:%d", client), fmt.Sprintf("http://127.0.0.1:%d", peer)
	Run(t, exec.Command(etcd, "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", clientURL, "--advertise-client-urls", clientURL,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "default="+peerURL, "--unsafe-no-fsync"))

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "key.pem")
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	tokens := filepath.Join(dir, "tokens.csv")
	writeFile(t, tokens, token+",admin,admin,system:masters\n")
	Run(t, exec.Command(apiserver, "--etcd-servers", clientURL, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", fmt.Sprint(secure),
		"--cert-dir", filepath.Join(dir, "certs"), "--service-account-key-file", keyFile, "--service-account-signing-key-file", keyFile,
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.0.0.0/24", "--authorization-mode", "AlwaysAllow",
		"--token-auth-file", tokens, "--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none"))

	host := fmt.Sprintf("https://127.0.0.1:%d", secure)
	s := newServer(t, host, token)
	transport, err := rest.TransportFor(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		response, err := (&http.Client{Transport: transport}).Get(host + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("kube-apiserver is not ready: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
