package appsets

import (
	"slices"
	"strings"
	"testing"
)

const (
	dev, staging, prod = "dev-eu-1", "staging-eu-1", "prod-eu-1"
	annotations        = "  annotations:\n    argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm\n"
)

// begin has the examples in place, and their Applications.
func begin(t *testing.T, variables ...string) *lab {
	t.Helper()
	l := newLab(t)
	l.start(variables...)
	l.reach("main", dev, staging, prod)
	return l
}

// TestT15OneClusterStopsNoOther: whatever is wrong with one Secret, the
// Applications of all other clusters change with their sets.
func TestT15OneClusterStopsNoOther(t *testing.T) {
	l := begin(t)
	before := "main"
	for _, c := range []struct {
		name, refused string
		edits         []string
		// also is the cluster of its Application, if it gets one.
		also string
	}{
		{"no annotations", `metadata\.annotations: there is none`, []string{annotations, ""}, "prod-eu-9"},
		{"no ring", `core-pipeline\.io/ring: is missing`, []string{"    core-pipeline.io/ring: main\n", ""}, ""},
		{"a ring that does not exist", `core-pipeline\.io/ring: `, []string{"ring: main", "ring: mian"}, ""},
		{"a name for people", `stringData\.name: "Prod_EU\.9" is not a name`, []string{"  name: prod-eu-9\n  server", "  name: Prod_EU.9\n  server"}, "prod-eu.9"},
		{"no name", `stringData\.name: is missing`, []string{"  name: prod-eu-9\n  server", "  server"}, ""},
		{"no server", `stringData\.server: `, []string{"  server: https://prod-eu-9.invalid\n", ""}, "prod-eu-9"},
		{"a name of another environment", `projects admit by name`, []string{"  name: prod-eu-9\n  server", "  name: dev-eu-9\n  server"}, "dev-eu-9"},
		{"the server of another", `stringData\.server: is that of argocd/clusters/prod-eu-1\.yaml, too`, []string{"https://prod-eu-9.invalid", "https://prod-eu-1.invalid"}, "prod-eu-9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := l.in(t)
			file := l.secret("prod-eu-9", c.edits...)
			l.refused(c.refused)
			l.run("apply", "--server-side", "-f", file)
			after := strings.ReplaceAll(c.name, " ", "-")
			l.revise(before, after)
			before = after
			want := []string{dev, staging, prod}
			if c.also != "" {
				want = append(want, c.also)
			}
			l.reach(after, want...)
			l.remove(file)
			l.wait("the examples alone", func() bool { return len(l.revisions()) == 3 })
		})
	}
}

// TestT15ErrorInATemplate: where the template of a set reads what one Secret
// does not have, no Application of that set changes any more. So lint refuses
// such a template with such a Secret, and ours read nothing of the kind.
func TestT15ErrorInATemplate(t *testing.T) {
	l := begin(t)
	l.replace("applicationsets/prod.yaml", "  template:\n    metadata:\n", "  template:\n    metadata:\n      annotations: {tier: '{{ index .metadata.annotations \"example.com/tier\" }}'}\n")
	file := l.secret("prod-eu-9", annotations, "")
	l.refused(`applicationsets/prod\.yaml:\d+: .*cannot be evaluated for argocd/clusters/prod-eu-9\.yaml`)
	l.run("apply", "--server-side", "-f", file)
	l.revise("main", "next")
	l.wait("an error", func() bool { return strings.Contains(l.errors()["core-pipeline-prod"], "annotations") })
	l.reach("next", dev, staging)
	if got := l.at("main"); !slices.Contains(got, prod) {
		t.Errorf("at main are %v: an error in one Application leaves the others of its set alone now", got)
	}
	l.remove(file)
	l.reach("next", dev, staging, prod)
}

// TestT03TwoClustersOfOneName: the Application of that name follows its set no
// more, and the others do.
func TestT03TwoClustersOfOneName(t *testing.T) {
	l := begin(t)
	file := l.secret("prod-eu-9", "  name: prod-eu-9\n  server", "  name: prod-eu-1\n  server")
	l.refused(`stringData\.name: is that of argocd/clusters/prod-eu-1\.yaml, too`)
	l.run("apply", "--server-side", "-f", file)
	l.run("apply", "--server-side", "-f", l.secret("prod-eu-2"))
	l.revise("main", "next")
	l.reach("next", dev, staging, "prod-eu-2")
	l.wait("an error", func() bool {
		return strings.Contains(l.errors()["core-pipeline-prod"], "there are 2 clusters with the same name")
	})
	if got := l.at("main"); !slices.Equal(got, []string{prod}) {
		t.Errorf("at main are %v: Argo CD chooses between clusters of one name now", got)
	}
	l.remove(file)
	l.run("annotate", "applicationset", "-n", "argocd", "core-pipeline-prod", "argocd.argoproj.io/application-set-refresh=true")
	l.reach("next", dev, staging, prod, "prod-eu-2")
}

// TestT14PolicyOverride: with a policy of the controller and without the
// component guardrails, the sets' own is void: Applications are made and never
// changed. With it, they follow.
func TestT14PolicyOverride(t *testing.T) {
	const policy = "ARGOCD_APPLICATIONSET_CONTROLLER_POLICY=create-only"
	t.Run("without guardrails", func(t *testing.T) {
		l := begin(t, policy)
		l.run("apply", "--server-side", "-f", l.secret("dev-eu-2"), "-f", l.secret("staging-eu-2"), "-f", l.secret("prod-eu-2"))
		l.reach("main", dev, staging, prod, "dev-eu-2", "staging-eu-2", "prod-eu-2")
		l.revise("main", "next")
		l.run("apply", "--server-side", "-f", l.secret("dev-eu-3"), "-f", l.secret("staging-eu-3"), "-f", l.secret("prod-eu-3"))
		// The sets have been seen in their new form when these are there.
		l.reach("next", "dev-eu-3", "staging-eu-3", "prod-eu-3")
		if got := l.at("main"); len(got) != 6 {
			t.Errorf("at main are %v: the policy of the controller does not replace the sets' own any more", got)
		}
	})
	t.Run("with guardrails", func(t *testing.T) {
		l := begin(t, policy, "ARGOCD_APPLICATIONSET_CONTROLLER_ENABLE_POLICY_OVERRIDE=true")
		l.revise("main", "next")
		l.reach("next", dev, staging, prod)
	})
}

// TestT16MalformedConfig: beside a Secret whose config is no JSON, Applications
// still change with their sets, but none goes with its cluster, in any set.
func TestT16MalformedConfig(t *testing.T) {
	l := begin(t)
	broken := l.secret("prod-eu-9", "  config: |\n    {\n", "  config: |\n    {{\n")
	l.refused(`argocd/clusters/prod-eu-9\.yaml:\d+: stringData\.config: `)
	l.run("apply", "--server-side", "-f", broken)
	l.revise("main", "next")
	l.reach("next", dev, staging, prod)
	l.run("label", "secret", "-n", "argocd", "--overwrite", "cluster-"+dev, "core-pipeline.io/enabled=false")
	// When the set has made the second, it is done with all that the first came after.
	for _, name := range []string{"dev-eu-2", "dev-eu-3"} {
		l.run("apply", "--server-side", "-f", l.secret(name))
		l.wait(name, func() bool { return slices.Contains(l.at("next"), name) })
	}
	l.wait("an error in every set", func() bool { return len(l.errors()) == 3 })
	if l.going(dev) {
		t.Errorf("a Secret that is broken keeps no Application from being deleted any more")
	}
	l.remove(broken)
	l.wait("the Application to go", func() bool { return l.going(dev) })
}
