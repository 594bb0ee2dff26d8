package helm

import (
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// Import says that the values of a dependency appear in its parent as well:
// import-values in Chart.yaml.
type Import struct {
	// Child and Parent are paths of keys, as the chart itself sees them.
	Child, Parent []string
}

// Imports lists what the chart and its dependencies import.
func (c *Chart) Imports() []Import {
	var out []Import
	var add func(ch *chart.Chart, at []string)
	add = func(ch *chart.Chart, at []string) {
		for _, d := range ch.Metadata.Dependencies {
			if d == nil {
				continue
			}
			name := d.Name
			if d.Alias != "" {
				name = d.Alias
			}
			below := append(slices.Clone(at), name)
			for _, value := range d.ImportValues {
				if child, parent, ok := importOf(value); ok {
					out = append(out, Import{Child: slices.Concat(below, child), Parent: slices.Concat(at, parent)})
				}
			}
			for _, dep := range ch.Dependencies() {
				if dep.Name() == d.Name {
					add(dep, below)
				}
			}
		}
	}
	add(c.chart, nil)
	return out
}

// importOf reads one entry of import-values, of either form.
func importOf(value any) (child, parent []string, ok bool) {
	switch v := value.(type) {
	case string:
		return append([]string{"exports"}, keysOf(v)...), nil, true
	case map[string]any:
		from, okFrom := v["child"].(string)
		to, okTo := v["parent"].(string)
		return keysOf(from), keysOf(to), okFrom && okTo
	}
	return nil, nil, false
}

// keysOf splits a path of import-values, in which "." is the root.
func keysOf(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "."), func(key string) bool { return key == "" })
}
