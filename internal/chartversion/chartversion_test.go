package chartversion_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/internal/chartversion"
)

const chartYAML = `name: a
version: 1.2.3
kubeVersion: ">=1.30.0-0"
annotations:
  artifacthub.io/changes: |
    - kind: added
      description: One.
`

// chart is one with a bit of everything; changes replaces files, and removes
// those that are "".
func chart(changes map[string]string) chartversion.Files {
	files := chartversion.Files{
		"Chart.yaml":                []byte(chartYAML),
		"CHANGELOG.md":              []byte("# Changelog\n\n## [1.2.3] - 2026-01-01\n\n### Added\n\n- One.\n"),
		"values.yaml":               []byte("image:\n  tag: \"1\"\n  digest: \"\"\nsidecar:\n  image: {tag: x}\na: 1\nb: {c: [1, 2], d: null}\ne: {}\n"),
		"values.schema.json":        []byte(`{"properties":{"a":{"type":"integer","enum":[1,2]},"b":{"properties":{"c":{"items":{"type":"integer"}}}}},"$defs":{"x":{"type":"string"}}}`),
		"templates/a.yaml":          []byte("a"),
		"templates/_helpers.tpl":    []byte("h"),
		"templates/tests/test.yaml": []byte("t"),
		"templates/NOTES.txt":       []byte("n"),
		"crds/c.yaml":               []byte("c"),
		"files/f.json":              []byte("{}"),
		"README.md":                 []byte("r"),
		"ci/values.yaml":            []byte("r"),
	}
	for name, text := range changes {
		if files[name] = []byte(text); text == "" {
			delete(files, name)
		}
	}
	return files
}

// TestLevels: what every kind of change asks for, and why.
func TestLevels(t *testing.T) {
	values := string(chart(nil)["values.yaml"])
	schema := string(chart(nil)["values.schema.json"])
	swap := func(text, old, now string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q", old)
		}
		return strings.ReplaceAll(text, old, now)
	}
	one := func(file, text string) map[string]string { return map[string]string{file: text} }
	inValues := func(old, now string) map[string]string { return one("values.yaml", swap(values, old, now)) }
	inSchema := func(old, now string) map[string]string { return one("values.schema.json", swap(schema, old, now)) }
	for name, c := range map[string]struct {
		changes map[string]string
		want    string // level and beginning of the first reason
	}{
		"nothing":             {nil, "none"},
		"tag":                 {inValues(`tag: "1"`, `tag: "2"`), "none"},
		"digest":              {inValues(`digest: ""`, `digest: "sha256:0"`), "none"},
		"another tag":         {inValues("{tag: x}", "{tag: z}"), "none"},
		"documents":           {map[string]string{"README.md": "x", "ci/values.yaml": "x", "values-prod.yaml": "x", "LICENSE": "x"}, "none"},
		"appVersion":          {one("Chart.yaml", chartYAML+"appVersion: \"2\"\ndescription: other\n"), "none"},
		"comment":             {inValues("a: 1", "a: 1 # one"), "patch values.yaml: comments or order differ"},
		"comment and tag":     {inValues(`tag: "1"`, `tag: "2" # two`), "patch values.yaml: comments or order differ"},
		"default":             {inValues("a: 1", "a: 2"), "patch values.yaml: a has another default"},
		"list":                {inValues("[1, 2]", "[1]"), "patch values.yaml: b.c has another default"},
		"null to text":        {inValues("d: null", "d: x"), "patch values.yaml: b.d has another default"},
		"new value":           {inValues("a: 1", "a: 1\nnew: {x: 1}"), "minor values.yaml: new.x is new"},
		"map gets a value":    {inValues("e: {}", "e: {f: 1}"), "minor values.yaml: e.f is new"},
		"value gone":          {inValues("a: 1\n", ""), "major values.yaml: a is gone"},
		"value renamed":       {inValues("a: 1\n", "z: 1\n"), "major values.yaml: a is gone"},
		"digest gone":         {inValues("  digest: \"\"\n", ""), "major values.yaml: image.digest is gone"},
		"other type":          {inValues("a: 1", "a: \"1\""), "major values.yaml: a was a number and is a text"},
		"tag of other type":   {inValues(`tag: "1"`, `tag: 1`), "major values.yaml: image.tag was a text and is a number"},
		"values gone":         {one("values.yaml", ""), "major values.yaml: a is gone"},
		"template":            {one("templates/a.yaml", "b"), "patch templates/a.yaml: differs"},
		"new template":        {one("templates/b.yaml", "b"), "minor templates/b.yaml: is new"},
		"new helper":          {one("templates/_b.tpl", "b"), "patch templates/_b.tpl: is new"},
		"template gone":       {one("templates/a.yaml", ""), "major templates/a.yaml: is gone"},
		"notes gone":          {one("templates/NOTES.txt", ""), "patch templates/NOTES.txt: is gone"},
		"template moved":      {map[string]string{"templates/a.yaml": "", "templates/b.yaml": "a"}, "patch templates/b.yaml: was templates/a.yaml"},
		"definition gone":     {one("crds/c.yaml", ""), "major crds/c.yaml: is gone"},
		"file":                {one("files/f.json", "[]"), "patch files/f.json: differs"},
		"new file":            {one("files/g.json", "[]"), "patch files/g.json: is new"},
		"ignored files":       {one(".helmignore", "x"), "patch .helmignore: is new"},
		"vendored chart":      {one("charts/x/Chart.yaml", "x"), "patch charts/x/Chart.yaml: is new"},
		"dependency":          {one("Chart.yaml", chartYAML+"dependencies: [{name: x, version: 1.0.0}]\n"), "minor Chart.yaml: dependencies are others"},
		"library":             {one("Chart.yaml", chartYAML+"type: library\n"), "major Chart.yaml: the name or the type is another"},
		"older Kubernetes":    {one("Chart.yaml", swap(chartYAML, "1.30", "1.29")), "minor Chart.yaml: kubeVersion admits other versions"},
		"newer Kubernetes":    {one("Chart.yaml", swap(chartYAML, "1.30", "1.31")), "major Chart.yaml: kubeVersion leaves out versions"},
		"no schema":           {one("values.schema.json", ""), "minor values.schema.json: is gone"},
		"schema: type":        {inSchema(`"a":{"type":"integer"`, `"a":{"type":"string"`), "major values.schema.json: a has another type"},
		"schema: fewer":       {inSchema("[1,2]", "[1]"), "major values.schema.json: a does not take 2 any more"},
		"schema: more":        {inSchema("[1,2]", "[1,2,3]"), "patch values.schema.json: differs"},
		"schema: closed":      {inSchema(`{"properties":{"a"`, `{"additionalProperties":false,"properties":{"a"`), "major values.schema.json: takes no other properties any more"},
		"schema: required":    {inSchema(`{"properties":{"a"`, `{"required":["z"],"properties":{"a"`), "major values.schema.json: z is required, and has no default"},
		"schema: has default": {inSchema(`{"properties":{"a"`, `{"required":["b"],"properties":{"a"`), "patch values.schema.json: differs"},
		"schema: new":         {inSchema(`{"properties":{"a"`, `{"properties":{"n":{},"a"`), "minor values.schema.json: n is new"},
		"schema: items":       {inSchema(`"items":{"type":"integer"}`, `"items":{"type":"string"}`), "major values.schema.json: b.c[] has another type"},
		"schema: definition":  {inSchema(`"x":{"type":"string"}`, `"x":{"type":"integer"}`), "major values.schema.json: $defs/x has another type"},
		"schema: spaces":      {inSchema(`{"properties":{"a"`, `{ "properties":{"a"`), "none"},
		"largest first":       {map[string]string{"templates/a.yaml": "b", "templates/b.yaml": "b", "crds/c.yaml": ""}, "major crds/c.yaml: is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := chartversion.New(chart(nil), chart(c.changes))
			if err != nil {
				t.Fatal(err)
			}
			got := r.Level.String()
			if len(r.Changes) > 0 {
				got = r.Changes[0].Level.String() + " " + r.Changes[0].Text
			}
			if !strings.HasPrefix(got, c.want) || c.want == "none" && len(r.Changes) > 0 {
				t.Errorf("got  %v\nwant %s", r.Changes, c.want)
			}
		})
	}
}

