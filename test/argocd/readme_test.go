package argocd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// TestReadmeNamesFiles: every path and component in the guide is there, and
// every component is in the list of the kustomization that takes it.
func TestReadmeNamesFiles(t *testing.T) {
	readme := string(read(t, "README.md"))
	for _, m := range quoted.FindAllStringSubmatch(readme, -1) {
		name := strings.TrimPrefix(m[1], "argocd/")
		if !strings.Contains(name, "/") || strings.ContainsAny(name, " <.") && !strings.HasSuffix(name, ".yaml") || strings.Contains(name, "<") || strings.HasPrefix(name, "core-pipeline.io") {
			continue
		}
		if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
			t.Errorf("the guide names %s: %v", m[1], err)
		}
	}
	listed := string(read(t, "kustomization.yaml")) + string(read(t, "install/kustomization.yaml"))
	components, err := os.ReadDir(filepath.Join(directory, "install/components"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range components {
		if !regexp.MustCompile(`components/` + c.Name() + `\s`).MatchString(listed) {
			t.Errorf("no kustomization lists %s", c.Name())
		}
	}
}
