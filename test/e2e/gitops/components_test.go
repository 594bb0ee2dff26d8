package gitops

import (
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// environment is what the root makes of argocd/kustomization.yaml.
func environment(t *testing.T, components ...string) resmap.ResMap {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	k := *decode[map[string]any](t, "kustomization.yaml", read(t, "kustomization.yaml"))
	for _, resource := range k["resources"].([]any) {
		write(t, disk, "argocd/"+resource.(string), read(t, resource.(string)))
	}
	for _, c := range components {
		write(t, disk, "argocd/"+c+"/kustomization.yaml", read(t, "install/components/"+c+"/kustomization.yaml"))
	}
	k["components"] = components
	data, err := yaml.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	write(t, disk, "argocd/kustomization.yaml", data)
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/argocd")
	if err != nil {
		t.Fatalf("%v: %v", components, err)
	}
	return objects
}

// TestEnvironmentCombinations decodes what every combination makes, with Argo
// CD's types and its check of projects.
func TestEnvironmentCombinations(t *testing.T) {
	for _, set := range combinations([]string{"prod-manual", "source-integrity", "impersonation"}) {
		for _, r := range environment(t, set...).Resources() {
			data, err := r.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			switch r.GetKind() {
			case "AppProject":
				if err := decode[v1alpha1.AppProject](t, r.GetName(), data).ValidateProject(); err != nil {
					t.Errorf("%v: %s: %v", set, r.GetName(), err)
				}
			case "ApplicationSet":
				decode[v1alpha1.ApplicationSet](t, r.GetName(), data)
			case "Application":
				decode[v1alpha1.Application](t, r.GetName(), data)
			default:
				t.Errorf("%v: a %s, which the project of the root does not admit", set, r.GetKind())
			}
		}
	}
}

// TestProdManual: prod is left with nothing that syncs it.
func TestProdManual(t *testing.T) {
	prod := object[v1alpha1.ApplicationSet](t, environment(t, "prod-manual"), "ApplicationSet", "core-pipeline-prod")
	if prod.Spec.Strategy != nil {
		t.Errorf("it has the strategy %s", prod.Spec.Strategy.Type)
	}
	list, err := generate(t, prod, examples(t)...)
	if err != nil || len(list) != 1 || list[0].Spec.SyncPolicy.IsAutomatedSyncEnabled() {
		t.Errorf("%d Applications, %v", len(list), err)
	}
	for name, a := range generated(t, examples(t)...) {
		if !a.Spec.SyncPolicy.IsAutomatedSyncEnabled() {
			t.Errorf("%s waits for people without the component", name)
		}
	}
}

// TestT29Impersonation: every Application syncs as the account that target.yaml
// makes, the root as the controller, and the others as nobody.
func TestT29Impersonation(t *testing.T) {
	objects := environment(t, "impersonation")
	_, bootstrap := root(t)
	apps := generated(t, examples(t)...)
	apps[bootstrap.Name] = *bootstrap
	for name, a := range apps {
		p := object[v1alpha1.AppProject](t, objects, "AppProject", a.Spec.Project)
		want := "system:serviceaccount:core-pipeline-access:deployer"
		if name == bootstrap.Name {
			want = "system:serviceaccount:argocd:argocd-application-controller"
		}
		got, err := settings.DeriveServiceAccountToImpersonate(p, &a, &v1alpha1.Cluster{Server: "https://a.invalid"})
		if err != nil || got != want {
			t.Errorf("%s syncs as %q, %v", name, got, err)
		}
		a.Spec.Destination.Namespace = "kube-system"
		if got, err := settings.DeriveServiceAccountToImpersonate(p, &a, &v1alpha1.Cluster{Server: "https://a.invalid"}); err != nil || got != "" {
			t.Errorf("%s would sync to kube-system as %q, %v", name, got, err)
		}
	}
}

// TestSourceIntegrity covers the sources of every Application.
func TestSourceIntegrity(t *testing.T) {
	objects := environment(t, "source-integrity")
	for name, a := range generated(t, examples(t)...) {
		integrity := object[v1alpha1.AppProject](t, objects, "AppProject", a.Spec.Project).EffectiveSourceIntegrity()
		if integrity == nil || len(integrity.ConfiguredMethods()) == 0 {
			t.Fatalf("%s is not checked", name)
		}
		policy := integrity.Git.Policies[0]
		if policy.Repos[0].URL != a.Spec.GetSource().RepoURL || policy.GPG.Mode != v1alpha1.SourceIntegrityGitPolicyGPGModeHead {
			t.Errorf("%s: %+v", name, policy)
		}
	}
}
