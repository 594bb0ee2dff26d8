package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	yamlnode "go.yaml.in/yaml/v4"
)

// Document is a file that was read. It is not changed by editing.
type Document struct {
	file string
	text []byte
	root *yamlnode.Node
}

// Edit is one text to write. Value must be printable and free of quotes,
// backslashes and spaces.
type Edit struct {
	Path  []string
	Value string
}

// Parse reads a file with exactly one document, which is a map. Errors begin
// with the file's name and, where it is known, the line.
func Parse(file string, text []byte) (*Document, error) {
	root, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s%w", file, err)
	}
	return &Document{file: file, text: text, root: root}, nil
}

func parse(text []byte) (*yamlnode.Node, error) {
	decoder := yamlnode.NewDecoder(bytes.NewReader(text))
	var documents []*yamlnode.Node
	for {
		var n yamlnode.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxError(err)
		}
		if documents = append(documents, &n); len(documents) > 1 {
			return nil, fmt.Errorf(":%d: a second document begins here; one is expected", n.Line)
		}
	}
	if len(documents) == 0 || len(documents[0].Content) != 1 || documents[0].Content[0].Kind != yamlnode.MappingNode {
		return nil, errors.New(": expected a map")
	}
	return documents[0], nil
}

// syntaxError leaves out what a parser quotes of the file.
func syntaxError(err error) error {
	if le, ok := errors.AsType[*yamlnode.LoadError](err); ok {
		message, _, _ := strings.Cut(le.Message, " (value:")
		if strings.Contains(message, "anchor") {
			message = "unknown anchor"
		}
		return fmt.Errorf(":%d: is not YAML: %s", le.Mark.Line, message)
	}
	return errors.New(": is not YAML")
}

// String returns the text at path. A key that is missing or given twice,
// something that is not a text, and a text that Kubernetes takes for something
// else are errors.
func (d *Document) String(path ...string) (string, error) {
	n, err := d.scalar(path)
	if err != nil {
		return "", err
	}
	return n.Value, nil
}

// Line is where the text at path is, counted from 1; zero if it is nowhere.
func (d *Document) Line(path ...string) int {
	n, err := d.find(path)
	if err != nil {
		return 0
	}
	return n.Line
}

func (d *Document) scalar(path []string) (*yamlnode.Node, error) {
	n, err := d.find(path)
	switch {
	case err != nil:
		return nil, err
	case n.Kind == yamlnode.ScalarNode && n.Tag == "!!null":
		return nil, d.errorAt(n, path, `is empty; write ""`)
	case n.Kind != yamlnode.ScalarNode:
		return nil, d.errorAt(n, path, "expected a text")
	case n.Anchor != "" || n.Style&yamlnode.TaggedStyle != 0:
		return nil, d.errorAt(n, path, "anchors and tags are not supported; write the text only")
	case n.Tag != "!!str" || n.Style == 0 && !text(n.Value):
		return nil, d.errorAt(n, path, "is not a text for Kubernetes; put it in quotes")
	}
	return n, nil
}

// find walks down the maps.
func (d *Document) find(path []string) (*yamlnode.Node, error) {
	at := d.root.Content[0]
	for i, name := range path {
		if at.Kind != yamlnode.MappingNode || at.Anchor != "" {
			return nil, d.errorAt(at, path[:i], "expected a map")
		}
		var next *yamlnode.Node
		for j := 0; j+1 < len(at.Content); j += 2 {
			if at.Content[j].Kind != yamlnode.ScalarNode || at.Content[j].Value != name {
				continue
			}
			if next != nil {
				return nil, d.errorAt(at.Content[j], path[:i+1], "is given twice")
			}
			next = at.Content[j+1]
		}
		if next == nil {
			return nil, d.errorAt(at, path[:i+1], "is missing")
		}
		at = next
	}
	return at, nil
}

func (d *Document) errorAt(n *yamlnode.Node, path []string, message string) error {
	return fmt.Errorf("%s:%d: %s: %s", d.file, n.Line, strings.Join(path, "."), message)
}

// Set returns the file with the edits. Each path must hold a text already, on
// one line.
func (d *Document) Set(edits ...Edit) ([]byte, error) {
	changed := bytes.Clone(d.text)
	var errs []error
	for _, e := range edits {
		// An edit can move what follows on the same line only.
		now, err := Parse(d.file, changed)
		if err == nil {
			changed, err = now.set(e)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return changed, nil
}

func (d *Document) set(e Edit) ([]byte, error) {
	n, err := d.scalar(e.Path)
	if err != nil {
		return d.text, err
	}
	if n.Value == e.Value {
		return d.text, nil
	}
	quote := ""
	switch {
	case n.Style&yamlnode.DoubleQuotedStyle != 0:
		quote = `"`
	case n.Style&yamlnode.SingleQuotedStyle != 0:
		quote = `'`
	}
	start := d.offset(n)
	old := quote + n.Value + quote
	if start < 0 || !bytes.HasPrefix(d.text[start:], []byte(old)) || n.Style&(yamlnode.LiteralStyle|yamlnode.FoldedStyle) != 0 {
		return d.text, d.errorAt(n, e.Path, "is written in a form that cannot be edited; write it on one line, in quotes")
	}
	if quote == "" && !text(e.Value) {
		quote = `"`
	}
	edited := bytes.Join([][]byte{d.text[:start], []byte(quote + e.Value + quote), d.text[start+len(old):]}, nil)
	// What a parser makes of the result is what counts.
	root, err := parse(edited)
	if err == nil {
		want := n.Value
		n.Value = e.Value
		if !same(d.root, root, n) {
			err = errors.New("differs")
		}
		n.Value = want
	}
	if err != nil {
		return d.text, d.errorAt(n, e.Path, "cannot be edited without changing more of the file; write it on one line, in quotes")
	}
	return edited, nil
}

// offset is where the node begins in the text, or -1. Columns count characters,
// but for a byte order mark.
func (d *Document) offset(n *yamlnode.Node) int {
	at := 0
	if n.Line == 1 && bytes.HasPrefix(d.text, []byte("\ufeff")) {
		at = len("\ufeff")
	}
	for range n.Line - 1 {
		next := bytes.IndexByte(d.text[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(d.text[at:])
		if size == 0 {
			return -1
		}
		at += size
	}
	return at
}

// same tells whether two trees are equal but for the place of edited and its
// quotes.
func same(a, b, edited *yamlnode.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Anchor != b.Anchor || a.Line != b.Line ||
		a != edited && a.Style != b.Style || len(a.Content) != len(b.Content) ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i], edited) {
			return false
		}
	}
	return true
}

// text tells whether YAML, in the version of Kubernetes too, reads value as a
// text where it has no quotes: not 1.10, no, 1e3.
func text(value string) bool {
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil || v != any(value) {
		return false
	}
	var n yamlnode.Node
	err := yamlnode.Unmarshal([]byte(value), &n)
	return err == nil && len(n.Content) == 1 && n.Content[0].Tag == "!!str"
}
