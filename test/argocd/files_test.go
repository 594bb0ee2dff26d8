package argocd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const directory = "../../argocd"

var environments = []string{"dev", "staging", "prod"}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// load decodes the only document of a file.
func load[T any](t *testing.T, name string) T {
	t.Helper()
	return decode[T](t, name, read(t, name))
}

func decode[T any](t *testing.T, name string, data []byte) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict(data, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

func list(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(directory, folder, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no files, %v", folder, err)
	}
	for i, name := range names {
		names[i] = folder + "/" + filepath.Base(name)
	}
	return names
}

func clusters(t *testing.T) map[string]cluster {
	t.Helper()
	out := map[string]cluster{}
	for _, name := range list(t, "clusters") {
		c := load[cluster](t, name)
		out[c.StringData["name"]] = c
	}
	return out
}

// bootstrap is the project and the Application of the one apply.
func bootstrap(t *testing.T) (project, application) {
	t.Helper()
	const name = "bootstrap/root.yaml"
	documents := strings.Split(string(read(t, name)), "\n---\n")
	if len(documents) != 2 {
		t.Fatalf("%s has %d documents", name, len(documents))
	}
	return decode[project](t, name, []byte(documents[0])), decode[application](t, name, []byte(documents[1]))
}

// TestHeads holds every manifest to its kind, its name and the namespace of
// Argo CD.
func TestHeads(t *testing.T) {
	check := func(file string, o object, apiVersion, kind, name string) {
		if o.APIVersion != apiVersion || o.Kind != kind || o.Metadata.Name != name || o.Metadata.Namespace != "argocd" {
			t.Errorf("%s is %s %s %s in %q", file, o.APIVersion, o.Kind, o.Metadata.Name, o.Metadata.Namespace)
		}
	}
	const group = "argoproj.io/v1alpha1"
	for _, e := range environments {
		check(e, load[project](t, "projects/"+e+".yaml").object, group, "AppProject", "core-pipeline-"+e)
		check(e, load[applicationSet](t, "applicationsets/"+e+".yaml").object, group, "ApplicationSet", "core-pipeline-"+e)
	}
	check("default", load[project](t, "projects/default-locked.yaml").object, group, "AppProject", "default")
	p, a := bootstrap(t)
	check("root", p.object, group, "AppProject", "core-pipeline-bootstrap")
	check("root", a.object, group, "Application", "core-pipeline-root")
	for name, c := range clusters(t) {
		check(name, c.object, "v1", "Secret", "cluster-"+name)
	}
}

// TestT28KustomizationIsComplete: a file that the root does not list is never
// applied, and nothing says so.
func TestT28KustomizationIsComplete(t *testing.T) {
	k := load[map[string]any](t, "kustomization.yaml")
	var got []string
	for _, r := range k["resources"].([]any) {
		got = append(got, r.(string))
	}
	want := append([]string{"bootstrap/root.yaml"}, append(list(t, "projects"), list(t, "applicationsets")...)...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("kustomization.yaml lists %v, there are %v", got, want)
	}
	if c, ok := k["components"]; ok && len(c.([]any)) > 0 {
		t.Errorf("optional components are on: %v", c)
	}
}

// placeholder matches what people write for a name that has to be replaced.
var placeholder = regexp.MustCompile(`\b(YOUR[A-Z_-]*|CHANGE_?ME|TODO|FIXME|XXX+|MY-?ORG|ORG|REPLACE[A-Z_-]*|example\.com)\b|<[a-z-]+>`)

// TestPlaceholders: OWNER is the only one, so that one search finds them all.
func TestPlaceholders(t *testing.T) {
	walk(t, func(name, text string) {
		for i, line := range strings.Split(text, "\n") {
			line, _, _ = strings.Cut(line, "#")
			if found := placeholder.FindString(line); found != "" && !strings.Contains(line, "description:") {
				t.Errorf("%s:%d: %q", name, i+1, found)
			}
		}
	})
}

// TestT20SourceOverrides: Argo CD merges such a file over the source of an
// Application, so who may write the path could choose any parameters.
func TestT20SourceOverrides(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".argocd-source") {
			err = fmt.Errorf("%s overrides a source", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// walk visits the YAML that this package is about.
func walk(t *testing.T, visit func(name, text string)) {
	t.Helper()
	err := filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "fleet" {
			return fs.SkipDir // a Go package, with test data of its own
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		visit(strings.TrimPrefix(path, directory+"/"), string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestT30Sizes: kubectl apply keeps a copy of each object in an annotation,
// and Kubernetes takes no larger ones. The root is applied like that.
func TestT30Sizes(t *testing.T) {
	walk(t, func(name, text string) {
		if len(text) > 128*1024 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	})
}
