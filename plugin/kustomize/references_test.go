package kustomize

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The ways to build that Build has, as text, in its order.
const direct, sparse = "direct", "sparse"

// ways tells which builds of env are possible beside that with everything, and
// holds that each is like it.
func ways(t *testing.T, kustomization string, more map[string]string, objects string) (possible string) {
	t.Helper()
	list := split(t, objects)
	tree := sparseTree(kustomization)
	for name, text := range more {
		tree[name] = sparseTree(text)["env/kustomization.yaml"]
	}
	g, err := collect(t.Context(), tree, "env")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	full, err := withEverything(t, g, list)
	if got, ok := g.buildDirect(t.Context(), slices.Clone(list)); ok {
		found = append(found, direct)
		if err != nil || !cmp.Equal(full, got) {
			t.Errorf("direct: %v (-kustomize +direct):\n%s", err, cmp.Diff(full, got))
		}
	}
	if got, ok := g.buildSparse(t.Context(), slices.Clone(list)); ok {
		found = append(found, sparse)
		if err != nil || !cmp.Equal(full, got) {
			t.Errorf("sparse: %v (-kustomize +sparse):\n%s", err, cmp.Diff(full, got))
		}
	}
	return strings.Join(found, " ")
}

const (
	onlyLabels = "labels: [{pairs: {env-name: prod}}]\n"
	// patchedConfig makes a build by operations necessary.
	patchedConfig = "\npatches: [{target: {kind: (ConfigMap|Service|ServiceAccount)}, patch: '- {op: add, path: /data, value: {a: b}}'}]\n"
	config        = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\n"
	widget        = "---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: left-alone}\n"
	account       = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: apps}\n"
	service       = "---\napiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: apps}\n"
	binding       = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: app}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: app}\n"
	roleBinding   = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: app, namespace: apps}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: app}\n"
	webhook       = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: app}\n"
	ingress       = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: apps}\n"
)

// TestReferences: kustomize writes into objects that refer to others, and
// refuses what it does not expect there, whether a patch means them or not.
func TestReferences(t *testing.T) {
	for name, tc := range map[string]struct {
		objects string
		want    bool
	}{
		"a subject without a namespace":    {account + binding + "subjects: [{kind: ServiceAccount, name: app}]\n", true},
		"a subject with one":               {account + binding + "subjects: [{kind: ServiceAccount, name: app, namespace: apps}]\n", true},
		"a subject of another namespace":   {account + binding + "subjects: [{kind: ServiceAccount, name: app, namespace: other}]\n", true},
		"a subject that looks a number":    {"---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: '8080', namespace: '1e3'}\n" + binding + "subjects: [{kind: ServiceAccount, name: '8080', namespace: '1e3'}]\n", true},
		"a subject that is a number":       {account + binding + "subjects: [{kind: ServiceAccount, name: 8080, namespace: apps}]\n", true},
		"a namespace of nothing":           {account + binding + "subjects: [{kind: ServiceAccount, name: app, namespace: ''}]\n", true},
		"a subject of the local namespace": {"---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app}\n" + binding + "subjects: [{kind: ServiceAccount, name: app, namespace: default}]\n", true},
		"a subject without a name":         {account + binding + "subjects: [{kind: ServiceAccount, namespace: apps}]\n", false},
		"a group of that name":             {account + binding + "subjects: [{kind: Group, name: app}]\n", true},
		"subjects that are texts":          {account + binding + "subjects: [app]\n", true},
		"subjects that are a map":          {account + binding + "subjects: {kind: ServiceAccount, name: app}\n", true},
		"no subjects":                      {account + binding + "subjects: []\n", true},
		"a RoleBinding":                    {account + roleBinding + "subjects: [{kind: ServiceAccount, name: app}]\n", true},
		"texts for a RoleBinding":          {roleBinding + "subjects: [app]\n", false},
		"a kind that is a number":          {roleBinding + "subjects: [{kind: 1, name: app, namespace: apps}]\n", false},
		"a namespace that is a number":     {roleBinding + "subjects: [{kind: ServiceAccount, name: app, namespace: 1}]\n", false},
		"numbers that do not matter":       {roleBinding + "subjects: [{kind: 1, name: app}, {kind: User, name: app, namespace: 1}, {name: app, namespace: 1}]\n", true},
		"a webhook without a namespace":    {service + webhook + "webhooks: [{name: a, clientConfig: {service: {name: app}}}]\n", true},
		"a webhook with one":               {service + webhook + "webhooks: [{name: a, clientConfig: {service: {name: app, namespace: apps, port: 443}}}, {name: b, clientConfig: {url: 'https://a'}}]\n", true},
		"a webhook without a name":         {service + webhook + "webhooks: [{name: a, clientConfig: {service: {namespace: apps}}}]\n", false},
		"a webhook that is a text":         {webhook + "webhooks: [a]\n", false},
		"webhooks of another kind":         {"---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nwebhooks: [a]\nsubjects: [{name: a}]\n", true},
		"a backend":                        {service + ingress + "spec: {defaultBackend: {service: {name: app, port: {number: 80}}}, tls: [{secretName: a}]}\n", true},
		"a backend whose name is a map":    {service + ingress + "spec: {defaultBackend: {service: {name: {name: app}}}}\n", true},
		"a backend that is a text":         {service + ingress + "spec: {defaultBackend: app}\n", false},
		"rules that are a text":            {ingress + "spec: {rules: text}\n", false},
		"lists in lists":                   {ingress + "spec: {tls: [[{secretName: a}], [[{secretName: b}]]]}\n", true},
		"names in lists in lists":          {ingress + "spec: {tls: [{secretName: [[a]]}]}\n", false},
		"a Deployment of another group":    {"---\napiVersion: example.com/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: text}\n", false},
		"a template of no reference":       {"---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {template: text, volumes: 3}\n", true},
		"volumes that are a number":        {"---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {volumes: 3}\n", false},
		"a StorageClass":                   {"---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nparameters: {secretRef: text}\n", true},
		"a StorageClass of maps":           {"---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nparameters: {secretRef: {a: b}}\n", false},
		"a Node":                           {"---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {configSource: {configMap: {name: config, namespace: apps}}}\n", true},
		"a Node without a namespace":       {"---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {configSource: {configMap: {name: config}}}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[bool][2]string{true: {direct + " " + sparse, sparse}}[tc.want]
			if got := ways(t, onlyLabels, nil, tc.objects+widget); got != want[0] {
				t.Errorf("with labels: %q, want %q", got, want[0])
			}
			if got := ways(t, onlyLabels+patchedConfig, nil, tc.objects+config+widget); got != want[1] {
				t.Errorf("with operations: %q, want %q", got, want[1])
			}
		})
	}
}

