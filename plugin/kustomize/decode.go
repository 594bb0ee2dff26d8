package kustomize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// decode reads the result. An object that comes out of list gets its Source
// and, without a name, its generateName back.
func decode(built resmap.ResMap, dir string, list manifest.List) (manifest.List, error) {
	out := make(manifest.List, 0, built.Size())
	for _, r := range built.Resources() {
		fields, err := decodeObject(&r.RNode)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		out = append(out, manifest.Object{Source: dir, Fields: fields})
	}
	for i, from := range origins(out, list) {
		if from >= 0 {
			out[i].Source = list[from].Source
			restoreGenerateName(out[i], from)
		}
	}
	return out, nil
}

// decodeObject returns what an object says once it is written and read again,
// which is what kustomize prints. Writing and reading take longer than the
// build: nodes whose meaning cannot change on the way are taken as they are.
func decodeObject(r *yaml.RNode) (map[string]any, error) {
	if fields, ok := plainMap(r.YNode()); ok {
		return fields, nil
	}
	data, err := r.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding a patched object: %w", err)
	}
	var fields map[string]any
	if err := decodeJSON(data, &fields); err != nil {
		return nil, fmt.Errorf("reading a patched object: %w", err)
	}
	return fields, nil
}

func decodeJSON(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// plainMap returns the value of a mapping; ok is false if only writing and
// reading it would tell.
func plainMap(n *yaml.Node) (fields map[string]any, ok bool) {
	if n == nil || n.Kind != yaml.MappingNode || n.Tag != "" && n.Tag != yaml.NodeTagMap {
		return nil, false
	}
	fields = make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, isString := plainKey(n.Content[i])
		if _, twice := fields[key]; twice || !isString {
			return nil, false
		}
		if fields[key], ok = plainValue(n.Content[i+1]); !ok {
			return nil, false
		}
	}
	return fields, true
}

func plainKey(n *yaml.Node) (string, bool) {
	if n.Value == yaml.MergeTag || n.Value == "<<" {
		return "", false
	}
	value, ok := plainScalar(n)
	// A key stays text where a value would be read, such as a date.
	return n.Value, ok && value == n.Value
}

func plainValue(n *yaml.Node) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		return plainMap(n)
	case yaml.SequenceNode:
		if n.Tag != "" && n.Tag != yaml.NodeTagSeq {
			return nil, false
		}
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			value, ok := plainValue(item)
			if !ok {
				return nil, false
			}
			items[i] = value
		}
		return items, true
	}
	return plainScalar(n)
}

func plainScalar(n *yaml.Node) (any, bool) {
	if n.Kind != yaml.ScalarNode || !utf8.ValidString(n.Value) {
		return nil, false
	}
	isQuoted := n.Style == yaml.DoubleQuotedStyle || n.Style == yaml.SingleQuotedStyle
	if !isQuoted && n.Style != 0 {
		return nil, false
	}
	switch n.Tag {
	case yaml.NodeTagString:
		// Only between double quotes is every text surely safe.
		if n.Style != yaml.DoubleQuotedStyle && (strings.Contains(n.Value, "\n") || strings.TrimSpace(n.Value) != n.Value) {
			return nil, false
		}
		return n.Value, true
	case yaml.NodeTagInt:
		if !isQuoted && isShortDecimal(n.Value) {
			return json.Number(n.Value), true
		}
	case yaml.NodeTagBool:
		if !isQuoted && (n.Value == "true" || n.Value == "false") {
			return n.Value == "true", true
		}
	case yaml.NodeTagNull:
		if !isQuoted && n.Value == "null" {
			return nil, true
		}
	}
	if n.Tag == "" && !isQuoted && isLongWord(n.Value) {
		return n.Value, true
	}
	if n.Value == "" {
		return nil, false // how it is written depends on what is around it
	}
	value, err := reread(n)
	return value, err == nil
}

// isShortDecimal reports whether an integer is written as JSON writes it, and
// surely fits into 64 bits.
func isShortDecimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 18 || digits[0] == '0' && s != "0" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// isLongWord reports whether a text without a tag can only be a text: the
// words that mean something else in YAML, such as false, are shorter.
func isLongWord(s string) bool {
	const longestKeyword = len("false")
	if len(s) <= longestKeyword || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '-' || c > '9') && c != '_' { // - . / and digits
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

var errNotScalar = errors.New("not a scalar")

// reread writes one scalar and reads it again.
func reread(n *yaml.Node) (any, error) {
	alone := *n
	alone.HeadComment, alone.LineComment, alone.FootComment = "", "", ""
	text, err := yaml.Marshal(&alone)
	if err != nil {
		return nil, err
	}
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	switch value.(type) {
	case map[string]any, map[any]any, []any:
		return nil, errNotScalar
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	err = decodeJSON(data, &value)
	return value, err
}