// TestVersions: which version follows, and which is taken.
func TestVersions(t *testing.T) {
	patch, minor, major := map[string]string{"templates/a.yaml": "b"}, map[string]string{"templates/b.yaml": "b"}, map[string]string{"crds/c.yaml": ""}
	for _, c := range []struct {
		before, now string
		changes     map[string]string
		wanted      string
		fits        bool
	}{
		{"1.2.3", "1.2.3", nil, "1.2.3", true},
		{"1.2.3", "1.2.3", patch, "1.2.4", false},
		{"1.2.3", "1.2.4", patch, "1.2.4", true},
		{"1.2.3", "1.2.4", minor, "1.3.0", false},
		{"1.2.3", "1.3.0", minor, "1.3.0", true},
		{"1.2.3", "1.3.0", major, "2.0.0", false},
		{"1.2.3", "2.0.0", major, "2.0.0", true},
		{"1.2.3", "3.0.0", patch, "1.2.4", true},
		{"1.2.3", "1.2.2", nil, "1.2.3", false},
		{"0.2.3", "0.2.4", major, "0.3.0", false},
		{"0.2.3", "0.3.0", major, "0.3.0", true},
		{"1.2.3", "2.0.0-rc.1", major, "2.0.0", true},
		{"1.2.3", "1.3.0-rc.1", major, "2.0.0", false},
		{"2.0.0-rc.1", "2.0.0-rc.1", patch, "2.0.0", true},
		{"2.0.0-rc.1", "2.0.0", major, "2.0.0", true},
	} {
		with := func(version string, changes map[string]string) chartversion.Files {
			all := map[string]string{
				"Chart.yaml":   strings.Replace(chartYAML, "1.2.3", version, 1),
				"CHANGELOG.md": "## " + version + "\n### Added\n- One.\n",
			}
			maps.Copy(all, changes)
			return chart(all)
		}
		r, err := chartversion.New(with(c.before, nil), with(c.now, c.changes))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(); (err == nil) != c.fits || r.Wanted.String() != c.wanted {
			t.Errorf("%s to %s: wanted %s, %v; expected %s, %v", c.before, c.now, r.Wanted, err, c.wanted, c.fits)
		}
	}
	// A chart that was not there before needs no more than to be in step.
	r, err := chartversion.New(nil, chart(nil))
	if err != nil || r.Check() != nil || r.Before != nil {
		t.Errorf("%v, %v", err, r)
	}
}

