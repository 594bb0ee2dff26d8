package parity

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

// A case is an archive: case.yaml with the parameters, want.yaml with the
// reviewed result, and a repository whose chart is in chart/. What is below
// tgz/NAME/ is packed into chart/charts/NAME.tgz.
type parityCase struct {
	file    string
	archive *txtar.Archive
	params  plugin.Parameters
	dir     string // the repository
}

func load(t *testing.T, file string) *parityCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &parityCase{file: file, archive: archive, dir: t.TempDir()}
	packages := map[string][]txtar.File{}
	for _, f := range archive.Files {
		switch rest, packed := strings.CutPrefix(f.Name, "tgz/"); {
		case f.Name == "case.yaml":
			if err := yaml.UnmarshalStrict(f.Data, &c.params); err != nil {
				t.Fatal(err)
			}
		case f.Name == "want.yaml":
		case packed:
			name, _, _ := strings.Cut(rest, "/")
			packages[name] = append(packages[name], txtar.File{Name: rest, Data: f.Data})
		default:
			c.write(t, f.Name, f.Data)
		}
	}
	for name, files := range packages {
		c.write(t, "chart/charts/"+name+".tgz", pack(t, files))
	}
	return c
}

func (c *parityCase) write(t *testing.T, name string, data []byte) {
	t.Helper()
	at := filepath.Join(c.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, files []txtar.File) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, f := range files {
		err := tw.WriteHeader(&tar.Header{Name: f.Name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.Data))})
		if err == nil {
			_, err = tw.Write(f.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// render is the result of this project.
func (c *parityCase) render(t *testing.T) manifest.List {
	t.Helper()
	tree, err := source.OpenDir(c.dir, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close() //nolint:errcheck // opened for reading only
	list, err := plugin.Render(t.Context(), tree, plugin.Request{Dir: "chart", Parameters: c.params}, plugin.Options{})
	if err != nil {
		t.Fatal(plugin.Message(err))
	}
	return list
}

// helm is what `helm template` makes of the case.
func (c *parityCase) helm(t *testing.T, program string) string {
	t.Helper()
	p := c.params
	args := []string{"template", p.ReleaseName, "chart", "--namespace", p.Namespace, "--kube-version", "1.37.0"}
	if p.KubeVersion != "" {
		args[len(args)-1] = p.KubeVersion
	}
	if !p.SkipCRDs {
		args = append(args, "--include-crds")
	}
	if !p.IncludeTests {
		args = append(args, "--skip-tests")
	}
	for _, v := range p.APIVersions {
		args = append(args, "--api-versions", v)
	}
	if p.Environment != "" {
		args = append(args, "-f", "chart/values-"+p.Environment+".yaml")
	}
	for _, f := range p.ValueFiles {
		at := path.Join("chart", f)
		if strings.HasPrefix(f, "/") {
			at = f[1:]
		}
		args = append(args, "-f", at)
	}
	if p.Values != "" {
		c.write(t, "inline.yaml", []byte(p.Values))
		args = append(args, "-f", "inline.yaml")
	}
	for k, v := range p.Set {
		args = append(args, "--set-string", k+"="+v)
	}
	for k, v := range p.SetJSON {
		args = append(args, "--set-json", k+"="+v)
	}
	return c.run(t, program, args...)
}

// kustomize is what `kustomize build` makes of the case's overlay and of what
// helm printed.
func (c *parityCase) kustomize(t *testing.T, program, rendered string) string {
	t.Helper()
	overlay := path.Join("chart", c.params.Overlay)
	if strings.HasPrefix(c.params.Overlay, "/") {
		overlay = c.params.Overlay[1:]
	}
	file := filepath.Join(c.dir, filepath.FromSlash(overlay), "kustomization.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, overlay+"/rendered.yaml", []byte(rendered))
	c.write(t, overlay+"/kustomization.yaml", append([]byte("resources: [rendered.yaml]\n"), data...))
	defer c.write(t, overlay+"/kustomization.yaml", data)
	return c.run(t, program, "build", "--reorder", "none", overlay)
}

func (c *parityCase) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"HOME=" + c.dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func split(t *testing.T, text string) manifest.List {
	t.Helper()
	list, err := manifest.Split("program", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func toYAML(t *testing.T, list manifest.List) string {
	t.Helper()
	var out bytes.Buffer
	if err := manifest.WriteYAML(&out, list); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sorted is list without its order, which Helm 3 leaves to chance for hooks.
func sorted(list manifest.List) manifest.List {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b manifest.Object) int { return strings.Compare(a.ID().String(), b.ID().String()) })
	return list
}

// order names the objects of list that are no hooks.
func order(list manifest.List) []string {
	var out []string
	for _, o := range list {
		if o.Annotation("helm.sh/hook") == "" {
			out = append(out, o.ID().String())
		}
	}
	return out
}

// program returns the path in the environment variable, "" to skip.
func program(t *testing.T, variable string) string {
	t.Helper()
	at := os.Getenv(variable)
	if at == "" && os.Getenv("PARITY_REQUIRED") != "" {
		t.Errorf("PARITY_REQUIRED is set and %s is not", variable)
	}
	return at
}

// differs are the cases in which the two majors of Helm disagree: this project
// follows Helm 3. docs/differences.md says why.
var differs = map[string]string{"helm4-null": "HELM4"}

func TestParity(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d cases: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			c := load(t, file)
			got := c.render(t)
			c.compareRecorded(t, toYAML(t, got))
			for _, variable := range []string{"HELM3", "HELM4"} {
				helm := program(t, variable)
				if helm == "" {
					continue
				}
				text := c.helm(t, helm)
				if c.params.Overlay != "" {
					if kustomize := program(t, "KUSTOMIZE"); kustomize != "" {
						text = c.kustomize(t, kustomize, text)
					}
				}
				want := split(t, text)
				if diff := cmp.Diff(order(want), order(got)); diff != "" && c.params.Overlay == "" && variable == "HELM3" {
					t.Errorf("%s: order (-program +ours):\n%s", variable, diff)
				}
				diff := cmp.Diff(toYAML(t, sorted(want)), toYAML(t, sorted(got)))
				switch {
				case differs[name] == variable && diff == "":
					t.Errorf("%s gives the same now: drop it from the list of differences", variable)
				case differs[name] != variable && diff != "":
					t.Errorf("%s (-program +ours):\n%s", variable, diff)
				}
			}
		})
	}
}

func (c *parityCase) compareRecorded(t *testing.T, got string) {
	t.Helper()
	at := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want.yaml" })
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if at < 0 {
			c.archive.Files = append(c.archive.Files, txtar.File{Name: "want.yaml"})
			at = len(c.archive.Files) - 1
		}
		c.archive.Files[at].Data = []byte(got)
		if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if at < 0 {
		t.Fatal("there is no want.yaml; UPDATE_GOLDEN=1 writes it")
	}
	if diff := cmp.Diff(string(c.archive.Files[at].Data), got); diff != "" {
		t.Errorf("want.yaml (-want +got):\n%s", diff)
	}
}

// TestCorePipeline compares the product itself.
func TestCorePipeline(t *testing.T) {
	for _, environment := range []string{"dev", "staging", "prod"} {
		t.Run(environment, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"charts", "argocd"} {
				if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("..", "..", name))); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(filepath.Join(dir, "charts", "core-pipeline"), filepath.Join(dir, "chart")); err != nil {
				t.Fatal(err)
			}
			c := &parityCase{dir: dir, params: plugin.Parameters{
				ReleaseName: "core-pipeline", Namespace: "core-pipeline-" + environment, Environment: environment,
				ValueFiles: []string{"/argocd/envs/" + environment + "/release.yaml"}, Overlay: "/argocd/envs/" + environment,
			}}
			got := c.render(t)
			kustomize := program(t, "KUSTOMIZE")
			for _, variable := range []string{"HELM3", "HELM4"} {
				helm := program(t, variable)
				if helm == "" || kustomize == "" {
					t.Skip("HELM3, HELM4 and KUSTOMIZE name the programs to compare with")
				}
				want := split(t, c.kustomize(t, kustomize, c.helm(t, helm)))
				if diff := cmp.Diff(toYAML(t, sorted(want)), toYAML(t, sorted(got))); diff != "" {
					t.Errorf("%s (-programs +ours):\n%s", variable, diff)
				}
			}
		})
	}
}
