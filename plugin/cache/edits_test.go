package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// inProcess renders here, as a worker does, and counts.
type inProcess struct{ renders int }

func (p *inProcess) Do(ctx context.Context, req worker.Request) (worker.Result, error) {
	p.renders++
	tree := observe.NewTree(nil, func(a observe.Ask) (observe.Answer, error) { return observe.Look(req.Tree, a), nil })
	r := worker.Render(ctx, tree, req.Request, req.Announce, func(string) {})
	if r.Problem != "" {
		return r, &worker.Error{Reason: worker.ReasonInvalid, Text: r.Problem}
	}
	return r, nil
}

// link is the content of a symbolic link in a repository.
const link = "\x00link "

// variants are what each path of the repository may hold; "" is absent. The
// chart uses all the ways there are to look at files, some by their absence.
var variants = map[string][]string{
	"app/Chart.yaml": {
		"apiVersion: v2\nname: shop\nversion: 1.0.0\n",
		"apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n  - name: dep\n    version: 1.0.0\n    condition: dep.enabled\n",
		"apiVersion: v2\nname: shop\nversion: 2.0.0\nappVersion: \"7\"\n", "",
	},
	"app/values.yaml":                 {"a: 1\n", "a: 2\ndep:\n  enabled: false\n", "a: 1\n# comment\n", "a: [broken\n", ""},
	"app/values-prod.yaml":            {"a: 3\n", "b: {c: 4}\n", ""},
	"app/values.schema.json":          {"", `{"properties":{"a":{"type":"integer"}}}`, `{"properties":{"a":{"type":"string"}}}`},
	"app/templates/a.yaml":            {object("a", `{{ .Values.a | quote }}`), object("a", `{{ .Release.Name }}`), object("a", `{{ fail "no" }}`), ""},
	"app/templates/files.yaml":        {object("files", `{{ .Files.Get "files/x" | quote }}`), object("files", `{{ range $p, $_ := .Files.Glob "files/*" }}{{ $p }};{{ end }}`), ""},
	"app/templates/versions.yaml":     {object("versions", `{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" | quote }}`), object("versions", `{{ .Capabilities.KubeVersion.Version }}`), object("versions", `{{ .Capabilities.APIVersions | toString | sha256sum }}`), ""},
	"app/templates/spelled.yaml":      {"", object("spelled", `{{ $has := "networking.k8s.io/v1/Ingress" }}{{ .Capabilities.APIVersions.Has $has | quote }}`)},
	"app/templates/_helpers.tpl":      {"", `{{ define "x" }}y{{ end }}`},
	"app/files/x":                     {"one", "two", ""},
	"app/files/y":                     {"one", "", link + "../../shared/y", link + "x"},
	"app/crds/crd.yaml":               {"", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: crds.example.com\n"},
	"app/.helmignore":                 {"", "files/y\n", "*.tpl\ncrds\n"},
	"app/charts/dep/Chart.yaml":       {"apiVersion: v2\nname: dep\nversion: 1.0.0\n", ""},
	"app/charts/dep/templates/d.yaml": {object("dep", `{{ .Chart.Name }}`), ""},
	"app/charts/dep/values.yaml":      {"", "e: 1\n"},
	"app/overlays/prod/kustomization.yaml": {
		"", "resources: []\ncommonAnnotations:\n  a: b\n", "components: [../../../shared/component]\n",
		"configMapGenerator:\n  - name: generated\n    files: [data.txt]\n",
		"patches:\n  - path: patch.yaml\n    target: {kind: ConfigMap}\n",
	},
	"app/overlays/prod/data.txt":            {"", "1", "2"},
	"app/overlays/prod/patch.yaml":          {"", "- op: add\n  path: /metadata/labels\n  value: {x: y}\n"},
	"shared/component/kustomization.yaml":   {"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n", ""},
	"shared/y":                              {"three", "four", ""},
	"shared/values.yaml":                    {"a: 9\n", "", link + "y"},
	"unrelated/README.md":                   {"", "one", "two", "three"},
	"app/README.md":                         {"", "one", "two"},
	"app/overlays/dev/kustomization.yaml":   {"", "namePrefix: x-\n"},
	"unrelated/charts/dep/templates/d.yaml": {"", "a"},
}

func object(name, data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  v: " + data + "\n"
}

// repository is a state of the repository and a request for it.
type repository struct {
	files map[string]string
	req   plugin.Request
}

// edit changes one thing.
func (r *repository) edit(random *rand.Rand) {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	if random.IntN(4) > 0 {
		p := pick(slices.Sorted(maps.Keys(variants)))
		r.files[p] = pick(variants[p])
		return
	}
	q := &r.req
	switch random.IntN(9) {
	case 0:
		q.Environment = pick([]string{"prod", "", "prod", "dev"})
	case 1:
		q.ReleaseName = pick([]string{"one", "two"})
	case 2:
		q.KubeVersion = pick([]string{"1.36.0", "1.37.0", ""})
	case 3:
		q.APIVersions = [][]string{nil, {"v1"}, {"monitoring.coreos.com/v1", "v1"}, {"networking.k8s.io/v1/Ingress"}, {"example.com/v1"}}[random.IntN(5)]
	case 4:
		q.Set = []map[string]string{nil, {"a": "5"}, {"b": "5"}}[random.IntN(3)]
	case 5:
		q.OptionalValueFiles = [][]string{nil, {"/shared/values.yaml"}, {"/shared/absent.yaml"}}[random.IntN(3)]
	case 6:
		q.Overlay = pick([]string{"", "overlays/prod"})
	case 7:
		q.SkipCRDs = !q.SkipCRDs
	case 8:
		q.Values = pick([]string{"", "a: 8\n"})
	}
}

// tree unpacks the state as it would come from Argo CD. Its name is that of the
// archive, as the server gives it.
func (r *repository) tree(t *testing.T) (*source.Memory, string) {
	t.Helper()
	var entries []cmptest.Entry
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		content := r.files[name]
		if target, ok := strings.CutPrefix(content, link); ok {
			entries = append(entries, cmptest.Entry{Name: name, Link: target})
		} else if content != "" {
			entries = append(entries, cmptest.Entry{Name: name, Data: content})
		}
	}
	archive := cmptest.Pack(t, entries...)
	tree, err := source.ReadTarGz(t.Context(), bytes.NewReader(archive), source.Archive{})
	if err != nil {
		t.Fatal(err)
	}
	return tree, fmt.Sprintf("%x", sha256.Sum256(archive))
}

