package chart

import (
	"fmt"
	"testing"
)

// TestDefaultsInLists holds that the chart writes the defaults of custom APIs
// itself where they are inside of lists. The server fills them in, and Argo CD,
// which compares the lists of custom resources as a whole, would call the
// object out of sync for ever.
func TestDefaultsInLists(t *testing.T) {
	tree := repository(t)
	custom, _ := readAPIs(t, "custom")
	checked := 0
	for _, file := range valuesFiles(t, tree) {
		for _, o := range mustRender(t, tree, "", string(tree[file].Data)) {
			definition, ok := custom.Kinds[o.APIVersion()+"/"+o.Kind()]
			if !ok {
				continue
			}
			schema := custom.Definitions[definition].(map[string]any)
			checked += defaultsMissing(schema, o.Fields, false, o.ID().String(), func(at string, value any) {
				t.Errorf("%s: %s lacks its default %v", file, at, value)
			})
		}
	}
	if checked < 20 {
		t.Errorf("looked at %d defaults", checked)
	}
}

// defaultsMissing calls missing for each default in a list that value does
// not have, and returns how many defaults it looked at.
func defaultsMissing(schema map[string]any, value any, inList bool, at string, missing func(at string, value any)) int {
	count := 0
	switch v := value.(type) {
	case []any:
		if items, ok := schema["items"].(map[string]any); ok {
			for i, item := range v {
				count += defaultsMissing(items, item, true, fmt.Sprintf("%s[%d]", at, i), missing)
			}
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for key, p := range properties {
			property := p.(map[string]any)
			child, ok := v[key]
			if fill, has := property["default"]; has && inList {
				count++
				if !ok {
					missing(at+"."+key, fill)
				}
			}
			if ok {
				count += defaultsMissing(property, child, inList, at+"."+key, missing)
			}
		}
	}
	return count
}
