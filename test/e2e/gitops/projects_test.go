package gitops

import (
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type place struct {
	Project   string `json:"project"`
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
}

func permitted(t *testing.T, p *v1alpha1.AppProject, at place) bool {
	t.Helper()
	c := &v1alpha1.Cluster{Name: at.Cluster, Server: "https://" + at.Cluster + ".invalid"}
	ok, err := p.IsDestinationPermitted(c, at.Namespace, func(string) ([]*v1alpha1.Cluster, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestT04Destinations asks every project for every place of the table.
func TestT04Destinations(t *testing.T) {
	const file = "policy/destinations.yaml"
	table := decode[struct {
		Allowed []place `json:"allowed"`
		Denied  []place `json:"denied"`
	}](t, file, read(t, file))
	all, rows := projects(t), 0
	for name, p := range all {
		for _, at := range table.Allowed {
			rows++
			if got := permitted(t, p, at); got != (at.Project == name) {
				t.Errorf("%s in %s/%s: %v", name, at.Cluster, at.Namespace, got)
			}
		}
		for _, at := range table.Denied {
			rows++
			if permitted(t, p, at) {
				t.Errorf("%s may go to %s/%s", name, at.Cluster, at.Namespace)
			}
		}
	}
	if len(all) != 5 || rows < 40 {
		t.Errorf("%d projects, %d rows", len(all), rows)
	}
}

// TestT04Applications: every Application is admitted by its own project, and by
// no other. One whose cluster is labelled against its name is admitted by none.
func TestT04Applications(t *testing.T) {
	wrong := cluster("dev-eu-9", "enabled=true", "env=prod", "ring=main")
	for name, a := range generated(t, append(examples(t), wrong)...) {
		for project, p := range projects(t) {
			at := place{Cluster: a.Spec.Destination.Name, Namespace: a.Spec.Destination.Namespace}
			want := a.Spec.Project == project && at.Cluster != "dev-eu-9"
			if got := permitted(t, p, at); got != want {
				t.Errorf("%s in %s: %v", name, project, got)
			}
			source := p.IsSourcePermitted(a.Spec.GetSource())
			if source != (project != "default") {
				t.Errorf("the source of %s in %s: %v", name, project, source)
			}
		}
	}
}

// TestT04Root: the root is admitted by its project.
func TestT04Root(t *testing.T) {
	p, a := root(t)
	if !permitted(t, p, place{Cluster: a.Spec.Destination.Name, Namespace: a.Spec.Destination.Namespace}) {
		t.Error("the root may not go where it wants to")
	}
	for _, source := range a.Spec.GetSources() {
		if !p.IsSourcePermitted(source) {
			t.Errorf("the source %s is not admitted", source.Path)
		}
	}
}

// TestT05NameOrServer: with both in one entry, either is enough. So the
// projects have names only.
func TestT05NameOrServer(t *testing.T) {
	p := projects(t)["core-pipeline-prod"].DeepCopy()
	for _, d := range p.Spec.Destinations {
		if d.Name == "" || d.Server != "" {
			t.Errorf("%+v", d)
		}
	}
	p.Spec.Destinations[0].Server = "*"
	if !permitted(t, p, place{Cluster: "dev-eu-1", Namespace: "core-pipeline-prod"}) {
		t.Error("Argo CD takes name and server for an and now: the rule can go")
	}
}

// TestT24Kinds: a namespace of its own is what an Application may make of
// cluster-scoped objects, and the chart's kinds of the others.
func TestT24Kinds(t *testing.T) {
	for _, e := range environments {
		p := projects(t)["core-pipeline-"+e]
		for _, c := range []struct {
			group, kind, name string
			namespaced, want  bool
		}{
			{"", "Namespace", "core-pipeline-" + e, false, true},
			{"", "Namespace", "kube-system", false, false},
			{"", "Namespace", "core-pipeline-" + e + "-2", false, false},
			{"rbac.authorization.k8s.io", "ClusterRole", "a", false, false},
			{"rbac.authorization.k8s.io", "ClusterRoleBinding", "a", false, false},
			{"apiextensions.k8s.io", "CustomResourceDefinition", "a", false, false},
			{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "a", false, false},
			{"apps", "Deployment", "a", true, true},
			{"apps", "DaemonSet", "a", true, false},
			{"rbac.authorization.k8s.io", "RoleBinding", "a", true, false},
			{"argoproj.io", "Application", "a", true, false},
		} {
			if got := p.IsGroupKindNamePermitted(schema.GroupKind{Group: c.group, Kind: c.kind}, c.name, c.namespaced); got != c.want {
				t.Errorf("%s: %s %s: %v", e, c.kind, c.name, got)
			}
		}
	}
}

// TestDefaultIsLocked: nothing passes it, also after Argo CD has written it
// back without its empty lists.
func TestDefaultIsLocked(t *testing.T) {
	p := projects(t)["default"]
	p.Spec.ClusterResourceWhitelist = nil
	for _, kind := range []string{"Deployment", "Namespace", "ClusterRole"} {
		for _, namespaced := range []bool{true, false} {
			if p.IsGroupKindNamePermitted(schema.GroupKind{Group: "apps", Kind: kind}, "a", namespaced) {
				t.Errorf("%s, %v", kind, namespaced)
			}
		}
	}
	if permitted(t, p, place{Cluster: "dev-eu-1", Namespace: "core-pipeline-dev"}) {
		t.Error("it has destinations")
	}
	if p.IsSourcePermitted(v1alpha1.ApplicationSource{RepoURL: "https://a.invalid"}) {
		t.Error("it has sources")
	}
}
