package monitoring

import (
	"bytes"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestRuleSchema holds the rules to the schema of their kind, in which unknown
// fields are errors.
func TestRuleSchema(t *testing.T) {
	data, err := os.ReadFile("../chart/testdata/schemas/custom.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("custom.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("custom.json#/definitions/monitoring.coreos.com.v1.PrometheusRule")
	if err != nil {
		t.Fatal(err)
	}
	var rule any
	decode(t, "PrometheusRule", &rule)
	if err := schema.Validate(rule); err != nil {
		t.Error(err)
	}
}
