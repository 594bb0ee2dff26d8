package helm

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

const chartYAML = "apiVersion: v2\nname: shop\nversion: 1.2.3\n"

// tree makes a repository with a chart named shop in deploy/shop. Names are
// relative to the chart, "/x" to the repository.
func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{"deploy/shop/Chart.yaml": {Data: []byte(chartYAML)}}
	for name, text := range files {
		if rest, ok := strings.CutPrefix(name, "/"); ok {
			name = rest
		} else {
			name = "deploy/shop/" + name
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

var shop = Options{ReleaseName: "web", Namespace: "team"}

func renderTree(t *testing.T, fsys fs.FS, values map[string]any, opts Options) (Result, error) {
	t.Helper()
	c, err := Load(t.Context(), fsys, "deploy/shop")
	if err != nil {
		return Result{}, err
	}
	return c.Render(t.Context(), values, opts)
}

func configMap(name, more string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n" + more
}

func names(list manifest.List) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.Source+" "+o.ID().String())
	}
	return out
}

func TestRenderOrder(t *testing.T) {
	hook := func(name, events string) string {
		return configMap(name, "  annotations:\n    helm.sh/hook: "+events+"\n")
	}
	fsys := tree(map[string]string{
		"crds/b.yaml":                   "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: b\n",
		"templates/z-namespace.yaml":    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n",
		"templates/a-unknown.yaml":      "apiVersion: x.io/v1\nkind: Zebra\nmetadata:\n  name: z\n---\napiVersion: x.io/v1\nkind: Ape\nmetadata:\n  name: a\n",
		"templates/two.yaml":            configMap("b", "") + "---\n" + configMap("a", ""),
		"templates/one.yaml":            configMap("c", ""),
		"templates/hook.yaml":           hook("hook", "post-install,pre-upgrade"),
		"templates/unknown-hook.yaml":   hook("never", "on-tuesday"),
		"templates/tests/test.yaml":     hook("test", "test"),
		"templates/empty.yaml":          "\n# nothing\n",
		"templates/_partial.yaml":       configMap("partial", ""),
		"templates/NOTES.txt":           "Thank you",
		"templates/nested/NOTES.txt":    "{{ .Release.Name }}",
		"charts/cache/Chart.yaml":       "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"charts/cache/crds/c.yaml":      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: c\n",
		"charts/cache/templates/s.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: cache\n",
	})
	result, err := renderTree(t, fsys, nil, shop)
	if err != nil {
		t.Fatal(err)
	}
	const dir = "deploy/shop/"
	want := []string{
		dir + "crds/b.yaml CustomResourceDefinition.apiextensions.k8s.io/b",
		dir + "charts/cache/crds/c.yaml CustomResourceDefinition.apiextensions.k8s.io/c",
		dir + "templates/z-namespace.yaml Namespace/ns",
		dir + "templates/one.yaml ConfigMap/c",
		dir + "templates/two.yaml ConfigMap/b",
		dir + "templates/two.yaml ConfigMap/a",
		dir + "charts/cache/templates/s.yaml Service/cache",
		dir + "templates/a-unknown.yaml Ape.x.io/a",
		dir + "templates/a-unknown.yaml Zebra.x.io/z",
		dir + "templates/hook.yaml ConfigMap/hook",
	}
	if diff := cmp.Diff(want, names(result.Objects)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}

	with, err := renderTree(t, fsys, nil, Options{ReleaseName: "web", Namespace: "team", SkipCRDs: true, IncludeTests: true})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(names(with.Objects), "\n")
	if strings.Contains(text, "crds/") || !strings.Contains(text, "ConfigMap/test") {
		t.Errorf("SkipCRDs and IncludeTests give:\n%s", text)
	}
}

