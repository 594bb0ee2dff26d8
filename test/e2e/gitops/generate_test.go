package gitops

import (
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// generate is what the ApplicationSet controller makes of a set and clusters.
func generate(t *testing.T, set *v1alpha1.ApplicationSet, clusters ...*corev1.Secret) ([]v1alpha1.Application, error) {
	t.Helper()
	builder := fake.NewClientBuilder()
	for _, c := range clusters {
		builder = builder.WithObjects(c.DeepCopy())
	}
	client := builder.Build()
	known := map[string]generators.Generator{"Clusters": generators.NewClusterGenerator(client, "argocd")}
	logger := logrus.New()
	logger.SetOutput(t.Output())
	out, _, err := template.GenerateApplications(logrus.NewEntry(logger), *set, known, &utils.Render{}, client)
	return out, err
}

// generated are the Applications of all sets, by name.
func generated(t *testing.T, clusters ...*corev1.Secret) map[string]v1alpha1.Application {
	t.Helper()
	out := map[string]v1alpha1.Application{}
	for _, e := range environments {
		list, err := generate(t, set(t, e), clusters...)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		for _, a := range list {
			if _, ok := out[a.Name]; ok {
				t.Errorf("%s is generated twice", a.Name)
			}
			out[a.Name] = a
		}
	}
	return out
}

// TestApplications holds what the examples become.
func TestApplications(t *testing.T) {
	got := generated(t, examples(t)...)
	if len(got) != 3 {
		t.Errorf("%d Applications", len(got))
	}
	for environment, ring := range map[string]string{"dev": "main", "staging": "main", "prod": "canary"} {
		cluster := environment + "-eu-1"
		a := got["core-pipeline-"+cluster]
		want := map[string]string{"app.kubernetes.io/part-of": "core-pipeline", "core-pipeline.io/env": environment, "core-pipeline.io/ring": ring}
		if diff := cmp.Diff(want, a.Labels); diff != "" {
			t.Errorf("%s (-want +got):\n%s", cluster, diff)
		}
		if a.Spec.Project != "core-pipeline-"+environment || a.Spec.Destination.Name != cluster || a.Spec.Destination.Server != "" {
			t.Errorf("%s: %s in %+v", cluster, a.Spec.Project, a.Spec.Destination)
		}
		p := a.Spec.Source.Plugin
		if p == nil || p.Name != "core-pipeline-v1" || len(p.Parameters) != 5 || p.Parameters[3].Array[0] != "/argocd/envs/"+environment+"/clusters/"+cluster+".yaml" {
			t.Errorf("%s: %+v", cluster, p)
		}
	}
}

// TestT01LabelsAreRequired: a label that is missing reads as "" in a template,
// whatever missingkey says. So no set takes a cluster without one.
func TestT01LabelsAreRequired(t *testing.T) {
	for _, labels := range [][]string{
		{},
		{"enabled=true", "env=prod"},
		{"enabled=true", "ring=main"},
		{"env=prod", "ring=main"},
		{"enabled=false", "env=prod", "ring=main"},
		{"enabled=true", "env=prod", "ring=mian"},
		{"enabled=true", "env=prod", "ring="},
		{"enabled=true", "env=production", "ring=main"},
		{"enabled=yes", "env=prod", "ring=main"},
	} {
		got := generated(t, append(examples(t), cluster("prod-eu-9", labels...))...)
		if _, ok := got["core-pipeline-prod-eu-9"]; ok || len(got) != 3 {
			t.Errorf("%v: %d Applications", labels, len(got))
		}
	}
	got := generated(t, append(examples(t), cluster("prod-eu-9", "enabled=true", "env=prod", "ring=main"))...)
	if a, ok := got["core-pipeline-prod-eu-9"]; !ok || len(got) != 4 || a.Labels["core-pipeline.io/ring"] != "main" {
		t.Errorf("%d Applications with one more cluster", len(got))
	}
}

// TestT01InClusterIsNotSelected: an empty selector would take the cluster that
// Argo CD runs in.
func TestT01InClusterIsNotSelected(t *testing.T) {
	if got := generated(t); len(got) > 0 {
		t.Errorf("%d Applications without a cluster", len(got))
	}
}

// TestT02ClusterWithoutAnnotations does not break the set for the others.
func TestT02ClusterWithoutAnnotations(t *testing.T) {
	c := cluster("prod-eu-2", "enabled=true", "env=prod", "ring=main")
	if c.Annotations != nil {
		t.Fatal("it has annotations")
	}
	if got := generated(t, append(examples(t), c)...); len(got) != 4 {
		t.Errorf("%d Applications", len(got))
	}
}

// TestT03TwoClustersOfOneName: the controller drops one without a word, which
// is why names have to be unique before they get there.
func TestT03TwoClustersOfOneName(t *testing.T) {
	one, other := cluster("prod-eu-2", "enabled=true", "env=prod", "ring=main"), cluster("prod-eu-2", "enabled=true", "env=prod", "ring=main")
	other.Name, other.Data["server"] = "cluster-other", []byte("https://other.invalid")
	list, err := generate(t, set(t, "prod"), one, other)
	names := map[string]bool{}
	for _, a := range list {
		names[a.Name] = true
	}
	if err != nil || len(names) != 1 {
		t.Errorf("%d Applications, %v", len(list), err)
	}
}

// TestT13Finalizers: Argo CD deletes what an Application made if it has this
// finalizer when it goes. The controller adds it unless the set preserves.
func TestT13Finalizers(t *testing.T) {
	for name, a := range generated(t, examples(t)...) {
		deletes := slices.Contains(a.Finalizers, v1alpha1.ResourcesFinalizerName)
		if deletes != strings.HasPrefix(name, "core-pipeline-dev-") {
			t.Errorf("%s has the finalizers %v", name, a.Finalizers)
		}
	}
	prod := set(t, "prod")
	prod.Spec.Template.Finalizers = []string{v1alpha1.ResourcesFinalizerName}
	list, err := generate(t, prod, examples(t)...)
	if err != nil || !slices.Contains(list[0].Finalizers, v1alpha1.ResourcesFinalizerName) {
		t.Errorf("a finalizer in the template does not defeat the policy any more: %v", err)
	}
}

// TestT22RendererIsOneLine: naming the next renderer in one set changes the
// Applications of that environment, and these only there.
func TestT22RendererIsOneLine(t *testing.T) {
	before := generated(t, examples(t)...)
	dev := set(t, "dev")
	dev.Spec.Template.Spec.Source.Plugin.Name = "core-pipeline-v2"
	list, err := generate(t, dev, examples(t)...)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d Applications, %v", len(list), err)
	}
	was := before[list[0].Name]
	list[0].Spec.Source.Plugin.Name = was.Spec.Source.Plugin.Name
	if diff := cmp.Diff(was, list[0]); diff != "" {
		t.Errorf("more than the name differs (-v1 +v2):\n%s", diff)
	}
}
