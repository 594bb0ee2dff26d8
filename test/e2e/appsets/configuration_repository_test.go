package appsets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// block is a fenced one of commands.
var block = regexp.MustCompile("(?s)```sh\n(.*?)```")

// upstream is a repository with what the guide copies.
func upstream(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"argocd", "charts"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS("../../../"+part)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"init --quiet --initial-branch main", "add .", "-c user.name=a -c user.email=a@a.invalid commit --quiet --message a"} {
		cmd := exec.CommandContext(t.Context(), "git", strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	return dir
}

// TestConfigurationRepository makes one by docs/configuration-repository.md,
// every command of it, with a kube-apiserver. Argo CD has to generate what
// preview says there, from the other repository, and the manifests have to be
// those of the repository with everything in it.
func TestConfigurationRepository(t *testing.T) {
	l := newServer(t)
	bin, err := programs.Project()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../docs/configuration-repository.md")
	if err != nil {
		t.Fatal(err)
	}
	const address = "https://github.com/acme/"
	guide := strings.ReplaceAll(string(text), "OWNER", "acme")
	environ := append(l.environ(), "PATH="+bin+":"+filepath.Dir(l.kubectl)+":"+os.Getenv("PATH"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+upstream(t)+".insteadOf", "GIT_CONFIG_VALUE_0="+address+"core-pipeline-cmp.git")
	shell := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-euxc", script)
		cmd.Dir, cmd.Env = l.dir, environ
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		return stdout.String()
	}
	scripts := block.FindAllStringSubmatch(guide, -1)
	if len(scripts) != 5 {
		t.Fatalf("the guide has %d blocks of commands", len(scripts))
	}
	for _, m := range scripts {
		shell(m[1])
	}

	const flags = " --applicationsets rendered --projects rendered"
	var want []v1alpha1.Application
	decoder := json.NewDecoder(strings.NewReader(shell("core-pipeline preview -o json" + flags)))
	for decoder.More() {
		var a v1alpha1.Application
		if err := decoder.Decode(&a); err != nil {
			t.Fatal(err)
		}
		want = append(want, a)
	}
	if len(want) != 1 {
		t.Fatalf("preview shows %d Applications", len(want))
	}
	l.run("apply", "--server-side", "-f", "argocd/clusters")
	l.start()
	l.reach("main", prod)
	got, err := l.argocd.ArgoprojV1alpha1().Applications("argocd").Get(t.Context(), want[0].Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0].Spec, got.Spec); diff != "" {
		t.Errorf("(-preview +controller)\n%s", diff)
	}

	root, err := l.argocd.ArgoprojV1alpha1().Applications("argocd").Get(t.Context(), "core-pipeline-root", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := l.argocd.ArgoprojV1alpha1().AppProjects("argocd").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 5 {
		t.Fatalf("%d projects, %v", len(list.Items), err)
	}
	for _, p := range list.Items {
		for _, source := range append(root.Spec.GetSources(), got.Spec.GetSource()) {
			if source.RepoURL != address+"clusters.git" {
				t.Errorf("a source is %s", source.RepoURL)
			}
			if p.IsSourcePermitted(source) == (p.Name == "default") {
				t.Errorf("%s and the source %s", p.Name, source.RepoURL)
			}
		}
	}
	for _, source := range root.Spec.GetSources() {
		if _, err := os.Stat(filepath.Join(l.dir, source.Path)); err != nil {
			t.Errorf("the root has no %s", source.Path)
		}
	}

	there := shell("core-pipeline preview --render" + flags)
	whole := upstream(t)
	if err := os.RemoveAll(filepath.Join(whole, "argocd/clusters")); err != nil {
		t.Fatal(err)
	}
	shell(fmt.Sprintf("cp -R argocd/clusters %s/argocd/clusters", whole))
	here := shell("core-pipeline preview --render --repository-root " + whole)
	if diff := cmp.Diff(here, there); diff != "" || !strings.Contains(here, "kind: Deployment") {
		t.Errorf("the manifests differ (-whole +configuration):\n%s", diff)
	}
}
