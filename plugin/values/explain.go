package values

import (
	"maps"
	"slices"
)

// Leaf is one final value and where it came from.
type Leaf struct {
	Path   string
	Value  any
	Origin Origin
}

// Leaves lists every value in final that is not itself a non-empty mapping or
// list, sorted by path. A leaf that no layer set has the zero Origin.
func (m *Merged) Leaves(final map[string]any) []Leaf {
	var out []Leaf
	m.leaves("", final, &out)
	return out
}

func (m *Merged) leaves(path string, value any, out *[]Leaf) {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 {
			for _, k := range slices.Sorted(maps.Keys(v)) {
				m.leaves(Join(path, k), v[k], out)
			}
			return
		}
	case []any:
		if len(v) > 0 {
			for i, item := range v {
				m.leaves(index(path, i), item, out)
			}
			return
		}
	}
	if path == "" {
		return
	}
	origin, ok := m.origins[path]
	if !ok && len(m.origins) >= maxRecorded {
		origin, _ = m.Origin(path) // the nearest that was recorded
	}
	*out = append(*out, Leaf{Path: path, Value: value, Origin: origin})
}
