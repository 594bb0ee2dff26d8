package chart

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

func deployment(t testing.TB, list manifest.List) map[string]any {
	t.Helper()
	var d map[string]any
	if !object(t, list, "Deployment", "core-pipeline", &d) {
		t.Fatal("there is no Deployment/core-pipeline")
	}
	return d
}

// TestSelectorsFrozen holds the selectors to those of version 0.1.0: they
// cannot be changed in a cluster.
func TestSelectorsFrozen(t *testing.T) {
	want := map[string]any{"app.kubernetes.io/name": "core-pipeline", "app.kubernetes.io/instance": "core-pipeline", "app.kubernetes.io/component": "api"}
	for _, environment := range environments {
		list := mustRender(t, repository(t), environment, "")
		if diff := cmp.Diff(want, at(deployment(t, list), "spec.selector.matchLabels")); diff != "" {
			t.Errorf("%s: Deployment (-want +got):\n%s", environment, diff)
		}
		var service map[string]any
		object(t, list, "Service", "core-pipeline", &service)
		if diff := cmp.Diff(want, at(service, "spec.selector")); diff != "" {
			t.Errorf("%s: Service (-want +got):\n%s", environment, diff)
		}
	}
}

// TestRestarts says what restarts the pods and what does not.
func TestRestarts(t *testing.T) {
	template := func(tree fstest.MapFS, values string) map[string]any {
		return at(deployment(t, mustRender(t, tree, "test", values)), "spec.template").(map[string]any)
	}
	before := template(repository(t), "")
	newer := repository(t)
	chart := newer[path.Join(dir, "Chart.yaml")]
	text := strings.Replace(string(chart.Data), "\nversion: ", "\nversion: 9", 1)
	if text == string(chart.Data) {
		t.Fatal("Chart.yaml has no version")
	}
	chart.Data = []byte(text)
	if diff := cmp.Diff(before, template(newer, "")); diff != "" {
		t.Errorf("a new version of the chart changes the pods:\n%s", diff)
	}
	for name, values := range map[string]string{
		"labels of the service monitor": "serviceMonitor: {labels: {a: b}}", "replicas": "autoscaling: {maxReplicas: 9}", "ingress": "ingress: {hostname: b.example.com}",
	} {
		if diff := cmp.Diff(before, template(repository(t), values)); diff != "" {
			t.Errorf("%s: the pods change:\n%s", name, diff)
		}
	}
	for name, values := range map[string]string{
		"configuration": "env: {LOG_LEVEL: warn}", "feature flag": "featureFlags: {FEATURE_CHART_TEST: false}", "secret": "secret: {stringData: {REDIS_PASSWORD: other}}",
		"token": "rolloutToken: again", "image": "image: {tag: 1.0.1}", "memory": "resources: {limits: {memory: 129Mi}}",
	} {
		if cmp.Equal(before, template(repository(t), values)) {
			t.Errorf("%s: the pods do not change", name)
		}
	}
}

// TestNames gives the longest name that a release may have.
func TestNames(t *testing.T) {
	tree := repository(t)
	values := string(tree[path.Join(dir, "values-test.yaml")].Data)
	release := strings.Repeat("a", 52) + "b"
	list, err := plugin.Render(t.Context(), tree, plugin.Request{Dir: dir, Parameters: plugin.Parameters{
		Values: values + "\nhttpRoute: {enabled: true, parentRefs: [{name: g}]}\n", ReleaseName: release, Namespace: strings.Repeat("c", 63), IncludeTests: true,
	}}, plugin.Options{})
	if err != nil {
		t.Fatal(plugin.Message(err))
	}
	seen := map[string]bool{}
	for _, o := range list {
		most := 63
		if o.Kind() == "Job" {
			most = 52 // the controller appends to it
		}
		if len(o.Name()) > most || strings.HasSuffix(o.Name(), "-") {
			t.Errorf("%s has a name of %d characters: %s", o.Kind(), len(o.Name()), o.Name())
		}
		id := o.Kind() + "/" + o.Name()
		if seen[id] {
			t.Errorf("two of %s", id)
		}
		seen[id] = true
		labels, _ := at(o.Fields, "metadata.labels").(map[string]any)
		for key, value := range labels {
			if len(value.(string)) > 63 {
				t.Errorf("%s: the label %s has %d characters", id, key, len(value.(string)))
			}
		}
		if want := []string{"app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/version", "helm.sh/chart"}; o.Name() != "" && !strings.HasSuffix(o.Name(), "-extra") {
			for _, label := range want {
				if labels[label] == nil {
					t.Errorf("%s lacks the label %s", id, label)
				}
			}
		}
	}
	if len(list) < 18 {
		t.Errorf("values-test.yaml gives %d objects", len(list))
	}
}

