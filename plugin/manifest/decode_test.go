package manifest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"
)

// throughText is what decodeDocument stands for.
func throughText(doc []byte) (fields map[string]any, valid, isObject bool) {
	data, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return nil, false, false
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&fields)
	return fields, true, err == nil
}

func checkDecode(t *testing.T, doc string) {
	t.Helper()
	want, valid, isObject := throughText([]byte(doc))
	got, err := decodeDocument([]byte(doc))
	switch {
	case !valid:
		if err == nil || !strings.HasPrefix(err.Error(), "not valid YAML") {
			t.Errorf("%q: error %v, want it to be invalid", doc, err)
		}
	case !isObject:
		if err == nil || !strings.HasPrefix(err.Error(), "is not a Kubernetes object") {
			t.Errorf("%q: error %v, want it to be no object", doc, err)
		}
	case err != nil:
		t.Errorf("%q: %v", doc, err)
	default:
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-as JSON +decoded):\n%s", doc, diff)
		}
	}
}

var oddDocuments = []string{
	"", "~", "a", "- a", "[.nan]", "a: 1", "a: {b: [1, two, {c: ~}]}", "a: yes\nb: off\nc: 'yes'\nd: !!str yes",
	"a: 0x1F\nb: 014\nc: 0b11\nd: 1_000\ne: 190:20:30\nf: +1\ng: -0\nh: 0o14",
	"a: 1.50\nb: 1e3\nc: 1e21\nd: 1e-7\ne: .5\nf: 123456789012345678901234567890\ng: 18446744073709551615\nh: -9223372036854775808",
	"a: .inf", "a: .nan", "a: 2001-01-01\nb: !!timestamp 2001-01-01\nc: 2001-12-14T21:59:43.10-05:00",
	"1: a\n1.5: b\n1e30: i\ntrue: c\n.inf: d\n-.inf: e\n.nan: f\n18446744073709551615: g\n2001-01-01: h", "~: a", "[a]: b", "{a: b}: c", "!!timestamp 2001-01-01: a",
	"18446744073709551615: a", "a: !!binary /wD/aGk=\n? !!binary /w==\n: b", "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2", "a: &x [*x]", "a: *y",
	"a: 1\na: 2", "a: \"\\u2028<&>\\0\"", "a: |\n  x\n\nb: >-\n  y\n  z\n", "a: b: c", "\ta: 1", "a: \"b", "a: !!int x", "a: !!float 1", "a: !custom b", "a: !!set {b}", "a: !!omap [b: c]",
}

func TestDecode(t *testing.T) {
	for _, doc := range oddDocuments {
		checkDecode(t, doc)
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range oddDocuments {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		var parsed any
		if goyaml.Unmarshal([]byte(doc), &parsed) == nil && !ambiguous(parsed) {
			checkDecode(t, doc)
		}
	})
}

// ambiguous reports whether two keys become one in JSON, such as 1 and 1.0:
// one of them wins by chance.
func ambiguous(parsed any) bool {
	switch v := parsed.(type) {
	case []any:
		return slices.ContainsFunc(v, ambiguous)
	case map[any]any:
		keys := map[string]bool{}
		for k, item := range v {
			key, err := jsonKey(k)
			if err != nil || keys[key] || ambiguous(item) {
				return true
			}
			keys[key] = true
		}
	}
	return false
}

var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

func checkDocuments(t *testing.T, text string) {
	t.Helper()
	trimmed := func(docs []string) (out []string) {
		for _, doc := range docs {
			if doc = strings.TrimSpace(doc); doc != "" {
				out = append(out, doc)
			}
		}
		return out
	}
	text = strings.TrimSpace(text)
	want, got := trimmed(separator.Split(text, -1)), trimmed(documents(text))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-Helm +ours):\n%s", text, diff)
	}
}

var oddStreams = []string{
	"", "---", "a", "---\na", "a\n---\nb", "a\n---", "---\n---\na", "a\n---\n---\nb", "a\n---\n\n\n---\nb", "a ---\nb", "a\n--- b\n----\nc",
	"a\r\n---\r\nb", "a\n \t\n---\nb", "a\n ---\nb", "---a\n---b", "a\n---\v\n---\nb", "a\n\v\n---\nb", "\u0085\n---\u00a0\n---\na", "\n---\n\n---\n", "a\n---\n--\n---",
}

func TestDocuments(t *testing.T) {
	for _, text := range oddStreams {
		checkDocuments(t, text)
	}
}

func FuzzDocuments(f *testing.F) {
	for _, text := range oddStreams {
		f.Add(text)
	}
	f.Fuzz(checkDocuments)
}
