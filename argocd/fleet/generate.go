package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Application is what an ApplicationSet makes of one cluster.
type Application struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   objectMeta      `json:"metadata"`
	Spec       applicationSpec `json:"spec"`

	// Set and Cluster are the names of what it is made of.
	Set     string `json:"-"`
	Cluster string `json:"-"`

	cluster *Cluster
	set     *setFile
	// generator is the index of the generator that selects the cluster.
	generator int
}

// Name is unique among the Applications of a fleet.
func (a *Application) Name() string { return a.Metadata.Name }

// Project is the AppProject that has to admit it.
func (a *Application) Project() string { return a.Spec.Project }

// Namespace is where its objects go.
func (a *Application) Namespace() string { return a.Spec.Destination.Namespace }

// Path is the directory of its chart, or empty.
func (a *Application) Path() string {
	if a.Spec.Source == nil {
		return ""
	}
	return a.Spec.Source.Path
}

// Parameters are those of its plugin; none for another source.
func (a *Application) Parameters() []Parameter {
	if a.Spec.Source == nil || a.Spec.Source.Plugin == nil {
		return nil
	}
	return a.Spec.Source.Plugin.Parameters
}

// UsesPlugin tells whether a plugin renders it.
func (a *Application) UsesPlugin() bool { return a.Spec.Source != nil && a.Spec.Source.Plugin != nil }

// Fields is the object as Argo CD's controller would create it.
func (a *Application) Fields() (map[string]any, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	return fields, json.Unmarshal(data, &fields)
}

// Applications returns what the ApplicationSets generate over the clusters,
// sorted by name. With findings the list is incomplete: Argo CD stops updating
// all Applications of a set when one cannot be generated.
func (f *Fleet) Applications() ([]*Application, Findings) {
	var all []*Application
	findings := f.duplicateClusters()
	for _, s := range f.sets {
		apps, found := s.generate(f.clusters)
		all = append(all, apps...)
		findings = append(findings, found...)
	}
	slices.SortStableFunc(all, func(a, b *Application) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Set, b.Set))
	})
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.Name() == b.Name() {
			findings = append(findings, b.cluster.doc.at(b.cluster.field("data", "name"), "gives Application %s of %s, which %s of %s gives, too", clip(b.Name()), b.Set, a.Cluster, a.Set))
		}
	}
	return all, findings.sorted()
}

// duplicateClusters reports names and servers that two files share: Argo CD
// would use one of them, and does not say which.
func (f *Fleet) duplicateClusters() Findings {
	var findings Findings
	names, servers := map[string]*Cluster{}, map[string]*Cluster{}
	for _, c := range f.clusters {
		for _, unique := range []struct {
			seen         map[string]*Cluster
			field, value string
		}{{names, "name", c.Name}, {servers, "server", strings.TrimRight(strings.ToLower(c.Server), "/")}} {
			if other, ok := unique.seen[unique.value]; ok && unique.value != "" {
				findings = append(findings, c.doc.at(c.field("data", unique.field), "is that of %s, too; Argo CD would use either", other.File))
			}
			unique.seen[unique.value] = c
		}
	}
	return findings
}

