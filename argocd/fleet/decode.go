package fleet

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v4"
	"sigs.k8s.io/yaml"
)

// decode fills the struct that v points to. Unknown fields, duplicate keys,
// wrong types and aliases are findings, all at once.
func (d *document) decode(v any) {
	d.value("", d.root, reflect.ValueOf(v).Elem())
}

func (d *document) value(path string, n *yamlnode.Node, v reflect.Value) {
	if _, ok := d.lines[path]; !ok && path != "" {
		d.lines[path] = n.Line
	}
	switch {
	case n.Kind == yamlnode.AliasNode || n.Anchor != "":
		d.find(path, "anchors and aliases are not supported; write the value out")
		return
	case n.Tag == "!!null":
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem())
	case reflect.Struct:
		d.mapping(path, n, func(key string) (reflect.Value, func(reflect.Value)) {
			field, ok := fieldByName(v, key)
			if !ok {
				return reflect.Value{}, nil
			}
			return field, func(reflect.Value) {}
		}, func() string { return strings.Join(fieldNames(v.Type()), ", ") })
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.mapping(path, n, func(key string) (reflect.Value, func(reflect.Value)) {
			return reflect.New(v.Type().Elem()).Elem(), func(item reflect.Value) { v.SetMapIndex(reflect.ValueOf(key), item) }
		}, nil)
	case reflect.Slice:
		if n.Kind != yamlnode.SequenceNode {
			d.find(path, "expected a list, found %s", describe(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			d.value(path+"["+strconv.Itoa(i)+"]", item, v.Index(i))
		}
	default:
		d.scalar(path, n, v)
	}
}

// mapping decodes the entries of n into the places that place gives out, and
// reports keys that have none.
func (d *document) mapping(path string, n *yamlnode.Node, place func(key string) (reflect.Value, func(reflect.Value)), known func() string) {
	if n.Kind != yamlnode.MappingNode {
		d.find(path, "expected a map, found %s", describe(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, item := n.Content[i], n.Content[i+1]
		if key.Kind != yamlnode.ScalarNode || key.Tag != "!!str" || ambiguous(key) {
			d.findings = append(d.findings, Finding{File: d.file, Line: key.Line, Field: path, Text: "a key is not a string; put it in quotes"})
			continue
		}
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if seen[key.Value] {
			d.findings = append(d.findings, Finding{File: d.file, Line: key.Line, Field: at, Text: "is given twice"})
			continue
		}
		seen[key.Value] = true
		d.lines[at] = key.Line
		target, done := place(key.Value)
		if done == nil {
			d.find(at, "unknown, or not supported here; there are %s", known())
			continue
		}
		d.value(at, item, target)
		done(target)
	}
}

func (d *document) scalar(path string, n *yamlnode.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		switch {
		case n.Kind != yamlnode.ScalarNode:
			d.find(path, "expected a string, found %s", describe(n))
		case n.Tag != "!!str" || ambiguous(n):
			d.find(path, "is not a string for Kubernetes; put it in quotes")
		default:
			v.SetString(n.Value)
		}
	case reflect.Bool:
		if n.Kind != yamlnode.ScalarNode || n.Tag != "!!bool" {
			d.find(path, "expected true or false, found %s", describe(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int64:
		number, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yamlnode.ScalarNode || n.Tag != "!!int" || err != nil {
			d.find(path, "expected a whole number, found %s", describe(n))
			return
		}
		v.SetInt(number)
	case reflect.Interface:
		var into any
		if err := n.Decode(&into); err != nil {
			d.find(path, "cannot be read")
			return
		}
		v.Set(reflect.ValueOf(into))
	}
}

func describe(n *yamlnode.Node) string {
	switch n.Kind {
	case yamlnode.MappingNode:
		return "a map"
	case yamlnode.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "a string"
}

// mayBeAmbiguous is a quick look for plain scalars that YAML 1.1 could take
// for something else than a string.
var mayBeAmbiguous = regexp.MustCompile(`^([-+.0-9~]|[yYnN]([eE]|[oO]|$)|[oO]|[tT]|[fF])`)

// ambiguous tells whether Kubernetes' YAML 1.1 reads a plain scalar as
// something else than a string: no, on, 1:30.
func ambiguous(n *yamlnode.Node) bool {
	if n.Style != 0 || !mayBeAmbiguous.MatchString(n.Value) {
		return false
	}
	var v any
	err := yaml.Unmarshal([]byte(n.Value), &v)
	_, text := v.(string)
	return err == nil && !text
}

func fieldByName(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if jsonName(v.Type().Field(i)) == key {
			return v.Field(i), true
		}
		if v.Type().Field(i).Anonymous {
			if field, ok := fieldByName(v.Field(i), key); ok {
				return field, true
			}
		}
	}
	return reflect.Value{}, false
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for field := range t.Fields() {
		if field.Anonymous {
			names = append(names, fieldNames(field.Type)...)
			continue
		}
		names = append(names, jsonName(field))
	}
	slices.Sort(names)
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// decodeJSON reads a JSON text in a field of d as strictly as YAML. Its fields
// are reported below the field itself, with the line of the field.
func (d *document) decodeJSON(field, text string, v any) bool {
	docs, failed := parse(d.file, []byte(text))
	if len(failed) > 0 || len(docs) != 1 {
		d.find(field, "is not JSON")
		return false
	}
	inner := docs[0]
	inner.decode(v)
	for _, f := range inner.findings {
		d.find(strings.TrimSuffix(field+"."+f.Field, "."), "%s", f.Text)
	}
	return len(inner.findings) == 0
}

// required reports fields, given as path and value, that are empty.
func (d *document) required(fields ...[2]string) {
	for _, f := range fields {
		if f[1] == "" {
			d.find(f[0], "is missing")
		}
	}
}
