package apiserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/kubernetes"
)

var shell = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme runs the commands of the chart's README as they are written, but
// for `helm test`, which needs something that runs pods.
func TestReadme(t *testing.T) {
	programs := map[string]string{"HELM3": helm(t, "HELM3"), "HELM4": helm(t, "HELM4")}
	kubectl := kubernetes.Program(t, "kubectl")
	data, err := os.ReadFile(filepath.Join(chart, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shell.FindAllStringSubmatch(string(data), -1)
	if len(blocks) < 2 {
		t.Fatalf("the README has %d blocks of commands", len(blocks))
	}
	var script strings.Builder
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if !strings.HasPrefix(line, "helm test ") {
				script.WriteString(line)
			}
		}
	}
	for name, helm := range programs {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			bin := t.TempDir()
			for link, target := range map[string]string{"helm": helm, "kubectl": kubectl} {
				if err := os.Symlink(target, filepath.Join(bin, link)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-eux", "-c", script.String())
			cmd.Dir = filepath.Join("..", "..", "..")
			cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "KUBECONFIG=" + s.Kubeconfig, "HOME=" + t.TempDir()}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
