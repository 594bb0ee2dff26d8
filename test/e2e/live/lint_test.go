package live

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// TestCriterion1Lint: helm lint, in which warnings are errors, for every environment with both helms.
func TestCriterion1Lint(t *testing.T) {
	t.Parallel()
	criterion(t, 1)
	root, err := programs.Root()
	if err != nil {
		t.Fatal(err)
	}
	chart := filepath.Join(root, "charts", "core-pipeline")
	files, err := filepath.Glob(filepath.Join(chart, "values-*.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files of values: %v", len(files), err)
	}
	var versions []string
	for _, name := range []string{"HELM3", "HELM4"} {
		helm := os.Getenv(name)
		if helm == "" {
			if os.Getenv("E2E_REQUIRED") != "" {
				t.Fatalf("%s names no program; make e2e sets it", name)
			}
			t.Skipf("%s names no program", name)
		}
		version, err := programs.Run(t.Context(), ".", os.Environ(), helm, "version", "--template={{.Version}}")
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
		for _, file := range files {
			out, err := programs.Run(t.Context(), ".", os.Environ(), helm, "lint", "--strict", chart, "--values", file)
			if err != nil || !strings.Contains(out, "0 chart(s) failed") || strings.Contains(out, "[WARNING]") {
				t.Errorf("helm %s, %s: %v\n%s", version, filepath.Base(file), err, out)
			}
		}
	}
	if !t.Failed() {
		report(t, 1, "helm %s: %d files of values, each without a warning", strings.Join(versions, " and "), len(files))
	}
}
