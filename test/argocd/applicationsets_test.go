package argocd

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
)

// generate does for one cluster what the controller does with these templates.
// test/e2e/gitops compares with the controller itself.
func generate(t *testing.T, set applicationSet, name string, c cluster) application {
	t.Helper()
	data, err := yaml.Marshal(set.Spec.Template)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.New(set.Metadata.Name).Option(set.Spec.GoTemplateOptions...).Parse(string(data))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = parsed.Execute(&out, map[string]any{
		"name": name, "nameNormalized": name, "server": c.StringData["server"],
		"metadata": map[string]any{"labels": c.Metadata.Labels},
	})
	if err != nil {
		t.Fatal(err)
	}
	return decode[application](t, name, []byte(out.String()))
}

// selects tells whether the set's generator takes a cluster.
func selects(t *testing.T, set applicationSet, c cluster) bool {
	t.Helper()
	if len(set.Spec.Generators) != 1 {
		t.Fatalf("%s has %d generators", set.Metadata.Name, len(set.Spec.Generators))
	}
	s := set.Spec.Generators[0].Clusters.Selector
	for key, value := range s.MatchLabels {
		if c.Metadata.Labels[key] != value {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		if r.Operator != "In" {
			t.Fatalf("%s uses %s", set.Metadata.Name, r.Operator)
		}
		if !slices.Contains(r.Values, c.Metadata.Labels[r.Key]) {
			return false
		}
	}
	return true
}

func sets(t *testing.T) map[string]applicationSet {
	t.Helper()
	out := map[string]applicationSet{}
	for _, e := range environments {
		out[e] = load[applicationSet](t, "applicationsets/"+e+".yaml")
	}
	return out
}

// TestEveryClusterIsSelectedOnce, by the set of its environment.
func TestEveryClusterIsSelectedOnce(t *testing.T) {
	for name, c := range clusters(t) {
		var by []string
		for e, set := range sets(t) {
			if selects(t, set, c) {
				by = append(by, e)
			}
		}
		if !slices.Equal(by, []string{c.Metadata.Labels["core-pipeline.io/env"]}) {
			t.Errorf("%s is selected by %v", name, by)
		}
	}
}

func parameters(t *testing.T, a application) plugin.Parameters {
	t.Helper()
	data, err := json.Marshal(a.Spec.Source.Plugin.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plugin.ReadParameters(string(data))
	if err != nil {
		t.Fatalf("%s: %v", a.Metadata.Name, err)
	}
	return p
}

// TestParameters reads the parameters as the plugin does, and renders with
// them: every Application that the examples give has manifests.
func TestParameters(t *testing.T) {
	for e, set := range sets(t) {
		for name, c := range clusters(t) {
			if !selects(t, set, c) {
				continue
			}
			a := generate(t, set, name, c)
			p := parameters(t, a)
			want := plugin.Parameters{
				Environment: e, ReleaseName: "core-pipeline", Overlay: "/argocd/envs/" + e,
				ValueFiles:         []string{"/argocd/envs/" + e + "/release.yaml"},
				OptionalValueFiles: []string{"/argocd/envs/" + e + "/clusters/" + name + ".yaml"},
			}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Errorf("%s (-want +got):\n%s", a.Metadata.Name, diff)
			}
			p.Namespace = a.Spec.Destination.Namespace
			objects, err := plugin.Render(t.Context(), os.DirFS("../.."), plugin.Request{Dir: a.Spec.Source.Path, Parameters: p}, plugin.Options{})
			if err != nil || len(objects) < 5 {
				t.Errorf("%s: %d objects, %v", a.Metadata.Name, len(objects), err)
			}
		}
	}
}

// TestReleaseNameIsStable: it is in the selector of the Deployment, so it must
// depend on nothing that differs between clusters.
func TestReleaseNameIsStable(t *testing.T) {
	for e, set := range sets(t) {
		for name, c := range clusters(t) {
			if got := parameters(t, generate(t, set, name, c)).ReleaseName; got != "core-pipeline" {
				t.Errorf("%s of %s has the release name %s", name, e, got)
			}
		}
	}
}

// TestT21PluginName holds the sets to the plugin's name and version.
func TestT21PluginName(t *testing.T) {
	data, err := os.ReadFile("../../plugin/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var announced struct {
		Metadata metadata
		Spec     struct {
			Version  string
			Discover any
		}
	}
	if err := yaml.Unmarshal(data, &announced); err != nil {
		t.Fatal(err)
	}
	if announced.Spec.Discover != nil {
		t.Error("the plugin asks for Applications that do not name it")
	}
	for e, set := range sets(t) {
		want := announced.Metadata.Name + "-" + announced.Spec.Version
		if got := set.Spec.Template.Spec.Source.Plugin.Name; got != want {
			t.Errorf("%s names %s, the plugin is %s", e, got, want)
		}
	}
}

// TestApplicationSets holds what the three have in common, and what each must
// not have.
func TestApplicationSets(t *testing.T) {
	for e, set := range sets(t) {
		spec := set.Spec
		if !spec.GoTemplate || !slices.Equal(spec.GoTemplateOptions, []string{"missingkey=error"}) {
			t.Errorf("%s: a parameter that is missing is no error", e)
		}
		if spec.Template.Spec.Project != "core-pipeline-"+e {
			t.Errorf("%s: the project is %s", e, spec.Template.Spec.Project)
		}
		if spec.Template.Spec.Destination != (destination{Name: "{{ .name }}", Namespace: "core-pipeline-" + e}) {
			t.Errorf("%s: the destination is %v", e, spec.Template.Spec.Destination)
		}
		// One in the template would defeat preserveResourcesOnDeletion; this
		// annotation loses commits that come in a sync window.
		if len(spec.Template.Metadata.Finalizers)+len(spec.Template.Metadata.Annotations) > 0 {
			t.Errorf("%s: the template has %+v", e, spec.Template.Metadata)
		}
		automated := map[string]bool{"enabled": true, "prune": true, "selfHeal": true, "allowEmpty": false}
		if diff := cmp.Diff(automated, spec.Template.Spec.SyncPolicy.Automated); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e, diff)
		}
		if spec.Template.Spec.SyncPolicy.ManagedNamespaceMetadata.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("%s: the namespace admits every pod", e)
		}
	}
}

