package chartversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// compareSchemas finds what a schema admitted and does not any more, as far as
// that shows in its properties, types, enumerations and required values.
func compareSchemas(before, now, values []byte) ([]Change, error) {
	if bytes.Equal(before, now) {
		return nil, nil
	}
	if len(before) == 0 {
		return []Change{{Major, schemaFile + ": is new: values that were taken may be refused"}}, nil
	}
	if len(now) == 0 {
		return []Change{{Minor, schemaFile + ": is gone"}}, nil
	}
	var was, is map[string]any
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, errors.New("the chart before: " + schemaFile + ": is not an object in JSON")
	}
	if err := json.Unmarshal(now, &is); err != nil {
		return nil, errors.New(schemaFile + ": is not an object in JSON")
	}
	defaults, err := leaves(values)
	if err != nil {
		return nil, err
	}
	s := schemas{defaults: defaults}
	s.compare("", was, is)
	if len(s.changes) == 0 && !reflect.DeepEqual(was, is) {
		s.find(Patch, "differs", "")
	}
	return s.changes, nil
}

type schemas struct {
	defaults map[string]any
	changes  []Change
}

func (s *schemas) find(level Level, text, path string) {
	if path != "" {
		path += " "
	}
	s.changes = append(s.changes, Change{level, schemaFile + ": " + path + text})
}

func (s *schemas) compare(path string, was, is map[string]any) {
	if !reflect.DeepEqual(was["type"], is["type"]) && is["type"] != nil {
		s.find(Major, "has another type", path)
	}
	if old, ok := was["enum"].([]any); ok {
		now, still := is["enum"].([]any)
		for _, value := range old {
			if still && !slices.ContainsFunc(now, func(v any) bool { return reflect.DeepEqual(v, value) }) {
				s.find(Major, fmt.Sprintf("does not take %v any more", value), path)
			}
		}
	}
	if is["additionalProperties"] == false && was["additionalProperties"] != false {
		s.find(Major, "takes no other properties any more", path)
	}
	old, _ := was["required"].([]any)
	now, _ := is["required"].([]any)
	for _, value := range now {
		name, _ := value.(string)
		if !slices.Contains(old, value) && !s.hasDefault(join(path, name)) {
			s.find(Major, "is required, and has no default", join(path, name))
		}
	}
	s.properties(path, object(was, "properties"), object(is, "properties"))
	for _, shared := range []string{"definitions", "$defs"} {
		old, now := object(was, shared), object(is, shared)
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if _, ok := old[name]; ok {
				s.compare(join(path, shared+"/"+name), object(old, name), object(now, name))
			}
		}
	}
	if was["items"] != nil && is["items"] != nil {
		s.compare(path+"[]", object(was, "items"), object(is, "items"))
	}
}

func (s *schemas) properties(path string, was, is map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, ok := is[name]; !ok {
			s.find(Major, "is gone", join(path, name))
			continue
		}
		s.compare(join(path, name), object(was, name), object(is, name))
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, ok := was[name]; !ok {
			s.find(Minor, "is new", join(path, name))
		}
	}
}

// hasDefault tells whether values.yaml has a value at the path or below it.
func (s *schemas) hasDefault(path string) bool {
	for name := range s.defaults {
		if name == path || len(name) > len(path) && name[:len(path)+1] == path+"." {
			return true
		}
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func object(m map[string]any, name string) map[string]any {
	inner, _ := m[name].(map[string]any)
	return inner
}
