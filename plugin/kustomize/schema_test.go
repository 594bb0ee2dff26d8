package kustomize

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// TestDefinitions holds definitions.json equal to what kyaml would use, but
// for descriptions. UPDATE_GOLDEN=1 writes it, for a new version of kyaml.
func TestDefinitions(t *testing.T) {
	running.Lock()
	defer running.Unlock()
	defer forget()
	openapi.ResetOpenAPI()
	theirs := asJSON(t, openapi.Schema().Definitions)
	scopes := map[yaml.TypeMeta]bool{}
	all := map[string]bool{}
	for _, resource := range resourceTypes(theirs) {
		all[resource.Kind] = true
		if scoped, known := openapi.IsNamespaceScoped(resource); known {
			scopes[resource] = scoped
		}
	}
	text := toLines(t, theirs)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("definitions.json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("run the test again to check what was written")
	}
	if text != definitions {
		t.Error("definitions.json is not what this version of kyaml uses; UPDATE_GOLDEN=1 writes it")
	}

	forget()
	if err := index().load(all); err != nil {
		t.Fatal(err)
	}
	for resource, want := range scopes {
		if openapi.SchemaForResourceType(resource) == nil {
			t.Errorf("%v has no schema", resource)
		}
		if got, known := openapi.IsNamespaceScoped(resource); got != want || !known {
			t.Errorf("%v: namespaced %t, known %t; want %t", resource, got, known, want)
		}
	}
	if len(scopes) < 50 {
		t.Fatalf("kyaml knows the scope of %d types", len(scopes))
	}
	for name, ours := range asJSON(t, openapi.Schema().Definitions) {
		if diff := cmp.Diff(withoutDescriptions(theirs[name]), ours); diff != "" && theirs[name] != nil {
			t.Errorf("%s (-kyaml +ours):\n%s", name, diff)
		}
	}
}

// TestLoad holds that each kind brings everything that it refers to, and that
// text which names no kind brings nothing.
func TestLoad(t *testing.T) {
	running.Lock()
	defer running.Unlock()
	defer forget()
	x := index()
	if len(x.kinds) < 100 {
		t.Fatalf("the index has %d kinds", len(x.kinds))
	}
	for kind := range x.kinds {
		forget()
		if err := index().load(map[string]bool{kind: true}); err != nil {
			t.Fatal(err)
		}
		for name := range index().loaded {
			for _, m := range reference.FindAllStringSubmatch(index().lines[name], -1) {
				if !index().loaded[m[1]] {
					t.Errorf("%s: %s refers to %s, which is not loaded", kind, name, m[1])
				}
			}
		}
	}
	for text, want := range map[string][]string{
		"": nil, "kind: Deployment\n": {"Deployment"}, `{"kind":"Service"},"Secret"`: {"Secret", "Service"}, "myDeployment Deployments": nil, "Pod": {"Pod"},
	} {
		found := map[string]bool{}
		x.kindsIn([]byte(text), found)
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// forget makes kyaml and the index as they are at the start of a process.
func forget() {
	openapi.ResetOpenAPI()
	openapi.SuppressBuiltInSchemaUse()
	index().loaded = map[string]bool{}
}

// toLines writes definitions.json.
func toLines(t *testing.T, all map[string]any) string {
	t.Helper()
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasPrefix(name, "io.k8s.") {
			continue // kustomize's own, which kyaml adds by itself
		}
		data, err := json.Marshal(withoutDescriptions(all[name]))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, `"`+name+`":`+string(data))
	}
	return "{\"definitions\":{\n" + strings.Join(lines, ",\n") + "\n}}\n"
}

func asJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// withoutDescriptions drops the descriptions of schemas; a property that has
// that name is a mapping and stays.
func withoutDescriptions(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			if _, text := item.(string); key == "description" && text {
				continue
			}
			out[key] = withoutDescriptions(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = withoutDescriptions(item)
		}
		return out
	}
	return v
}

// resourceTypes lists the resources that definitions describe.
func resourceTypes(definitions map[string]any) []yaml.TypeMeta {
	var out []yaml.TypeMeta
	for name, d := range definitions {
		if !strings.HasPrefix(name, "io.k8s.") {
			continue
		}
		list, _ := d.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		for _, item := range list {
			gvk := item.(map[string]any)
			version := gvk["version"].(string)
			if group, _ := gvk["group"].(string); group != "" {
				version = group + "/" + version
			}
			out = append(out, yaml.TypeMeta{APIVersion: version, Kind: gvk["kind"].(string)})
		}
	}
	return out
}

// TestDefinitionInComment: a comment of a patch can name a definition of
// Kubernetes, whatever else is in the input or came before it.
func TestDefinitionInComment(t *testing.T) {
	running.Lock()
	forget()
	running.Unlock()
	list := split(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {conditions: [{type: a}, {type: b}]}\n")
	got, err := Build(t.Context(), sparseTree(`
patches:
  - target: {kind: Widget}
    patch: |
      apiVersion: example.com/v1
      kind: Widget
      metadata: {name: any}
      spec: # {"$ref": "#/definitions/io.k8s.api.core.v1.NamespaceStatus"}
        conditions: [{type: b, status: c}]
`), "env", list)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want := map[string]any{"conditions": []any{map[string]any{"type": "b", "status": "c"}, map[string]any{"type": "a"}}}
	if diff := cmp.Diff(want, got[0].Fields["spec"]); diff != "" {
		t.Errorf("the lists are not merged (-want +got):\n%s", diff)
	}
}
