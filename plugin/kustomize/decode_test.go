package kustomize

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// written is what decodeObject stands for: the object written by kustomize
// and read again.
func written(t *testing.T, r *yaml.RNode) map[string]any {
	t.Helper()
	data, err := r.MarshalJSON()
	if err != nil {
		return nil
	}
	var fields map[string]any
	if err := decodeJSON(data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func checkDecodeObject(t *testing.T, r *yaml.RNode) {
	t.Helper()
	want := written(t, r)
	got, err := decodeObject(r)
	if err != nil && want != nil {
		t.Fatal(err)
	}
	if want == nil {
		return // what cannot be written is not decoded for anybody
	}
	if diff := cmp.Diff(want, got); diff != "" {
		text, _ := r.String()
		t.Errorf("%s\n(-written and read +taken from the nodes):\n%s", text, diff)
	}
}

func TestDecodeObject(t *testing.T) {
	for _, text := range []string{
		`{"a": "1", "b": 1, "c": 1.50, "d": true, "e": null, "f": [], "g": {}, "h": "", "i": "x\ny\n", "j": " x ", "k": "\u0007\u2028"}`,
		"a: 1\nb: 0x1F\nc: 0o14\nd: 014\ne: 1_000\nf: -0\ng: 1e3\nh: 123456789012345678901234567890\ni: 18446744073709551615\nj: +1\nk: 1.0\n",
		"a: yes\nb: Yes\nc: on\nd: True\ne: TRUE\nf: ~\ng: Null\nh:\ni: .5\nj: .inf\n",
		"a: .nan\n", "a: 2001-01-01\nb: 2001-12-14T21:59:43.10-05:00\nc: 12:30\n",
		"a: |\n  x\n\n  y\nb: >\n  x\n  y\n\n   z\nc: |+\n  x\n\nd: 'it''s\n\n  so'\ne: \"x\\ty\"\n",
		"1: a\n", "true: a\n", "~: a\n", "a: {1: b}\n", "a: {x: 1, true: b}\n", "2001-01-01: a\n", "'1': a\n",
		"a: &x {b: 1}\nc: *x\n", "a: &x {b: 1}\nc: {<<: *x, d: 2}\n", "\"<<\": {a: 1}\n", "a: <<\n",
		"a: !!str 1\nb: !!int \"1\"\nc: !!float 1\nd: !custom x\ne: !!binary aGk=\nf: !!bool \"true\"\ng: ! 1\n",
		"a: !!map {b: 1}\nc: !!seq [1]\nd: !!set {x: null}\n", "# head\na: 1 # line\n# foot\nb: # here\n  - 1 # one\n  # two\n",
		"a: \"" + strings.Repeat("long words ", 40) + "\"\nb: " + strings.Repeat("long words ", 40) + "\n",
	} {
		r, err := yaml.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		checkDecodeObject(t, r)
	}
}

// TestDecodeObjectOfMadeNodes: kustomize makes nodes without a style, and some
// without a tag.
func TestDecodeObjectOfMadeNodes(t *testing.T) {
	texts := []string{
		"", " ", "a", "1", "-1", "0", "-0", "007", "1.0", "1e3", "true", "True", "yes", "null", "~", "<<", "=", "a\nb", "a\n", "\na", "\n", "\t",
		" a", "a ", "- a", "a: b", "# a", "a # b", "{a}", "[a]", "&a", "*a", "!a", "'a'", `"a"`, "%a", "@a", "2001-01-01", "0x1f", "a.b-c/d_1", "falsey", "false1", "\u00e4", "\u2028", "\ufeff", "\x01", "\xff",
	}
	tags := []string{
		"", yaml.NodeTagString, yaml.NodeTagInt, yaml.NodeTagBool, yaml.NodeTagFloat, yaml.NodeTagNull,
	}
	styles := []yaml.Style{0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.LiteralStyle, yaml.FoldedStyle, yaml.TaggedStyle, yaml.TaggedStyle | yaml.DoubleQuotedStyle}
	for _, text := range texts {
		for _, tag := range tags {
			for _, style := range styles {
				for _, flow := range []yaml.Style{0, yaml.FlowStyle} {
					scalar := func() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: tag, Style: style} }
					name := &yaml.Node{Kind: yaml.ScalarNode, Value: "key"}
					checkDecodeObject(t, yaml.NewRNode(&yaml.Node{Kind: yaml.MappingNode, Style: flow, Content: []*yaml.Node{name, scalar()}}))
					checkDecodeObject(t, yaml.NewRNode(&yaml.Node{Kind: yaml.MappingNode, Style: flow, Content: []*yaml.Node{scalar(), name}}))
				}
			}
		}
	}
}

// TestDecodeObjectTakesRenderedObjects: the form in which rendered objects
// come back from kustomize does not have to be written.
func TestDecodeObjectTakesRenderedObjects(t *testing.T) {
	data, err := os.ReadFile("../testdata/golden/prod.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(document), &fields); err != nil {
			t.Fatal(err)
		}
		compact, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		r, err := yaml.Parse(string(compact))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := plainMap(r.YNode()); !ok {
			t.Errorf("has to be written:\n%s", document)
		}
		checkDecodeObject(t, r)
	}
}

func FuzzDecodeObject(f *testing.F) {
	for _, text := range []string{"a: 1\n", "a: 'b'\nc: [1, \"2\"]\n", `{"a": "b\n", "c": {"d": null}}`, "a: |\n  b\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := yaml.Parse(text)
		if err != nil || r.YNode() == nil || r.YNode().Kind != yaml.MappingNode {
			return
		}
		checkDecodeObject(t, r)
	})
}
