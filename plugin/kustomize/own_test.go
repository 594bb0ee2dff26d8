package kustomize

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/helm"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/values"
)

// TestOwnOverlays: the overlays of this repository are built in the fast
// ways; docs/benchmarks.md measures that of prod. A newer kyaml, or one more field
// of the chart or of an overlay, could put an end to it, and no other test would
// tell. The patch of staging is a list of operations, which only a build applies.
func TestOwnOverlays(t *testing.T) {
	tree := os.DirFS("../..")
	for environment, want := range map[string]string{"dev": direct, "staging": sparse, "prod": direct} {
		t.Run(environment, func(t *testing.T) {
			list := ownObjects(t, tree, environment)
			g, err := collect(t.Context(), tree, "argocd/envs/"+environment)
			if err != nil {
				t.Fatal(err)
			}
			if missing := g.notRendered(list); len(missing) > 0 {
				t.Fatalf("it is built with everything: Build is not sure that targets match, such as %s", describe(missing[0].want))
			}
			way := direct
			got, ok := g.buildDirect(t.Context(), list)
			if !ok {
				way = sparse
				got, ok = g.buildSparse(t.Context(), list)
			}
			if !ok {
				t.Fatal("it is built with everything")
			}
			if way != want {
				t.Errorf("it is built %s, want %s", way, want)
			}
			full, err := withEverything(t, g, list)
			if err != nil || !cmp.Equal(full, got) {
				t.Errorf("%v (-kustomize +%s):\n%s", err, way, cmp.Diff(full, got))
			}
		})
	}
}

// ownObjects renders the chart of this repository as argocd/applicationsets
// says.
func ownObjects(t *testing.T, tree fs.FS, environment string) manifest.List {
	t.Helper()
	const dir = "charts/core-pipeline"
	var merged values.Merged
	for _, file := range []string{path.Join(dir, "values-"+environment+".yaml"), path.Join("argocd/envs", environment, "release.yaml")} {
		data, err := fs.ReadFile(tree, file)
		if err != nil {
			t.Fatal(err)
		}
		layer, err := values.Parse(file, data)
		if err != nil {
			t.Fatal(err)
		}
		merged.Add(layer)
	}
	chart, err := helm.Load(t.Context(), tree, dir)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := chart.Render(t.Context(), merged.Values, helm.Options{ReleaseName: "core-pipeline", Namespace: "core-pipeline-" + environment})
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Objects
}
