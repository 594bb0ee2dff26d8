package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	kubernetesVersion = "1.37.2"
	etcdVersion       = "v3.6.8"
)

// Program returns the path of etcd, kube-apiserver or kubectl in the cache. The
// first call builds it, which takes minutes.
func Program(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "core-pipeline-cmp", "e2e", "kubernetes-"+kubernetesVersion+"-etcd-"+etcdVersion)
	target := filepath.Join(dir, name)
	if _, err := os.Stat(target); err == nil {
		return target
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Renamed when it is complete: an interrupted run leaves no half program.
	partial := filepath.Join(dir, fmt.Sprintf(".%s-%d", name, os.Getpid()))
	if name == "etcd" {
		buildEtcd(t, t.TempDir(), partial)
	} else {
		buildKubernetes(t, name, t.TempDir(), partial)
	}
	if err := os.Rename(partial, target); err != nil {
		t.Fatal(err)
	}
	return target
}

// Module returns the directory of a module, given as path@version.
func Module(t testing.TB, module string) string {
	t.Helper()
	return download(t, t.TempDir(), module)
}

func download(t testing.TB, dir, module string) string {
	t.Helper()
	var info struct{ Dir string }
	if err := json.Unmarshal([]byte(goRun(t, dir, "mod", "download", "-json", module)), &info); err != nil {
		t.Fatal(err)
	}
	return info.Dir
}

func goRun(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// staging matches the folders of Kubernetes' own repository that stand in for
// its published modules.
var staging = regexp.MustCompile(`(k8s\.io/[a-z-]+) => \./staging/src/k8s\.io/[a-z-]+`)

// buildKubernetes builds from a module with Kubernetes' own requirements, in
// which the staging folders are replaced by the modules published from them.
func buildKubernetes(t testing.TB, name, dir, target string) {
	t.Helper()
	module := "k8s.io/kubernetes@v" + kubernetesVersion
	from := download(t, dir, module)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(data), "module k8s.io/kubernetes", "module apiserver", 1)
		text = staging.ReplaceAllString(text, "$1 => $1 v0."+strings.TrimPrefix(kubernetesVersion, "1."))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	goRun(t, dir, "mod", "edit", "-require="+module)
	const version = "k8s.io/component-base/version"
	flags := fmt.Sprintf("-s -w -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=37", version, kubernetesVersion, version, version)
	goRun(t, dir, "build", "-ldflags", flags, "-o", target, "k8s.io/kubernetes/cmd/"+name)
}

func buildEtcd(t testing.TB, dir, target string) {
	t.Helper()
	const main = "package main\n\nimport (\n\t\"os\"\n\n\t\"go.etcd.io/etcd/server/v3/etcdmain\"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o644); err != nil {
		t.Fatal(err)
	}
	goRun(t, dir, "mod", "init", "etcd")
	goRun(t, dir, "get", "go.etcd.io/etcd/server/v3@"+etcdVersion)
	goRun(t, dir, "mod", "tidy")
	goRun(t, dir, "build", "-ldflags=-s -w", "-o", target, ".")
}
