package argocd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// install stands for Argo CD's own: what the components change, and no more.
const install = `
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cmd-params-cm}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-notifications-cm}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-repo-server}
spec:
  template:
    spec:
      containers: [{name: argocd-repo-server, env: [{name: A, value: b}]}]
      volumes: [{name: var-files}, {name: plugins}]
`

// build is what kustomize makes of argocd/ with that install and components.
func build(t *testing.T, base string, components ...string) resmap.ResMap {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	if err := disk.MkdirAll("/argocd/" + base); err != nil {
		t.Fatal(err)
	}
	walk(t, func(name, text string) {
		if err := disk.WriteFile("/argocd/"+name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	})
	k := load[map[string]any](t, filepath.Join(base, "kustomization.yaml"))
	if base == "install" {
		k["resources"] = []string{"install.yaml"}
		if err := disk.WriteFile("/argocd/install/install.yaml", []byte(install)); err != nil {
			t.Fatal(err)
		}
	}
	k["components"] = components
	data, err := yaml.Marshal(k)
	if err == nil {
		err = disk.WriteFile(filepath.Join("/argocd", base, "kustomization.yaml"), data)
	}
	if err != nil {
		t.Fatal(err)
	}
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, filepath.Join("/argocd", base))
	if err != nil {
		t.Fatalf("%s with %v: %v", base, components, err)
	}
	return objects
}

