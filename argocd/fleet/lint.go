package fleet

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// maxApplicationName is the length of a label's value, which names are
	// copied to.
	maxApplicationName = 63
	// maxReleaseName is Helm's.
	maxReleaseName = 53
)

// Lint reports everything that would surprise in Argo CD, except what Load has
// reported.
func (f *Fleet) Lint(options Options) Findings {
	var all Findings
	environments := f.Environments()
	for _, c := range f.clusters {
		all = append(all, c.check(environments, options)...)
		all = append(all, f.checkNamespace(c)...)
	}
	for _, p := range f.projects {
		all = append(all, p.check()...)
	}
	for _, s := range f.sets {
		all = append(all, s.check()...)
	}
	apps, found := f.Applications()
	all = append(all, found...)
	all = append(all, f.checkSelection()...)
	// What follows from a missing name is no news.
	apps = slices.DeleteFunc(apps, func(a *Application) bool { return a.cluster.Name == "" })
	for _, a := range apps {
		all = append(all, a.check()...)
	}
	all = append(all, f.checkAdmission(apps)...)
	all = append(all, f.checkWindows(apps)...)
	all = append(all, f.sourceOverrides(apps)...)
	return all.sorted()
}

// Environments are the names that the ApplicationSets select by, sorted.
func (f *Fleet) Environments() []string {
	names := map[string]bool{}
	for _, s := range f.sets {
		for _, g := range s.Spec.Generators {
			if g.Clusters == nil {
				continue
			}
			if e := g.Clusters.Selector.MatchLabels[LabelEnvironment]; e != "" {
				names[e] = true
			}
			for _, e := range g.Clusters.Selector.MatchExpressions {
				if e.Key == LabelEnvironment && e.Operator == "In" {
					for _, value := range e.Values {
						names[value] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// checkNamespace: the controller reads cluster Secrets of its namespace only.
func (f *Fleet) checkNamespace(c *Cluster) Findings {
	if len(f.sets) == 0 {
		return nil
	}
	if want := f.sets[0].Metadata.Namespace; c.object.Namespace != want {
		return Findings{c.doc.at("metadata.namespace", "expected %s, where the ApplicationSets are", want)}
	}
	return nil
}

// check reports what Argo CD accepts in a set and what breaks a rollout.
func (s *setFile) check() Findings {
	d := s.doc.again()
	d.required([2]string{"metadata.name", s.Metadata.Name}, [2]string{"metadata.namespace", s.Metadata.Namespace})
	spec := s.Spec.Template.Spec
	if strings.Contains(spec.Project, "{{") {
		d.find("spec.template.spec.project", "is a template; whoever labels a cluster could choose the project, write it out")
	}
	if spec.Destination.Server != "" {
		d.find("spec.template.spec.destination.server", "projects and sync windows name clusters; use name")
	}
	if sync := s.Spec.SyncPolicy; sync != nil {
		known := []string{"", "sync", "create-only", "create-update", "create-delete"}
		if !slices.Contains(known, sync.ApplicationsSync) {
			d.find("spec.syncPolicy.applicationsSync", "is unknown; expected one of %s", strings.Join(known[1:], ", "))
		}
	}
	if len(s.Spec.Template.Metadata.Finalizers) > 0 {
		d.find("spec.template.metadata.finalizers", "overrules preserveResourcesOnDeletion; leave it out")
	}
	steps, found := s.steps()
	if sync := spec.SyncPolicy; len(steps) > 0 && sync != nil && sync.Retry != nil && sync.Retry.Refresh {
		d.find("spec.template.spec.syncPolicy.retry.refresh", "lets a retry take a commit that the steps before have not; leave it out")
	}
	return append(d.findings, found...)
}

// checkSelection wants exactly one set for every enabled cluster, and none for
// the others.
func (f *Fleet) checkSelection() Findings {
	type selecting struct {
		name     string
		selector labels.Selector
	}
	var sets []selecting
	for _, s := range f.sets {
		selectors, _ := s.selectors() // Applications has reported what is wrong
		for _, selector := range selectors {
			sets = append(sets, selecting{s.Metadata.Name, selector})
		}
	}
	var findings Findings
	for _, c := range f.clusters {
		var by []string
		for _, s := range sets {
			if s.selector.Matches(labels.Set(c.Labels)) {
				by = append(by, s.name)
			}
		}
		field := c.field("labels", "")
		switch {
		case !c.enabled() && len(by) > 0:
			findings = append(findings, c.doc.at(c.field("labels", LabelEnabled), "is not true, and ApplicationSet %s selects the cluster all the same", strings.Join(by, ", ")))
		case c.enabled() && len(by) == 0:
			findings = append(findings, c.doc.at(field, "no ApplicationSet selects the cluster; compare its labels with the selectors of %s", f.paths.ApplicationSets))
		case len(by) > 1:
			findings = append(findings, c.doc.at(field, "more than one ApplicationSet selects the cluster: %s", strings.Join(by, ", ")))
		}
	}
	return findings
}

// check reports what is wrong with an Application: at the cluster, whose name
// and labels it is made of.
func (a *Application) check() Findings {
	d := a.cluster.doc.again()
	name, field := a.Name(), a.cluster.field("data", "name")
	switch {
	case len(name) > maxApplicationName:
		d.find(field, "gives an Application whose name is longer than %d characters", maxApplicationName)
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		d.find(field, "gives an Application with the name %q, which is none for Kubernetes", clip(name))
	}
	release, explicit := a.release()
	switch {
	case len(release) > maxReleaseName:
		d.find(field, "gives a Helm release whose name is longer than %d characters", maxReleaseName)
	case explicit && release == "":
		d.find(field, "gives an empty release-name")
	}
	for _, key := range slices.Sorted(maps.Keys(a.Metadata.Labels)) {
		if value := a.Metadata.Labels[key]; value == "" || len(validation.IsValidLabelValue(value)) > 0 {
			d.find(a.cluster.field("labels", key), "gives %s an empty or wrong label; the template of %s uses it", clip(name), a.Set)
		}
	}
	for _, p := range a.Parameters() {
		if p.String != nil && *p.String == "" || p.Array != nil && slices.Contains(*p.Array, "") {
			d.find(a.cluster.field("labels", ""), "parameter %s of %s is empty; the template of %s uses a label that is missing", clip(p.Name), clip(name), a.Set)
		}
	}
	if dest := a.Spec.Destination.Name; dest != "" && dest != a.cluster.Name {
		d.find(field, "the Application %s goes to cluster %s", clip(name), clip(dest))
	}
	return d.findings
}

// release is the name of the Helm release, and whether a parameter says it.
func (a *Application) release() (string, bool) {
	for _, p := range a.Parameters() {
		if p.Name == "release-name" && p.String != nil {
			return *p.String, true
		}
	}
	return a.Name(), false
}

// checkAdmission wants every Application admitted by its own project, and by
// no other. What a project admits too much is reported once.
func (f *Fleet) checkAdmission(apps []*Application) Findings {
	var findings Findings
	projects := map[string]bool{}
	for _, p := range f.projects {
		if projects[p.Metadata.Name] {
			findings = append(findings, p.doc.at("metadata.name", "is that of another AppProject, too"))
		}
		projects[p.Metadata.Name] = true
	}
	foreign := map[string]bool{}
	for _, a := range apps {
		if !projects[a.Project()] {
			findings = append(findings, a.set.doc.at("spec.template.spec.project", "there is no AppProject %s", clip(a.Project())))
			continue
		}
		for _, p := range f.projects {
			index, ok := p.admits(a)
			own := p.Metadata.Name == a.Project()
			field := fmt.Sprintf("spec.destinations[%d]", index)
			key := p.doc.file + field
			switch {
			case own && !ok:
				findings = append(findings, a.cluster.doc.at(a.cluster.field("data", "name"), "AppProject %s does not admit %s in namespace %s from %s", p.Metadata.Name, a.Name(), clip(a.Namespace()), a.repoURL()))
			case !own && ok && !foreign[key]:
				foreign[key] = true
				findings = append(findings, p.doc.at(field, "admits %s, which belongs to %s", a.Name(), a.Project()))
			}
			if own && p.Metadata.Labels[LabelEnvironment] != "" && p.Metadata.Labels[LabelEnvironment] != a.cluster.Labels[LabelEnvironment] {
				findings = append(findings, a.cluster.doc.at(a.cluster.field("labels", LabelEnvironment), "AppProject %s is for %s", p.Metadata.Name, p.Metadata.Labels[LabelEnvironment]))
			}
		}
	}
	return append(findings, checkSteps(apps)...)
}

func (a *Application) repoURL() string {
	if a.Spec.Source == nil {
		return "no source"
	}
	return a.Spec.Source.RepoURL
}

// steps compiles the steps of a rollout.
func (s *setFile) steps() ([]labels.Selector, Findings) {
	if s.Spec.Strategy == nil || s.Spec.Strategy.RollingSync == nil {
		return nil, nil
	}
	d := s.doc.again()
	var steps []labels.Selector
	for i, step := range s.Spec.Strategy.RollingSync.Steps {
		selector, err := addExpressions(labels.NewSelector(), step.MatchExpressions, map[string]selection.Operator{"In": selection.In, "NotIn": selection.NotIn})
		if err != nil || len(step.MatchExpressions) == 0 {
			d.find(fmt.Sprintf("spec.strategy.rollingSync.steps[%d].matchExpressions", i), "expected In and NotIn with values")
			continue
		}
		steps = append(steps, selector)
	}
	return steps, d.findings
}

// checkSteps wants every Application of a rollout in exactly one step: what is
// in none is never synced, and Argo CD does not say so.
func checkSteps(apps []*Application) Findings {
	steps := map[*setFile][]labels.Selector{}
	var findings Findings
	for _, a := range apps {
		selectors, ok := steps[a.set]
		if !ok {
			selectors, _ = a.set.steps()
			steps[a.set] = selectors
		}
		if len(selectors) == 0 {
			continue
		}
		count := 0
		for _, selector := range selectors {
			if selector.Matches(labels.Set(a.Metadata.Labels)) {
				count++
			}
		}
		if count != 1 {
			findings = append(findings, a.cluster.doc.at(a.cluster.field("labels", LabelRing), "%s is in %d steps of the rollout of %s; expected one", a.Name(), count, a.Set))
		}
	}
	return findings
}

// sourceOverrides reports files beside a chart that Argo CD merges over the
// source of every Application, its parameters included.
func (f *Fleet) sourceOverrides(apps []*Application) Findings {
	dirs := map[string]bool{}
	for _, a := range apps {
		dirs[path.Clean(a.Path())] = a.Path() != ""
	}
	for _, s := range f.sets {
		if source := s.Spec.Template.Spec.Source; source != nil && source.Path != "" && !strings.Contains(source.Path, "{{") {
			dirs[path.Clean(source.Path)] = true
		}
	}
	var findings Findings
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if !dirs[dir] {
			continue
		}
		entries, err := fs.ReadDir(f.tree, dir)
		if err != nil {
			continue // the chart of another repository
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".argocd-source") && strings.HasSuffix(e.Name(), ".yaml") {
				findings = append(findings, Finding{File: path.Join(dir, e.Name()), Text: "Argo CD merges this over the source that the ApplicationSet says; delete it"})
			}
		}
	}
	return findings
}
