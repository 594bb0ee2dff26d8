package gitops

import (
	"slices"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	applister "github.com/argoproj/argo-cd/v3/pkg/client/listers/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/server/rbacpolicy"
	"github.com/argoproj/argo-cd/v3/util/assets"
	"github.com/argoproj/argo-cd/v3/util/rbac"
	"github.com/golang-jwt/jwt/v5"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

type allowance struct {
	Resource string   `json:"resource"`
	Action   string   `json:"action"`
	Allow    []string `json:"allow"`
}

func allowances(t *testing.T) []allowance {
	t.Helper()
	const file = "policy/roles.yaml"
	return decode[struct {
		Rules []allowance `json:"rules"`
	}](t, file, read(t, file)).Rules
}

// enforcer decides as the API server of an Argo CD with these projects does.
func enforcer(t *testing.T, all map[string]*v1alpha1.AppProject) *rbac.Enforcer {
	t.Helper()
	e := rbac.NewEnforcer(fake.NewClientset(), "argocd", "argocd-rbac-cm", nil)
	if err := e.SetBuiltinPolicy(assets.BuiltinPolicyCSV); err != nil {
		t.Fatal(err)
	}
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, p := range all {
		if err := index.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	lister := applister.NewAppProjectLister(index).AppProjects("argocd")
	e.SetClaimsEnforcerFunc(rbacpolicy.NewRBACPolicyEnforcer(e, lister).EnforceClaims)
	return e
}

// groups are those of a role in a project.
func groups(t *testing.T, p *v1alpha1.AppProject, role string) []any {
	t.Helper()
	r, _, err := p.GetRoleByName(role)
	if err != nil {
		t.Fatal(err)
	}
	var out []any
	for _, g := range r.Groups {
		out = append(out, g)
	}
	return out
}

// TestT06Roles asks, for every role of every project, about every action of
// the table on an Application of every project: as a token of the role and as
// a member of its groups. Nobody gets what is not in the table, and a token
// nothing in another project.
func TestT06Roles(t *testing.T) {
	all, rows := projects(t), 0
	e := enforcer(t, all)
	for _, own := range environments {
		for _, role := range []string{"viewer", "deployer", "oncall"} {
			project := all["core-pipeline-"+own]
			token := jwt.MapClaims{"sub": "proj:" + project.Name + ":" + role}
			member := jwt.MapClaims{"sub": "somebody", "groups": groups(t, project, role)}
			for _, other := range environments {
				object := "core-pipeline-" + other + "/core-pipeline-" + other + "-eu-1"
				for _, a := range allowances(t) {
					rows++
					allowed := slices.Contains(a.Allow, role)
					if got, want := e.Enforce(token, a.Resource, a.Action, object), allowed && own == other; got != want {
						t.Errorf("the token of %s in %s: %s %s %s: %v", role, own, a.Resource, a.Action, object, got)
					}
					// viewer and oncall are the same people everywhere.
					if got, want := e.Enforce(member, a.Resource, a.Action, object), allowed && (own == other || role != "deployer"); got != want {
						t.Errorf("a member of %s in %s: %s %s %s: %v", role, own, a.Resource, a.Action, object, got)
					}
				}
			}
		}
	}
	if rows < 40 {
		t.Errorf("%d rows", rows)
	}
}

// TestT06OneBadPolicyDropsAll: what makes the test above necessary.
func TestT06OneBadPolicyDropsAll(t *testing.T) {
	all := projects(t)
	prod := all["core-pipeline-prod"]
	prod.Spec.Roles[0].Policies = append(prod.Spec.Roles[0].Policies, "p, proj:core-pipeline-prod:viewer, applications, get")
	object := "core-pipeline-prod/core-pipeline-prod-eu-1"
	if enforcer(t, all).Enforce(jwt.MapClaims{"sub": "proj:core-pipeline-prod:oncall"}, "applications", "sync", object) {
		t.Error("Argo CD keeps the roles of a project with a broken policy now")
	}
	if prod.ValidateProject() == nil {
		t.Error("the policy passes")
	}
}
