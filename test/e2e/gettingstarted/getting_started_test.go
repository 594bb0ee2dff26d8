package gettingstarted

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

const page = "docs/getting-started.md"

// sidecar is the page's name of the image, as Kubernetes reads it.
const sidecar = "docker.io/library/core-pipeline-cmp:dev"

// block is a fenced one of commands.
var block = regexp.MustCompile("(?s)```sh\n(.*?)```")

// site is where the page is typed.
type site struct {
	// instead has what is typed for lines of the page; all of them have to be in it.
	instead map[string]string
	env     []string
	// collect keeps what one needs to find out why a command has failed.
	collect func()
}

const testTime = 20 * time.Minute

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// TestGettingStarted types every command of the page: on a cluster of package cluster, or with E2E_KIND on one that the
// page itself makes.
func TestGettingStarted(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 && os.Getenv("E2E_KIND") == "" {
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal("the test needs root on Linux")
		}
		t.Skip("the test needs root on Linux")
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	root, err := programs.Root()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	place := onCluster
	if os.Getenv("E2E_KIND") != "" {
		place = onKind
	}
	at := place(ctx, t, root, home)
	cmd := exec.CommandContext(ctx, "sh", "-eux", "-c", commands(t, root, at.instead))
	cmd.Dir, cmd.Env = filepath.Join(home, "src"), at.env
	if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	start := time.Now()
	if err := cmd.Run(); err != nil {
		if at.collect != nil {
			at.collect()
		}
		t.Fatalf("%v\n%s", err, &output)
	}
	t.Logf("all commands of %s took %s", page, time.Since(start).Round(time.Second))

	// What Argo CD applied is what the page has render print, and it runs.
	got, err := programs.Run(ctx, home, at.env, "sh", "-c", `kubectl -n hello rollout status deployment hello --timeout 2m >&2 &&
		kubectl -n hello get deployment hello -o jsonpath='{.spec.replicas} {.spec.template.spec.automountServiceAccountToken}' `)
	if err != nil || got != "3 false" {
		t.Errorf("the Deployment has %q, %v", got, err)
	}
}

// onCluster boots a cluster, in whose registry the images are, and in whose network a Git server answers for github.com.
func onCluster(ctx context.Context, t *testing.T, root, home string) site {
	t.Helper()
	c, err := cluster.Start(ctx, cluster.Plane{Name: "kind", Zones: []string{"e2e-a"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := platform.Bare(ctx, c.Config, sidecar); err != nil {
		t.Fatal(err)
	}
	module, err := programs.Run(ctx, ".", os.Environ(), "go", "list", "-m", "-f", "{{.Dir}}", programs.ArgoCDModule)
	if err != nil {
		t.Fatal(err)
	}
	bare := c.Repository("example/hello")
	if _, err := programs.Run(ctx, home, os.Environ(), "git", "init", "-q", "--bare", "-b", "main", bare); err != nil {
		t.Fatal(err)
	}
	return site{
		instead: map[string]string{
			// The clone, of this checkout.
			"git clone https://github.com/example/core-pipeline-cmp": "git clone -q " + root + " core-pipeline-cmp",
			// The cluster is there, and the image in its registry.
			"kind create cluster --name core-pipeline":                          ":",
			"docker build --tag core-pipeline-cmp:dev ../core-pipeline-cmp":     ":",
			"kind load docker-image core-pipeline-cmp:dev --name core-pipeline": ":",
			// Argo CD's manifests, from its module.
			"  - https://raw.githubusercontent.com/argoproj/argo-cd/v3.6.1/manifests/install.yaml": "  - install.yaml",
			"mkdir -p ../install": "mkdir -p ../install; cp " + filepath.Join(strings.TrimSpace(module), "manifests", "install.yaml") + " ../install/install.yaml\n" +
				"kubectl create configmap argocd-tls-certs-cm --dry-run=client -o yaml --from-file=github.com=" + c.GitCA() + " > ../install/ca.yaml",
			// What answers for github.com has a certificate of its own.
			"    newTag: dev": "    newTag: dev\npatches: [{path: ca.yaml}]",
		},
		env: append(newUser(home, bare, c.BinDir()+":"+os.Getenv("PATH")), "KUBECONFIG="+c.Kubeconfig("kind")),
		collect: func() {
			dir := cluster.Artifacts("gettingstarted")
			if err := c.Collect(context.WithoutCancel(ctx), dir); err != nil {
				t.Log(err)
			}
			t.Logf("logs, events and objects of the cluster are in %s", dir)
		},
	}
}

// commands are those of the page, with what is done elsewhere replaced.
func commands(t *testing.T, root string, instead map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, m := range block.FindAllStringSubmatch(strings.ReplaceAll(string(text), "github.com/OWNER/", "github.com/example/"), -1) {
		script.WriteString(m[1])
	}
	lines := strings.Split(script.String(), "\n")
	for line, other := range instead {
		found := false
		for i := range lines {
			if lines[i] == line {
				lines[i], found = other, true
			}
		}
		if !found {
			t.Errorf("%s has no line %q", page, line)
		}
	}
	if len(lines) < 60 {
		t.Fatalf("%s has %d lines of commands", page, len(lines))
	}
	return strings.Join(lines, "\n")
}

// newUser is the environment of one: a home without settings, and bare in place of the page's repository on github.com.
func newUser(home, bare, path string) []string {
	env := []string{
		"HOME=" + home, "PATH=" + path,
		"GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@example.invalid", "GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@example.invalid",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=url." + bare + ".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/example/hello.git",
		"GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*",
	}
	for _, name := range []string{"GOPROXY", "GONOSUMDB", "GOFLAGS", "GONOSUMCHECK", "GOSUMDB", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// What was compiled and downloaded is not the page's business.
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil {
			env = append(env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	return env
}