// TestEdits: what is written makes Check content, keeps the rest, and needs no
// second run.
func TestEdits(t *testing.T) {
	for name, c := range map[string]struct{ chart, log, wantChart, wantLog string }{
		"unreleased": {chartYAML, "## [Unreleased]\n### Fixed\n- Two: \"x\".\n- 3\n## [1.2.3] - 2026-01-01\n### Added\n- One.\n",
			strings.NewReplacer("1.2.3", "1.2.4", "kind: added", "kind: fixed", "description: One.", "description: \"Two: \\\"x\\\".\"\n    - kind: fixed\n      description: \"3\"").Replace(chartYAML),
			"## [1.2.4]\n### Fixed\n- Two: \"x\".\n- 3\n## [1.2.3] - 2026-01-01\n### Added\n- One.\n"},
		"written by hand": {chartYAML, "## 1.2.4\n### Added\n- One.\n", strings.Replace(chartYAML, "1.2.3", "1.2.4", 1), ""},
		"half done":       {strings.Replace(chartYAML, "1.2.3", "1.2.4", 1), "## Unreleased\n### Added\n- One.\n", "", "## 1.2.4\n### Added\n- One.\n"},
		"CRLF": {strings.ReplaceAll(chartYAML, "\n", "\r\n"), "## Unreleased\r\n\r\n### Removed\r\n\r\n- Two\r\n  lines.\r\n",
			strings.ReplaceAll(strings.NewReplacer("1.2.3", "1.2.4", "added", "removed", "One.", "Two lines.").Replace(chartYAML), "\n", "\r\n"), "## 1.2.4\r\n\r\n### Removed\r\n\r\n- Two\r\n  lines.\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := chart(map[string]string{"Chart.yaml": c.chart, "CHANGELOG.md": c.log, "templates/a.yaml": "b"})
			r, err := chartversion.New(chart(nil), files)
			if err != nil {
				t.Fatal(err)
			}
			edits, err := r.Edits()
			if err != nil {
				t.Fatal(err)
			}
			if string(edits["Chart.yaml"]) != c.wantChart || string(edits["CHANGELOG.md"]) != c.wantLog {
				t.Errorf("got\n%q\n%q\nwant\n%q\n%q", edits["Chart.yaml"], edits["CHANGELOG.md"], c.wantChart, c.wantLog)
			}
			maps.Copy(files, edits)
			again, err := chartversion.New(chart(nil), files)
			if err != nil || again.Check() != nil {
				t.Fatalf("%v, %v", err, again.Check())
			}
			if more, err := again.Edits(); err != nil || len(more) > 0 {
				t.Errorf("a second run edits %v, %v", more.Names(), err)
			}
		})
	}
}

// TestRefused: what cannot be edited for sure stays.
func TestRefused(t *testing.T) {
	log := "## Unreleased\n### Added\n- Two.\n"
	for name, c := range map[string]struct {
		changes map[string]string
		want    string
	}{
		"no changelog":     {map[string]string{"CHANGELOG.md": ""}, "CHANGELOG.md: no such file"},
		"no annotation":    {map[string]string{"CHANGELOG.md": log, "Chart.yaml": "name: a\nversion: 1.2.3\n"}, "annotations.artifacthub.io/changes: expected a block that begins with |"},
		"folded":           {map[string]string{"CHANGELOG.md": log, "Chart.yaml": strings.Replace(chartYAML, "|", ">-", 1)}, "expected a block that begins with |"},
		"version twice":    {map[string]string{"CHANGELOG.md": log, "Chart.yaml": chartYAML + "version: 1.2.3\n"}, "is given twice"},
		"no chart":         {map[string]string{"Chart.yaml": "[secret"}, "is not the description of a chart"},
		"values no map":    {map[string]string{"values.yaml": "- secret\n"}, "values.yaml: is not a map in YAML"},
		"schema no object": {map[string]string{"values.schema.json": "secret"}, "values.schema.json: is not an object in JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			c.changes["templates/a.yaml"] = "b"
			r, err := chartversion.New(chart(nil), chart(c.changes))
			var edits chartversion.Files
			if err == nil {
				edits, err = r.Edits()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || len(edits) > 0 {
				t.Errorf("%v, %v", err, slices.Collect(maps.Keys(edits)))
			}
		})
	}
}
