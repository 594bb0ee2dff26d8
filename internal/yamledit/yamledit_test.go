package yamledit_test

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/internal/yamledit"
)

func set(t *testing.T, text string, value string) (string, error) {
	t.Helper()
	d, err := yamledit.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Set(yamledit.Edit{Path: []string{"image", "tag"}, Value: value})
	return string(got), err
}

// TestSet: only the text changes, whatever is around it.
func TestSet(t *testing.T) {
	for name, c := range map[string]struct{ before, value, after string }{
		"double":        {"image:\n  tag: \"1.0\" # why\n  b: 1\n", "1.10", "image:\n  tag: \"1.10\" # why\n  b: 1\n"},
		"single":        {"image:\n  tag: '1.0'\n", "2", "image:\n  tag: '2'\n"},
		"plain":         {"image:\n  tag: v1\n", "v2", "image:\n  tag: v2\n"},
		"plain version": {"image:\n  tag: 1.0.0\n", "1.1.0", "image:\n  tag: 1.1.0\n"},
		"number":        {"image:\n  tag: v1\n", "1.10", "image:\n  tag: \"1.10\"\n"},
		"boolean":       {"image:\n  tag: v1\n", "no", "image:\n  tag: \"no\"\n"},
		"exponent":      {"image:\n  tag: v1\n", "1234e5", "image:\n  tag: \"1234e5\"\n"},
		"octal":         {"image:\n  tag: v1\n", "0777", "image:\n  tag: \"0777\"\n"},
		"underscores":   {"image:\n  tag: v1\n", "1_0", "image:\n  tag: \"1_0\"\n"},
		"date":          {"image:\n  tag: v1\n", "2026-11-25", "image:\n  tag: \"2026-11-25\"\n"},
		"null":          {"image:\n  tag: v1\n", "null", "image:\n  tag: \"null\"\n"},
		"empty":         {"image:\n  tag: \"x\"\n", "", "image:\n  tag: \"\"\n"},
		"flow":          {"image: {é: \"ü\", tag: \"1\", c: 2} # x\n", "22", "image: {é: \"ü\", tag: \"22\", c: 2} # x\n"},
		"crlf":          {"# a\r\nimage:\r\n  tag: \"1\"  # b\r\n\r\nc:   d\r\n", "2", "# a\r\nimage:\r\n  tag: \"2\"  # b\r\n\r\nc:   d\r\n"},
		"no newline":    {"image:\n  tag: \"1\"", "2", "image:\n  tag: \"2\""},
		"marker":        {"---\n\n# c\nimage:\n      # d\n      tag:    '1'\n...\n", "2", "---\n\n# c\nimage:\n      # d\n      tag:    '2'\n...\n"},
		"next line":     {"image:\n  tag:\n    \"1\"\n", "2", "image:\n  tag:\n    \"2\"\n"},
		"same text":     {"# tag: \"1\"\na: \"1\"\nimage:\n  tag: \"1\"\nb: \"1\"\n", "2", "# tag: \"1\"\na: \"1\"\nimage:\n  tag: \"2\"\nb: \"1\"\n"},
		"mark":          {"\ufeffimage:\n  tag: \"1\"\n", "2", "\ufeffimage:\n  tag: \"2\"\n"},
		"mark in line":  {"\ufeffimage: {tag: \"1\"}\n", "2", "\ufeffimage: {tag: \"2\"}\n"},
		"unchanged":     {"image:\n  tag: \"\\x31\"\n", "1", "image:\n  tag: \"\\x31\"\n"},
		"anchor beside": {"x: &a {b: 1}\nimage:\n  <<: *a\n  tag: \"1\"\n", "2", "x: &a {b: 1}\nimage:\n  <<: *a\n  tag: \"2\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := set(t, c.before, c.value)
			if err != nil || got != c.after {
				t.Errorf("got %v\n%q\nwant\n%q", err, got, c.after)
			}
		})
	}
}

