package chart

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

const dir = "charts/core-pipeline"

// environments are those with a values file.
var environments = []string{"dev", "staging", "prod", "test"}

// repository reads the chart into memory, so that a test can change it.
func repository(t testing.TB) fstest.MapFS {
	t.Helper()
	tree := fstest.MapFS{}
	root := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		tree[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// render renders the chart with one more document of values.
func render(t testing.TB, tree fs.FS, environment, values string) (manifest.List, error) {
	t.Helper()
	return plugin.Render(t.Context(), tree, plugin.Request{Dir: dir, Parameters: plugin.Parameters{
		Environment: environment, Values: values, ReleaseName: "core-pipeline", Namespace: "apps", IncludeTests: true,
	}}, plugin.Options{})
}

func mustRender(t testing.TB, tree fs.FS, environment, values string) manifest.List {
	t.Helper()
	list, err := render(t, tree, environment, values)
	if err != nil {
		t.Fatalf("%s with %s: %s", environment, values, plugin.Message(err))
	}
	return list
}

// object decodes the object of that kind and name into v, and reports whether
// there is one.
func object(t testing.TB, list manifest.List, kind, name string, v any) bool {
	t.Helper()
	for _, o := range list {
		if o.Kind() != kind || o.Name() != name {
			continue
		}
		data, err := json.Marshal(o.Fields)
		if err == nil && v != nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	return false
}

// at returns the value at a path of keys and indices in an object.
func at(o map[string]any, path string) any {
	var v any = o
	for key := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[key]
		case []any:
			i := int(key[0] - '0')
			if i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

func parse(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
