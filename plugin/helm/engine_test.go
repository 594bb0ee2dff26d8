package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

type rendered struct {
	files map[string]string
	err   string
}

// address is what Go prints of a pointer.
var address = regexp.MustCompile("0x[0-9a-f]{6,}")

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// both renders a chart with Helm's engine and with ours. ok is false if the
// chart does not come so far.
func both(ctx context.Context, fsys fs.FS, dir string, values map[string]any) (theirs, ours rendered, ok bool) {
	one := func(render func(*Chart, chartutil.Values) (map[string]string, error)) (rendered, bool) {
		c, err := Load(ctx, fsys, dir)
		if err != nil {
			return rendered{}, false
		}
		// A render changes the values.
		values, _ := copyOf(values).(map[string]any)
		if chartutil.ProcessDependenciesWithMerge(c.chart, values) != nil {
			return rendered{}, false
		}
		caps, err := capabilities(Options{APIVersions: []string{"example.com/v1/Widget"}})
		if err != nil {
			return rendered{}, false
		}
		top, err := chartutil.ToRenderValuesWithSchemaValidation(c.chart, values, chartutil.ReleaseOptions{
			Name: "web", Namespace: "team", Revision: 1, IsInstall: true,
		}, caps, true)
		if err != nil {
			return rendered{}, false
		}
		files, err := render(c, top)
		if err != nil {
			files = nil
		}
		for name, text := range files {
			files[name] = address.ReplaceAllString(text, "0x…")
		}
		return rendered{files, text(err)}, true
	}
	theirs, ok = one(func(c *Chart, top chartutil.Values) (map[string]string, error) {
		return helmengine.Engine{}.Render(c.chart, top)
	})
	if !ok {
		return theirs, ours, false
	}
	ours, ok = one(func(c *Chart, top chartutil.Values) (map[string]string, error) { return execute(c.chart, top) })
	return theirs, ours, ok
}

func copyOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = copyOf(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = copyOf(item)
		}
		return out
	}
	return v
}

func checkBoth(t *testing.T, fsys fs.FS, dir string, values map[string]any) {
	t.Helper()
	// The second time, the parsed templates are known.
	for range 2 {
		theirs, ours, ok := both(t.Context(), fsys, dir, values)
		if !ok {
			t.Fatal("the chart was not rendered")
		}
		if theirs.err != ours.err {
			t.Errorf("errors differ\nHelm: %s\nours: %s", theirs.err, ours.err)
		}
		if diff := cmp.Diff(theirs.files, ours.files); diff != "" {
			t.Errorf("texts differ (-Helm +ours):\n%s", diff)
		}
	}
}

// TestEngineIsHelms holds the engine to Helm's own: the same texts and the
// same errors.
func TestEngineIsHelms(t *testing.T) {
	failures := 0
	for i, template := range oddTemplates {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			checkBoth(t, oddChart(template), "deploy/shop", oddValues)
			if t.Failed() {
				t.Log(template)
			}
			if theirs, _, _ := both(t.Context(), oddChart(template), "deploy/shop", oddValues); theirs.err != "" {
				failures++
			}
		})
	}
	if failures < len(oddTemplates)/4 || failures > len(oddTemplates)*2/3 {
		t.Errorf("%d of %d templates fail: too few or too many to tell much", failures, len(oddTemplates))
	}
}

func FuzzEngineIsHelms(f *testing.F) {
	for _, template := range oddTemplates {
		f.Add(template)
	}
	f.Fuzz(func(t *testing.T, template string) {
		// Endless loops, and what is random or a time, tell nothing.
		for _, no := range []string{"until", "seq", "rand", "gen", "uuid", "now", "ago", "date", "repeat", "derive", "encrypt", "bcrypt", "htpasswd", "shuffle", "recursive", "throughTpl", "loop", "keys", "values", "range"} {
			if strings.Contains(template, no) {
				return
			}
		}
		theirs, ours, ok := both(t.Context(), oddChart(template), "deploy/shop", oddValues)
		if ok && (theirs.err != ours.err || !cmp.Equal(theirs.files, ours.files)) {
			t.Errorf("%q\nHelm: %q\nours: %q", template, theirs, ours)
		}
	})
}

// TestEngineIsHelmsForCharts: the chart of this repository with all its values
// files, and those of test/parity.
func TestEngineIsHelmsForCharts(t *testing.T) {
	const own = "charts/core-pipeline"
	files, err := filepath.Glob("../../" + own + "/values-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../" + own + "/ci/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{}
		if err := yaml.Unmarshal(data, &values); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { checkBoth(t, os.DirFS("../.."), own, values) })
	}
	archives, err := filepath.Glob("../../test/parity/testdata/*.txtar")
	if err != nil || len(archives) < 20 || len(files)+len(more) < 8 {
		t.Fatalf("%d archives, %d values files, %v", len(archives), len(files)+len(more), err)
	}
	rendered := 0
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fsys := fstest.MapFS{}
		for _, f := range archive.Files {
			name := f.Name
			if rest, packed := strings.CutPrefix(name, "tgz/"); packed {
				name = path.Join("chart/charts", rest)
			}
			fsys[name] = &fstest.MapFile{Data: f.Data}
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, _, ok := both(t.Context(), fsys, "chart", nil); !ok {
				t.Skip("needs parameters")
			}
			rendered++
			checkBoth(t, fsys, "chart", nil)
		})
	}
	if rendered < len(archives)*3/4 {
		t.Errorf("%d of %d archives were rendered", rendered, len(archives))
	}
}

// TestParsedTemplatesAreShared renders several charts at once, again and
// again: with -race, it shows that a render leaves what was parsed alone.
func TestParsedTemplatesAreShared(t *testing.T) {
	var trees []fstest.MapFS
	var want []rendered
	for _, template := range oddTemplates {
		changes := strings.Contains(template, "tpl") || strings.Contains(template, "include") || strings.Contains(template, "set")
		takesLong := strings.Contains(template, "counted") || strings.Contains(template, "recursive") || strings.Contains(template, "throughTpl")
		if changes && !takesLong {
			theirs, _, _ := both(t.Context(), oddChart(template), "deploy/shop", oddValues)
			trees, want = append(trees, oddChart(template)), append(want, theirs)
		}
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range trees {
				at := (i*(2*worker+1) + worker) % len(trees)
				_, ours, _ := both(t.Context(), trees[at], "deploy/shop", oddValues)
				if diff := cmp.Diff(want[at], ours, cmp.AllowUnexported(rendered{})); diff != "" {
					t.Errorf("(-alone +together):\n%s", diff)
				}
			}
		})
	}
	group.Wait()
}

// reviewed is the digest of the files of Helm's engine that ours was compared
// with. When it changes: read what changed, follow it in plugin/engine and
// templates.go, add a template above that shows it, and record the new one.
const reviewed = "89eed8bec7e6d8f2527232bf49ce3bac634a314682801b75e4b2d1c9af534392"

func TestHelmsEngineIsTheReviewedOne(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "helm.sh/helm/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	for _, name := range []string{"engine.go", "files.go", "funcs.go", "lookup_func.go"} {
		data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "pkg", "engine", name))
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(data)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != reviewed {
		t.Errorf("Helm's engine is another than the one that was compared: %s", got)
	}
}
