package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Artifacts is the folder for what one needs to find out why a test of a package has failed: below E2E_ARTIFACTS, or else
// a new one for temporary files.
func Artifacts(name string) string {
	if dir := os.Getenv("E2E_ARTIFACTS"); dir != "" {
		return filepath.Join(dir, name)
	}
	return filepath.Join(os.TempDir(), "core-pipeline-"+name+"-"+time.Now().Format("20060102-150405"))
}

// Collect copies the logs of all components and of all pods to dir, and writes beside them what kubectl says of every
// plane. No Secret is among it. What cannot be had is left out.
func (c *Config) Collect(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := os.CopyFS(filepath.Join(dir, "components"), os.DirFS(c.path("logs"))); err != nil {
		return err
	}
	for _, n := range c.nodes() {
		_ = os.CopyFS(filepath.Join(dir, "pods", n.name), os.DirFS(c.path(n.name, "pods")))
	}
	for _, p := range c.Planes {
		out, err := c.Kubectl(ctx, p.Name, "", "api-resources", "--verbs=list", "-o", "name")
		if err != nil {
			out = "pods\nevents\nnodes"
		}
		var kinds []string
		for kind := range strings.FieldsSeq(out) {
			if kind != "secrets" && !strings.HasPrefix(kind, "events") {
				kinds = append(kinds, kind)
			}
		}
		for name, args := range map[string][]string{
			"objects.txt": {"get", strings.Join(kinds, ","), "-A", "-o", "wide"},
			"events.txt":  {"get", "events", "-A", "--sort-by=.lastTimestamp"},
			"pods.txt":    {"describe", "pods", "-A"},
			"nodes.txt":   {"describe", "nodes"},
			"argocd.yaml": {"get", "applications.argoproj.io,applicationsets.argoproj.io,appprojects.argoproj.io", "-A", "-o", "yaml"},
		} {
			text, err := c.Kubectl(ctx, p.Name, "", args...)
			if err != nil {
				text += "\n" + err.Error() + "\n"
			}
			file := filepath.Join(dir, p.Name, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
