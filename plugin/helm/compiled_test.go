package helm

import (
	"testing"

	"helm.sh/helm/v3/pkg/chart"
)

func schemaOf(text string, files ...*chart.File) *chart.Chart {
	return &chart.Chart{Metadata: &chart.Metadata{Name: "shop"}, Schema: []byte(text), Raw: files}
}

// TestRememberedSchemas: what was compiled for one chart must not judge the
// values of another.
func TestRememberedSchemas(t *testing.T) {
	const byReference = `{"properties": {"port": {"$ref": "port.json"}}}`
	port := func(kind string) *chart.File {
		return &chart.File{Name: "port.json", Data: []byte(`{"type": "` + kind + `"}`)}
	}
	for _, c := range []struct {
		name  string
		chart *chart.Chart
		bad   bool
	}{
		{"the first", schemaOf(`{"properties": {"port": {"type": "integer"}}}`), false},
		{"another text", schemaOf(`{"properties": {"port": {"type": "string"}}}`), true},
		{"the first again", schemaOf(`{"properties": {"port": {"type": "integer"}}}`), false},
		{"a file of the chart", schemaOf(byReference, port("integer")), false},
		{"another file, the same text", schemaOf(byReference, port("string")), true},
	} {
		violations, err := validateOne(c.chart, ".", map[string]any{"port": 80})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if bad := len(violations) > 0; bad != c.bad {
			t.Errorf("%s: violations: %v", c.name, violations)
		}
	}
}
