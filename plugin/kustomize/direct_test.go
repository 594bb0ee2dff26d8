package kustomize

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// checkDirect holds that a direct build, if there is one, is like kustomize's
// own.
func checkDirect(t *testing.T, kustomization string, list manifest.List) (isDirect bool) {
	t.Helper()
	tree := sparseTree(kustomization)
	g, err := collect(t.Context(), tree, "env")
	if err != nil {
		return false
	}
	if len(g.notRendered(list)) > 0 {
		return false // Build would not get to it
	}
	before, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	direct, isDirect := g.buildDirect(t.Context(), list)
	if after, err := json.Marshal(list); err != nil || string(after) != string(before) {
		t.Errorf("the objects were changed: %v (-before +after):\n%s", err, cmp.Diff(string(before), string(after)))
	}
	if !isDirect {
		return false
	}
	full, err := withEverything(t, g, list)
	if err != nil || !cmp.Equal(full, direct) {
		t.Errorf("%s\n%s\n%v (-kustomize +direct):\n%s", kustomization, before, err, cmp.Diff(full, direct))
	}
	return true
}

func split(t *testing.T, text string) manifest.List {
	t.Helper()
	list, err := manifest.Split("a.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const directDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, labels: {app: a}}
spec:
  replicas: 1
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  template:
    metadata: {labels: {app: a}, finalizers: [x, y]}
    spec:
      containers:
        - {name: a, image: a, args: [x, x], env: [{name: A, value: b}], ports: [{containerPort: 80, name: http, protocol: TCP}, {containerPort: 81, protocol: TCP}]}
        - {name: b, image: b, resources: {limits: {cpu: 1}}, envFrom: [{configMapRef: {name: a}}]}
      tolerations: [{key: a}, {key: a}]
      volumes: [{name: tmp, emptyDir: {}}]
`

// tolerationsMerge is a schema that kustomize takes from a comment: by it, two
// of directDeployment's are one.
const tolerationsMerge = `{"properties": {"tolerations": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "key"}}}`

func patch(body string) string {
	return "labels: [{pairs: {env-name: prod}}]\npatches:\n  - target: {kind: Deployment}\n    patch: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: any}\n      " + body
}

// TestDirect: merges of one kustomization are done without kustomize's build,
// whatever else is in the overlay or unusual in an object is not.
func TestDirect(t *testing.T) {
	custom := "\n---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {a: b, list: [{name: a}, {name: a}], pods: {apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: a}, {name: a, image: b}]}}}}}\n"
	widget := "patches: [{target: {kind: Widget}, patch: '{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {a: c}}'}]"
	for name, tc := range map[string]struct {
		kustomization, more string
		want                bool
	}{
		"a field":                    {patch("spec: {replicas: 3}"), "", true},
		"a new field":                {patch("spec: {template: {spec: {dnsConfig: {options: [{name: ndots, value: '2'}]}}}}"), "", true},
		"a container":                {patch("spec: {template: {spec: {containers: [{name: b, image: c}, {name: new, image: d}]}}}"), "", true},
		"a map of maps":              {patch("spec: {strategy: {rollingUpdate: {maxUnavailable: 0}}}"), "", true},
		"null":                       {patch("spec: {strategy: null, template: {spec: {volumes: ~}}}"), "", true},
		"null in a map that goes":    {patch("spec: {strategy: {rollingUpdate: ~}}"), "", true},
		"labels":                     {patch("metadata: {labels: {app: b, new: c}, annotations: {a: b}}\n      spec: {replicas: 2}"), "", false}, // metadata twice
		"another name and namespace": {"patches: [{target: {kind: Deployment}, patch: '{apiVersion: v1, kind: Other, metadata: {name: other, namespace: x, annotations: {c: d}}}'}]", "", true},
		"comments":                   {patch("spec:\n        # a comment\n        replicas: 3 # another\n"), "", true},
		"a schema in a comment":      {patch("spec:\n        template:\n          spec: # " + tolerationsMerge + "\n            dnsPolicy: x\n"), "", false},
		"a schema above":             {patch("spec:\n        template:\n          # " + tolerationsMerge + "\n          spec:\n            dnsPolicy: x\n"), "", false},
		"a file and a patch":         {"patches: [{target: {kind: Deployment}, path: more.yaml, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {replicas: 3}}'}]", "", false},
		"a file and blanks":          {"patches: [{target: {kind: Deployment}, path: more.yaml, patch: ' '}]", "", true},
		"custom resource":            {widget, custom, false},
		"beside a custom resource":   {patch("spec: {replicas: 3}"), custom, true},
		"a field that is unknown":    {patch("spec: {other: 3}"), "", true},
		"unknown and on the way":     {patch("spec: {template: {spec: {volumes: [{name: a, configMap: 3}]}}}"), "", false},
		"a list that is none":        {patch("spec: {template: {spec: {containers: 8080}}}"), "", false},
		"by map":                     {"patches: [{target: {kind: RoleBinding}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, roleRef: {name: b}}'}]", "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nsubjects: [{kind: Group}]\n", false},
		"labels that are texts":      {"labels: [{pairs: {example.com/a: '1'}}]", "", true},
		"nothing":                    {"labels: [{pairs: {}}]", "", false},
		"added file":                 {"resources: [more.yaml]", "", false},
		"delete":                     {patch("$patch: delete"), "", false},
		"replace":                    {patch("spec: {strategy: {$patch: replace, type: Recreate}}"), "", false},
		"delete from a list":         {patch("spec: {template: {metadata: {$deleteFromPrimitiveList/finalizers: [x]}}}"), "", false},
		"operations":                 {"patches: [{target: {kind: Deployment}, patch: '[{\"op\": \"remove\", \"path\": \"/spec/replicas\"}]'}]", "", false},
		"a scalar for a map":         {patch("spec: {strategy: text}"), "", false},
		"a map for a scalar":         {patch("spec: {replicas: {a: b}}"), "", false},
		"two documents":              {patch("spec: {replicas: 3}\n      ---\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: b}"), "", false},
		"not a patch":                {"patches: [{target: {kind: Deployment}, patch: 'a: b'}]", "", false},
		"by labels":                  {"patches: [{target: {labelSelector: app=a}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}}'}]", "", false},
		"by namespace":               {"patches: [{target: {kind: Deployment, namespace: default}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}}'}]", "", false},
		"made local":                 {"patches: [{target: {kind: Deployment}, patch: '{apiVersion: v1, kind: A, metadata: {name: a, annotations: {config.kubernetes.io/local-config: \"true\"}}}'}]", "", false},
		"the kustomization's kind":   {"kind: Other\napiVersion: v1\n" + patch("spec: {replicas: 3}"), "", false},
		"a list":                     {patch("spec: {replicas: 3}"), "\n---\napiVersion: v1\nkind: ThingList\nmetadata: {name: a}\n", false},
		"one name, two namespaces":   {patch("spec: {replicas: 3}"), "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: default}\n", false},
		"ports of some protocols":    {"patches: [{target: {kind: Service}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {type: ClusterIP}}'}]", "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}, {port: 81, protocol: UDP}, {port: 82}]}\n", true},
		"ports of no protocol":       {"patches: [{target: {kind: Service}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {type: ClusterIP}}'}]", "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}, {port: 81}], externalIPs: []}\n", true},
		"two of a name":              {patch("spec: {replicas: 3}"), "\n---\napiVersion: other.com/v1\nkind: Deployment\nmetadata: {name: app}\n", false},
		"a field twice":              {patch("spec: {replicas: 3, replicas: 4}"), "", false},
		"an anchor":                  {patch("spec: {selector: &a {matchLabels: {a: b}}, template: {spec: {nodeSelector: {<<: *a}}}}"), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := checkDirect(t, tc.kustomization, split(t, directDeployment+tc.more)); got != tc.want {
				t.Errorf("direct: %v, want %v", got, tc.want)
			}
		})
	}
}

// TestDirectOrder: a patch sees what those before it have done, whether the
// object had it or not.
func TestDirectOrder(t *testing.T) {
	kustomization := `
patches:
  - {target: {kind: Deployment}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {strategy: ~, selector: {matchLabels: {a: b}}}}'}
  - {target: {name: app}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {strategy: {type: Recreate}, selector: {matchLabels: {c: d}}}}'}
  - {target: {group: apps}, patch: '{apiVersion: v1, kind: A, metadata: {name: a}, spec: {selector: {matchLabels: {a: ~}}}}'}
`
	if !checkDirect(t, kustomization, split(t, directDeployment)) {
		t.Error("it is not direct")
	}
}

// TestDirectMany merges made-up patches into made-up objects, in which there is
// everything that a merge may change beside what the patch names.
func TestDirectMany(t *testing.T) {
	kinds := []struct{ apiVersion, kind string }{
		{"apps/v1", "Deployment"}, {"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"batch/v1", "CronJob"}, {"v1", "Service"}, {"v1", "Pod"},
		{"v1", "ServiceAccount"}, {"v1", "ConfigMap"}, {"networking.k8s.io/v1", "Ingress"}, {"autoscaling/v2", "HorizontalPodAutoscaler"},
		{"networking.k8s.io/v1", "NetworkPolicy"}, {"rbac.authorization.k8s.io/v1", "ClusterRole"}, {"v1", "PersistentVolume"},
		{"rbac.authorization.k8s.io/v1", "RoleBinding"}, {"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"}, {"storage.k8s.io/v1", "StorageClass"},
	}
	m := maker{rand.New(rand.NewPCG(1, 2))}
	direct := 0
	const rounds = 400
	for range rounds {
		of := kinds[m.IntN(len(kinds))]
		running.Lock()
		if err := index().load(map[string]bool{of.kind: true}); err != nil {
			t.Fatal(err)
		}
		sh := knownShapes.of(of.apiVersion, of.kind)
		object := m.object(sh, of.apiVersion, of.kind, "app")
		var patches []any
		for range 1 + m.IntN(2) {
			text, err := json.Marshal(m.object(sh, "v1", "A", "p"))
			if err != nil {
				t.Fatal(err)
			}
			patches = append(patches, map[string]any{"target": map[string]any{"name": "app"}, "patch": string(text)})
		}
		running.Unlock()
		kustomization, err := json.Marshal(map[string]any{"patches": patches})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if checkDirect(t, string(kustomization), split(t, string(text))) {
			direct++
		}
		if t.Failed() {
			return
		}
	}
	if direct < rounds/4 {
		t.Errorf("only %d of %d are direct", direct, rounds)
	}
}

// form is what a value can be.
type form uint8

const (
	scalar form = iota
	mapping
	list
)

func formOf(schema *openapi.ResourceSchema) form {
	s := schema.Schema
	switch {
	case s.Type.Contains("array"):
		return list
	case s.Type.Contains("object"), s.Properties != nil, s.AdditionalProperties != nil:
		return mapping
	}
	return scalar
}

// maker makes values that the schema knows, and at times others.
type maker struct{ *rand.Rand }

func (m maker) object(sh *shape, apiVersion, kind, name string) map[string]any {
	const depth = 7
	object := map[string]any{}
	for _, field := range []string{"spec", "data", "secrets", "rules", "roleRef", "subjects", "webhooks", "parameters"} {
		if inner := sh.field(field); inner != nil {
			object[field] = m.value(inner, depth)
		}
	}
	object["apiVersion"], object["kind"], object["metadata"] = apiVersion, kind, map[string]any{"name": name}
	return object
}

// often are the fields that lists and other fields hang on.
var often = []string{"template", "spec", "jobTemplate", "containers", "volumes", "ports", "env", "volumeMounts", "name", "topologySpreadConstraints", "strategy"}

func (m maker) value(sh *shape, depth int) any {
	const oddEvery = 400
	if sh == nil || formOf(sh.schema) == scalar || depth == 0 && formOf(sh.schema) != mapping || m.IntN(oddEvery) == 0 {
		return m.scalar()
	}
	if formOf(sh.schema) == list {
		items := []any{}
		for i := range 1 + m.IntN(3) {
			item := m.value(sh.elements(), depth-1)
			if fields, isMap := item.(map[string]any); isMap {
				for _, key := range sh.keys {
					if m.IntN(8) > 0 {
						fields[key] = string(rune('a' + i))
					}
				}
			}
			items = append(items, item)
		}
		return items[:len(items)-max(0, m.IntN(20)-18)*len(items)]
	}
	fields := map[string]any{}
	if depth == 0 {
		return fields
	}
	if len(sh.schema.Schema.Properties) == 0 {
		return map[string]any{"a": m.scalar(), "b": "b"}
	}
	names := slices.Sorted(maps.Keys(sh.schema.Schema.Properties))
	if m.IntN(30) == 0 {
		fields[[]string{"unknown", "name", "volumes", "kind"}[m.IntN(4)]] = m.scalar()
	}
	for range m.IntN(3) {
		name := names[m.IntN(len(names))]
		fields[name] = m.value(sh.field(name), depth-1)
	}
	for _, name := range often {
		if sh.field(name) != nil && m.IntN(3) > 0 {
			fields[name] = m.value(sh.field(name), depth-1)
		}
	}
	return fields
}

func (m maker) scalar() any {
	odd := []any{"true", "", " x", "x\ny", 1.5, nil, "8080"}
	if m.IntN(60) == 0 {
		return odd[m.IntN(len(odd))]
	}
	return []any{"a", "b", "text", 1, 8080, true, false}[m.IntN(7)]
}

func FuzzDirect(f *testing.F) {
	f.Add(directDeployment, "spec: {replicas: 3}")
	f.Add(directDeployment, "spec: {template: {spec: {containers: [{name: b, image: c}]}}}")
	f.Add("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}, {port: 80, protocol: UDP}], selector: {}}", "metadata: {labels: {a: b}}")
	f.Add("apiVersion: v1\nkind: Pod\nmetadata: {name: a, finalizers: [a, a]}\nspec: {kind: a}", "status: {a: ~}\nspec: {x: &x {a: b}, y: *x}")
	f.Fuzz(func(t *testing.T, text, patched string) {
		list, err := manifest.Split("a.yaml", text)
		if err != nil || len(list) == 0 || manifest.Check(list, manifest.CheckOptions{}) != nil || !utf8.ValidString(patched) {
			return
		}
		kustomization, err := json.Marshal(map[string]any{"patches": []any{map[string]any{
			"target": map[string]any{"kind": ".*"}, "patch": "apiVersion: v1\nkind: A\nmetadata: {name: a}\n" + patched,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := collect(t.Context(), fstest.MapFS{"env/kustomization.yaml": {Data: kustomization}}, "env"); err == nil {
			checkDirect(t, string(kustomization), list)
		}
	})
}
