package parity

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const chart = "../../charts/core-pipeline"

// valuesFiles of the chart: none, those of the environments and those of ci/.
func valuesFiles(t *testing.T) []string {
	t.Helper()
	files := []string{""}
	for _, pattern := range []string{"values-*.yaml", "ci/*-values.yaml"} {
		found, err := filepath.Glob(filepath.Join(chart, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 10 {
		t.Fatalf("found %v", files)
	}
	return files
}

func runHelm(t *testing.T, helm string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), helm, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestLint holds that `helm lint --strict` of both majors has nothing to say.
func TestLint(t *testing.T) {
	for _, variable := range []string{"HELM3", "HELM4"} {
		helm := program(t, variable)
		if helm == "" {
			continue
		}
		for _, file := range valuesFiles(t) {
			args := []string{"lint", "--strict", "--kube-version", "1.37.0", chart}
			if file != "" {
				args = append(args, "-f", file)
			}
			out := runHelm(t, helm, args...)
			if !strings.Contains(out, "1 chart(s) linted, 0 chart(s) failed") {
				t.Errorf("%s: %s: no summary:\n%s", variable, file, out)
			}
			for line := range strings.Lines(out) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "==> Linting") && !strings.Contains(line, "chart(s) linted") {
					t.Errorf("%s: %s: %s", variable, file, line)
				}
			}
		}
	}
}

// withoutBlankLines drops what Helm 4 leaves between documents.
func withoutBlankLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestSameBytes holds that both majors of Helm render the chart to the same
// text, twice, but for blank lines.
func TestSameBytes(t *testing.T) {
	helm3, helm4 := os.Getenv("HELM3"), os.Getenv("HELM4")
	if helm3 == "" || helm4 == "" {
		program(t, "HELM3")
		t.Skip("HELM3 and HELM4 name the programs to compare")
	}
	for _, file := range valuesFiles(t) {
		args := []string{"template", "core-pipeline", chart, "--namespace", "apps", "--kube-version", "1.37.0"}
		if file != "" {
			args = append(args, "-f", file)
		}
		first := runHelm(t, helm3, args...)
		if diff := cmp.Diff(first, runHelm(t, helm3, args...)); diff != "" {
			t.Errorf("%s: helm 3 twice:\n%s", file, diff)
		}
		if diff := cmp.Diff(withoutBlankLines(first), withoutBlankLines(runHelm(t, helm4, args...))); diff != "" {
			t.Errorf("%s: helm 3 and helm 4 (-3 +4):\n%s", file, diff)
		}
	}
}
