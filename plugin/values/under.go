package values

import (
	"slices"
	"strconv"
)

// Under returns the layer as it looks to a parent that keeps it below keys:
// the defaults of a dependency, seen from the chart.
func (l Layer) Under(keys ...string) Layer {
	if len(keys) == 0 {
		return l
	}
	prefix := JoinAll(keys...)
	out := Layer{Values: l.Values, origins: make(map[string]Origin, len(l.origins))}
	for path, origin := range l.origins {
		out.origins[prefix+"."+path] = origin
	}
	for _, key := range slices.Backward(keys) {
		out.Values = map[string]any{key: out.Values}
	}
	return out
}

// JoinAll makes a path of keys; decimal keys stay keys.
func JoinAll(keys ...string) string {
	path := ""
	for _, k := range keys {
		path = Join(path, k)
	}
	return path
}

// PathOf makes a path of keys, of which those that lead into a list are
// indices: the form of a JSON pointer, made unambiguous by the values.
func (m *Merged) PathOf(keys ...string) string {
	path, at := "", any(m.Values)
	for _, k := range keys {
		switch v := at.(type) {
		case []any:
			if i, err := strconv.Atoi(k); err == nil && i >= 0 && i < len(v) {
				path, at = index(path, i), v[i]
				continue
			}
			at = nil
		case map[string]any:
			at = v[k]
		}
		path = Join(path, k)
	}
	return path
}

// Keys splits a path into its keys, as [Join] made it; indices are left out,
// with everything that follows the first of them.
func Keys(path string) ([]string, error) {
	segments, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, s := range segments {
		if s.key == "" {
			break
		}
		keys = append(keys, s.key)
	}
	return keys, nil
}
