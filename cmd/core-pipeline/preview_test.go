package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
)

// exampleFleet is this repository's chart and environments, and the example's
// ApplicationSets with count clusters. Every fifth has values of its own if own
// is set.
func exampleFleet(tb testing.TB, count int, own bool) fstest.MapFS {
	tb.Helper()
	tree := fstest.MapFS{}
	copyTree(tb, tree, "../..", "charts/core-pipeline")
	copyTree(tb, tree, "../..", "argocd/envs")
	copyTree(tb, tree, "../../argocd/fleet/testdata/fleet", "argocd/applicationsets")
	copyTree(tb, tree, "../../argocd/fleet/testdata/fleet", "argocd/projects")
	pattern, err := os.ReadFile("../../argocd/fleet/testdata/fleet/argocd/clusters/staging-eu-1.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	for i := range count {
		environment := []string{"dev", "staging", "prod"}[i%3]
		name := fmt.Sprintf("%s-%d", environment, i)
		text := strings.ReplaceAll(string(pattern), "staging-eu-1", name)
		text = strings.ReplaceAll(text, "io/env: staging", "io/env: "+environment)
		tree["argocd/clusters/"+name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
		if own && i%5 == 0 {
			tree["argocd/envs/"+environment+"/clusters/"+name+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, "replicaCount: %d\n", 2+i%7)}
		}
	}
	return tree
}

func copyTree(tb testing.TB, tree fstest.MapFS, root, dir string) {
	tb.Helper()
	from := os.DirFS(root)
	err := fs.WalkDir(from, dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		tree[path.Clean(name)] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// preview does what `preview --render` does with the tree.
func preview(tb testing.TB, tree fs.FS) (applications, renders int) {
	tb.Helper()
	f, findings := fleet.Load(tree, fleet.DefaultPaths())
	apps, more := f.Applications()
	if err := findings.And(more).Err(); err != nil {
		tb.Fatal(err)
	}
	r := renderer{tree: tree, format: "yaml", known: map[string]*rendered{}}
	results, err := r.all(tb.Context(), apps)
	if err != nil {
		tb.Fatal(err)
	}
	for i, a := range apps {
		if err := results[i].write(io.Discard, a.Name()); err != nil {
			tb.Fatal(err)
		}
	}
	return len(apps), len(r.known)
}

// TestRenderOnce: what is equal is rendered once, what differs is not mixed up.
func TestRenderOnce(t *testing.T) {
	if apps, renders := preview(t, exampleFleet(t, 15, false)); apps != 15 || renders != 3 {
		t.Errorf("%d Applications, %d renders", apps, renders)
	}
	if apps, renders := preview(t, exampleFleet(t, 15, true)); apps != 15 || renders != 6 {
		t.Errorf("with values of their own: %d Applications, %d renders", apps, renders)
	}
}

func BenchmarkPreviewRender(b *testing.B) {
	for _, c := range []struct {
		clusters int
		own      bool
	}{{15, false}, {15, true}, {100, false}, {1000, false}, {1000, true}, {10000, false}} {
		name := fmt.Sprint(c.clusters)
		if c.own {
			name += "/own-values"
		}
		b.Run(name, func(b *testing.B) {
			tree := exampleFleet(b, c.clusters, c.own)
			b.ReportAllocs()
			for b.Loop() {
				preview(b, tree)
			}
		})
	}
}
