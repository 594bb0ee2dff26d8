package helm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
)

const schemaFile = "values.schema.json"

// schemaBase is the address of the chart's files in its schemas: no scheme
// that any loader could open.
const schemaBase = "chart:///"

// compiled remembers the schemas of this process: compiling one takes longer
// than rendering its chart. A compiled schema does not change, and takes a few
// times the memory of its text.
var compiled = newMemo[*jsonschema.Schema](32, 2<<20)

// compile returns the schema of c, whose errors call it name.
func compile(c *chart.Chart, name string) (*jsonschema.Schema, error) {
	key := sha256.Sum256(c.Schema)
	if known, ok := compiled.get(key); ok {
		return known, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.Schema))
	if err != nil {
		return nil, fmt.Errorf("%s: not valid JSON", name)
	}
	loader := &closedLoader{chart: c}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(loader)
	if err := compiler.AddResource(schemaBase+schemaFile, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	schema, err := compiler.Compile(schemaBase + schemaFile)
	if err != nil {
		if le, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
			return nil, fmt.Errorf("%s: $ref to %s: only files of the chart can be referred to; copy the schema into the chart",
				name, strings.TrimPrefix(le.URL, schemaBase))
		}
		return nil, fmt.Errorf("%s: not a valid JSON schema: %s", name, schemaProblem(err))
	}
	// With other files in it, the schema is more than its own text.
	if !loader.asked {
		compiled.put(key, len(c.Schema), schema)
	}
	return schema, nil
}

// schemaProblem says where a schema breaks the rules of JSON Schema.
func schemaProblem(err error) string {
	if se, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if ve, ok := errors.AsType[*jsonschema.ValidationError](se.Err); ok {
			var found []Violation
			flatten(ve, &found)
			if len(found) > 0 {
				return strings.Join(found[0].Path, ".") + ": " + found[0].Message
			}
		}
	}
	return strings.ReplaceAll(err.Error(), schemaBase, "")
}

// closedLoader finds schemas among the files of the chart, and notes whether
// it was asked for one.
type closedLoader struct {
	chart *chart.Chart
	asked bool
}

func (l *closedLoader) Load(url string) (any, error) {
	l.asked = true
	name, ok := strings.CutPrefix(url, schemaBase)
	if !ok {
		return nil, errors.New("outside of the chart")
	}
	for _, f := range l.chart.Raw {
		if f.Name == name {
			return jsonschema.UnmarshalJSON(bytes.NewReader(f.Data))
		}
	}
	return nil, errors.New("no such file in the chart")
}
