package fleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"sigs.k8s.io/yaml"
)

// lintProject is what core-pipeline says about the fleet with this project for
// prod.
func (f fleet) lintProject(t *testing.T, bin string, p *v1alpha1.AppProject) string {
	t.Helper()
	root := f.write(t)
	data, err := yaml.Marshal(map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": map[string]any{"name": p.Name, "namespace": "argocd"}, "spec": p.Spec})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "argocd/projects/prod.yaml"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "cluster", "lint", "--repository-root", root)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != 1) || len(out) == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// some picks up to n values.
func some(random *rand.Rand, n int, values ...string) (out []string) {
	for range random.IntN(n + 1) {
		if v := values[random.IntN(len(values))]; !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// TestAdmission compares, over projects made at random, which Applications
// their own project does not admit, with Argo CD's code.
func TestAdmission(t *testing.T) {
	bin := program(t)
	random := rand.New(rand.NewPCG(5, 4))
	refused := regexp.MustCompile(`AppProject core-pipeline-prod does not admit (\S+) in namespace`)
	admitted, denied := 0, 0
	for i := range 60 {
		f := fleet{sets: exampleSets(t), clusters: map[string]string{}}
		for j, name := range []string{"prod-eu-1", "prod-us-1", "prod-e", "production-1", "eu-prod-1", "dev-eu-1"} {
			f.clusters[name] = cluster(name, fmt.Sprintf("https://c%d.example.com", j), true, "enabled=true", "env=prod", "ring=main")
		}
		p := &v1alpha1.AppProject{}
		p.Name = "core-pipeline-prod"
		p.Spec.SourceRepos = some(random, 3, "*", "https://github.com/example/core-pipeline-deploy.git", "https://github.com/example/core-pipeline-deploy",
			"https://GitHub.com/example/*", "https://github.com/*", "https://github.com/**", "!https://github.com/example/*", "!https://github.com/other/*", "https://github.com/other/x")
		for range random.IntN(4) {
			pick := func(values ...string) string { return values[random.IntN(len(values))] }
			p.Spec.Destinations = append(p.Spec.Destinations, v1alpha1.ApplicationDestination{
				Name:      pick("prod-*", "prod*", "*", "prod-??-1", "*-1", "prod-eu-1", "{prod,dev}-eu-1", "!dev-*", "!prod-eu-*", "", "prod-[a-f]*"),
				Server:    pick("", "", "", "*", "https://c0.example.com", "https://c[1-3].example.com", "!https://c1.example.com", "https://*.example.com"),
				Namespace: pick("core-pipeline-prod", "core-pipeline-prod", "core-*", "*", "default", "!kube-system", "!core-pipeline-prod"),
			})
		}
		apps, err := f.controller(t)
		if err != nil {
			t.Fatal(err)
		}
		text := f.lintProject(t, bin, p)
		var got, want []string
		for _, m := range refused.FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		for name, fields := range apps {
			spec := fields.(map[string]any)["spec"].(map[string]any)
			source := spec["source"].(map[string]any)["repoURL"].(string)
			destination := spec["destination"].(map[string]any)
			at := slices.Index([]string{"prod-eu-1", "prod-us-1", "prod-e", "production-1", "eu-prod-1", "dev-eu-1"}, destination["name"].(string))
			c := &v1alpha1.Cluster{Name: destination["name"].(string), Server: fmt.Sprintf("https://c%d.example.com", at)}
			ok, err := p.IsDestinationPermitted(c, destination["namespace"].(string), func(string) ([]*v1alpha1.Cluster, error) { return nil, nil })
			if err != nil {
				t.Fatal(err)
			}
			if ok && p.IsSourcePermitted(v1alpha1.ApplicationSource{RepoURL: source}) {
				admitted++
			} else {
				denied++
				want = append(want, name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d: lint refuses %v, Argo CD %v, with %+v from %v", i, got, want, p.Spec.Destinations, p.Spec.SourceRepos)
		}
	}
	if admitted < 20 || denied < 20 {
		t.Errorf("%d admitted, %d denied", admitted, denied)
	}
}

// TestRoles compares what lint says about roles with Argo CD's check, which
// only its API makes.
func TestRoles(t *testing.T) {
	bin := program(t)
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	f := fleet{sets: exampleSets(t), clusters: map[string]string{}}
	valid := 0
	for range 150 {
		p := &v1alpha1.AppProject{}
		p.Name = "core-pipeline-prod"
		p.Spec.SourceRepos = []string{"*"}
		role := v1alpha1.ProjectRole{Name: pick("viewer", "viewer", "viewer", "a_b-c", "on call", "-a", "")}
		wrong := func(right string, others ...string) string {
			if random.IntN(12) > 0 {
				return right
			}
			return pick(others...)
		}
		for range random.IntN(3) {
			role.Policies = append(role.Policies, strings.Join([]string{
				wrong("p", "g", " p ", "q", ""), wrong(" proj:core-pipeline-prod:"+role.Name, " proj:core-pipeline-dev:viewer", " viewer", "proj:core-pipeline-prod:"+role.Name+" "),
				wrong(pick(" applications", " logs", " exec", " clusters"), " projects", " accounts", "", " *"),
				wrong(pick(" get", " sync", " *", " action/apps/Deployment/restart", " delete/*/Pod/*", " update/*"), " read", " action", " action/", " invoke", ""),
				wrong(pick(" core-pipeline-prod/*", " core-pipeline-prod/a", " core-pipeline-prod/ns/*"), " core-pipeline-dev/*", " */*", " *", " core-pipeline-prod", " core-pipeline-prod/a/b/c", " core-pipeline-prod/a b"),
				wrong(" allow", " permit", "", " deny", " allow, x"),
			}, ","))
		}
		for range random.IntN(3) {
			role.Groups = append(role.Groups, wrong(pick("a", "b", "c"), "", " ", "a,b", `"a,b"`, " a", "a ", "a\tb", `a"b`, `""`))
		}
		p.Spec.Roles = []v1alpha1.ProjectRole{role}
		if random.IntN(8) == 0 {
			p.Spec.Roles = append(p.Spec.Roles, v1alpha1.ProjectRole{Name: "viewer"})
		}
		refused := strings.Contains(f.lintProject(t, bin, p), "spec.roles[")
		err := p.ValidateProject()
		// What begins with action/ is an action for Argo CD, whatever follows.
		if looser := slices.ContainsFunc(role.Policies, func(s string) bool { return strings.Contains(s, "action/,") }); refused != (err != nil) && (!looser || !refused) {
			t.Errorf("lint refuses %v, Argo CD: %v, %+v", refused, err, p.Spec.Roles)
		}
		if err == nil {
			valid++
		}
	}
	if valid < 30 || valid > 120 {
		t.Errorf("%d projects are right", valid)
	}
}

// TestWindows compares which windows apply to no Application.
func TestWindows(t *testing.T) {
	bin := program(t)
	random := rand.New(rand.NewPCG(5, 7))
	f := fleet{sets: exampleSets(t), clusters: map[string]string{
		"prod-eu-1": cluster("prod-eu-1", "https://a.example.com", true, "enabled=true", "env=prod", "ring=canary"),
		"prod-eu-2": cluster("prod-eu-2", "https://b.example.com", true, "enabled=true", "env=prod", "ring=main"),
	}}
	idle := 0
	for range 60 {
		p := &v1alpha1.AppProject{}
		p.Name = "core-pipeline-prod"
		w := &v1alpha1.InlineSyncWindow{Kind: "deny", Schedule: "0 16 * * 5", Duration: "64h", TimeZone: "UTC", UseAndOperator: random.IntN(2) == 0,
			Applications: some(random, 2, "core-pipeline-prod-eu-1", "core-*", "*", "other"),
			Clusters:     some(random, 2, "prod-*", "prod-eu-?", "production-*", "https://a.example.com", "*"),
			Namespaces:   some(random, 2, "core-pipeline-prod", "default", "core-*", "kube-*"),
		}
		p.Spec.SyncWindows = v1alpha1.SyncWindows{w}
		applies := false
		for name := range f.clusters {
			var app v1alpha1.Application
			app.Name = "core-pipeline-" + name
			app.Spec.Destination = v1alpha1.ApplicationDestination{Name: name, Namespace: "core-pipeline-prod"}
			applies = applies || p.Spec.SyncWindows.Matches(&app) != nil
		}
		if !applies {
			idle++
		}
		text := f.lintProject(t, bin, p)
		if got := strings.Contains(text, "applies to none") || strings.Contains(text, "applies to nothing"); got == applies {
			t.Errorf("lint refuses %v, Argo CD applies it %v: %+v", got, applies, w)
		}
	}
	if idle < 10 || idle > 50 {
		t.Errorf("%d windows apply to nothing", idle)
	}
}
