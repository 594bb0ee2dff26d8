package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checkSBOM makes the SBOM with the arguments of .goreleaser.yaml and compares
// it with what go says is linked.
func checkSBOM(t *testing.T, dir string) {
	tool := program(t, "CYCLONEDX")
	binary := filepath.Join(dir, "dist/core-pipeline-cmp_linux_amd64/core-pipeline-cmp")
	var texts [2]string
	for i := range texts {
		out := filepath.Join(t.TempDir(), "sbom.json")
		replace := strings.NewReplacer("{{ .Version }}", version, "$document", out, "$artifact", binary)
		var args []string
		for _, a := range configured(t).SBOMs[0].Args {
			args = append(args, replace.Replace(a))
		}
		command(t, dir, tool, args...)
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(data)
	}
	if texts[0] != texts[1] {
		t.Error("two SBOMs of one binary differ")
	}
	checkSchema(t, texts[0])
	var bom struct {
		BomFormat, SpecVersion string
		Metadata               struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal([]byte(texts[0]), &bom); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for _, c := range bom.Components {
		got[c.Name] = c.Version
		if !strings.HasPrefix(c.Purl, "pkg:golang/") {
			t.Errorf("%s has no purl: %q", c.Name, c.Purl)
		}
	}
	for line := range strings.Lines(command(t, dir, "go", "version", "-m", binary)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
			want[f[1]] = f[2]
		}
	}
	delete(got, "std")
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 50 {
		t.Errorf("(-linked +SBOM):\n%s", diff)
	}
	if bom.BomFormat != "CycloneDX" || bom.Metadata.Component.Version != "v"+version {
		t.Errorf("the SBOM is of %s %+v", bom.BomFormat, bom.Metadata.Component)
	}
}

// The module that has CycloneDX's schema of version 1.6 beside its own tests,
// and the sum of what is downloaded.
const (
	schemaModule = "github.com/anchore/syft@v1.38.0"
	schemaSum    = "h1:iIA2h0EQQaLciL8LRuFK0tgGAjxp/0Q+DGEfmk4W/rQ="
	schemaBase   = "http://cyclonedx.org/schema/"
)

// checkSchema validates an SBOM with the schema of CycloneDX that it names.
func checkSchema(t *testing.T, bom string) {
	t.Helper()
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(command(t, t.TempDir(), "go", "mod", "download", "-json", schemaModule)), &module); err != nil {
		t.Fatal(err)
	}
	if module.Sum != schemaSum {
		t.Fatalf("%s has the sum %s", schemaModule, module.Sum)
	}
	compiler := jsonschema.NewCompiler()
	add := func(name string, document any) {
		if err := compiler.AddResource(schemaBase+name, document); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(filepath.Join(module.Dir, "schema", "cyclonedx", "cyclonedx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // opened for reading only
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	add("bom-1.6.schema.json", document)
	// Not in that module: the list of licences, and signatures inside an SBOM.
	add("spdx.schema.json", map[string]any{"type": "string"})
	add("jsf-0.82.schema.json", map[string]any{"definitions": map[string]any{"signature": false}})
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(bom))
	if err != nil {
		t.Fatal(err)
	}
	fields := instance.(map[string]any)
	id, ok := fields["$schema"].(string)
	if !ok {
		t.Fatal("the SBOM names no schema")
	}
	schema, err := compiler.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Error(err)
	}
	// The schema does refuse.
	components := fields["components"].([]any)
	delete(components[0].(map[string]any), "name")
	if schema.Validate(instance) == nil {
		t.Error("a component without a name is valid")
	}
}
