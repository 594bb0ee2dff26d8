package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

func names(list manifest.List) []string {
	out := []string{}
	for _, o := range list {
		out = append(out, o.ID().String())
	}
	return out
}

func TestSplit(t *testing.T) {
	object := func(name string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n" }
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{}},
		{"comments only", "# a\n---\n  \n# b\n---\n", []string{}},
		{"null", "null\n---\n~\n", []string{}},
		{"one", object("a"), []string{"ConfigMap/a"}},
		{"two", object("a") + "---\n" + object("b"), []string{"ConfigMap/a", "ConfigMap/b"}},
		{"leading separator", "---\n" + object("a"), []string{"ConfigMap/a"}},
		{"separator with a comment", object("a") + "--- # Source: x\n" + object("b"), []string{"ConfigMap/a", "ConfigMap/b"}},
		{"windows", strings.ReplaceAll(object("a")+"---\n"+object("b"), "\n", "\r\n"), []string{"ConfigMap/a", "ConfigMap/b"}},
		{"separator inside a block", object("a") + "data:\n  x: |\n    a\n    --- b\n", []string{"ConfigMap/a"}},
		{"JSON", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b"}}`, []string{"Deployment.apps/a in b"}},
		{"a list", `{"apiVersion":"v1","kind":"List","items":[{"kind":"A","apiVersion":"x.io/v1","metadata":{"name":"a"}},{"kind":"List","apiVersion":"v1","items":[{"kind":"B","metadata":{"generateName":"b-"}}]}]}`, []string{"A.x.io/a", "B/b-*"}},
		{"a list of a kind", `{"apiVersion":"x.io/v1","kind":"FooList","items":[]}`, []string{"FooList.x.io/(no name)"}},
		{"odd types", `{"apiVersion":1,"kind":[],"metadata":"x"}`, []string{"(no kind)/(no name)"}},
	} {
		list, err := manifest.Split("templates/a.yaml", tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, names(list)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for _, o := range list {
			if o.Source != "templates/a.yaml" || o.Fields == nil {
				t.Errorf("%s: source %q, fields %v", tc.name, o.Source, o.Fields)
			}
		}
	}
}

func TestSplitErrors(t *testing.T) {
	const canary = "canary-9d1f"
	text := "a: b\n---\n- " + canary + "\n---\n" + canary + ": [\n---\nc: d\n  " + canary + ": e\n---\n*" + canary + "\n---\n" + canary
	list, err := manifest.Split("templates/a.yaml", text)
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Fatalf("got %v", err)
	}
	var documents []string
	for line := range strings.Lines(err.Error()) {
		file, rest, _ := strings.Cut(line, ": ")
		document, _, _ := strings.Cut(rest, ":")
		documents = append(documents, file+" "+document)
	}
	want := []string{"templates/a.yaml document 2", "templates/a.yaml document 3", "templates/a.yaml document 4", "templates/a.yaml document 5", "templates/a.yaml document 6"}
	if diff := cmp.Diff(want, documents); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, err)
	}
	if len(list) != 1 {
		t.Errorf("got %d objects, want the good one", len(list))
	}
}

func parse(t testing.TB, text string) manifest.List {
	t.Helper()
	list, err := manifest.Split("templates/a.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		opts       manifest.CheckOptions
		want       []string
	}{
		{"good", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n", manifest.CheckOptions{}, nil},
		{"empty", "", manifest.CheckOptions{}, []string{"no objects were rendered"}},
		{"empty on purpose", "", manifest.CheckOptions{AllowEmpty: true}, nil},
		{"without anything", "a: b", manifest.CheckOptions{}, []string{
			"templates/a.yaml: (no kind)/(no name) has no apiVersion", "templates/a.yaml: (no kind)/(no name) has no kind", "templates/a.yaml: (no kind)/(no name) has no metadata.name"}},
		{"generated name", "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n", manifest.CheckOptions{}, nil},
		{"own namespace", "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: team}\n", manifest.CheckOptions{Namespace: "team"}, nil},
		{"foreign namespace", "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: other}\n", manifest.CheckOptions{Namespace: "team"},
			[]string{"templates/a.yaml: A/a in other is in a foreign namespace; the release's is team"}},
		{"twice", "apiVersion: apps/v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: apps/v1beta1\nkind: A\nmetadata: {name: a}\n", manifest.CheckOptions{},
			[]string{"templates/a.yaml: A.apps/a was already rendered by templates/a.yaml"}},
		{"twice, once with the namespace", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: A\nmetadata: {name: a, namespace: team}\n", manifest.CheckOptions{Namespace: "team"},
			[]string{"templates/a.yaml: A/a in team was already rendered by templates/a.yaml"}},
		{"other groups", "apiVersion: a.io/v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: b.io/v1\nkind: A\nmetadata: {name: a}\n", manifest.CheckOptions{}, nil},
	} {
		var got []string
		if err := manifest.Check(parse(t, tc.text), tc.opts); err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if err := manifest.Check(nil, manifest.CheckOptions{}); !errors.Is(err, manifest.ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
}

// TestNumbers holds that no digit is lost on the way through.
func TestNumbers(t *testing.T) {
	const text = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\nspec:\n  big: 9223372036854775807\n  html: <a&b>\n  max: 18446744073709551615\n  port: 8080\n  share: 0.1\n"
	list := parse(t, text)
	var out bytes.Buffer
	if err := manifest.WriteYAML(&out, list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("---\n"+text, out.String()); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	lines, err := manifest.JSON(list)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"spec":{"big":9223372036854775807,"html":"<a&b>","max":18446744073709551615,"port":8080,"share":0.1}}`
	if diff := cmp.Diff([]string{want}, lines); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteFails(t *testing.T) {
	if err := manifest.WriteYAML(full{}, parse(t, "a: b")); err == nil {
		t.Error("a failing writer goes unnoticed")
	}
}

// FuzzSplit holds that what is split can be written, and that reading it again
// gives the same objects.
func FuzzSplit(f *testing.F) {
	f.Add("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: |\n    ---\n    x\n--- # b\na: {b: 0x10, c: 1e3, d: ~, e: [1, '1']}\n")
	f.Add(`{"apiVersion":"v1","kind":"List","items":[{"a":1},null,3]}`)
	f.Add("a: &x {b: c}\nd: {<<: *x}\n---\n!!binary aGk=\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := manifest.Split("a", text)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := manifest.WriteYAML(&out, list); err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Split("a", out.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		if _, err := manifest.JSON(again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(normal(t, list), normal(t, again)); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

// normal writes numbers as YAML readers do: 1e3 and 1000 are the same.
func normal(t *testing.T, list manifest.List) []string {
	t.Helper()
	out := []string{}
	for _, o := range list {
		if len(o.Fields) == 0 {
			continue
		}
		data, err := json.Marshal(o.Fields)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if data, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	return out
}

// TestBlockAtEnd holds that a block scalar keeps its newline where a document
// ends, as in what `helm template` prints.
func TestBlockAtEnd(t *testing.T) {
	for _, text := range []string{"a: |\n  b", "a: |\n  b\n\n\n", "a: |\n  b\n---\nc: d", "a: |+\n  b\n\n"} {
		if got := parse(t, text)[0].Fields["a"]; got != "b\n" {
			t.Errorf("%q: %q", text, got)
		}
	}
}