// TestReferencesToAdded: objects that the overlay adds are referred to and
// refer, and a patch may give them another name.
func TestReferencesToAdded(t *testing.T) {
	pod := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec: {volumes: [{name: a, configMap: {name: added}}]}\n"
	base := func(kustomization, objects string) map[string]string {
		return map[string]string{"base/kustomization.yaml": "resources: [added.yaml]\n" + kustomization, "base/added.yaml": objects}
	}
	const hadNames = "{internal.config.kubernetes.io/previousNames: added, internal.config.kubernetes.io/previousKinds: ConfigMap, internal.config.kubernetes.io/previousNamespaces: default}"
	had := strings.Replace(config, "config}", "config, annotations: "+hadNames+"}", 1)
	added := strings.Replace(config, "config", "added", 1)
	operation := func(op string) string { return "patches: [{target: {name: added}, patch: '- " + op + "'}]\n" }
	for name, tc := range map[string]struct {
		kustomization string
		more          map[string]string
		objects       string
		want          string
	}{
		"added":                           {"resources: [../base]\n", base("", added), pod, sparse},
		"changed":                         {"resources: [../base]\n", base(operation("{op: add, path: /data, value: {a: b}}"), added), pod, sparse},
		"labelled":                        {"resources: [../base]\n", base(operation("{op: add, path: /metadata/labels, value: {a: b}}"), added), pod, sparse},
		"renamed":                         {"resources: [../base]\n", base(operation("{op: replace, path: /metadata/name, value: renamed}"), added), pod, ""},
		"renamed by a path that is odd":   {"resources: [../base]\n", base(operation("{op: replace, path: x/metadata/name, value: renamed}"), added), pod, ""},
		"renamed with all metadata":       {"resources: [../base]\n", base(operation("{op: replace, path: /metadata, value: {name: renamed}}"), added), pod, ""},
		"renamed as a whole":              {"resources: [../base]\n", base(operation("{op: replace, path: \"\", value: {apiVersion: v1, kind: ConfigMap, metadata: {name: renamed}}}"), added), pod, ""},
		"renamed in JSON":                 {"resources: [../base]\n", base("patches: [{target: {name: added}, patch: '[{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"renamed\"}]'}]\n", added), pod, ""},
		"renamed by a move":               {"resources: [../base]\n", base("patches: [{target: {name: added}, patch: '[{\"op\": \"move\", \"from\": \"/metadata/labels/a\", \"path\": \"/metadata/name\"}]'}]\n", strings.Replace(added, "added}", "added, labels: {a: renamed}}", 1)), pod, ""},
		"renamed in a file":               {"resources: [../base]\n", map[string]string{"base/kustomization.yaml": "resources: [added.yaml]\npatches: [{target: {name: added}, path: p.yaml}]\n", "base/p.yaml": "- {op: replace, path: /metadata/name, value: renamed}\n", "base/added.yaml": added}, pod, ""},
		"names by annotations":            {"resources: [../base]\n", base("", had), pod, ""},
		"names by rendered annotations":   {"resources: [more.yaml]\n" + patchedConfig, nil, pod + had, ""},
		"names by a patch":                {"patches: [{target: {kind: ConfigMap}, patch: '{apiVersion: v1, kind: A, metadata: {name: a, annotations: " + hadNames + "}}'}]\n", nil, pod + config, ""},
		"another namespace for a subject": {"resources: [../base]\n", base("patches: [{target: {kind: ServiceAccount}, patch: '- {op: replace, path: /metadata/namespace, value: other}'}]\n", account), binding + "subjects: [{kind: ServiceAccount, name: app, namespace: apps}]\n", ""},
		"a subject that is added":         {"resources: [../base]\n", base("", account), binding + "subjects: [{kind: ServiceAccount, name: app}]\n", sparse},
		"a binding that is added":         {"resources: [../base]\n", base("", binding+"subjects: [{kind: ServiceAccount, name: app}]\n"), account, sparse},
		"a full binding that is added":    {"resources: [../base]\n", base("", binding+"subjects: [{kind: ServiceAccount, name: app, namespace: apps}]\n"), account, sparse},
		"a namespace that is taken away":  {"patches: [{target: {kind: ClusterRoleBinding}, patch: '- {op: remove, path: /subjects/0/namespace}'}]\n", nil, account + binding + "subjects: [{kind: ServiceAccount, name: app, namespace: apps}]\n", sparse},
		"a subject by a patch":            {"patches: [{target: {kind: ClusterRoleBinding}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, subjects: [{kind: ServiceAccount, name: app}]}'}]\n", nil, account + binding, direct + " " + sparse},
		"a full subject by a patch":       {"patches: [{target: {kind: ClusterRoleBinding}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, subjects: [{kind: ServiceAccount, name: app, namespace: apps}]}'}]\n", nil, account + binding, direct + " " + sparse},
		"renamed and back":                {"patches: [{target: {kind: ConfigMap}, patch: \"- {op: replace, path: /metadata/name, value: added}\\n- {op: replace, path: /metadata/name, value: config}\"}, {target: {kind: ConfigMap}, patch: '- {op: replace, path: /metadata/name, value: added}'}, {target: {kind: ConfigMap}, patch: '- {op: replace, path: /metadata/name, value: config}'}]\n", nil, config + pod, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ways(t, tc.kustomization, tc.more, tc.objects); got != tc.want {
				t.Errorf("possible: %q, want %q", got, tc.want)
			}
		})
	}
}

