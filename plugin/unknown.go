package plugin

import (
	"context"
	"encoding/json"
	"io/fs"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// UnknownValues lists what the layers above the chart's own values.yaml set
// and the chart does not have: most often a misspelt key, which Helm accepts
// without a word. A chart has a value if values.yaml names it, if it lies in
// an empty mapping or in something that is no mapping there, or if the schema
// describes it.
func UnknownValues(ctx context.Context, tree fs.FS, req Request) ([]values.Leaf, error) {
	merged, _, err := readValues(tree, req)
	if err != nil {
		return nil, err
	}
	chart, err := helm.Load(ctx, tree, req.dir())
	if err != nil {
		return nil, err
	}
	known := &values.Merged{}
	for _, f := range chart.ValuesFiles() {
		layer, err := values.Parse(f.File, f.Data)
		if err != nil {
			return nil, err
		}
		known.Add(layer.Under(f.Under...))
	}
	var root schema
	if err := json.Unmarshal(chart.Schema(), &root); err != nil {
		root = schema{} // no schema, or one that the render refuses
	}
	k := knowledge{announcer{root: &root}}
	var out []values.Leaf
	for _, leaf := range merged.Leaves(merged.Values) {
		keys, err := values.Keys(leaf.Path)
		if err == nil && !k.has(keys, known.Values) {
			out = append(out, leaf)
		}
	}
	return out, nil
}

// knowledge is what the chart says about its values.
type knowledge struct{ announcer }

func (k knowledge) has(keys []string, defaults map[string]any) bool {
	switch keys[0] {
	case "global", "tags":
		return true
	}
	node, s := any(defaults), k.root
	for _, key := range keys {
		var child *schema
		if s != nil {
			child = k.resolve(s).Properties[key]
		}
		table, isTable := node.(map[string]any)
		value, set := table[key]
		if child == nil && isTable && len(table) > 0 && !set {
			return false
		}
		if !isTable && child == nil && node != nil {
			return true // a list or a single value: another layer replaces it whole
		}
		node, s = value, child
	}
	return true
}
