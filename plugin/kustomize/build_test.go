package kustomize_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/kustomize"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// overlay is where the tests keep the kustomization.
const overlay = "env"

// repository makes a tree of the files of an archive.
func repository(files []txtar.File) fstest.MapFS {
	tree := fstest.MapFS{}
	for _, f := range files {
		tree[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return tree
}

// build applies the overlay of tree to the objects in rendered.
func build(ctx context.Context, t testing.TB, tree fs.FS, rendered string) (manifest.List, error) {
	t.Helper()
	list, err := manifest.Split("templates/all.yaml", rendered)
	if err != nil {
		t.Fatal(err)
	}
	return kustomize.Build(ctx, tree, overlay, list)
}

func toYAML(t testing.TB, list manifest.List) string {
	t.Helper()
	var out bytes.Buffer
	if err := manifest.WriteYAML(&out, list); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func section(archive *txtar.Archive, name string) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name})
	return &archive.Files[len(archive.Files)-1]
}

// TestFeatures compares every case in testdata/features with its reviewed
// result and, if KUSTOMIZE names the program, with what that prints.
func TestFeatures(t *testing.T) {
	cases, err := filepath.Glob("testdata/features/*.txtar")
	if err != nil || len(cases) < 10 {
		t.Fatalf("found %d cases: %v", len(cases), err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rendered := string(section(archive, "rendered.yaml").Data)
			list, err := build(t.Context(), t, repository(archive.Files), rendered)
			if err != nil {
				t.Fatal(err)
			}
			got := toYAML(t, list)
			want := section(archive, "want.yaml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if program := os.Getenv("KUSTOMIZE"); program != "" {
				if diff := cmp.Diff(runProgram(t, program, archive.Files, rendered), got); diff != "" {
					t.Errorf("kustomize build differs (-program +got):\n%s", diff)
				}
			} else if os.Getenv("PARITY_REQUIRED") != "" {
				t.Error("PARITY_REQUIRED is set and KUSTOMIZE is not")
			}
		})
	}
}

// runProgram lets the kustomize program build the same files on disk, with
// the rendered objects as the overlay's first resource.
func runProgram(t *testing.T, program string, files []txtar.File, rendered string) string {
	t.Helper()
	dir := t.TempDir()
	tree := repository(files)
	name, err := kustomize.Find(tree, overlay)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := yaml.Unmarshal(tree[overlay+"/"+name].Data, &fields); err != nil {
		t.Fatal(err)
	}
	resources, _ := fields["resources"].([]any)
	fields["resources"] = append([]any{"rendered.yaml"}, resources...)
	data, err := yaml.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	tree[overlay+"/"+name].Data = data
	tree[overlay+"/rendered.yaml"] = &fstest.MapFile{Data: []byte(rendered)}
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "build", "--reorder", "none", filepath.Join(dir, overlay))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kustomize build: %v\n%s", err, &stderr)
	}
	list, err := manifest.Split("program", string(out))
	if err != nil {
		t.Fatal(err)
	}
	return toYAML(t, list)
}

const service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\n"

// TestSources holds that an object keeps the file that made it, whatever the
// overlay does to its name, and that what the overlay adds is the overlay's.
func TestSources(t *testing.T) {
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte(
		"namePrefix: a-\nnamespace: team\nconfigMapGenerator:\n- name: api\n  literals: [a=b]\n")}}
	list, err := build(t.Context(), t, tree, service+"---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range list {
		got = append(got, o.Source+" "+o.Kind()+" "+strings.TrimRight(o.Name(), "0123456789bcdfghkmt"))
	}
	want := []string{"templates/all.yaml Service a-api", "templates/all.yaml Job a-migrate-*", "env ConfigMap a-api-"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	meta := list[1].Fields["metadata"].(map[string]any)
	if meta["generateName"] != "a-migrate-" || meta["name"] != nil {
		t.Errorf("the job's metadata is %v", meta)
	}
}

func TestFind(t *testing.T) {
	tree := fstest.MapFS{
		"one/Kustomization":       {},
		"two/kustomization.yaml":  {},
		"two/kustomization.yml":   {},
		"dir/kustomization.yml/x": {},
	}
	if name, err := kustomize.Find(tree, "one"); name != "Kustomization" || err != nil {
		t.Errorf("one: %q, %v", name, err)
	}
	if _, err := kustomize.Find(tree, "two"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("two files of that kind: %v", err)
	}
	for _, dir := range []string{"dir", "none"} {
		if _, err := kustomize.Find(tree, dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", dir, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte("namePrefix: a-\n")}}
	if _, err := build(ctx, t, tree, service); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestIndependent holds that one overlay leaves nothing behind for the next:
// kustomize keeps state in variables of its packages.
func TestIndependent(t *testing.T) {
	victim := fstest.MapFS{"env/kustomization.yaml": {Data: []byte(
		"patches:\n- patch: |\n    apiVersion: example.com/v1\n    kind: Thing\n    metadata: {name: one}\n    spec: {list: [{name: a, x: 1}]}\n")}}
	const thing = "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: one\nspec:\n  list:\n  - name: a\n  - name: b\n"
	before, err := build(t.Context(), t, victim, thing)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"openapi": "openapi: {path: schema.json}\n", "OpenAPI": "OpenAPI: {version: v1.20.4}\n",
		"crds": "crds: [crd.json]\n", "configurations": "configurations: [config.yaml]\nnamePrefix: b-\n",
	} {
		polluter := fstest.MapFS{
			"env/kustomization.yaml": {Data: []byte(file)},
			"env/schema.json":        {Data: []byte(`{"definitions": {"com.example.v1.Thing": {"properties": {"spec": {"type": "object"}}}}}`)},
			"env/crd.json":           {Data: []byte(`{"com.example.v1.Thing": {"Schema": {"properties": {"spec": {"type": "object"}}}}}`)},
			"env/config.yaml":        {Data: []byte("namePrefix:\n- path: spec/list/name\n  kind: Thing\n")},
		}
		_, err := build(t.Context(), t, polluter, thing)
		if refused := strings.EqualFold(name, "openapi"); refused != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := build(t.Context(), t, victim, thing)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(toYAML(t, before), toYAML(t, after)); diff != "" {
			t.Errorf("after an overlay with %s (-before +after):\n%s", name, diff)
		}
	}
}

// TestConcurrent lets the race detector look at builds side by side.
func TestConcurrent(t *testing.T) {
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte("namePrefix: a-\n")}}
	list, err := manifest.Split("templates/all.yaml", service)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	const builds = 8
	for range builds {
		go func() {
			_, err := kustomize.Build(t.Context(), tree, overlay, list)
			done <- err
		}()
	}
	for range builds {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzBuild(f *testing.F) {
	cases, err := filepath.Glob("testdata/features/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range cases {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		tree := repository(archive.Files)
		if name, err := kustomize.Find(tree, overlay); err == nil {
			f.Add(tree[overlay+"/"+name].Data)
		}
	}
	f.Add([]byte("transformers: ['github.com/a/b: 1']\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := fstest.MapFS{"env/kustomization.yaml": {Data: data}, "env/smp.yaml": {Data: []byte(service)}}
		list, err := build(t.Context(), t, tree, service)
		if err == nil && list == nil {
			t.Error("neither a result nor an error")
		}
		if err != nil && strings.Contains(err.Error(), "stopped unexpectedly") {
			t.Logf("kustomize panics on %q", data)
		}
	})
}
