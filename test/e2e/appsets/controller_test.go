package appsets

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/pkg/client/clientset/versioned"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/kubernetes"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Clean()
	os.Exit(code)
}

// settings are what the controller wants to find in its namespace.
const settings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
---
apiVersion: v1
kind: Secret
metadata: {name: argocd-secret, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
`

// lab is a repository with argocd/ in it, and a kube-apiserver with the
// definitions of Argo CD that it was applied to.
type lab struct {
	t          *testing.T
	dir        string
	kubectl    string
	kubeconfig string
	argocd     versioned.Interface
}

// newServer is one with an empty repository.
func newServer(t *testing.T) *lab {
	t.Helper()
	s := kubernetes.Start(t, "applications.argoproj.io", "applicationsets.argoproj.io", "appprojects.argoproj.io")
	client, err := versioned.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dir: t.TempDir(), kubectl: kubernetes.Program(t, "kubectl"), kubeconfig: s.Kubeconfig, argocd: client}
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	l.run("create", "namespace", "argocd")
	l.run("apply", "--server-side", "-k", filepath.Join(strings.TrimSpace(string(module)), "manifests", "crds"))
	l.served()
	cmd := exec.CommandContext(t.Context(), l.kubectl, "apply", "-f", "-")
	cmd.Env, cmd.Stdin = l.environ(), strings.NewReader(settings)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return l
}

// newLab has the files of argocd/ in the repository and on the server.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := newServer(t)
	if err := os.CopyFS(filepath.Join(l.dir, "argocd"), os.DirFS("../../../argocd")); err != nil {
		t.Fatal(err)
	}
	l.replace("bootstrap/root.yaml", "OWNER", "example")
	for _, e := range []string{"dev", "staging", "prod"} {
		l.replace("applicationsets/"+e+".yaml", "OWNER", "example")
		l.replace("projects/"+e+".yaml", "OWNER", "example")
	}
	if got := l.lint(); got != "" {
		t.Fatalf("the files of argocd/ are not right from the start:\n%s", got)
	}
	l.run("apply", "--server-side", "-k", "argocd")
	l.run("apply", "--server-side", "-f", "argocd/clusters")
	return l
}

// served waits until the server knows the definitions of Argo CD.
func (l *lab) served() {
	l.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		v1alpha1 := l.argocd.ArgoprojV1alpha1()
		_, apps := v1alpha1.Applications("argocd").List(l.t.Context(), metav1.ListOptions{})
		_, sets := v1alpha1.ApplicationSets("argocd").List(l.t.Context(), metav1.ListOptions{})
		_, projects := v1alpha1.AppProjects("argocd").List(l.t.Context(), metav1.ListOptions{})
		err := errors.Join(apps, sets, projects)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// start runs the controller with these variables, as argocd-cmd-params-cm
// would set them.
func (l *lab) start(variables ...string) {
	l.t.Helper()
	program, err := programs.ArgoCD()
	if err != nil {
		l.t.Fatal(err)
	}
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", kubernetes.FreePort(l.t)) }
	cmd := exec.Command(program, "--namespace", "argocd", "--metrics-addr", address(), "--probe-addr", address(), "--webhook-addr", address(), "--logformat", "text")
	cmd.Env = slices.Concat(l.environ(), []string{"ARGOCD_BINARY_NAME=argocd-applicationset-controller"}, variables)
	kubernetes.Run(l.t, cmd)
}

func (l *lab) run(args ...string) {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), l.kubectl, args...)
	cmd.Dir, cmd.Env = l.dir, l.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (l *lab) environ() []string {
	return []string{"KUBECONFIG=" + l.kubeconfig, "HOME=" + l.dir, "PATH=" + os.Getenv("PATH")}
}

func (l *lab) file(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// replace edits a file below argocd/.
func (l *lab) replace(name, before, after string) {
	l.t.Helper()
	name = filepath.Join("argocd", name)
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	if !strings.Contains(string(data), before) {
		l.t.Fatalf("%s has no %s", name, before)
	}
	l.file(name, strings.ReplaceAll(string(data), before, after))
}

// lint is what core-pipeline says about the files; nothing if they are right.
func (l *lab) lint() string {
	l.t.Helper()
	bin, err := programs.Project()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(l.t.Context(), filepath.Join(bin, "core-pipeline"), "cluster", "lint", "--repository-root", ".")
	cmd.Dir = l.dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

// refused wants lint to say this, whatever else it says.
func (l *lab) refused(pattern string) {
	l.t.Helper()
	if got := l.lint(); !regexp.MustCompile(pattern).MatchString(got) {
		l.t.Errorf("lint does not say %s, but\n%s", pattern, got)
	}
}

// secret is the file of a cluster that is right; edits are pairs of what to
// replace in it.
func (l *lab) secret(name string, edits ...string) (file string) {
	l.t.Helper()
	environment, _, _ := strings.Cut(name, "-")
	data, err := os.ReadFile(filepath.Join(l.dir, "argocd/clusters", environment+"-eu-1.yaml"))
	if err != nil {
		l.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), environment+"-eu-1", name)
	text = strings.Replace(text, "ring: canary", "ring: main", 1)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			l.t.Fatalf("the Secret has no %s", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	file = "argocd/clusters/" + name + ".yaml"
	l.file(file, text)
	return file
}

// revise lets all sets ask for another revision, and applies them.
func (l *lab) revise(before, after string) {
	l.t.Helper()
	for _, e := range []string{"dev", "staging", "prod"} {
		l.replace("applicationsets/"+e+".yaml", "targetRevision: "+before, "targetRevision: "+after)
	}
	l.run("apply", "--server-side", "--force-conflicts", "-k", "argocd")
}

// revisions are those of all Applications that the sets made, by name.
func (l *lab) revisions() map[string]string {
	l.t.Helper()
	list, err := l.argocd.ArgoprojV1alpha1().Applications("argocd").List(l.t.Context(), metav1.ListOptions{LabelSelector: "core-pipeline.io/env"})
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for _, a := range list.Items {
		out[a.Name] = a.Spec.GetSource().TargetRevision
	}
	return out
}

// at are the names of the clusters whose Application has a revision, without
// the ones that they all have in common.
func (l *lab) at(revision string) []string {
	l.t.Helper()
	var out []string
	for name, got := range l.revisions() {
		if got == revision {
			out = append(out, strings.TrimPrefix(name, "core-pipeline-"))
		}
	}
	slices.Sort(out)
	return out
}

// wait polls until ok. What was seen last is in the failure.
func (l *lab) wait(what string, ok func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited for %s; there are %v, and the sets say %v", what, l.revisions(), l.errors())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// reach waits until exactly these clusters have a revision.
func (l *lab) reach(revision string, clusters ...string) {
	l.t.Helper()
	slices.Sort(clusters)
	l.wait(fmt.Sprintf("%v at %s", clusters, revision), func() bool { return slices.Equal(l.at(revision), clusters) })
}

// errors are what the sets have in the condition ErrorOccurred, by name.
func (l *lab) errors() map[string]string {
	l.t.Helper()
	list, err := l.argocd.ArgoprojV1alpha1().ApplicationSets("argocd").List(l.t.Context(), metav1.ListOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range list.Items {
		for _, c := range s.Status.Conditions {
			if c.Type == v1alpha1.ApplicationSetConditionErrorOccurred && c.Status == v1alpha1.ApplicationSetConditionStatusTrue {
				out[s.Name] = c.Message
			}
		}
	}
	return out
}

// in is the same lab for a subtest.
func (l *lab) in(t *testing.T) *lab {
	sub := *l
	sub.t = t
	return &sub
}

// remove takes a cluster away, its file as well.
func (l *lab) remove(file string) {
	l.t.Helper()
	l.run("delete", "-f", file)
	if err := os.Remove(filepath.Join(l.dir, file)); err != nil {
		l.t.Fatal(err)
	}
}

// going tells whether the Application of a cluster is deleted. In dev it has a
// finalizer, which is the application controller's to remove.
func (l *lab) going(cluster string) bool {
	l.t.Helper()
	a, err := l.argocd.ArgoprojV1alpha1().Applications("argocd").Get(l.t.Context(), "core-pipeline-"+cluster, metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && a.DeletionTimestamp != nil
}
