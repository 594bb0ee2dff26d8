package plugin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

const chartDir = "charts/core-pipeline"

// released is what the ApplicationSet of an environment asks for.
func released(environment string) plugin.Request {
	return plugin.Request{Dir: chartDir, Parameters: plugin.Parameters{
		Environment: environment,
		ValueFiles:  []string{"/argocd/envs/" + environment + "/release.yaml"},
		Overlay:     "/argocd/envs/" + environment,
		ReleaseName: "core-pipeline", Namespace: "core-pipeline-" + environment,
	}}
}

// repository opens this repository as an application's source.
func repository(t testing.TB) source.Tree {
	t.Helper()
	tree, err := source.OpenDir("..", source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

func renderYAML(t testing.TB, tree source.Tree, req plugin.Request) string {
	t.Helper()
	list, err := plugin.Render(t.Context(), tree, req, plugin.Options{})
	if err != nil {
		t.Fatal(plugin.Message(err))
	}
	var out bytes.Buffer
	if err := manifest.WriteYAML(&out, list); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestGolden holds the manifests of every environment to a reviewed file.
// UPDATE_GOLDEN=1 rewrites the files.
func TestGolden(t *testing.T) {
	tree := repository(t)
	cases := map[string]plugin.Request{
		"default": {Dir: chartDir, Parameters: plugin.Parameters{ReleaseName: "core-pipeline", Namespace: "default"}},
		"test": {Dir: chartDir, Parameters: plugin.Parameters{
			Environment: "test", ReleaseName: "core-pipeline", Namespace: "core-pipeline-test",
		}},
	}
	for _, environment := range []string{"dev", "staging", "prod"} {
		cases[environment] = released(environment)
	}
	for name, req := range cases {
		t.Run(name, func(t *testing.T) {
			got := renderYAML(t, tree, req)
			if again := renderYAML(t, tree, req); again != got {
				t.Errorf("the second render differs:\n%s", cmp.Diff(got, again))
			}
			file := filepath.Join("testdata", "golden", name+".yaml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func BenchmarkRenderProd(b *testing.B) {
	tree := repository(b)
	req := released("prod")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plugin.Render(b.Context(), tree, req, plugin.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