// selectors returns those of the set's generators.
func (s *setFile) selectors() ([]labels.Selector, Findings) {
	var all []labels.Selector
	d := s.doc.again()
	for i, g := range s.Spec.Generators {
		field := fmt.Sprintf("spec.generators[%d]", i)
		if g.Clusters == nil {
			d.find(field, "expected a clusters generator; no other is supported")
			continue
		}
		field += ".clusters.selector"
		if len(g.Clusters.Selector.MatchLabels)+len(g.Clusters.Selector.MatchExpressions) == 0 {
			d.find(field, "is missing: the generator would select every cluster, and the one that Argo CD runs in")
			continue
		}
		selector, err := g.Clusters.Selector.compile()
		if err != nil {
			d.find(field, "%s", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		all = append(all, selector)
	}
	if len(s.Spec.Generators) == 0 {
		d.find("spec.generators", "there is none")
	}
	return all, d.findings
}

func (l labelSelector) compile() (labels.Selector, error) {
	selector := labels.SelectorFromValidatedSet(labels.Set{labelSecretType: "cluster"})
	for key, value := range l.MatchLabels {
		r, err := labels.NewRequirement(key, selection.Equals, []string{value})
		if err != nil {
			return nil, err
		}
		selector = selector.Add(*r)
	}
	return addExpressions(selector, l.MatchExpressions, map[string]selection.Operator{
		"In": selection.In, "NotIn": selection.NotIn, "Exists": selection.Exists, "DoesNotExist": selection.DoesNotExist,
	})
}

func addExpressions(selector labels.Selector, expressions []matchExpression, operators map[string]selection.Operator) (labels.Selector, error) {
	for _, e := range expressions {
		operator, ok := operators[e.Operator]
		if !ok {
			return nil, fmt.Errorf("operator %q is unknown", clip(e.Operator))
		}
		r, err := labels.NewRequirement(e.Key, operator, e.Values)
		if err != nil {
			return nil, err
		}
		selector = selector.Add(*r)
	}
	return selector, nil
}

// generate renders the set's template for every cluster that it selects.
func (s *setFile) generate(clusters []*Cluster) ([]*Application, Findings) {
	selectors, findings := s.selectors()
	d := s.doc.again()
	if !s.Spec.GoTemplate {
		d.find("spec.goTemplate", "expected true; other templates are not supported")
	}
	if !slices.Equal(s.Spec.GoTemplateOptions, []string{"missingkey=error"}) {
		d.find("spec.goTemplateOptions", `expected ["missingkey=error"]: a missing label must not become an empty text`)
	}
	findings = append(findings, d.findings...)
	if len(findings) > 0 {
		return nil, findings
	}
	tmpl, findings := s.compileTemplate()
	if len(findings) > 0 {
		return nil, findings
	}
	var apps []*Application
	for i, selector := range selectors {
		for _, c := range clusters {
			if !selector.Matches(labels.Set(c.Labels)) {
				continue
			}
			app, found := s.instantiate(tmpl, c)
			if len(found) > 0 {
				return apps, found // as the controller: the first stops the set
			}
			app.generator = i
			apps = append(apps, app)
		}
	}
	return apps, nil
}

func (s *setFile) instantiate(tmpl *node, c *Cluster) (*Application, Findings) {
	tree, field, err := tmpl.execute(c.parameters())
	if err != nil {
		return nil, Findings{s.doc.at(field, "cannot be evaluated for %s: %v", c.File, err)}
	}
	app := &Application{APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Set: s.Metadata.Name, Cluster: c.Name, cluster: c, set: s}
	data, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(data, app)
	}
	if err != nil {
		return nil, Findings{s.doc.at("spec.template", "is no Application for %s", c.File)}
	}
	app.Metadata.Namespace = s.Metadata.Namespace
	preserve := s.Spec.SyncPolicy != nil && s.Spec.SyncPolicy.PreserveResourcesOnDeletion
	if !preserve && len(app.Metadata.Finalizers) == 0 {
		app.Metadata.Finalizers = []string{"resources-finalizer.argocd.argoproj.io"}
	}
	return app, nil
}

// Argo CD keeps these annotations from templates.
var hiddenAnnotations = map[string]bool{
	"argocd.argoproj.io/refresh":                       true,
	"argocd.argoproj.io/refresh-timestamp":             true,
	"argocd.argoproj.io/hydrate":                       true,
	"argocd.argoproj.io/hydrate-timestamp":             true,
	"argocd.argoproj.io/tracking-id":                   true,
	"argocd.argoproj.io/installation-id":               true,
	"kubectl.kubernetes.io/last-applied-configuration": true,
}

// parameters are what Argo CD's cluster generator gives to a template.
func (c *Cluster) parameters() map[string]any {
	metadata := map[string]any{}
	if len(c.Labels) > 0 {
		metadata["labels"] = c.Labels
	}
	if len(c.Annotations) > 0 {
		annotations := map[string]string{}
		for key, value := range c.Annotations {
			if !hiddenAnnotations[key] {
				annotations[key] = value
			}
		}
		metadata["annotations"] = annotations
	}
	return map[string]any{
		"name": c.Name, "nameNormalized": normalize(c.Name), "server": c.Server, "project": c.Project, "metadata": metadata,
	}
}

var notInName = regexp.MustCompile(`[^-a-z0-9.]`)

// normalize makes a name of an object, as Argo CD does.
func normalize(name string) string {
	name = notInName.ReplaceAllString(strings.ToLower(name), "-")
	return strings.Trim(name[:min(len(name), 253)], "-.")
}