// TestRefused: what cannot be edited for sure is left alone.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"image: 3\n":                         "f.yaml:1: image: expected a map",
		"image: {}\n":                        "f.yaml:1: image.tag: is missing",
		"other: 1\n":                         "f.yaml:1: image: is missing",
		"image:\n  tag:\n":                   "f.yaml:2: image.tag: is empty",
		"image:\n  tag: 1.10\n":              "f.yaml:2: image.tag: is not a text for Kubernetes; put it in quotes",
		"image:\n  tag: no\n":                "f.yaml:2: image.tag: is not a text for Kubernetes",
		"image:\n  tag: [a]\n":               "f.yaml:2: image.tag: expected a text",
		"image:\n  tag: &a b\n":              "anchors and tags are not supported",
		"image:\n  tag: !!str b\n":           "anchors and tags are not supported",
		"a: &a x\nimage:\n  tag: *a\n":       "expected a text",
		"image:\n  tag: a\n  tag: b\n":       "image.tag: is given twice",
		"image:\n  tag: \"\\x31\"\n":         "cannot be edited",
		"image:\n  tag: |\n    a\n":          "cannot be edited",
		"image:\n  tag: a\n    b\n":          "cannot be edited",
		"a: &a {tag: b}\nimage: *a\n":        "image: expected a map",
		"image: &a {tag: \"b\"}\nc: *a\n":    "image: expected a map",
		"image:\n  tag: \"a\n    secret\"\n": "cannot be edited",
	} {
		got, err := set(t, text, "v2")
		if err == nil || !strings.Contains(err.Error(), want) || got != "" || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %q", text, err, got)
		}
	}
	for text, want := range map[string]string{
		"":                  "f.yaml: expected a map",
		"- a\n":             "f.yaml: expected a map",
		"a: 1\n---\nb: 2":   "f.yaml:2: a second document begins here; one is expected",
		"a: [\n":            "f.yaml:2: is not YAML",
		"a: *secret\n":      "f.yaml:1: is not YAML: unknown anchor",
		"a: b\n\tc: secret": "f.yaml:2: is not YAML",
		"\xff\xfe":          "f.yaml",
	} {
		if _, err := yamledit.Parse("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzSet: an edit is refused, or changes the one text and nothing else.
func FuzzSet(f *testing.F) {
	for _, text := range []string{
		"image:\n  tag: \"1.0\" # why\n  digest: ''\n", "image: {tag: a, digest: b}\r\n", "a: &a\n  tag: x\nimage: *a\n",
		"# é\nimage:\n  'tag': >-\n    x\n", "image:\n  tag: \"a\\\n    b\"\n", "\ufeffimage: {tag: 1}\n", "? image\n: tag: x\n",
	} {
		f.Add(text, "1.10")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:") != "" || strings.HasPrefix(value, ":") || strings.HasSuffix(value, ":") {
			return
		}
		d, err := yamledit.Parse("f.yaml", []byte(text))
		if err != nil {
			return
		}
		old, err := d.String("image", "tag")
		if err != nil {
			return
		}
		got, err := d.Set(yamledit.Edit{Path: []string{"image", "tag"}, Value: value})
		if err != nil {
			return
		}
		again, err := yamledit.Parse("f.yaml", got)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := again.String("image", "tag"); err != nil || now != value {
			t.Fatalf("%q, %v instead of %q in %q", now, err, value, got)
		}
		before, after := map[string]any{}, map[string]any{}
		if yaml.Unmarshal([]byte(text), &before) != nil {
			return // not for Kubernetes
		}
		if err := yaml.Unmarshal(got, &after); err != nil {
			t.Fatal(err)
		}
		if image, ok := after["image"].(map[string]any); ok && image["tag"] != value {
			t.Fatalf("Kubernetes reads %v instead of %q in %q", image["tag"], value, got)
		}
		back, err := again.Set(yamledit.Edit{Path: []string{"image", "tag"}, Value: old})
		if err == nil && len(got)-len(value) == len(text)-len(old) && !bytes.Equal(back, []byte(text)) {
			t.Fatalf("there and back: %q is %q", text, back)
		}
	})
}
