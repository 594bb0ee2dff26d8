package helm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
)

const schemaFile = "values.schema.json"

// schemaBase is the address of the chart's files in its schemas: no scheme
// that any loader could open.
const schemaBase = "chart:///"

// The bounds of what is remembered. A compiled schema takes a few times the
// memory of its text.
const (
	maxCompiled     = 32
	maxCompiledText = 2 << 20
)

// compiled remembers the schemas of this process: compiling one takes longer
// than rendering its chart.
var compiled = newSchemaMemo(maxCompiled, maxCompiledText)

type digest = [sha256.Size]byte

// schemaMemo keeps compiled schemas by their text, those that came last. A
// compiled schema does not change, and several renders may use it at a time.
type schemaMemo struct {
	mu           sync.Mutex
	count, bytes int // at most

	schemas map[digest]*jsonschema.Schema
	held    int
	order   []heldSchema
}

type heldSchema struct {
	key  digest
	size int
}

func newSchemaMemo(count, bytes int) *schemaMemo {
	return &schemaMemo{count: count, bytes: bytes, schemas: map[digest]*jsonschema.Schema{}}
}

func (m *schemaMemo) get(key digest) *jsonschema.Schema {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.schemas[key]
}

func (m *schemaMemo) put(key digest, size int, schema *jsonschema.Schema) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.schemas[key] != nil || size > m.bytes {
		return
	}
	m.schemas[key], m.held = schema, m.held+size
	m.order = append(m.order, heldSchema{key, size})
	for m.held > m.bytes || len(m.order) > m.count {
		oldest := m.order[0]
		m.order = m.order[1:]
		m.held -= oldest.size
		delete(m.schemas, oldest.key)
	}
}

// compile returns the schema of c, whose errors call it name.
func (m *schemaMemo) compile(c *chart.Chart, name string) (*jsonschema.Schema, error) {
	key := sha256.Sum256(c.Schema)
	if known := m.get(key); known != nil {
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
		m.put(key, len(c.Schema), schema)
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