// TestT13Preserve: outside dev, an Application that goes leaves its workload.
func TestT13Preserve(t *testing.T) {
	for e, set := range sets(t) {
		policy := set.Spec.SyncPolicy
		if policy.ApplicationsSync != "sync" || policy.PreserveResourcesOnDeletion != (e != "dev") {
			t.Errorf("%s: %+v", e, policy)
		}
		if !slices.Equal(set.Metadata.Finalizers, []string{"resources-finalizer.argocd.argoproj.io"}) ||
			set.Metadata.Annotations["argocd.argoproj.io/sync-options"] != "Prune=confirm,Delete=confirm" {
			t.Errorf("%s: %+v", e, set.Metadata)
		}
	}
}

// TestT17Replicas: where an autoscaler owns the replicas, a sync must neither
// see nor write them. Where none does, ignoring them would hide drift.
func TestT17Replicas(t *testing.T) {
	for e, set := range sets(t) {
		spec := set.Spec.Template.Spec
		respects := slices.Contains(spec.SyncPolicy.SyncOptions, "RespectIgnoreDifferences=true")
		if scaled := e != "dev"; scaled != (len(spec.IgnoreDifferences) == 1) || scaled != respects {
			t.Errorf("%s: ignores %v, respects it: %v", e, spec.IgnoreDifferences, respects)
		}
	}
}

// TestT08Rollout: prod goes ring by ring, and no ring that the generator takes
// is in no step, or in two.
func TestT08Rollout(t *testing.T) {
	for e, set := range sets(t) {
		if (set.Spec.Strategy != nil) != (e == "prod") {
			t.Errorf("%s: %+v", e, set.Spec.Strategy)
		}
	}
	prod := sets(t)["prod"]
	for _, ring := range prod.Spec.Generators[0].Clusters.Selector.MatchExpressions[0].Values {
		steps := 0
		for _, s := range prod.Spec.Strategy.RollingSync.Steps {
			r := s.MatchExpressions[0]
			if slices.Contains(r.Values, ring) == (r.Operator == "In") {
				steps++
			}
		}
		if steps != 1 {
			t.Errorf("the ring %s is in %d steps", ring, steps)
		}
	}
}

// TestRoot: it may apply what it has to, nothing else, and asks before it
// removes.
func TestRoot(t *testing.T) {
	p, a := bootstrap(t)
	if a.Spec.Project != p.Metadata.Name || !slices.Equal(p.Spec.Destinations, []destination{a.Spec.Destination}) || len(p.Spec.ClusterResourceWhitelist) > 0 {
		t.Errorf("%+v does not fit %+v", a.Spec.Destination, p.Spec)
	}
	if !slices.Contains(a.Spec.SyncPolicy.SyncOptions, "Prune=confirm") || len(a.Metadata.Finalizers) > 0 {
		t.Errorf("%+v", a)
	}
	if len(a.Spec.Sources) != 2 || a.Spec.Sources[0].Path != "argocd" || a.Spec.Sources[1].Path != "argocd/clusters" {
		t.Errorf("%+v", a.Spec.Sources)
	}
	for _, s := range a.Spec.Sources {
		if !slices.Equal(p.Spec.SourceRepos, []string{s.RepoURL}) {
			t.Errorf("%s is not the repository of the project", s.RepoURL)
		}
	}
}
