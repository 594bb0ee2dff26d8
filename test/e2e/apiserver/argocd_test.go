package apiserver

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/kubernetes"
)

// manifests copies argocd/ and puts the install manifests of the Argo CD of
// this module where the kustomization names their address.
func manifests(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "argocd"), os.DirFS("../../../argocd")); err != nil {
		t.Fatal(err)
	}
	var module struct{ Dir string }
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-json", "github.com/argoproj/argo-cd/v3").Output()
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(module.Dir, "manifests", "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "argocd", "install", "install.yaml"), string(data))
	edit(t, filepath.Join(dir, "argocd", "install", "kustomization.yaml"), `https://\S+/install\.yaml`, "install.yaml")
	return dir
}

func edit(t *testing.T, file, pattern, replacement string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(pattern).ReplaceAllString(string(data), replacement)
	if text == string(data) {
		t.Fatalf("%s has no %s", file, pattern)
	}
	writeFile(t, file, text)
}

// finalizer is a warning about a name that is Argo CD's choice.
var finalizer = regexp.MustCompile(`(?m)^Warning: metadata\.finalizers: "resources-finalizer\.argocd\.argoproj\.io": prefer a domain-qualified .*$`)

// runner types commands of kubectl in dir. Any other warning is a failure.
func runner(t *testing.T, dir string) func(line string) {
	t.Helper()
	kubectl := kubernetes.Program(t, "kubectl")
	s := kubernetes.Start(t, "applications.argoproj.io", "applicationsets.argoproj.io", "appprojects.argoproj.io")
	try := func(line string) (string, error) {
		cmd := exec.CommandContext(t.Context(), kubectl, strings.Fields(line)[1:]...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + s.Kubeconfig, "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		return string(finalizer.ReplaceAll(out, nil)), err
	}
	return func(line string) {
		t.Helper()
		if out, err := try(line); err != nil || strings.Contains(out, "Warning:") {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		if !strings.Contains(line, " apply ") || !strings.Contains(line, "-k argocd/install") {
			return
		}
		// Kinds are served one after the other, a moment after they are there; a person is slower.
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			out, err := try("kubectl get applications.argoproj.io,applicationsets.argoproj.io,appprojects.argoproj.io -A")
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("waiting for Argo CD's kinds: %v\n%s", err, out)
			}
		}
	}
}

// kubectlLine is a command of argocd/README.md.
var kubectlLine = regexp.MustCompile(`(?m)^ +(kubectl .*)$`)

// TestT28Bootstrap types the commands of argocd/README.md, and then does what
// the root does with Git. T30: the second time, nothing changes.
func TestT28Bootstrap(t *testing.T) {
	dir := manifests(t)
	run := runner(t, dir)
	readme, err := os.ReadFile("../../../argocd/README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := kubectlLine.FindAllStringSubmatch(string(readme), -1)
	if len(lines) != 4 {
		t.Fatalf("the guide has %d commands of kubectl", len(lines))
	}
	for _, m := range lines {
		run(m[1])
	}
	const root = " --server-side --force-conflicts --field-manager argocd-controller"
	for _, what := range []string{"-k argocd", "-f argocd/clusters"} {
		run("kubectl apply " + what + root)
	}
	for _, what := range []string{"-k argocd", "-f argocd/clusters"} {
		run("kubectl diff " + what + root) // exits with 1 if there is one
	}
	run("kubectl diff --server-side --force-conflicts -k argocd/install")
}

// TestT30Components applies all that can be on at once.
func TestT30Components(t *testing.T) {
	dir := manifests(t)
	run := runner(t, dir)
	edit(t, filepath.Join(dir, "argocd", "install", "kustomization.yaml"), `(?m)^  # - (components/\S+).*$`, "  - $1")
	edit(t, filepath.Join(dir, "argocd", "install", "kustomization.yaml"), `(?m)^  - components/repo-server-plugin-exec\n`, "")
	edit(t, filepath.Join(dir, "argocd", "kustomization.yaml"), `(?m)^components: \[\]$`, "components:")
	edit(t, filepath.Join(dir, "argocd", "kustomization.yaml"), `(?m)^  # - (install/components/\S+).*$`, "  - $1")
	for _, line := range []string{
		"create namespace argocd",
		"apply --server-side -k argocd/install",
		"apply --server-side -k argocd",
		"apply -f argocd/install/components/impersonation/target.yaml",
		"diff --server-side -k argocd/install",
		"diff --server-side -k argocd",
		"diff -f argocd/install/components/impersonation/target.yaml",
	} {
		run("kubectl " + line)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