// TestWays holds waysOf against kustomize's own list.
func TestWays(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal", "konfig", "builtinpluginconsts", "namereference.go"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]bool{} // by kind and path, and those in the spec of a pod by the rest
	for _, entry := range regexp.MustCompile(`(?m)^  - path: (.*)((?:\n    .*)+)`).FindAllStringSubmatch(string(source), -1) {
		path, kind := entry[1], regexp.MustCompile(`kind: (.*)`).FindStringSubmatch(entry[2])
		if kind == nil {
			t.Fatalf("%s is for objects of any kind", path)
		}
		if strings.HasPrefix(path, "metadata/annotations/") {
			continue
		}
		theirs[kind[1]+" "+path] = true
		if inPod, ok := strings.CutPrefix(path, podSpecs[kind[1]]+"/"); ok && podSpecs[kind[1]] != "" {
			theirs[inPod] = true
		}
		at := waysOf()[kind[1]]
		for name := range strings.SplitSeq(path, "/") {
			at = at[name]
		}
		if at == nil || len(at) > 0 {
			t.Errorf("%s: %s is not the end of a way", kind[1], path)
		}
	}
	if len(theirs) < 150 {
		t.Fatalf("the list is not what this test takes it for: it has %d paths", len(theirs))
	}
	for kind, paths := range otherWays {
		for _, path := range paths {
			if !theirs[kind+" "+path] {
				t.Errorf("%s: kustomize does not look at %s", kind, path)
			}
		}
	}
	for _, path := range waysInPods {
		if !theirs[path] {
			t.Errorf("kustomize does not look at %s in pods", path)
		}
	}
}
