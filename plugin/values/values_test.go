package values

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
)

const canary = "canary-77a0"

// TestParseErrors says where a file is broken, never what is in it.
func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"a: b\n  c: " + canary + "\n", "f.yaml:2:4: mapping values are not allowed in this context"},
		{"a: [" + canary + "\n", "f.yaml:2:1: did not find expected ',' or ']'"},
		{"a:\n\t- " + canary + "\n", "f.yaml:2:1: found character that cannot start any token"},
		{"a: *" + canary + "\n", "f.yaml:1:4: unknown anchor"},
		{"a: {b: c\n\nd: e", "f.yaml:3:2: did not find expected ',' or '}'"},
		{"# values\n- " + canary + "\n", "f.yaml:2:1: values must be a mapping of keys, found a list"},
		{canary + "\n", "f.yaml:1:1: values must be a mapping of keys, found a single value"},
		{"? [" + canary + "]\n: b\n", "f.yaml: a key is not a string"},
		{"a: \"" + canary + "\x01\"\n", "f.yaml: control characters are not allowed"},
		{"a: " + canary + "\xff\n", "f.yaml: invalid leading UTF-8 octet"},
		{"a: &x [" + canary + ", *x]\n", "f.yaml: an anchor contains itself"},
		{"a: !!int " + canary + "\n", "f.yaml:1:1: not valid YAML"},
		{"a: &a [" + strings.Repeat("x,", 50) + "]\nb: &b [" + strings.Repeat("*a,", 50) + "]\nc: &c [" + strings.Repeat("*b,", 50) + "]\nd: &d [" + strings.Repeat("*c,", 50) + "]\ne: [" + strings.Repeat("*d,", 50) + "]\n",
			"f.yaml: aliases expand to too much"},
	} {
		_, err := Parse("f.yaml", []byte(tc.text))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%.60q:\ngot  %v\nwant %s", tc.text, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
}

