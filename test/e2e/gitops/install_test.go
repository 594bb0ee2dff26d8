package gitops

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests is the folder of Argo CD's own install manifests, in the version
// of this module.
var manifests = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "github.com/argoproj/argo-cd/v3").Output()
	dir, _, _ := strings.Cut(string(out), " ")
	return filepath.Join(dir, "manifests"), err
})

func original(t *testing.T, name string) string {
	t.Helper()
	dir, err := manifests()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// withoutDefinitions leaves the CRDs out: they are most of the text, and no
// component is about them.
func withoutDefinitions(text string) string {
	var keep []string
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !strings.Contains(document, "\nkind: CustomResourceDefinition\n") {
			keep = append(keep, document)
		}
	}
	return strings.Join(keep, "\n---\n")
}

// kustomization is that of argocd/install.
func kustomization(t *testing.T) map[string]any {
	t.Helper()
	return *decode[map[string]any](t, "install", read(t, "install/kustomization.yaml"))
}

// build is kustomize build of argocd/install over an install of Argo CD, with
// these components instead of its own.
func build(t *testing.T, install string, components ...string) resmap.ResMap {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	for _, c := range available(t) {
		files, err := filepath.Glob(filepath.Join(directory, "install/components", c, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := filepath.Join("install/components", c, filepath.Base(file))
			write(t, disk, name, read(t, name))
		}
	}
	k := kustomization(t)
	k["resources"] = []string{"install.yaml"}
	k["components"] = []string{}
	for _, c := range components {
		k["components"] = append(k["components"].([]string), "components/"+c)
	}
	data, err := yaml.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	write(t, disk, "install/kustomization.yaml", data)
	write(t, disk, "install/install.yaml", []byte(install))
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/install")
	if err != nil {
		t.Fatalf("%v: %v", components, err)
	}
	return objects
}

func write(t *testing.T, disk filesys.FileSystem, name string, data []byte) {
	t.Helper()
	if err := disk.WriteFile("/"+name, data); err != nil {
		t.Fatal(err)
	}
}

// forEnvironments are components of argocd/kustomization.yaml only.
var forEnvironments = []string{"prod-manual", "source-integrity", "configuration-repository"}

func available(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(directory, "install/components"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if !slices.Contains(forEnvironments, e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}

// combinations are all sets of components but those with both ways to run the
// first sidecar.
func combinations(all []string) [][]string {
	out := [][]string{nil}
	for _, c := range all {
		for _, before := range out {
			out = append(out, append(slices.Clone(before), c))
		}
	}
	return slices.DeleteFunc(out, func(set []string) bool {
		return slices.Contains(set, "repo-server-plugin") && slices.Contains(set, "repo-server-plugin-exec")
	})
}

// object decodes into the type of Kubernetes, without unknown fields.
func object[T any](t *testing.T, objects resmap.ResMap, kind, name string) *T {
	t.Helper()
	for _, r := range objects.Resources() {
		if r.GetKind() == kind && r.GetName() == name {
			data, err := r.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			return decode[T](t, name, data)
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// TestT26InstallIsPinned: what users install is the version that this module
// tests with.
func TestT26InstallIsPinned(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/argoproj/argo-cd/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "https://raw.githubusercontent.com/argoproj/argo-cd/" + strings.TrimSpace(string(out)) + "/manifests/install.yaml"
	if got := kustomization(t)["resources"].([]any); len(got) != 1 || got[0] != want {
		t.Errorf("argocd/install takes %v, this module has %s", got, want)
	}
}

// TestT26Components builds each over both installs in full, and all at once.
func TestT26Components(t *testing.T) {
	together := slices.DeleteFunc(available(t), func(c string) bool { return c == "repo-server-plugin-exec" })
	for _, name := range []string{"install.yaml", "ha/install.yaml"} {
		install := original(t, name)
		before := build(t, install).Size()
		for _, set := range [][]string{{"repo-server-plugin-exec"}, together} {
			if got := build(t, install, set...).Size(); got < before {
				t.Errorf("%s with %v has %d objects of %d", name, set, got, before)
			}
		}
	}
}

// TestT26Combinations builds every one, and holds the pod of repo-server.
func TestT26Combinations(t *testing.T) {
	install := withoutDefinitions(original(t, "install.yaml"))
	sets := combinations(available(t))
	for _, set := range sets {
		objects := build(t, install, set...)
		checkRepoServer(t, set, object[appsv1.Deployment](t, objects, "Deployment", "argocd-repo-server"))
		for _, r := range objects.Resources() {
			if r.GetNamespace() != "argocd" && !strings.HasPrefix(r.GetKind(), "Cluster") {
				t.Errorf("%v: %s %s is in %q", set, r.GetKind(), r.GetName(), r.GetNamespace())
			}
		}
	}
	if len(sets) < 90 {
		t.Errorf("%d combinations", len(sets))
	}
}

func checkRepoServer(t *testing.T, set []string, d *appsv1.Deployment) {
	t.Helper()
	spec := d.Spec.Template.Spec
	want := 1
	for _, c := range set {
		if strings.HasPrefix(c, "repo-server-plugin") {
			want++
		}
	}
	if len(spec.Containers) != want || spec.Containers[0].Name != "argocd-repo-server" {
		t.Errorf("%v: %d containers, the first is %s", set, len(spec.Containers), spec.Containers[0].Name)
	}
	volumes, names, ports := map[string]bool{}, map[string]bool{}, map[int32]bool{}
	for _, v := range spec.Volumes {
		if volumes[v.Name] {
			t.Errorf("%v: two volumes %s", set, v.Name)
		}
		volumes[v.Name] = true
	}
	for _, c := range spec.Containers {
		if names[c.Name] {
			t.Errorf("%v: two containers %s", set, c.Name)
		}
		names[c.Name] = true
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%v: %s mounts %s", set, c.Name, m.Name)
			}
		}
		for _, p := range c.Ports {
			if ports[p.ContainerPort] {
				t.Errorf("%v: %s has port %d as well", set, c.Name, p.ContainerPort)
			}
			ports[p.ContainerPort] = true
		}
		if strings.HasPrefix(c.Name, "core-pipeline") {
			checkSidecar(t, set, c)
		}
	}
}

func checkSidecar(t *testing.T, set []string, c corev1.Container) {
	t.Helper()
	data, err := json.Marshal(c.SecurityContext)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"capabilities":{"drop":["ALL"]},"runAsUser":999,"runAsNonRoot":true,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"seccompProfile":{"type":"RuntimeDefault"}}`
	if string(data) != want {
		t.Errorf("%v: %s has %s", set, c.Name, data)
	}
	if !strings.Contains(c.Image, "@sha256:") || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("%v: %s: %s, %v", set, c.Name, c.Image, c.Resources)
	}
}
