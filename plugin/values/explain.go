package values

import (
	"maps"
	"reflect"
	"slices"
	"strings"
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
	m.leaves("", final, m.Values, &out)
	return out
}

// leaves walks through the final value and the merged one beside it.
func (m *Merged) leaves(path string, value, merged any, out *[]Leaf) {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 {
			beside, _ := merged.(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(v)) {
				m.leaves(Join(path, k), v[k], beside[k], out)
			}
			return
		}
	case []any:
		if len(v) > 0 {
			beside, _ := merged.([]any)
			for i, item := range v {
				var other any
				if i < len(beside) {
					other = beside[i]
				}
				m.leaves(index(path, i), item, other, out)
			}
			return
		}
	}
	if path == "" {
		return
	}
	origin, ok := m.origins[path]
	if above, found := m.globalOrigin(path); found && (!ok || !reflect.DeepEqual(value, merged)) {
		origin, ok = above, true
	}
	if !ok {
		origin, ok = m.importOrigin(path)
	}
	if !ok && len(m.origins) >= maxRecorded {
		origin, _ = m.Origin(path) // the nearest that was recorded
	}
	*out = append(*out, Leaf{Path: path, Value: value, Origin: origin})
}

// globalOrigin is what set the global value that Helm hands down to the
// dependency that path leads into; that of the chart above wins.
func (m *Merged) globalOrigin(path string) (Origin, bool) {
	const global = "global."
	below, rest, ok := strings.Cut(path, "."+global)
	if !ok {
		return Origin{}, false
	}
	above := ""
	for part := range strings.SplitAfterSeq(below, ".") {
		if origin, ok := m.origins[above+global+rest]; ok {
			return origin, true
		}
		above += part
	}
	return Origin{}, false
}

// Import says that what is set below child appears below parent, too, where
// nothing is set: a dependency's values that a chart imports.
func (m *Merged) Import(child, parent []string) {
	m.imports = append(m.imports, [2]string{JoinAll(child...), JoinAll(parent...)})
}

// importOrigin is what set the value that was imported to path.
func (m *Merged) importOrigin(path string) (Origin, bool) {
	for _, imported := range m.imports {
		child, parent := imported[0], imported[1]
		rest := "." + path
		if parent != "" {
			var below bool
			rest, below = strings.CutPrefix(path, parent)
			if !below || rest != "" && rest[0] != '.' && rest[0] != '[' {
				continue
			}
		}
		if origin, ok := m.origins[child+rest]; ok {
			return origin, true
		}
	}
	return Origin{}, false
}
