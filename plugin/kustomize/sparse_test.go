package kustomize

import (
	"encoding/json"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

const sparseKustomization = `
resources: [more.yaml]
labels: [{pairs: {env: prod}}]
patches:
  - target: {kind: ConfigMap, name: patched.*}
    patch: "- {op: add, path: /data/added, value: 'yes'}"
  - target: {kind: Deployment}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: any}
      spec: {replicas: 3}
`

func sparseTree(kustomization string) fstest.MapFS {
	return fstest.MapFS{
		"env/kustomization.yaml": {Data: []byte(kustomization)},
		"env/more.yaml":          {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n")},
	}
}

func rendered(t *testing.T, name, more string) manifest.List {
	t.Helper()
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: patched-1}\ndata: {a: b}\n---\n" +
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 1}\n---\n" +
		"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: " + name + "}\n" + more
	list, err := manifest.Split("a.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// bothWays builds sparsely and with everything; sparse is nil if the former is
// not possible.
func bothWays(t *testing.T, tree fstest.MapFS, list manifest.List) (sparse, full manifest.List, err error) {
	t.Helper()
	g, err := collect(t.Context(), tree, "env")
	if err != nil {
		t.Fatal(err)
	}
	sparse, ok := g.buildSparse(t.Context(), list)
	if !ok {
		sparse = nil
	}
	full, err = withEverything(t, g, list)
	return sparse, full, err
}

// withEverything is kustomize's own build.
func withEverything(t *testing.T, g *graph, list manifest.List) (manifest.List, error) {
	t.Helper()
	if err := g.write(path.Join(g.root, reservedFile), encode(list)); err != nil {
		t.Fatal(err)
	}
	built, err := g.run(t.Context(), asWritten)
	if err != nil {
		return nil, err
	}
	return decode(built, g.root, list)
}

// checkSparse holds that a sparse build, if there is one, is like the other.
func checkSparse(t *testing.T, kustomization string, list manifest.List) (isSparse bool) {
	t.Helper()
	sparse, full, err := bothWays(t, sparseTree(kustomization), list)
	if sparse != nil && (err != nil || !cmp.Equal(full, sparse)) {
		t.Errorf("%s: %v (-everything +sparse):\n%s", kustomization, err, cmp.Diff(full, sparse))
	}
	return sparse != nil
}

func TestSparseContent(t *testing.T) {
	for more, want := range map[string]bool{
		"": true,
		"spec: {a: 1, b: [x, {c: true}], d: {}, e: [], f: '', g: \"x\\ny\\n\", h: \"\\u2028<&>\\t\"}\n": true,
		"spec: {a: 1.50, b: 1e30, c: 123456789012345678901234567890, d: 18446744073709551615, e: .5}\n": true,
		"status: {}\nwebhooks: [a]\n":                   true,
		"spec: {a: ~}\n":                                false,
		"spec: {a: -0.0}\n":                             false,
		"spec: {a: \"\\x7f\"}\n":                        false,
		"spec: {a: \"\\u0085 b\"}\n":                    false,
		"spec: {a: \"\\ufeff\"}\n":                      false,
		"spec: {'<<': a}\n":                             false,
		"spec: {'': a}\n":                               false,
		"spec: {" + strings.Repeat("k", 200) + ": a}\n": false,
	} {
		if got := checkSparse(t, sparseKustomization, rendered(t, "left-alone", more)); got != want {
			t.Errorf("%q: sparse: %v, want %v", more, got, want)
		}
	}
}

// TestSparseKustomization: whatever could look into any object, or rename one,
// makes the build one with everything. Targets that name objects do not: the
// other objects are left alone.
func TestSparseKustomization(t *testing.T) {
	widget := "spec: {image: a, ref: patched-1, labels: {}}\n"
	for kustomization, want := range map[string]bool{
		"labels: [{pairs: {a: b}}]":                                              true,
		"resources: [more.yaml]":                                                 true,
		"labels: [{pairs: {a: b}, includeSelectors: true}]":                      false,
		"labels: [{pairs: {a: b}, includeTemplates: true}]":                      false,
		"labels: [{pairs: {a: b}, fields: [{path: spec/labels, create: true}]}]": false,
		"commonLabels: {a: b}":                                                   false,
		"commonAnnotations: {a: b}":                                              false,
		"namePrefix: a-":                                                         false,
		"namespace: a":                                                           false,
		"images: [{name: a, newName: b}]":                                        false,
		"configurations: [more.yaml]\nnamePrefix: a-":                            false,
		"configMapGenerator: [{name: a, literals: [b=c]}]":                       false,
		"sortOptions: {order: legacy}":                                           false,
		"replacements: [{source: {kind: ConfigMap, name: patched-1}, targets: [{select: {kind: Widget}, fieldPaths: [spec.ref]}]}]": false,
		"patches: [{target: {kind: Widget}, patch: '- {op: add, path: /spec/a, value: b}'}]":                                        true,
		"patches: [{target: {name: 'left.*'}, patch: '- {op: add, path: /spec/a, value: b}'}]":                                      true,
		"patches: [{target: {labelSelector: a=b}, patch: '- {op: add, path: /spec/a, value: b}'}]":                                  false,
		"patches: [{patch: '{apiVersion: example.com/v1, kind: Widget, metadata: {name: left-alone}, spec: {a: b}}'}]":              false,
		// The patched object takes the place of the one that is left alone.
		"patches: [{target: {kind: ConfigMap}, patch: \"- {op: replace, path: /kind, value: Widget}\\n- {op: replace, path: /apiVersion, value: example.com/v1}\\n- {op: replace, path: /metadata/name, value: left-alone}\"}]": false,
	} {
		if got := checkSparse(t, kustomization, rendered(t, "left-alone", widget)); got != want {
			t.Errorf("%s: sparse: %v, want %v", kustomization, got, want)
		}
	}
}

// TestSparseIdentity: an object that kustomize drops, or takes for a list, is
// not completed.
func TestSparseIdentity(t *testing.T) {
	local := "metadata: {name: a, annotations: {config.kubernetes.io/local-config: 'true'}}"
	list, err := manifest.Split("a.yaml", "apiVersion: v1\nkind: ConfigMap\n"+local+"\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"+
		"---\napiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: c}\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: d}}]\n")
	if err != nil {
		t.Fatal(err)
	}
	tree := sparseTree("labels: [{pairs: {a: b}}]")
	if checkSparse(t, "labels: [{pairs: {a: b}}]", list) {
		t.Error("a dropped object was completed")
	}
	got, err := Build(t.Context(), tree, "env", list)
	if err != nil || len(got) != 2 || got[1].Name() != "d" {
		t.Errorf("got %v, %v", got, err)
	}
}

// FuzzLabels puts labels on objects, one of which is patched.
func FuzzLabels(f *testing.F) {
	f.Add("env-name", "prod", "labels: {env-name: a, b: c}", "{op: add, path: /metadata/labels/x, value: '1'}")
	f.Add("example.com/a", "1", "labels: {b: c}", "{op: remove, path: /metadata/labels}")
	f.Add("8080", "true", "annotations: {b: c}", "{op: add, path: /metadata/labels, value: ~}")
	f.Add("null-like", "0x1F", "", "{op: add, path: /metadata/labels, value: {null-like: {a: b}}}")
	f.Fuzz(func(t *testing.T, key, value, metadata, op string) {
		list, err := manifest.Split("a.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: left-alone, "+metadata+"}\n---\n"+
			"apiVersion: v1\nkind: Service\nmetadata: {name: patched, "+metadata+"}\n")
		if err != nil || len(list) != 2 || manifest.Check(list, manifest.CheckOptions{}) != nil {
			return
		}
		kustomization, err := json.Marshal(map[string]any{
			"labels":  []any{map[string]any{"pairs": map[string]string{key: value}}},
			"patches": []any{map[string]any{"target": map[string]any{"kind": "Service"}, "patch": "- " + op}},
		})
		if err != nil || !utf8.ValidString(key+value) {
			return
		}
		tree := sparseTree(string(kustomization))
		if _, err := collect(t.Context(), tree, "env"); err == nil {
			checkSparse(t, string(kustomization), list)
		}
	})
}

func FuzzSparse(f *testing.F) {
	f.Add("labels: {a: b}", "spec: {a: 1, b: [x, {c: true}], d: {}, e: [], f: '', g: \"x\\ny\\n\"}\n")
	f.Add("annotations: {a: '1', b: \"x\\ny\"}, namespace: default", "spec:\n  a: |\n    b\n  c: 0x1F\n  d: 1e3\n  ? !!binary /w==\n  : 1\n")
	f.Add("finalizers: [a], ownerReferences: [], generation: 1", "")
	f.Fuzz(func(t *testing.T, metadata, more string) {
		text := "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: left-alone, " + metadata + "}\n" + more
		list, err := manifest.Split("a.yaml", text)
		if err != nil || len(list) != 1 || manifest.Check(list, manifest.CheckOptions{}) != nil {
			return
		}
		checkSparse(t, "labels: [{pairs: {env: prod}}]", list)
	})
}

// TestSparseReferences renames what another object refers to, brings two
// objects of one name, labels from several places, and metadata of every form.
func TestSparseReferences(t *testing.T) {
	const ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, labels: {env: own, own: x}, annotations: {a: b}}\n" +
		"spec: {defaultBackend: {service: {name: patched, port: {number: 80}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: patched}\n"
	component := fstest.MapFS{
		"env/kustomization.yaml":    {Data: []byte("components: [../part]\nresources: [../base]\nlabels: [{pairs: {env: prod, two: root}}]\n")},
		"part/kustomization.yaml":   {Data: []byte("kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nlabels: [{pairs: {two: part, three: part}}]\nresources: [more.yaml]\n")},
		"part/more.yaml":            {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-the-part}\n")},
		"base/kustomization.yaml":   {Data: []byte("resources: [more.yaml]\nlabels: [{pairs: {base: only}}]\npatches: [{target: {kind: ConfigMap}, patch: '- {op: add, path: /data, value: {a: b}}'}]\n")},
		"base/more.yaml":            {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-the-base}\n")},
		"unused/kustomization.yaml": {Data: []byte("namePrefix: a-\n")},
	}
	rename := "patches: [{target: {kind: Service}, patch: '- {op: replace, path: /metadata/name, value: renamed}'}]"
	deletion := "patches: [{target: {kind: Service}, patch: '{$patch: delete, apiVersion: v1, kind: Service, metadata: {name: patched}}'}]"
	for name, tc := range map[string]struct {
		tree fstest.MapFS
		text string
		want bool
	}{
		"labels of two places":     {component, ingress, true},
		"nothing to patch":         {sparseTree("labels: [{pairs: {env: prod}}]"), ingress, true},
		"rename":                   {sparseTree(rename), ingress, false},
		"deletion":                 {sparseTree(deletion), ingress, false},
		"patched beside":           {sparseTree("patches: [{target: {kind: Service}, patch: '- {op: add, path: /spec, value: {a: b}}'}]"), ingress, true},
		"one name, two namespaces": {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: default}\n", false},
		"added twice":              {sparseTree("resources: [more.yaml]"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n", false},
		"labels that are null":     {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: ~}\n", false},
		"no labels":                {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {}, annotations: {}}\n", false},
		"a number for a label":     {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {c: 1}}\n", false},
		"annotation of kustomize":  {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {internal.config.kubernetes.io/index: '1'}}\n", false},
		"creationTimestamp":        {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Service\nmetadata: {name: a, creationTimestamp: ~}\n", false},
		"name of the probe":        {sparseTree("labels: [{pairs: {a: b}}]"), "apiVersion: v1\nkind: Probe\nmetadata: {name: core-pipeline-probe}\n", false},
		"patch of everything":      {sparseTree("patches: [{target: {name: '.*'}, patch: '- {op: add, path: /x, value: y}'}]"), ingress, false},
		"labels of null":           {sparseTree("labels: [{pairs: {a: ~}}]"), ingress, true},
		"labels of odd keys":       {sparseTree("labels: [{pairs: {'yes': a, 'on': b, example.com/a: '1', example.com/b: 'true', example.com/c: '', example.com/d: \"x\\ny\"}}]"), ingress, true},
		"labels twice":             {sparseTree("labels: [{pairs: {example.com/a: first, example.com/b: kept}}, {pairs: {example.com/a: second}}]"), ingress, true},
		"no pairs":                 {sparseTree("labels: [{pairs: {}}]"), ingress, true},
		"labels of numbers":        {sparseTree("labels: [{pairs: {example.com/a: '1', example.com/b: 'true', example.com/c: '1e3', own: 'null'}}]\nresources: [more.yaml]"), ingress, true},
		"selected by a new label":  {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Service, labelSelector: env-name=prod}, patch: '- {op: add, path: /spec, value: {a: b}}'}]"), ingress, true},
		"labels taken away":        {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: remove, path: /metadata/labels}'}]"), ingress, true},
		"labels emptied":           {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: replace, path: /metadata/labels, value: {}}'}]"), ingress, true},
		"labels made null":         {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: replace, path: /metadata/labels, value: null}'}]"), ingress, false},
		"labels made a list":       {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: replace, path: /metadata/labels, value: [a]}'}]"), ingress, false},
		"labels made a number":     {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: replace, path: /metadata/labels/own, value: 1}'}]"), ingress, true},
		"label of a style":         {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, labels: {env-name: \"8080\"}}}'}]"), ingress, true},
		"a new kind of labels":     {sparseTree("labels: [{pairs: {env-name: prod}}]\npatches: [{target: {kind: Ingress}, patch: '- {op: add, path: /spec/selector, value: {a: b}}'}]"), ingress, true},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := manifest.Split("a.yaml", tc.text)
			if err != nil {
				t.Fatal(err)
			}
			sparse, full, err := bothWays(t, tc.tree, list)
			if (sparse != nil) != tc.want {
				t.Errorf("sparse: %v, want %v; %v", sparse != nil, tc.want, err)
			}
			if sparse != nil && (err != nil || !cmp.Equal(full, sparse)) {
				t.Errorf("%v (-everything +sparse):\n%s", err, cmp.Diff(full, sparse))
			}
		})
	}
}
