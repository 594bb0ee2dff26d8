package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// golden is a reviewed result, and how to get it.
type golden struct {
	name, repo string
	app        app
	want       []object
}

// TestGolden holds all three ways to render to every reviewed result of the project: the environments of
// plugin/testdata/golden, and the charts of test/parity.
func TestGolden(t *testing.T) {
	s := startNative(t)
	cases := slices.Concat(goldenEnvironments(t), goldenCharts(t))
	if len(cases) < 30 {
		t.Fatalf("found %d cases only", len(cases))
	}
	for _, g := range cases {
		t.Run(g.name, func(t *testing.T) {
			for way, got := range map[string][]object{
				"render":   render(t, g.repo, append(g.flags(), g.app.path)...),
				"generate": parse(t, g.generate(t)),
				"serve":    parse(t, mustGenerate(t, s, g.repo, g.app)...),
			} {
				if diff := gocmp.Diff(g.want, got); diff != "" {
					t.Errorf("%s gives something else (-reviewed +%s):\n%s", way, way, diff)
				}
			}
		})
	}
}

// flags are the parameters on the command line.
func (g golden) flags() []string {
	flags := []string{"--namespace", g.app.namespace}
	for _, p := range g.app.params {
		switch {
		case p.String_ != nil && (*p.String_ == "true" || *p.String_ == "false"):
			flags = append(flags, "--"+p.Name+"="+*p.String_)
		case p.String_ != nil:
			flags = append(flags, "--"+p.Name, *p.String_)
		case p.OptionalArray != nil:
			for _, v := range p.Array {
				flags = append(flags, "--"+p.Name, v)
			}
		default:
			for _, k := range slices.Sorted(maps.Keys(p.Map)) {
				flags = append(flags, "--"+p.Name, k+"="+p.Map[k])
			}
		}
	}
	return flags
}

// generate runs the exec contract's verb as a process.
func (g golden) generate(t *testing.T) string {
	t.Helper()
	bin, err := programs.Project()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(g.repo, filepath.FromSlash(g.app.path))
	out, err := programs.Run(t.Context(), dir, append(g.app.environ(t), "HOME="+dir), filepath.Join(bin, "core-pipeline-cmp"), "generate")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func goldenEnvironments(t *testing.T) []golden {
	t.Helper()
	repo := copyRepository(t, "")
	files, err := filepath.Glob(filepath.Join(moduleRoot, "plugin", "testdata", "golden", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		a := applicationOf(name)
		switch name {
		case "default":
			a = app{path: chart, namespace: "default", params: v1alpha1.ApplicationSourcePluginParameters{stringParam("release-name", "core-pipeline")}}
		case "test": // nobody releases it
			a.params = a.params[:2]
		}
		a.noCluster = true
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, golden{name: "environments/" + name, repo: repo, app: a, want: parse(t, string(text))})
	}
	return all
}

// goldenCharts reads the archives of test/parity; its package says what they hold.
func goldenCharts(t *testing.T) []golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot, "test", "parity", "testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for _, file := range files {
		all = append(all, goldenChart(t, file))
	}
	return all
}

func goldenChart(t *testing.T, file string) golden {
	t.Helper()
	g := golden{name: "charts/" + strings.TrimSuffix(filepath.Base(file), ".txtar"), repo: t.TempDir()}
	writeFile(t, filepath.Join(g.repo, ".git", "HEAD"), "ref: refs/heads/main\n")
	packages := map[string][]entry{}
	for _, f := range splitArchive(t, file) {
		rest, packed := strings.CutPrefix(f.header.Name, "tgz/")
		switch {
		case f.header.Name == "case.yaml":
			g.app = chartCase(t, f.content)
		case f.header.Name == "want.yaml":
			g.want = parse(t, f.content)
		case packed:
			name, _, _ := strings.Cut(rest, "/")
			packages[name] = append(packages[name], regular(rest, f.content))
		default:
			writeRaw(t, filepath.Join(g.repo, filepath.FromSlash(f.header.Name)), []byte(f.content))
		}
	}
	for name, files := range packages {
		writeRaw(t, filepath.Join(g.repo, "chart", "charts", name+".tgz"), pack(t, files))
	}
	return g
}

// chartCase reads a case's parameters, by the names of the fields of plugin.Parameters.
func chartCase(t *testing.T, text string) app {
	t.Helper()
	names := map[string]string{
		"releaseName": "release-name", "environment": "environment", "valueFiles": "value-files", "values": "values",
		"set": "set", "setJSON": "set-json", "overlay": "overlay", "kubeVersion": "kube-version", "apiVersions": "api-versions",
		"skipCRDs": "skip-crds", "includeTests": "include-tests", "optionalValueFiles": "optional-value-files", "allowEmpty": "allow-empty",
	}
	var given map[string]any
	if err := yaml.Unmarshal([]byte(text), &given); err != nil {
		t.Fatal(err)
	}
	a := app{path: "chart", noCluster: true}
	for _, field := range slices.Sorted(maps.Keys(given)) {
		name := names[field]
		switch value := given[field].(type) {
		case []any:
			var texts []string
			for _, v := range value {
				texts = append(texts, fmt.Sprint(v))
			}
			a.params = append(a.params, arrayParam(name, texts...))
		case map[string]any:
			texts := map[string]string{}
			for k, v := range value {
				texts[k] = fmt.Sprint(v)
			}
			a.params = append(a.params, mapParam(name, texts))
		default:
			if field == "namespace" {
				a.namespace = fmt.Sprint(value)
				continue
			}
			a.params = append(a.params, stringParam(name, fmt.Sprint(value)))
		}
		if name == "" {
			t.Fatalf("%s is no parameter that is known here", field)
		}
	}
	return a
}

// splitArchive reads the txtar format.
func splitArchive(t *testing.T, file string) []entry {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(line, " --\n") {
			all = append(all, regular(strings.TrimSuffix(name, " --\n"), ""))
		} else if len(all) > 0 {
			all[len(all)-1].content += line
		}
	}
	return all
}

func writeRaw(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