// TestDeep holds that very deep YAML is an error, not the end of the process.
func TestDeep(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 1_000_000), "a: " + strings.Repeat("{b: ", 200_000), strings.Repeat("- ", 500_000), strings.Repeat("[{a: ", 50_000)} {
		if _, err := Parse("f.yaml", []byte(text)); err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), "exceeded max depth") {
			t.Errorf("%.20q…: %v", text, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	base, err := Parse("base.yaml", []byte("a: &a\n  b: 1\n  c: [x, w]\nd:\n  <<: *a\n  e: 2\n\"f.g\": 3\nh: *a\n"))
	if err != nil {
		t.Fatal(err)
	}
	over, err := Parse("over.yaml", []byte("a:\n  b: 9\n  c:\n  - z\n"))
	if err != nil {
		t.Fatal(err)
	}
	var m Merged
	m.Add(base)
	m.Add(over)
	if err := m.SetString("set", map[string]string{`h.c[1]`: "s", `f\.g`: "t", "new.deep": "u"}); err != nil {
		t.Fatal(err)
	}
	if err := m.SetJSON("json", map[string]string{"j": `{"k": [{"l": 1}]}`}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, leaf := range m.Leaves(m.Values) {
		got[leaf.Path] = fmt.Sprintf("%v %s", leaf.Value, leaf.Origin)
	}
	want := map[string]string{
		"a.b": "9 over.yaml:2:3", "a.c[0]": "z over.yaml:4:5", "d.b": "1 base.yaml:2:3",
		"d.c[0]": "x base.yaml:3:7", "d.c[1]": "w base.yaml:3:10", "d.e": "2 base.yaml:6:3", `f\.g`: "t set",
		"h.b": "1 base.yaml:2:3", "h.c[0]": "x base.yaml:3:7", "h.c[1]": "s set", "new.deep": "u set", "j.k[0].l": "1 json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o, ok := m.Origin("a.b.unheard.of"); !ok || o.Line != 2 {
		t.Errorf("a path below a leaf: %v, %v", o, ok)
	}
	if _, ok := m.Origin("unheard.of"); ok {
		t.Error("a path that nothing set has an origin")
	}
}

// TestOriginsOfKeys has keys that YAML 1.1 takes for something else than texts.
func TestOriginsOfKeys(t *testing.T) {
	layer, err := Parse("a.yaml", []byte("on: 1\nNo: 1\n0x10: 1\n1.50: 1\n8080: 1\n\"y\": 1\nyes.no: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	var m Merged
	m.Add(layer)
	for _, leaf := range m.Leaves(m.Values) {
		if leaf.Origin.Line == 0 {
			t.Errorf("%s has no origin", leaf.Path)
		}
	}
}

// TestOriginsOfGlobals looks at what Helm copies into dependencies.
func TestOriginsOfGlobals(t *testing.T) {
	var m Merged
	for _, l := range []struct {
		file, text string
		under      []string
	}{
		{"charts/db/values.yaml", "global: {a: 1, b: 1}", []string{"db"}}, {"values.yaml", "\nglobal: {a: 2}\ndb: {global: {c: 2}}\ningress: {global: {a: same}}", nil},
	} {
		layer, err := Parse(l.file, []byte(l.text))
		if err != nil {
			t.Fatal(err)
		}
		m.Add(layer.Under(l.under...))
	}
	// No dependency has the name ingress.
	final := map[string]any{"ingress": map[string]any{"global": map[string]any{"a": "same"}}, "global": map[string]any{"a": 2}, "db": map[string]any{
		"global": map[string]any{"a": 2, "b": 1}, "sub": map[string]any{"global": map[string]any{"a": 2, "c": 2}},
	}}
	got := map[string]string{}
	for _, leaf := range m.Leaves(final) {
		got[leaf.Path] = leaf.Origin.String()
	}
	want := map[string]string{
		"global.a": "values.yaml:2:10", "db.global.a": "values.yaml:2:10", "db.global.b": "charts/db/values.yaml:1:16",
		"ingress.global.a": "values.yaml:4:20", "db.sub.global.a": "values.yaml:2:10", "db.sub.global.c": "values.yaml:3:15",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOriginsOfImports(t *testing.T) {
	layer, err := Parse("db.yaml", []byte("size: {a: 1, l: [x]}\nsizes: 2\nexports: {data: {most: 1}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var m Merged
	m.Add(layer.Under("db"))
	m.Import([]string{"db", "size"}, []string{"dbsize"})
	m.Import([]string{"db", "exports", "data"}, nil)
	got := map[string]string{}
	for _, leaf := range m.Leaves(map[string]any{"dbsize": map[string]any{"a": 1, "l": []any{"x"}}, "dbsizes": 2, "most": 1}) {
		got[leaf.Path] = leaf.Origin.String()
	}
	want := map[string]string{"dbsize.a": "db.yaml:1:8", "dbsize.l[0]": "db.yaml:1:18", "dbsizes": "", "most": "db.yaml:3:18"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnder(t *testing.T) {
	layer, err := Parse("charts/db/values.yaml", []byte("size: 1\nlist: [a]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var m Merged
	m.Add(layer.Under("db.main", "sub"))
	if o, _ := m.Origin(`db\.main.sub.size`); o.String() != "charts/db/values.yaml:1:1" {
		t.Errorf("got %v", o)
	}
	if path := m.PathOf("db.main", "sub", "list", "0"); path != `db\.main.sub.list[0]` {
		t.Errorf("PathOf gives %s", path)
	}
	keys, err := Keys(`db\.main.sub.list[0]`)
	if diff := cmp.Diff([]string{"db.main", "sub", "list"}, keys); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestPathErrors(t *testing.T) {
	for path, want := range map[string]string{
		"": "a key is empty", "a..b": "a key is empty", "a.": "a key is empty", ".a": "a key is empty", "[0]": "a key is empty",
		"a[": "an index in brackets must be a number", "a[-1]": "an index in brackets must be a number", "a[x]": "an index in brackets must be a number",
		"a[65537]": "index 65537 is over the limit of 65536", "a[0]b": "a dot is missing after a bracket", `a\`: "ends with a backslash",
		strings.Repeat("a.", 40) + "b": "is nested deeper than 30 levels",
		"text.key":                     "the key key is looked for in something that is not a mapping", "list.key": "the key key is looked for in something that is not a mapping",
		"text[0]": "the index 0 is looked for in something that is not a list", "map[1]": "the index 1 is looked for in something that is not a list",
	} {
		m := Merged{Values: helmParsed(t, "{text: "+canary+", list: [1], map: {a: 1}}")}
		err := m.SetString("set", map[string]string{path: canary})
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
	var m Merged
	if err := m.SetJSON("json", map[string]string{"a": canary}); err == nil || err.Error() != "json: a: the value is not valid JSON" {
		t.Errorf("got %v", err)
	}
	if err := m.SetString("set", map[string]string{"a[": "", "b[": ""}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want two problems", err)
	}
}

// TestAssignLikeHelm compares single assignments with Helm's parser.
func TestAssignLikeHelm(t *testing.T) {
	const base = `{"a": {"b": "old", "list": [1, {"x": 2}]}, "s": "text", "n": null}`
	for _, tc := range []struct{ path, value string }{
		{"a.b", "new"}, {"a.c.d", "1"}, {"a.list[0]", "x"}, {"a.list[1].x", "y"}, {"a.list[4]", "z"}, {"new[2].k", "v"},
		{`a\.b`, "dot"}, {"a.list[1].new[1]", "nested"}, {"a", "whole"},
		{"m[0][1]", "matrix"}, {"a.b", ""}, {"a.b", "null"}, {"a.b", "true"}, {"weird-key_1/x", "v"},
	} {
		want := helmParsed(t, base)
		if err := strvals.ParseIntoString(tc.path+"="+tc.value, want); err != nil {
			t.Fatalf("%s: Helm: %v", tc.path, err)
		}
		m := Merged{Values: helmParsed(t, base)}
		if err := m.SetString("set", map[string]string{tc.path: tc.value}); err != nil {
			t.Errorf("%s: %v", tc.path, err)
			continue
		}
		if diff := cmp.Diff(want, m.Values); diff != "" {
			t.Errorf("--set-string %s=%s (-helm +ours):\n%s", tc.path, tc.value, diff)
		}

		want = helmParsed(t, base)
		if err := strvals.ParseJSON(tc.path+`={"k": [1, null, "t"]}`, want); err != nil {
			t.Fatalf("%s: Helm: %v", tc.path, err)
		}
		m = Merged{Values: helmParsed(t, base)}
		if err := m.SetJSON("set-json", map[string]string{tc.path: `{"k": [1, null, "t"]}`}); err != nil {
			t.Errorf("%s: %v", tc.path, err)
		} else if diff := cmp.Diff(want, m.Values); diff != "" {
			t.Errorf("--set-json %s (-helm +ours):\n%s", tc.path, diff)
		}
	}
}

func helmParsed(t testing.TB, text string) map[string]any {
	t.Helper()
	layer, err := Parse("base", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return layer.Values
}

// TestUnchanged holds that merging leaves the layers as they were: lint
// renders several environments from them.
func TestUnchanged(t *testing.T) {
	a, b := helmParsed(t, "x: {y: [1, 2]}"), helmParsed(t, "x: {z: 1}")
	var m Merged
	m.Add(Layer{Values: a})
	m.Add(Layer{Values: b})
	if err := m.SetString("set", map[string]string{"x.y[0]": "changed", "x.z": "changed"}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, helmParsed(t, "x: {y: [1, 2]}")) || !reflect.DeepEqual(b, helmParsed(t, "x: {z: 1}")) {
		t.Errorf("the layers are now %v and %v", a, b)
	}
}

// FuzzMerge compares the merge of two documents and an assignment with Helm's.
func FuzzMerge(f *testing.F) {
	f.Add("a: {b: 1, c: [1]}", "a: {b: ~, d: x}", "a.c[1]", "v")
	f.Add("a: 1\nb: true\nc: 0x10\nd: 1e3\ne: on", "a: {b: c}", "a.b", "")
	f.Add("x: &x {y: 1}\nz: {<<: *x}", "", "z.y", "2")
	f.Add("", "# nothing", "new.key", "v")
	f.Fuzz(func(t *testing.T, first, second, path, value string) {
		if strings.ContainsAny(path+value, ",={}\\") || strings.ContainsAny(path, "[]") && !plainIndices(path) {
			return // a notation of Helm's lists of assignments, which the parameter set does not have
		}
		want, helmErr := helmMerged(first, second)
		var m Merged
		var errs []error
		for _, text := range []string{first, second} {
			layer, err := Parse("f.yaml", []byte(text))
			m.Add(layer)
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); (err == nil) != (helmErr == nil) {
			t.Fatalf("ours %v, Helm %v", err, helmErr)
		} else if err != nil {
			return
		}
		if !same(want, m.Values) {
			t.Fatalf("merged (-helm +ours):\n%s", cmp.Diff(want, m.Values))
		}
		m.Leaves(m.Values)
		if path == "" || !utf8.ValidString(path+value) || m.SetString("set", map[string]string{path: value}) != nil {
			return
		}
		if err := strvals.ParseIntoString(path+"="+value, want); err != nil {
			return // Helm refuses more
		}
		if !same(want, m.Values) {
			t.Errorf("--set-string %q=%q (-helm +ours):\n%s", path, value, cmp.Diff(want, m.Values))
		}
	})
}

func plainIndices(path string) bool {
	_, err := parsePath(path)
	return err == nil && !strings.Contains(path, "[0")
}

func same(a, b map[string]any) bool {
	return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b)
}

// helmMerged merges values files with Helm's code.
func helmMerged(texts ...string) (map[string]any, error) {
	merged := map[string]any{}
	for _, text := range texts {
		values, err := chartutil.ReadValues([]byte(text))
		if err != nil {
			return nil, err
		}
		merged = chartutil.MergeTables(values, merged)
	}
	return merged, nil
}
