package values

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Merged is the result of laying values over each other. The zero value is
// empty and ready to use.
type Merged struct {
	// Values is what a chart would be given by `helm -f … --set …`. A null is
	// kept: Helm removes the chart's default of that key later.
	Values  map[string]any
	origins map[string]Origin
	// imports are pairs of a child and a parent: see Import.
	imports [][2]string
}

// Add lays layer over what is there: mappings are merged key by key, anything
// else is replaced, as Helm does for several -f files. layer is not changed.
func (m *Merged) Add(layer Layer) {
	m.Values = mergeMaps(m.Values, layer.Values)
	if m.origins == nil {
		m.origins = make(map[string]Origin, len(layer.origins))
	}
	maps.Copy(m.origins, layer.origins)
}

// SetString assigns each value, as a string, to the path that is its key; the
// notation is that of Helm's --set-string, except that a value is taken
// whole: commas in it mean nothing. name is the Origin's file.
func (m *Merged) SetString(name string, assignments map[string]string) error {
	return m.setAll(name, assignments, func(text string) (any, error) { return text, nil })
}

// SetJSON is SetString for values in JSON, as Helm's --set-json.
func (m *Merged) SetJSON(name string, assignments map[string]string) error {
	return m.setAll(name, assignments, func(text string) (any, error) {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			// The decoder's message may quote a character of the value.
			return nil, errors.New("the value is not valid JSON")
		}
		return v, nil
	})
}

// setAll assigns in the order of the keys, so that the same parameters give
// the same values.
func (m *Merged) setAll(name string, assignments map[string]string, decode func(string) (any, error)) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(assignments)) {
		value, err := decode(assignments[key])
		if err == nil {
			err = m.set(name, key, value)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", name, key, err))
		}
	}
	return errors.Join(errs...)
}

func (m *Merged) set(name, key string, value any) error {
	path, err := parsePath(key)
	if err != nil {
		return err
	}
	if path[0].key == "" {
		return errors.New("must start with a key")
	}
	var old any
	if m.Values != nil {
		old = m.Values
	}
	root, err := assign(old, path, value)
	if err != nil {
		return err
	}
	m.Values = root.(map[string]any) //nolint:forcetypeassert // path[0] is a key
	if m.origins == nil {
		m.origins = map[string]Origin{}
	}
	at, origin := "", Origin{File: name}
	for _, s := range path {
		if s.key == "" {
			at = index(at, s.index)
		} else {
			at = Join(at, s.key)
		}
	}
	m.origins[at] = origin
	note(m.origins, at, value, origin)
	return nil
}

// note records origin for everything inside value.
func note(origins map[string]Origin, at string, value any, origin Origin) {
	switch v := value.(type) {
	case map[string]any:
		for k, item := range v {
			path := Join(at, k)
			origins[path] = origin
			note(origins, path, item, origin)
		}
	case []any:
		for i, item := range v {
			path := index(at, i)
			origins[path] = origin
			note(origins, path, item, origin)
		}
	}
}

// assign returns a copy of node in which path leads to value. Null on the way
// is replaced; another type is an error, as in Helm.
func assign(node any, path []segment, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	if path[0].key != "" {
		old, ok := node.(map[string]any)
		if node != nil && !ok {
			return nil, fmt.Errorf("the key %s is looked for in something that is not a mapping", path[0].key)
		}
		out := maps.Clone(old)
		if out == nil {
			out = map[string]any{}
		}
		child, err := assign(out[path[0].key], path[1:], value)
		out[path[0].key] = child
		return out, err
	}
	old, ok := node.([]any)
	if node != nil && !ok {
		return nil, fmt.Errorf("the index %d is looked for in something that is not a list", path[0].index)
	}
	out := slices.Clone(old)
	for len(out) <= path[0].index {
		out = append(out, nil)
	}
	child, err := assign(out[path[0].index], path[1:], value)
	out[path[0].index] = child
	return out, err
}

// mergeMaps is Helm's own merge of values files (pkg/cli/values).
func mergeMaps(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a)+len(b))
	maps.Copy(out, a)
	for k, v := range b {
		if v, ok := v.(map[string]any); ok {
			if old, ok := out[k].(map[string]any); ok {
				out[k] = mergeMaps(old, v)
				continue
			}
		}
		out[k] = v
	}
	return out
}

// Origin returns where the value at path was last set: by an assignment or a
// document that names the path, or else by the nearest parent that one names.
func (m *Merged) Origin(path string) (Origin, bool) {
	for path != "" {
		if o, ok := m.origins[path]; ok {
			return o, true
		}
		path = parent(path)
	}
	return Origin{}, false
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if (path[i] == '.' || path[i] == '[') && escapes(path[:i])%2 == 0 {
			return path[:i]
		}
	}
	return ""
}

func escapes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }
