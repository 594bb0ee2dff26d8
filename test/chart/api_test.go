package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// apis is a file of testdata/schemas: the schemas of the kinds that the chart
// renders, strict, as api_update_test.go makes them.
type apis struct {
	Source      string            `json:"source"`
	Kinds       map[string]string `json:"kinds"` // apiVersion/Kind to the name of a definition
	Definitions map[string]any    `json:"definitions"`
}

func readAPIs(t testing.TB, name string) (apis, func(definition string) *jsonschema.Schema) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "schemas", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var a apis
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name+".json", doc); err != nil {
		t.Fatal(err)
	}
	return a, func(definition string) *jsonschema.Schema {
		s, err := compiler.Compile(name + ".json#/definitions/" + definition)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// TestAPIs holds every object of every values file to the schemas of the
// supported versions of Kubernetes and of the custom APIs. Unknown fields are
// errors, and so is a kind without a schema.
func TestAPIs(t *testing.T) {
	tree := repository(t)
	custom, compileCustom := readAPIs(t, "custom")
	checked := map[string]bool{}
	for _, version := range []string{"1.35", "1.36", "1.37"} {
		native, compileNative := readAPIs(t, "kubernetes-"+version)
		for _, file := range append(valuesFiles(t, tree), path.Join(dir, "values.yaml")) {
			for _, o := range mustRender(t, tree, "", string(tree[file].Data)) {
				kind := o.APIVersion() + "/" + o.Kind()
				checked[kind] = true
				var schema *jsonschema.Schema
				if definition, ok := native.Kinds[kind]; ok {
					schema = compileNative(definition)
				} else if definition, ok := custom.Kinds[kind]; ok {
					schema = compileCustom(definition)
				} else {
					t.Errorf("Kubernetes %s: %s: %s has no schema", version, file, kind)
					continue
				}
				if err := schema.Validate(asDocument(t, o)); err != nil {
					t.Errorf("Kubernetes %s: %s: %s: %v", version, file, o.ID(), err)
				}
			}
		}
	}
	if len(checked) < 17 {
		t.Errorf("the values files give %d kinds only", len(checked))
	}
}

// TestAPIsRefuse holds that the schemas can fail.
func TestAPIsRefuse(t *testing.T) {
	tree := repository(t)
	native, compile := readAPIs(t, "kubernetes-1.37")
	custom, compileCustom := readAPIs(t, "custom")
	list := mustRender(t, tree, "test", "")
	for _, o := range list {
		kind := o.APIVersion() + "/" + o.Kind()
		definition, ok := native.Kinds[kind]
		var schema *jsonschema.Schema
		if ok {
			schema = compile(definition)
		} else {
			schema = compileCustom(custom.Kinds[kind])
		}
		doc := asDocument(t, o).(map[string]any)
		doc["spce"] = map[string]any{}
		if schema.Validate(doc) == nil {
			t.Errorf("%s: an unknown field passes", kind)
		}
		if spec, ok := doc["spec"].(map[string]any); ok {
			delete(doc, "spce")
			spec["unheardOf"] = true
			if schema.Validate(doc) == nil {
				t.Errorf("%s: an unknown field of the spec passes", kind)
			}
		}
	}
}

func asDocument(t testing.TB, o manifest.Object) any {
	t.Helper()
	data, err := json.Marshal(o.Fields)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