func TestCapabilities(t *testing.T) {
	fsys := tree(map[string]string{"templates/c.yaml": configMap("c", `data:
  kube: {{ .Capabilities.KubeVersion.Version | quote }}
  minor: {{ .Capabilities.KubeVersion.Minor | quote }}
  apps: {{ .Capabilities.APIVersions.Has "apps/v1" | quote }}
  monitor: {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor" | quote }}
  empty: {{ .Capabilities.APIVersions.Has "" | quote }}
  lookup: {{ lookup "v1" "Secret" "team" "x" | toJson | quote }}
  dns: {{ getHostByName "example.com" | quote }}
  install: {{ .Release.IsInstall | quote }}
`)})
	for _, tc := range []struct {
		name string
		opts Options
		want map[string]string
	}{
		{"defaults", Options{}, map[string]string{"kube": DefaultKubeVersion, "monitor": "false"}},
		{"given", Options{KubeVersion: "1.35.3", APIVersions: []string{"", "monitoring.coreos.com/v1/ServiceMonitor"}},
			map[string]string{"kube": "v1.35.3", "minor": "35", "monitor": "true"}},
		{"vendor's suffix", Options{KubeVersion: "v1.36.2+k3s1"}, map[string]string{"kube": "v1.36.2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.opts.ReleaseName, tc.opts.Namespace = "web", "team"
			result, err := renderTree(t, fsys, nil, tc.opts)
			if err != nil {
				t.Fatal(err)
			}
			data, _ := result.Objects[0].Fields["data"].(map[string]any)
			tc.want["apps"], tc.want["empty"], tc.want["install"] = "true", "false", "true"
			tc.want["lookup"], tc.want["dns"] = "{}", ""
			for key, want := range tc.want {
				if data[key] != want {
					t.Errorf("%s is %q, want %q", key, data[key], want)
				}
			}
		})
	}
}