// TestNeverAWrongHit edits a repository and its request at random, and asks
// the cache after each edit: the answer is the one of a render.
func TestNeverAWrongHit(t *testing.T) {
	edits := 10_000
	if n, err := strconv.Atoi(os.Getenv("CACHE_EDITS")); err == nil {
		edits = n
	}
	const seed = 20261125
	random := rand.New(rand.NewPCG(seed, 1))
	state := repository{files: map[string]string{}, req: plugin.Request{Dir: "app"}}
	state.req.ReleaseName, state.req.Namespace = "one", "shop"
	for p, v := range variants {
		state.files[p] = v[0]
	}
	behind, fresh := &inProcess{}, &inProcess{}
	c := cache.New(behind, cache.Options{Bytes: 1 << 20})
	good, hits := 0, 0
	for i := range edits {
		state.edit(random)
		tree, id := state.tree(t)
		req := worker.Request{Request: state.req, Application: "one", Tree: tree}
		before := behind.renders
		got, gotErr := c.Do(t.Context(), req, id)
		want, wantErr := fresh.Do(t.Context(), req)
		if message(gotErr) != message(wantErr) || !slices.Equal(got.Manifests, want.Manifests) {
			t.Fatalf("edit %d:\ngot  %v %v\nwant %v %v\nrequest %+v\nfiles %q", i, got.Manifests, gotErr, want.Manifests, wantErr, state.req, state.files)
		}
		if wantErr == nil {
			good++
			if behind.renders == before {
				hits++
			}
		}
		if c.Size() > 1<<20 {
			t.Fatalf("edit %d: the cache holds %d bytes", i, c.Size())
		}
		if gotErr != nil { // most edits of something broken are broken: go back to what works
			maps.Copy(state.files, firstOf(variants))
		}
	}
	t.Logf("%d edits, %d of them renderable, %d hits", edits, good, hits)
	if good < edits/3 || hits < good/5 {
		t.Error("the test shows little: there must be many results, and many hits")
	}
}

func message(err error) string {
	var failed *worker.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &failed):
		return failed.Reason + ": " + failed.Text
	}
	return err.Error()
}

func firstOf(variants map[string][]string) map[string]string {
	first := map[string]string{}
	for p, v := range variants {
		first[p] = v[0]
	}
	return first
}