// pods returns the pod specs of list by the name of their object.
func pods(list manifest.List) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, o := range list {
		var spec any
		switch o.Kind() {
		case "Pod":
			spec = at(o.Fields, "spec")
		case "Deployment", "Job":
			spec = at(o.Fields, "spec.template.spec")
		}
		if s, ok := spec.(map[string]any); ok {
			out[o.Kind()+"/"+o.Name()] = s
		}
	}
	return out
}

// TestPods holds every pod of every values file, Jobs and tests included, to
// the hardening that the Pod Security Standard "restricted" asks for, and more.
func TestPods(t *testing.T) {
	tree := repository(t)
	count := 0
	for _, file := range valuesFiles(t, tree) {
		list := mustRender(t, tree, "", string(tree[file].Data))
		for name, spec := range pods(list) {
			count++
			for _, want := range []struct {
				path  string
				value any
			}{
				{"securityContext.runAsNonRoot", true}, {"securityContext.seccompProfile.type", "RuntimeDefault"}, {"enableServiceLinks", false},
			} {
				if got := at(spec, want.path); got != want.value {
					t.Errorf("%s: %s: %s is %v, want %v", file, name, want.path, got, want.value)
				}
			}
			if mounted := at(spec, "automountServiceAccountToken"); mounted != false && !strings.Contains(file, "pod-values") {
				t.Errorf("%s: %s mounts a token", file, name)
			}
			for _, forbidden := range []string{"hostNetwork", "hostPID", "hostIPC"} {
				if spec[forbidden] != nil {
					t.Errorf("%s: %s sets %s", file, name, forbidden)
				}
			}
			volumes, _ := spec["volumes"].([]any)
			for _, v := range volumes {
				for kind := range v.(map[string]any) {
					if !slices.Contains([]string{"name", "emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected"}, kind) {
						t.Errorf("%s: %s has a volume of kind %s", file, name, kind)
					}
				}
			}
			containers := slices.Concat(asList(spec["containers"]), asList(spec["initContainers"]))
			for _, c := range containers {
				checkContainer(t, file+": "+name, c.(map[string]any))
			}
		}
	}
	if count < 20 {
		t.Fatalf("looked at %d pods", count)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func checkContainer(t *testing.T, where string, c map[string]any) {
	t.Helper()
	for _, want := range []struct {
		path  string
		value any
	}{
		{"securityContext.allowPrivilegeEscalation", false}, {"securityContext.readOnlyRootFilesystem", true}, {"securityContext.capabilities.drop.0", "ALL"},
	} {
		if got := at(c, want.path); got != want.value {
			t.Errorf("%s: %s: %s is %v, want %v", where, c["name"], want.path, got, want.value)
		}
	}
	for _, resource := range []string{"requests.cpu", "requests.memory", "limits.memory"} {
		if at(c, "resources."+resource) == nil {
			t.Errorf("%s: %s has no %s", where, c["name"], resource)
		}
	}
	image, _ := c["image"].(string)
	if tag := image[strings.LastIndex(image, "/")+1:]; !strings.Contains(tag, ":") || strings.HasSuffix(tag, ":latest") {
		t.Errorf("%s: %s runs %s", where, c["name"], image)
	}
	names := map[any]bool{}
	for _, e := range asList(c["env"]) {
		name := e.(map[string]any)["name"]
		if names[name] {
			t.Errorf("%s: %s has %v twice in env", where, c["name"], name)
		}
		names[name] = true
	}
}

// TestNoVariableTwice gives the variables that containers set themselves in
// env too: a variable twice in a container is an error to server-side apply.
func TestNoVariableTwice(t *testing.T) {
	list := mustRender(t, repository(t), "test", "env: {BACKUP_DESTINATION: elsewhere, POD_NAME: a, OTEL_RESOURCE_ATTRIBUTES: team=core}")
	for name, spec := range pods(list) {
		for _, c := range asList(spec["containers"]) {
			checkContainer(t, name, c.(map[string]any))
		}
	}
	for _, v := range asList(at(deployment(t, list), "spec.template.spec.containers.0.env")) {
		if variable := v.(map[string]any); variable["name"] == "OTEL_RESOURCE_ATTRIBUTES" && !strings.HasSuffix(variable["value"].(string), ",team=core") {
			t.Errorf("the attributes of the user are lost: %v", variable["value"])
		}
	}
}

// TestInitContainers are as hardened as the others, unless they say how.
func TestInitContainers(t *testing.T) {
	list := mustRender(t, repository(t), "", "initContainers: [{name: a, image: a:1}, {name: b, image: b:1, securityContext: {readOnlyRootFilesystem: false}}]")
	init := at(deployment(t, list), "spec.template.spec.initContainers").([]any)
	if got := at(init[0].(map[string]any), "securityContext.readOnlyRootFilesystem"); got != true {
		t.Errorf("without a security context: readOnlyRootFilesystem is %v", got)
	}
	if diff := cmp.Diff(map[string]any{"readOnlyRootFilesystem": false}, at(init[1].(map[string]any), "securityContext")); diff != "" {
		t.Errorf("with one (-want +got):\n%s", diff)
	}
}

// TestHeap derives the heap from the memory limit.
func TestHeap(t *testing.T) {
	tree := repository(t)
	for limit, want := range map[string]string{
		"512Mi": "--max-old-space-size=384", "1Gi": "--max-old-space-size=768", "1G": "--max-old-space-size=715", "1073741824": "--max-old-space-size=768", "'1073741824'": "--max-old-space-size=768",
	} {
		list := mustRender(t, tree, "", "resources: {requests: {memory: 1Mi}, limits: {memory: "+limit+"}}")
		var config map[string]any
		object(t, list, "ConfigMap", "core-pipeline", &config)
		if got := at(config, "data.NODE_OPTIONS"); got != want {
			t.Errorf("%s: NODE_OPTIONS is %v, want %s", limit, got, want)
		}
	}
	list := mustRender(t, tree, "", "env: {NODE_OPTIONS: --enable-source-maps}")
	var config map[string]any
	object(t, list, "ConfigMap", "core-pipeline", &config)
	if got := at(config, "data.NODE_OPTIONS"); got != "--enable-source-maps --max-old-space-size=384" {
		t.Errorf("with options of the user: %v", got)
	}
}

// TestSecretsStayAway holds that staging and prod have no secret data, and
// that no ConfigMap of any environment has a credential.
func TestSecretsStayAway(t *testing.T) {
	tree := repository(t)
	for _, environment := range environments {
		list := mustRender(t, tree, environment, "")
		secret := object(t, list, "Secret", "core-pipeline", nil)
		external := object(t, list, "ExternalSecret", "core-pipeline", nil)
		readable := environment == "dev" || environment == "test"
		if secret != readable || external == readable {
			t.Errorf("%s: Secret %t, ExternalSecret %t", environment, secret, external)
		}
		for _, o := range list {
			if o.Kind() != "ConfigMap" {
				continue
			}
			data, _ := o.Fields["data"].(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(data)) {
				if strings.Contains(key, "PASSWORD") || strings.Contains(data[key].(string), "not-a-real-password") {
					t.Errorf("%s: ConfigMap/%s has %s", environment, o.Name(), key)
				}
			}
		}
	}
}