// find returns the object of that kind and name.
func find(t *testing.T, objects resmap.ResMap, kind, name string) map[string]any {
	t.Helper()
	for _, r := range objects.Resources() {
		if r.GetKind() == kind && r.GetName() == name {
			m, err := r.Map()
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

type container struct {
	Name  string
	Ports []struct {
		Name          string
		ContainerPort int
	}
	SecurityContext struct {
		RunAsUser              int
		ReadOnlyRootFilesystem bool
	}
	Args, Command []string
	Env           []struct{ Name, Value string }
	VolumeMounts  []struct{ Name, MountPath string }
}

type pod struct {
	Metadata metadata
	Spec     struct {
		Containers []container
		Volumes    []struct{ Name string }
	}
}

func repoServer(t *testing.T, components ...string) pod {
	t.Helper()
	data, err := json.Marshal(find(t, build(t, "install", components...), "Deployment", "argocd-repo-server")["spec"])
	if err != nil {
		t.Fatal(err)
	}
	var spec struct{ Template pod }
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	return spec.Template
}

// TestT26Sidecar holds the pod of every way to run the sidecar: repo-server
// stays the first container, all have one user, and every mount has a volume.
func TestT26Sidecar(t *testing.T) {
	const native, exec, second = "components/repo-server-plugin", "components/repo-server-plugin-exec", "components/repo-server-plugin-v2"
	for _, c := range []struct {
		components, containers []string
	}{
		{[]string{native}, []string{"argocd-repo-server", "core-pipeline"}},
		{[]string{exec}, []string{"argocd-repo-server", "core-pipeline"}},
		{[]string{native, second}, []string{"argocd-repo-server", "core-pipeline", "core-pipeline-v2"}},
		{[]string{exec, second}, []string{"argocd-repo-server", "core-pipeline", "core-pipeline-v2"}},
	} {
		p := repoServer(t, c.components...)
		var names, volumes []string
		for _, v := range p.Spec.Volumes {
			volumes = append(volumes, v.Name)
		}
		ports := map[int]string{}
		for i, container := range p.Spec.Containers {
			names = append(names, container.Name)
			for _, m := range container.VolumeMounts {
				if !slices.Contains(volumes, m.Name) {
					t.Errorf("%v: no volume %s", c.components, m.Name)
				}
			}
			for _, port := range container.Ports {
				if other := ports[port.ContainerPort]; other != "" || len(port.Name) > 15 {
					t.Errorf("%v: port %d, %s, of %s is that of %s", c.components, port.ContainerPort, port.Name, container.Name, other)
				}
				ports[port.ContainerPort] = container.Name
			}
			if s := container.SecurityContext; i > 0 && (s.RunAsUser != 999 || !s.ReadOnlyRootFilesystem) {
				t.Errorf("%v: %s runs with %+v", c.components, container.Name, s)
			}
		}
		if !slices.Equal(names, c.containers) || p.Metadata.Annotations["kubectl.kubernetes.io/default-container"] != "argocd-repo-server" {
			t.Errorf("%v: %v, %v", c.components, names, p.Metadata.Annotations)
		}
	}
}

// TestT22SideBySide: the second sidecar shares no socket with the first, and
// is the name that an ApplicationSet would change to.
func TestT22SideBySide(t *testing.T) {
	p := repoServer(t, "components/repo-server-plugin", "components/repo-server-plugin-v2")
	if got := p.Spec.Containers[1].Args; !slices.Equal(got, []string{"serve"}) {
		t.Errorf("the first has the arguments %v", got)
	}
	want := []string{"serve", "--socket", "/home/argocd/cmp-server/plugins/core-pipeline-v2.sock", "--metrics-address", ":8090"}
	if diff := cmp.Diff(want, p.Spec.Containers[2].Args); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
	text := string(read(t, "install/components/repo-server-plugin-v2/kustomization.yaml"))
	if got := strings.Count(text, "healthcheck, --socket, /home/argocd/cmp-server/plugins/core-pipeline-v2.sock]"); got != 3 {
		t.Errorf("%d probes ask the second sidecar", got)
	}
}

// TestOptionalComponents: each changes what it says, and only there.
func TestOptionalComponents(t *testing.T) {
	data := func(name, component string) any {
		return find(t, build(t, "install", "components/"+component), "ConfigMap", name)["data"]
	}
	for _, c := range []struct {
		component, name, key, want string
	}{
		{"progressive-syncs", "argocd-cmd-params-cm", "applicationsetcontroller.enable.progressive.syncs", "true"},
		{"guardrails", "argocd-cmd-params-cm", "applicationsetcontroller.enable.policy.override", "true"},
		{"guardrails", "argocd-cm", "application.sync.requireOverridePrivilegeForRevisionSync", "true"},
		{"guardrails", "argocd-cm", "server.rbac.rollback.enforce.enable", "true"},
		{"impersonation", "argocd-cm", "application.sync.impersonation.enabled", "true"},
		{"ingress-health", "argocd-cm", "resource.customizations.health.networking.k8s.io_Ingress", "return {status = \"Healthy\", message = \"its address is not looked at\"}"},
		{"notifications", "argocd-notifications-cm", "service.slack", "token: $slack-token\n"},
	} {
		if got := data(c.name, c.component).(map[string]any)[c.key]; got != c.want {
			t.Errorf("%s: %s is %q", c.component, c.key, got)
		}
	}
}

// TestEnvironmentComponents does the same for those of argocd/kustomization.yaml.
func TestEnvironmentComponents(t *testing.T) {
	all := build(t, ".", "install/components/prod-manual", "install/components/source-integrity", "install/components/impersonation")
	spec := find(t, all, "ApplicationSet", "core-pipeline-prod")["spec"].(map[string]any)
	data, err := json.Marshal(spec["template"])
	if err != nil {
		t.Fatal(err)
	}
	if spec["strategy"] != nil || !strings.Contains(string(data), `"enabled":false`) {
		t.Errorf("prod syncs by itself: %s", data)
	}
	for _, e := range environments {
		p := find(t, all, "AppProject", "core-pipeline-"+e)["spec"].(map[string]any)
		if p["sourceIntegrity"] == nil || p["destinationServiceAccounts"] == nil {
			t.Errorf("%s has %v and %v", e, p["sourceIntegrity"], p["destinationServiceAccounts"])
		}
	}
	if find(t, all, "AppProject", "default")["spec"].(map[string]any)["destinationServiceAccounts"] != nil {
		t.Error("the project default is not locked")
	}
}

// TestHelmValues: argo-helm installs the same sidecar and the same settings.
func TestHelmValues(t *testing.T) {
	var values struct {
		Configs    struct{ Params, CM map[string]any }
		RepoServer struct {
			Env             []any
			ExtraContainers []any
		}
		ExtraObjects []any
	}
	if err := yaml.UnmarshalStrict(read(t, "install/argo-helm-values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	objects := build(t, "install", "components/repo-server-plugin", "components/progressive-syncs", "components/guardrails")
	for name, got := range map[string]map[string]any{"argocd-cmd-params-cm": values.Configs.Params, "argocd-cm": values.Configs.CM} {
		if diff := cmp.Diff(find(t, objects, "ConfigMap", name)["data"], any(got)); diff != "" {
			t.Errorf("%s (-kustomize +helm):\n%s", name, diff)
		}
	}
	spec := find(t, objects, "Deployment", "argocd-repo-server")["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	containers := spec["containers"].([]any)
	if diff := cmp.Diff(normal(t, containers[1:]), normal(t, values.RepoServer.ExtraContainers)); diff != "" {
		t.Errorf("the sidecar (-kustomize +helm):\n%s", diff)
	}
	env := containers[0].(map[string]any)["env"].([]any)
	if !cmp.Equal(normal(t, env[:1]), normal(t, values.RepoServer.Env)) {
		t.Errorf("repo-server has %v, with Helm %v", env, values.RepoServer.Env)
	}
	if strings.Contains(string(read(t, "install/argo-helm-values.yaml")), "{{") {
		t.Error("Helm would take something for a template")
	}
	// What the components add to Argo CD's own objects.
	var added []any
	for _, r := range objects.Resources() {
		if !strings.Contains(install, "kind: "+r.GetKind()+"\nmetadata: {name: "+r.GetName()+"}") {
			added = append(added, find(t, objects, r.GetKind(), r.GetName()))
		}
	}
	if diff := cmp.Diff(normal(t, added), normal(t, values.ExtraObjects)); diff != "" {
		t.Errorf("further objects (-kustomize +helm):\n%s", diff)
	}
	// The pod's containers mount volumes that the chart makes, too.
	for _, v := range spec["volumes"].([]any) {
		if name := v.(map[string]any)["name"]; name != "var-files" && name != "plugins" {
			t.Errorf("the values have no volume %s", name)
		}
	}
}

// normal makes numbers of one type.
func normal(t *testing.T, v any) (out any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var fenced = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestGuidesShowTheComponents holds docs/operating.md and the README to the
// sidecars that the components install, image and size aside.
func TestGuidesShowTheComponents(t *testing.T) {
	for guide, component := range map[string]string{"docs/operating.md": "repo-server-plugin", "README.md": "repo-server-plugin-exec"} {
		data, err := os.ReadFile("../../" + guide)
		if err != nil {
			t.Fatal(err)
		}
		want := normal(t, repoServer(t, "components/"+component).Spec.Containers[1:])
		var shown bool
		for _, m := range fenced.FindAllStringSubmatch(string(data), -1) {
			var p struct{ Containers []container }
			if err := yaml.Unmarshal([]byte(m[1]), &p); err != nil {
				t.Fatal(err)
			}
			shown = shown || len(p.Containers) > 0 && cmp.Equal(want, normal(t, p.Containers))
		}
		if !shown {
			t.Errorf("%s does not show the container of %s", guide, component)
		}
	}
}
