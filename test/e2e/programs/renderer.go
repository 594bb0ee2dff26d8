package programs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// NextLabel is the label that NextRenderer gives to every object.
const NextLabel = "e2e.core-pipeline.io/renderer"

// NextRenderer is the path of a core-pipeline-cmp whose manifests differ from this checkout's in one label, as those of
// a later version may differ. The change is laid over the source while it is compiled.
func NextRenderer() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "plugin", "plugin.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const at = `	opts.begin("checking the objects")`
	changed := strings.Replace(string(text), at, at+fmt.Sprintf(`
	for _, o := range r.objects {
		if meta, ok := o.Fields["metadata"].(map[string]any); ok {
			labels, _ := meta["labels"].(map[string]any)
			if labels == nil {
				labels = map[string]any{}
			}
			labels[%q] = "next"
			meta["labels"] = labels
		}
	}`, NextLabel), 1)
	if changed == string(text) {
		return "", fmt.Errorf("%s does not say where its objects are complete", source)
	}
	next := filepath.Join(dir, "next")
	if err := os.MkdirAll(next, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(next, "plugin.go")
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: file}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(next, "overlay.json"), overlay, 0o644); err != nil {
		return "", err
	}
	program := filepath.Join(next, "core-pipeline-cmp")
	return program, buildProject(root, "-overlay", filepath.Join(next, "overlay.json"), "-o", program, "./cmd/core-pipeline-cmp")
}
