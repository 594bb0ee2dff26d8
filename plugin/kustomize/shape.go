package kustomize

import (
	"encoding/json"
	"strconv"

	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// shape is what kyaml's schema says of a value, as far as a merge asks for it.
// Nil is a value that the schema does not know. Asking kyaml takes longer than
// all else that is done with an answer, so answers are kept.
//
// All methods need running.
type shape struct {
	schema *openapi.ResourceSchema
	fields map[string]*shape
	items  *shape
	// keys identify the elements of a list that merges; isMerged without keys is
	// a list of scalars.
	isMerged bool
	keys     []string
}

// shapes are those of the kinds of resources, by apiVersion and kind. Some
// definitions refer to themselves: when there are more than mostShapes, it
// begins anew.
type shapes struct {
	roots map[yaml.TypeMeta]*shape
	count int
}

const mostShapes = 20000

var knownShapes shapes

// of returns the shape of a resource, of which the definitions have been
// loaded.
func (s *shapes) of(apiVersion, kind string) *shape {
	t := yaml.TypeMeta{APIVersion: apiVersion, Kind: kind}
	if known, ok := s.roots[t]; ok {
		return known
	}
	if s.roots == nil || s.count > mostShapes {
		s.roots, s.count = map[yaml.TypeMeta]*shape{}, 0
	}
	found := s.add(openapi.SchemaForResourceType(t))
	if found != nil {
		s.roots[t] = found
	}
	return found
}

func (s *shapes) add(schema *openapi.ResourceSchema) *shape {
	if schema == nil {
		return nil
	}
	s.count++
	strategy, keys := schema.PatchStrategyAndKeyList()
	return &shape{
		schema: schema, keys: keys,
		isMerged: strategy == "merge" || strategy == "merge,retainKeys",
	}
}

func (sh *shape) field(name string) *shape {
	if sh == nil {
		return nil
	}
	if found, ok := sh.fields[name]; ok {
		return found
	}
	found := knownShapes.add(sh.schema.Field(name))
	if _, isProperty := sh.schema.Schema.Properties[name]; isProperty {
		if sh.fields == nil {
			sh.fields = map[string]*shape{}
		}
		sh.fields[name] = found
	}
	return found
}

func (sh *shape) elements() *shape {
	if sh.items == nil {
		sh.items = knownShapes.add(sh.schema.Elements())
	}
	return sh.items
}

// isCalm reports whether a merge leaves a value of this shape alone that the
// patch does not name. Kustomize walks through it all the same, and a list that
// merges is put together anew there: what has no key is lost, and of two
// elements of the same key there is one.
func isCalm(value any, sh *shape) bool {
	switch v := value.(type) {
	case map[string]any:
		if sh == nil && isResource(v) {
			return false // it is looked up by its kind
		}
		for name, item := range v {
			if !isCalm(item, sh.field(name)) {
				return false
			}
		}
	case []any:
		// The elements of other lists are not walked through.
		return sh == nil || !sh.isMerged || isCalmList(v, sh)
	}
	return true
}

func isResource(fields map[string]any) bool {
	return fields["kind"] != nil || fields["apiVersion"] != nil
}

func isCalmList(items []any, sh *shape) bool {
	seen := make(map[string]bool, len(items))
	var given []bool // which of the keys the first element has
	for i, item := range items {
		identity := item
		if len(sh.keys) > 0 {
			fields, isMap := item.(map[string]any)
			if !isMap || !isCalm(fields, sh.elements()) {
				return false
			}
			for k, key := range sh.keys {
				part, has := fields[key]
				if text, _ := scalarText(part); has && text == "" {
					return false
				}
				if i == 0 {
					given = append(given, has)
				}
				if has != given[k] {
					return false
				}
			}
			identity = fields[sh.keys[0]]
		}
		text, ok := scalarText(identity)
		if !ok || text == "" || seen[text] {
			return false
		}
		seen[text] = true
	}
	return true
}

// scalarText is the text of a scalar in a document.
func scalarText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
