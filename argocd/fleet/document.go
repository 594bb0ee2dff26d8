package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlnode "go.yaml.in/yaml/v4"
)

// document is one YAML document, the lines of its fields, and what was found
// while it was read.
type document struct {
	file     string
	root     *yamlnode.Node
	lines    map[string]int
	findings Findings
}

// parse splits a file into its documents. Empty documents are left out.
func parse(file string, data []byte) ([]*document, Findings) {
	var docs []*document
	decoder := yamlnode.NewDecoder(bytes.NewReader(data))
	for {
		var node yamlnode.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, Findings{syntaxError(file, err)}
		}
		if len(node.Content) != 1 || node.Content[0].Tag == "!!null" {
			continue
		}
		docs = append(docs, &document{file: file, root: node.Content[0], lines: map[string]int{}})
	}
}

// syntaxError describes a failure without quoting the file: a parser's message
// may contain the scalar it stopped at.
func syntaxError(file string, err error) Finding {
	f := Finding{File: file, Text: "is not YAML"}
	if le, ok := errors.AsType[*yamlnode.LoadError](err); ok {
		message, _, _ := strings.Cut(le.Message, " (value:")
		if strings.Contains(message, "anchor") {
			message = "unknown anchor"
		}
		f.Line, f.Text = le.Mark.Line, "is not YAML: "+message
	}
	return f
}

// again is the same document without what was found in it.
func (d *document) again() *document {
	return &document{file: d.file, root: d.root, lines: d.lines}
}

// find adds a finding at the line of field, or of the nearest field around it.
func (d *document) find(field, format string, args ...any) {
	d.findings = append(d.findings, d.at(field, format, args...))
}

func (d *document) at(field, format string, args ...any) Finding {
	return Finding{File: d.file, Line: d.line(field), Field: field, Text: fmt.Sprintf(format, args...)}
}

func (d *document) line(field string) int {
	for field != "" {
		if line, ok := d.lines[field]; ok {
			return line
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return d.root.Line
}

// header is what every object has.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// header reads apiVersion and kind from a document of any kind.
func (d *document) header() header {
	var h header
	if d.root.Kind != yamlnode.MappingNode {
		return h
	}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		key, value := d.root.Content[i], d.root.Content[i+1]
		if value.Kind != yamlnode.ScalarNode {
			continue
		}
		switch key.Value {
		case "apiVersion":
			h.APIVersion = value.Value
		case "kind":
			h.Kind = value.Value
		}
	}
	return h
}

// expect reports a document that is not of one of the kinds.
func (d *document) expect(kinds ...header) (header, bool) {
	got := d.header()
	var names []string
	for _, k := range kinds {
		if got == k {
			return got, true
		}
		names = append(names, k.Kind+" of "+k.APIVersion)
	}
	field := "kind"
	for _, k := range kinds {
		if got.Kind == k.Kind {
			field = "apiVersion"
		}
	}
	d.lines[field] = d.root.Line
	d.find(field, "expected %s", strings.Join(names, " or "))
	return got, false
}