// TestErrors: every bad chart gives one line that starts with the place and
// holds no value.
func TestErrors(t *testing.T) {
	const canary = "canary-7f3a9b"
	values := map[string]any{"password": canary, "broken": "{{ " + canary, "loop": `{{ fail "` + canary + `" }}`}
	for _, tc := range []struct {
		name  string
		files map[string]string
		opts  Options
		want  []string
	}{
		{"nil pointer", map[string]string{"templates/c.yaml": "{{/* */}}\n{{ .Values.a.b }}\n"}, shop,
			[]string{"deploy/shop/templates/c.yaml:2:10: ", "nil pointer"}},
		{"inside a helper", map[string]string{
			"templates/_h.tpl":  "{{ define \"h\" }}\n\n{{ .Values.a.b.c }}{{ end }}",
			"templates/c.yaml":  "{{ include \"h\" . }}",
			"templates/ok.yaml": configMap("ok", ""),
		}, shop, []string{"deploy/shop/templates/_h.tpl:3:", "nil pointer"}},
		{"syntax", map[string]string{"templates/c.yaml": "a\n{{ if }}\n"}, shop,
			[]string{"deploy/shop/templates/c.yaml:2: not a valid template: missing value for if"}},
		{"unknown function", map[string]string{"templates/c.yaml": "{{ shell \"x\" }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1: ", `function "shell" not defined`}},
		{"no such template", map[string]string{"templates/c.yaml": "{{ include \"nope\" . }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1:3: ", `"nope"`}},
		{"required", map[string]string{"templates/c.yaml": "{{ required \"image.tag is required\" .Values.tag }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1:3: image.tag is required"}},
		{"fail", map[string]string{"templates/c.yaml": "\n{{ fail \"two problems\" }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:2:3: two problems"}},
		{"tpl with a broken text", map[string]string{"templates/c.yaml": "{{ tpl .Values.broken . }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1:3: ", "the text given to tpl is not a template"}},
		{"a value in a conversion", map[string]string{"templates/c.yaml": "{{ .Values.password | mustToDate \"2006\" }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1:"}},
		{"a value in a format", map[string]string{"templates/c.yaml": "{{ index .Values .Values.password \"x\" }}"}, shop,
			[]string{"deploy/shop/templates/c.yaml:1:"}},
		{"endless include", map[string]string{
			"templates/_h.tpl": "{{ define \"h\" }}{{ include \"h\" . }}{{ end }}", "templates/c.yaml": "{{ include \"h\" . }}",
		}, shop, []string{"deploy/shop/templates/_h.tpl:1:", "nested reference name: h"}},
		{"output is no YAML", map[string]string{"templates/c.yaml": "kind: [{{ .Values.password }}\n"}, shop,
			[]string{"deploy/shop/templates/c.yaml: ", "not valid YAML"}},
		{"in a dependency", map[string]string{
			"charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 0.1.0\n", "charts/cache/templates/c.yaml": "{{ .Values.a.b }}",
		}, shop, []string{"deploy/shop/charts/cache/templates/c.yaml:1:"}},
		{"not vendored", map[string]string{"Chart.yaml": chartYAML + "dependencies:\n- name: kafka\n  version: 1.0.0\n  repository: https://example.com\n"}, shop,
			[]string{"deploy/shop/Chart.yaml: ", "kafka", "helm dependency build"}},
		{"library", map[string]string{"Chart.yaml": chartYAML + "type: library\n"}, shop, []string{"deploy/shop/Chart.yaml: shop is a library chart"}},
		{"invalid Chart.yaml", map[string]string{"Chart.yaml": "apiVersion: v2\nname: shop\n"}, shop, []string{"deploy/shop/Chart.yaml: ", "version"}},
		{"a package that is none", map[string]string{"charts/cache.tgz": canary}, shop, []string{"deploy/shop/charts/cache.tgz: gzip: invalid header"}},
		{"a package in a dependency", map[string]string{
			"charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 0.1.0\n", "charts/cache/charts/db.tgz": canary,
		}, shop, []string{"deploy/shop/charts/cache/charts/db.tgz: gzip: invalid header"}},
		{"invalid Chart.yaml of a dependency", map[string]string{"charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\n"}, shop,
			[]string{"deploy/shop/charts/cache/Chart.yaml: ", "version"}},
		{"broken Chart.yaml", map[string]string{"Chart.yaml": "name: [" + canary}, shop, []string{"deploy/shop/Chart.yaml: "}},
		{"broken values.yaml", map[string]string{"values.yaml": "password: [" + canary}, shop, []string{"deploy/shop/values.yaml: "}},
		{"deep values.yaml", map[string]string{"values.yaml": "a: " + strings.Repeat("[", 200_000)}, shop, []string{"deploy/shop/values.yaml: "}},
		{"broken values.yaml of a dependency", map[string]string{
			"charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 0.1.0\n", "charts/cache/values.yaml": "a: [" + canary,
		}, shop, []string{"deploy/shop/charts/cache/values.yaml: "}},
		{"Kubernetes too old", map[string]string{"Chart.yaml": chartYAML + "kubeVersion: '>=1.99'\n"}, shop,
			[]string{"deploy/shop/Chart.yaml: ", ">=1.99", DefaultKubeVersion}},
		{"release name", nil, Options{ReleaseName: strings.Repeat("a", 54), Namespace: "team"}, []string{"release-name", "53"}},
		{"kube version", nil, Options{ReleaseName: "web", Namespace: "team", KubeVersion: "latest"}, []string{"kube-version", "latest"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result, err := renderTree(t, tree(tc.files), values, tc.opts)
			if err == nil {
				t.Fatalf("no error, but %d objects", len(result.Objects))
			}
			text := err.Error()
			if !strings.HasPrefix(text, tc.want[0]) {
				t.Errorf("the error does not start with %q", tc.want[0])
			}
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("the error does not hold %q", want)
				}
			}
			for _, no := range []string{canary, "\n", "error calling include", "executing \""} {
				if strings.Contains(text, no) {
					t.Errorf("the error holds %q", no)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	schema := `{"type": "object", "additionalProperties": false, "properties": {
	  "port": {"type": "integer", "minimum": 1, "maximum": 65535}, "secret": {"type": "string", "pattern": "^[a-z]+$"},
	  "mode": {"enum": ["a", "b"]}, "list": {"type": "array", "items": {"type": "object", "required": ["name"]}},
	  "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "other": {"$ref": "schemas/other.json#/definitions/x"}, "cache": {}, "global": {}}}`
	fsys := tree(map[string]string{
		"values.yaml": "port: 80\n", "values.schema.json": schema,
		"schemas/other.json":               `{"definitions": {"x": {"type": "boolean"}}}`,
		"templates/c.yaml":                 configMap("c", ""),
		"charts/cache/Chart.yaml":          "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"charts/cache/values.schema.json":  `{"properties": {"size": {"type": "integer"}}}`,
		"charts/cache/templates/none.yaml": "",
	})
	_, err := renderTree(t, fsys, map[string]any{
		"port": 0, "secret": "canary-7F3A9B", "mode": "c", "list": []any{map[string]any{"name": 1}, map[string]any{}},
		"either": true, "other": "yes", "prot": 1, "cache": map[string]any{"size": "big"},
	}, shop)
	failed, ok := errors.AsType[*ValidationError](err)
	if !ok {
		t.Fatalf("not a ValidationError: %v", err)
	}
	got := map[string]string{}
	for _, v := range failed.Violations {
		got[strings.Join(v.Path, ".")] = v.Message
	}
	want := map[string]string{
		"port": "must be at least 1", "secret": "must match the pattern ^[a-z]+$", "mode": "must be one of a, b",
		"list.1.name": "must be set", "either": "must be string, found boolean, or must be integer, found boolean",
		"other": "must be boolean, found string", "prot": "is not a value of this chart", "cache.size": "must be integer, found string",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}

	if _, err := renderTree(t, fsys, map[string]any{"other": true}, shop); err != nil {
		t.Errorf("a valid render: %v", err)
	}
}

// TestSchemaLoaderIsClosed: a schema cannot make a render read a file or open
// a connection.
func TestSchemaLoaderIsClosed(t *testing.T) {
	for _, ref := range []string{
		"file:///etc/hostname", "http://127.0.0.1:1/x.json", "https://example.com/x.json", "urn:example:x",
		"../../../x.json", "/etc/hostname", "ftp://example.com/x", "missing.json",
	} {
		t.Run(ref, func(t *testing.T) {
			fsys := tree(map[string]string{
				"values.schema.json": `{"properties": {"a": {"$ref": "` + ref + `"}}}`, "templates/c.yaml": configMap("c", ""),
				"/x.json": "{}",
			})
			_, err := renderTree(t, fsys, map[string]any{"a": 1}, shop)
			if err == nil || !strings.HasPrefix(err.Error(), "deploy/shop/values.schema.json: $ref to ") ||
				!strings.Contains(err.Error(), "only files of the chart") {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := renderTree(t, tree(map[string]string{"values.schema.json": `{"type": "strnig"}`}), nil, shop)
	if err == nil || !strings.HasPrefix(err.Error(), "deploy/shop/values.schema.json: not a valid JSON schema: type: ") {
		t.Errorf("an invalid schema: %v", err)
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load(t.Context(), tree(nil), "deploy"); !errors.Is(err, ErrNoChart) {
		t.Errorf("a directory without a chart: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, tree(nil), "deploy/shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load: %v", err)
	}
	large := tree(map[string]string{"files/large": strings.Repeat("x", 5<<20+1)})
	if _, err := Load(t.Context(), large, "deploy/shop"); err == nil || !strings.Contains(err.Error(), "deploy/shop/files/large is larger") {
		t.Errorf("a large file: %v", err)
	}
	large["deploy/shop/.helmignore"] = &fstest.MapFile{Data: []byte("files/\n")}
	if _, err := Load(t.Context(), large, "deploy/shop"); err != nil {
		t.Errorf("a large file that is ignored: %v", err)
	}

	c, err := Load(t.Context(), tree(map[string]string{"templates/c.yaml": "\xef\xbb\xbf" + configMap("c", "")}), "deploy/shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Render(t.Context(), nil, shop); err != nil {
		t.Errorf("a template that starts with a byte order mark: %v", err)
	}
	if _, err := c.Render(t.Context(), nil, shop); err == nil {
		t.Error("a chart was rendered twice")
	}
}

func TestValuesFiles(t *testing.T) {
	fsys := tree(map[string]string{
		"Chart.yaml":               chartYAML + "dependencies:\n- {name: cache, version: 0.1.0, alias: hot}\n- {name: cache, version: 0.1.0}\n",
		"values.yaml":              "a: 1\n",
		"charts/cache/Chart.yaml":  "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"charts/cache/values.yaml": "size: 1\n",
	})
	c, err := Load(t.Context(), fsys, "deploy/shop")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.ValuesFiles() {
		got = append(got, strings.Join(f.Under, ".")+" "+f.File)
	}
	want := []string{"cache deploy/shop/charts/cache/values.yaml", "hot deploy/shop/charts/cache/values.yaml", " deploy/shop/values.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
