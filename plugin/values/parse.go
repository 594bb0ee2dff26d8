package values

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v4"
	"sigs.k8s.io/yaml"
)

// Origin says where a value was set.
type Origin struct {
	// File is relative to the repository root, or names what is no file:
	// `parameter "set"`.
	File string
	// Line and Column count from 1; zero means unknown.
	Line, Column int
}

// String is file:line:column, as far as known.
func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	if o.Column == 0 {
		return o.File + ":" + strconv.Itoa(o.Line)
	}
	return o.File + ":" + strconv.Itoa(o.Line) + ":" + strconv.Itoa(o.Column)
}

// Layer is one parsed values document.
type Layer struct {
	Values  map[string]any
	origins map[string]Origin
}

// maxRecorded bounds how many origins one document may add. Aliases can make
// a small document large; past the bound a leaf reports its nearest parent.
const maxRecorded = 200_000

// Parse decodes one YAML document as Helm does (YAML 1.1 booleans, numbers as
// float64). An empty document is an empty layer. An error starts with
// file:line:column of what is wrong.
func Parse(file string, data []byte) (Layer, error) {
	layer := Layer{Values: map[string]any{}, origins: map[string]Origin{}}
	decodeErr := yaml.Unmarshal(data, &layer.Values)
	// The second parser is asked only for positions, which the first has not.
	var doc yamlnode.Node
	nodeErr := yamlnode.Unmarshal(data, &doc)
	if decodeErr != nil {
		return Layer{}, parseError(file, decodeErr, nodeErr, &doc)
	}
	if layer.Values == nil {
		layer.Values = map[string]any{}
	}
	if nodeErr == nil && len(doc.Content) == 1 {
		r := recorder{file: file, origins: layer.origins}
		r.walk("", doc.Content[0])
	}
	return layer, nil
}

// parseError describes the failure without quoting the document: the messages
// of YAML parsers may contain keys, anchors or scalars.
func parseError(file string, decodeErr, nodeErr error, doc *yamlnode.Node) error {
	at := Origin{File: file}
	if le, ok := errors.AsType[*yamlnode.LoadError](nodeErr); ok {
		at.Line, at.Column = le.Mark.Line, le.Mark.Column
		message, _, _ := strings.Cut(le.Message, " (value:")
		if strings.Contains(message, "anchor") {
			message = "unknown anchor"
		}
		return fmt.Errorf("%s: %s", at, message)
	}
	if len(doc.Content) == 1 {
		top := doc.Content[0]
		at.Line, at.Column = top.Line, top.Column
		if top.Kind != yamlnode.MappingNode {
			return fmt.Errorf("%s: values must be a mapping of keys, found %s", at, kindName(top))
		}
	}
	switch text := decodeErr.Error(); {
	case strings.Contains(text, "excessive aliasing"):
		return fmt.Errorf("%s: aliases expand to too much", Origin{File: file})
	case strings.Contains(text, "invalid map key"):
		return fmt.Errorf("%s: a key is not a string", Origin{File: file})
	case strings.Contains(text, "contains itself"):
		return fmt.Errorf("%s: an anchor contains itself", Origin{File: file})
	}
	return fmt.Errorf("%s: not valid YAML", at)
}

func kindName(n *yamlnode.Node) string {
	switch n.Kind {
	case yamlnode.SequenceNode:
		return "a list"
	case yamlnode.ScalarNode:
		return "a single value"
	default:
		return "something else"
	}
}

// recorder notes the position of every mapping entry and list item.
type recorder struct {
	file    string
	origins map[string]Origin
}

func (r *recorder) walk(path string, n *yamlnode.Node) {
	if n.Kind == yamlnode.AliasNode {
		n = n.Alias
	}
	if len(r.origins) >= maxRecorded {
		return
	}
	switch n.Kind {
	case yamlnode.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Tag == "!!merge" {
				r.merge(path, value)
				continue
			}
			r.note(Join(path, keyOf(key)), key, value)
		}
	case yamlnode.SequenceNode:
		for i, item := range n.Content {
			r.note(index(path, i), item, item)
		}
	}
}

// keyOf is the key as Helm reads it: y, on and 0x10 are no texts in YAML 1.1.
func keyOf(n *yamlnode.Node) string {
	const plain = 0
	if n.Style != plain || !unlikeText.MatchString(n.Value) {
		return n.Value
	}
	var decoded map[string]any
	if err := yaml.Unmarshal([]byte(n.Value+": x"), &decoded); err != nil {
		return n.Value
	}
	for key := range decoded {
		return key
	}
	return n.Value
}

// unlikeText matches what a plain key may be besides a text.
var unlikeText = regexp.MustCompile(`(?i)^([-+.0-9].*|y|n|yes|no|on|off|true|false|null|~)$`)

func (r *recorder) merge(path string, n *yamlnode.Node) {
	if n.Kind == yamlnode.SequenceNode {
		for _, item := range n.Content {
			r.walk(path, item)
		}
		return
	}
	r.walk(path, n)
}

func (r *recorder) note(path string, at, value *yamlnode.Node) {
	r.origins[path] = Origin{File: r.file, Line: at.Line, Column: at.Column}
	r.walk(path, value)
}
