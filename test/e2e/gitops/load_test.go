package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const directory = "../../../argocd"

var environments = []string{"dev", "staging", "prod"}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode allows no field that the type does not have, and none twice.
func decode[T any](t *testing.T, name string, data []byte) *T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict(data, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &v
}

func set(t *testing.T, environment string) *v1alpha1.ApplicationSet {
	t.Helper()
	name := "applicationsets/" + environment + ".yaml"
	return decode[v1alpha1.ApplicationSet](t, name, read(t, name))
}

func root(t *testing.T) (*v1alpha1.AppProject, *v1alpha1.Application) {
	t.Helper()
	const name = "bootstrap/root.yaml"
	project, application, found := strings.Cut(string(read(t, name)), "\n---\n")
	if !found {
		t.Fatalf("%s has one document", name)
	}
	return decode[v1alpha1.AppProject](t, name, []byte(project)), decode[v1alpha1.Application](t, name, []byte(application))
}

// projects are all of them, by name.
func projects(t *testing.T) map[string]*v1alpha1.AppProject {
	t.Helper()
	bootstrap, _ := root(t)
	out := map[string]*v1alpha1.AppProject{bootstrap.Name: bootstrap}
	for _, name := range append([]string{"default-locked"}, environments...) {
		file := "projects/" + name + ".yaml"
		p := decode[v1alpha1.AppProject](t, file, read(t, file))
		out[p.Name] = p
	}
	return out
}

// examples are the Secrets of argocd/clusters, as the API server keeps them.
func examples(t *testing.T) []*corev1.Secret {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "clusters", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no clusters, %v", err)
	}
	var out []*corev1.Secret
	for _, file := range files {
		name := "clusters/" + filepath.Base(file)
		out = append(out, stored(decode[corev1.Secret](t, name, read(t, name))))
	}
	return out
}

func stored(s *corev1.Secret) *corev1.Secret {
	s.Data = map[string][]byte{}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	return s
}

// cluster is a Secret that the examples do not have.
func cluster(name string, labels ...string) *corev1.Secret {
	s := &corev1.Secret{StringData: map[string]string{"name": name, "server": "https://" + name + ".invalid", "config": "{}"}}
	s.Name, s.Namespace = "cluster-"+name, "argocd"
	s.Labels = map[string]string{"argocd.argoproj.io/secret-type": "cluster"}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		s.Labels["core-pipeline.io/"+key] = value
	}
	return stored(s)
}

// TestT06ProjectsAreValid: Argo CD checks a project when its own API writes
// it, and not when Git does.
func TestT06ProjectsAreValid(t *testing.T) {
	for name, p := range projects(t) {
		if err := p.ValidateProject(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
