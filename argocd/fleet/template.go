package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// functions are those that Argo CD gives to templates, without slugify and
// tpl: Sprig's except those that look at the environment and the network.
var functions = func() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(all, name)
	}
	all["normalize"] = normalize
	all["toYaml"] = func(v any) (string, error) {
		data, err := yaml.Marshal(v)
		return strings.TrimSuffix(string(data), "\n"), err
	}
	all["fromYaml"] = func(text string) (map[string]any, error) {
		m := map[string]any{}
		return m, yaml.Unmarshal([]byte(text), &m)
	}
	all["fromYamlArray"] = func(text string) ([]any, error) {
		a := []any{}
		return a, yaml.Unmarshal([]byte(text), &a)
	}
	return all
}()

// node is a part of a template that is parsed once and executed for every
// cluster: exactly one of fields, items, text and value is set.
type node struct {
	field  string
	keys   []*node // of fields
	fields []*node
	items  []*node
	text   *template.Template
	value  any
}

// compileTemplate parses every string of the set's template.
func (s *setFile) compileTemplate() (*node, Findings) {
	data, err := json.Marshal(s.Spec.Template)
	var tree map[string]any
	if err == nil {
		err = json.Unmarshal(data, &tree)
	}
	if err != nil {
		return nil, Findings{s.doc.at("spec.template", "cannot be encoded")}
	}
	d := s.doc.again()
	root := compile(d, "spec.template", tree)
	return root, d.findings
}

func compile(d *document, field string, value any) *node {
	n := &node{field: field}
	switch v := value.(type) {
	case map[string]any:
		n.fields = []*node{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := field + "." + key
			n.keys = append(n.keys, compile(d, at, key))
			n.fields = append(n.fields, compile(d, at, v[key]))
		}
	case []any:
		n.items = make([]*node, len(v))
		for i, item := range v {
			n.items[i] = compile(d, fmt.Sprintf("%s[%d]", field, i), item)
		}
	case string:
		if !strings.Contains(v, "{{") {
			n.value = v
			break
		}
		parsed, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(v)
		if err != nil {
			d.find(field, "is not a template: %v", templateError(err))
			break
		}
		n.text = parsed
	default:
		n.value = v
	}
	return n
}

// execute returns the tree with every string evaluated, or the field of the
// first that cannot be.
func (n *node) execute(parameters map[string]any) (value any, field string, err error) {
	switch {
	case n.fields != nil:
		m := make(map[string]any, len(n.fields))
		for i, f := range n.fields {
			key, field, err := n.keys[i].execute(parameters)
			if err != nil {
				return nil, field, err
			}
			value, field, err := f.execute(parameters)
			if err != nil {
				return nil, field, err
			}
			m[fmt.Sprint(key)] = value
		}
		return m, "", nil
	case n.items != nil:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			if list[i], field, err = item.execute(parameters); err != nil {
				return nil, field, err
			}
		}
		return list, "", nil
	case n.text != nil:
		var b strings.Builder
		if err := n.text.Execute(&b, parameters); err != nil {
			return nil, n.field, templateError(err)
		}
		return b.String(), "", nil
	}
	return n.value, "", nil
}

// templateError keeps what went wrong, and drops the position in a template
// that is one line.
func templateError(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, after, ok := strings.Cut(text, ">: "); ok {
		text = after
	} else if _, after, ok := strings.Cut(text, ": "); ok {
		text = after
	}
	return errors.New(strings.ReplaceAll(text, "\n", " "))
}
