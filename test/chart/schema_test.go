package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

// node is the part of a JSON schema that the tests look at.
type node struct {
	Ref                  string           `json:"$ref"`
	Description          string           `json:"description"`
	Type                 any              `json:"type"`
	Enum                 []any            `json:"enum"`
	Minimum              *float64         `json:"minimum"`
	Maximum              *float64         `json:"maximum"`
	Pattern              string           `json:"pattern"`
	Properties           map[string]*node `json:"properties"`
	AdditionalProperties any              `json:"additionalProperties"`
	Definitions          map[string]*node `json:"definitions"`
}

func (n *node) types() []string {
	switch v := n.Type.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, item.(string))
		}
		return out
	}
	return nil
}

func schema(t testing.TB, tree fs.FS) *node {
	t.Helper()
	data, err := fs.ReadFile(tree, path.Join(dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	return &root
}

func compile(t testing.TB, tree fs.FS) *jsonschema.Schema {
	t.Helper()
	data, err := fs.ReadFile(tree, path.Join(dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("values.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// visit calls f for every property of the schema, with its path.
func (n *node) visit(root *node, at []string, f func(at []string, n *node)) {
	if name, ok := strings.CutPrefix(n.Ref, "#/definitions/"); ok {
		n = root.Definitions[name]
	}
	if len(at) > 0 {
		f(at, n)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		n.Properties[name].visit(root, append(slices.Clone(at), name), f)
	}
}

// with returns values with one value at a path.
func with(values map[string]any, at []string, value any) map[string]any {
	out := maps.Clone(values)
	if out == nil {
		out = map[string]any{}
	}
	if len(at) == 1 {
		out[at[0]] = value
		return out
	}
	child, _ := out[at[0]].(map[string]any)
	out[at[0]] = with(child, at[1:], value)
	return out
}

// wrong lists values that a property must refuse.
func (n *node) wrong() map[string]any {
	out := map[string]any{}
	types := n.types()
	for name, value := range map[string]any{
		"object": map[string]any{"wrong": true}, "array": []any{[]any{}}, "boolean": true, "string": "\x00wrong", "number": 0.5,
	} {
		if !slices.Contains(types, name) && len(types) > 0 {
			out["type "+name] = value
		}
	}
	if n.Minimum != nil {
		out["below the minimum"] = *n.Minimum - 1
	}
	if n.Maximum != nil {
		out["above the maximum"] = *n.Maximum + 1
	}
	if len(n.Enum) > 0 {
		out["not in the enumeration"] = "wrong"
	}
	if n.Pattern != "" {
		out["against the pattern"] = "\nwrong wrong\n"
	}
	if n.AdditionalProperties == false {
		out["misspelt key"] = map[string]any{"missspelt": "x"}
	}
	return out
}

// TestSchemaMutants gives every property wrong types, numbers out of range,
// words that are none of the enumeration, and misspelt keys.
func TestSchemaMutants(t *testing.T) {
	tree := repository(t)
	root, compiled := schema(t, tree), compile(t, tree)
	defaults := parse(t, tree[path.Join(dir, "values.yaml")].Data)
	accepted, total := []string{}, 0
	root.visit(root, nil, func(at []string, n *node) {
		for how, value := range n.wrong() {
			total++
			if compiled.Validate(with(defaults, at, value)) == nil {
				accepted = append(accepted, strings.Join(at, ".")+": "+how)
			}
		}
	})
	slices.Sort(accepted)
	score := 100 * float64(total-len(accepted)) / float64(total)
	t.Logf("%d mutants, %.1f %% refused", total, score)
	if total < 700 || score < 95 {
		t.Errorf("%d mutants, %.1f %% refused, want at least 95 %%; accepted:\n%s", total, score, strings.Join(accepted, "\n"))
	}
}

// TestNull takes every property away, as null does in a values file. It is
// refused with its path, or the chart renders without it; a template that
// fails, prints "<nil>", or makes 0 replicas of it does neither.
func TestNull(t *testing.T) {
	tree := repository(t)
	root := schema(t, tree)
	refused, rendered := 0, 0
	root.visit(root, nil, func(at []string, n *node) {
		name := strings.Join(at, ".")
		if strings.Contains(name, "/") {
			return // a label that the chart sets itself
		}
		list, err := render(t, tree, "test", toText(t, with(nil, at, nil)))
		switch {
		case err == nil:
			rendered++
			if text := stream(t, list); strings.Contains(text, "<nil>") || strings.Contains(text, "replicas: 0\n") {
				t.Errorf("%s: null renders to nothing useful", name)
			}
		case strings.Contains(plugin.Message(err), name+": must be ") || strings.Contains(err.Error(), "1 problem(s) in the values"):
			refused++
		default:
			t.Errorf("%s: %s", name, plugin.Message(err))
		}
	})
	if refused < 100 || rendered < 40 {
		t.Errorf("%d properties are refused, %d render", refused, rendered)
	}
}

// TestSchemaAccepts has what must pass: every values file, and what Helm or a
// parent chart puts at the root.
func TestSchemaAccepts(t *testing.T) {
	tree := repository(t)
	compiled := compile(t, tree)
	defaults := parse(t, tree[path.Join(dir, "values.yaml")].Data)
	for _, extra := range []string{"global: {anything: [1]}", "enabled: true", "affinity: {podAffinity: {}}", "podSecurityContext: {runAsUser: null}", "env: {NEW_NAME: 1}", "metrics: {port: null}"} {
		values := maps.Clone(defaults)
		for key, value := range parse(t, []byte(extra)) {
			if table, ok := defaults[key].(map[string]any); ok {
				merged := maps.Clone(table)
				maps.Copy(merged, value.(map[string]any))
				value = merged
			}
			values[key] = value
		}
		if err := compiled.Validate(values); err != nil {
			t.Errorf("%s: %v", extra, err)
		}
	}
	for _, file := range valuesFiles(t, tree) {
		if _, err := render(t, tree, "", string(tree[file].Data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// valuesFiles lists those of the environments and those of ci/.
func valuesFiles(t testing.TB, tree fs.FS) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"values-*.yaml", "ci/*-values.yaml"} {
		found, err := fs.Glob(tree, path.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 9 {
		t.Fatalf("found %v", files)
	}
	return files
}

// TestSchemaDocumented holds that every property has a description, and that
// every default is described.
func TestSchemaDocumented(t *testing.T) {
	tree := repository(t)
	root := schema(t, tree)
	described := map[string]bool{}
	free := map[string]bool{}
	root.visit(root, nil, func(at []string, n *node) {
		name := strings.Join(at, ".")
		described[name] = true
		if len(n.Properties) == 0 || n.AdditionalProperties != false {
			free[name] = true // what is below comes from Kubernetes or from the user
		}
		if n.Description == "" && !strings.Contains(name, "/") { // labels that the chart sets itself are refused
			t.Errorf("%s has no description", name)
		}
	})
	var check func(prefix string, v any)
	check = func(prefix string, v any) {
		if prefix != "" && !described[prefix] {
			t.Errorf("%s is in values.yaml and not in the schema", prefix)
		}
		table, ok := v.(map[string]any)
		if !ok || free[prefix] {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(table)) {
			check(strings.TrimPrefix(prefix+"."+key, "."), table[key])
		}
	}
	check("", parse(t, tree[path.Join(dir, "values.yaml")].Data))
}

func toText(t testing.TB, v any) string {
	t.Helper()
	data, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("encoding: %w", err))
	}
	return string(data)
}
