package fleet

import (
	"fmt"
	"maps"
	"path"
	"strings"
)

// StepDelete is how the step begins in which the file of a cluster goes.
const StepDelete = "delete the file"

// Clusters returns all clusters, in the order of their files.
func (f *Fleet) Clusters() []*Cluster { return f.clusters }

// Cluster returns the cluster with the name, or nil.
func (f *Fleet) Cluster(name string) *Cluster {
	for _, c := range f.clusters {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Enabled tells whether ApplicationSets may select the cluster.
func (c *Cluster) Enabled() bool { return c.enabled() }

// Disable returns the text of the cluster's file with the label that enables
// it set to false, and nothing else changed.
func (c *Cluster) Disable(text []byte) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	at := c.doc.line(c.field("labels", LabelEnabled)) - 1
	if at < 0 || at >= len(lines) || strings.Count(lines[at], LabelEnabled) != 1 {
		return nil, fmt.Errorf("%s: the label %s is not on a line of its own; set it to \"false\" by hand", c.File, LabelEnabled)
	}
	before, after, _ := strings.Cut(lines[at], LabelEnabled)
	lines[at] = before + LabelEnabled + strings.Replace(after, "true", "false", 1)
	edited := []byte(strings.Join(lines, ""))
	again, found := readCluster(c.File, edited)
	if again == nil || len(found.Harmful()) > 0 || again.Labels[LabelEnabled] != "false" {
		return nil, fmt.Errorf("%s: the label %s cannot be edited; set it to \"false\" by hand", c.File, LabelEnabled)
	}
	return edited, nil
}

// Steps is the safe order in which a cluster leaves, from its state now: the
// Secret last, since Argo CD cannot reach a cluster without it, and an
// Application of a cluster that is gone blocks the rollout of its set.
func (f *Fleet) Steps(c *Cluster) []string {
	apps := f.whenEnabled(c)
	kind := "secret"
	if c.external != nil {
		kind = "externalsecret"
	}
	steps := []string{
		fmt.Sprintf(`%s: %s is "false"; commit and merge it, and wait until it has arrived: kubectl -n %s get secret %s -o jsonpath='{.metadata.labels}'`, c.File, LabelEnabled, c.object.Namespace, c.object.Name),
	}
	for _, a := range apps {
		preserve := a.set.Spec.SyncPolicy != nil && a.set.Spec.SyncPolicy.PreserveResourcesOnDeletion
		fate := "its objects are deleted with it"
		if preserve {
			fate = "its objects stay"
		}
		steps = append(steps, fmt.Sprintf("wait until Argo CD has deleted the Application (%s): kubectl -n %s wait --for=delete application/%s", fate, c.object.Namespace, a.Name()))
		if preserve {
			steps = append(steps, fmt.Sprintf("delete what it left, on the cluster %s: kubectl delete namespace %s", c.Name, a.Namespace()))
		}
	}
	return append(steps,
		fmt.Sprintf(StepDelete+" and commit: core-pipeline cluster remove %s --delete", c.Name),
		fmt.Sprintf("agree that Argo CD deletes the %s: argocd app confirm-deletion core-pipeline-root; if it does not keep the clusters: kubectl -n %s delete %s %s", kind, c.object.Namespace, kind, c.object.Name),
		"take away the access that Argo CD had to the cluster: the role, the entry in the store, the ServiceAccount",
	)
}

// whenEnabled returns the Applications that the cluster has while it is enabled.
func (f *Fleet) whenEnabled(c *Cluster) []*Application {
	enabled := *c
	enabled.Labels = map[string]string{}
	maps.Copy(enabled.Labels, c.Labels)
	enabled.Labels[LabelEnabled] = "true"
	var apps []*Application
	for _, s := range f.sets {
		generated, _ := s.generate([]*Cluster{&enabled})
		apps = append(apps, generated...)
	}
	return apps
}

// ValuesFiles are the files that only this cluster's Applications name.
func (f *Fleet) ValuesFiles(c *Cluster) []string {
	var files []string
	seen := map[string]bool{}
	for _, app := range f.whenEnabled(c) {
		for _, p := range app.Parameters() {
			if p.Array == nil {
				continue
			}
			for _, file := range *p.Array {
				if path.IsAbs(file) && path.Base(file) == c.Name+".yaml" && !seen[file] {
					seen[file] = true
					files = append(files, strings.TrimPrefix(path.Clean(file), "/"))
				}
			}
		}
	}
	return files
}
