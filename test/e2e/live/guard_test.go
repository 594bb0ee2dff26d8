package live

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// objects are the objects of the application in its namespace, its pods included, by their UIDs.
func objects(t *testing.T, p *platform.Platform, target platform.Target) string {
	t.Helper()
	return kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid}{"\n"}{end}`, "--sort-by=.metadata.uid",
		"deployments,services,configmaps,secrets,serviceaccounts,ingresses,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,externalsecrets.external-secrets.io,pods")
}

// TestT12EmptyRender: a commit that leaves no object is an error whose first line says so, and prod keeps everything.
func TestT12EmptyRender(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	restored(t, p)
	targets := []platform.Target{named(t, "prod-eu-1"), named(t, "prod-eu-2")}
	before := map[string]string{}
	for _, target := range targets {
		good(t, p, target.Application())
		before[target.Name] = objects(t, p, target)
		if n := strings.Count(before[target.Name], "\n"); n < 10 {
			t.Fatalf("%s has %d objects:\n%s", target.Name, n, before[target.Name])
		}
	}
	edit(t, p, filepath.Join("argocd", "envs", "prod", "kustomization.yaml"), `(?m)^patches:$`,
		"patches:\n  - target: {kind: .*}\n    patch: |-\n      $$patch: delete\n      apiVersion: v1\n      kind: Any\n      metadata: {name: any}")
	start := time.Now()
	publish(t, p, "Delete everything in prod")
	for _, target := range targets {
		eventually(t, healTime, "an error of "+target.Name, func() (bool, string) {
			all, err := p.Applications(t.Context())
			a := all[target.Application()]
			for _, c := range a.Status.Conditions {
				line, _, _ := strings.Cut(c.Message, "\n")
				if c.Type == "ComparisonError" && strings.HasSuffix(line, "no objects were rendered") {
					t.Logf("%s: %s", c.Type, c.Message)
					return true, ""
				}
			}
			return false, fmt.Sprint(a, err)
		})
	}
	seen := time.Since(start)
	for _, target := range targets {
		if now := objects(t, p, target); now != before[target.Name] {
			t.Errorf("%s had\n%sand has\n%s", target.Name, before[target.Name], now)
		}
	}
	if !t.Failed() {
		report(t, 0, "a commit that deletes everything in prod: refused %s after it is pushed; every object is the same", seen.Round(time.Second))
	}
}

// TestT24OutsideOfTheNamespace: a ClusterRole and a Namespace in the overlay of dev fail the sync by name, and nothing
// of that commit is applied.
func TestT24OutsideOfTheNamespace(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	restored(t, p)
	target := named(t, "dev-eu-1")
	good(t, p, target.Application())
	before := workload(t, p, target)
	dir := filepath.Join("argocd", "envs", "dev")
	if err := p.Repository.Write(filepath.Join(dir, "outside.yaml"), `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-outside}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: e2e-outside}
`); err != nil {
		t.Fatal(err)
	}
	edit(t, p, filepath.Join(dir, "kustomization.yaml"), `(?m)^patches:$`, "resources: [outside.yaml]\n\npatches:")
	edit(t, p, filepath.Join("charts", "core-pipeline", "values-dev.yaml"), `LOG_LEVEL: debug`, `LOG_LEVEL: info`)
	revision := publish(t, p, "Reach out of dev's namespace")
	eventually(t, rolloutTime, "a sync that fails", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[target.Application()]
		refused := map[string]bool{}
		for _, r := range a.Status.OperationState.SyncResult.Resources {
			if strings.Contains(r.Message, "is not permitted in project core-pipeline-dev") {
				refused[r.Kind] = true
			}
		}
		return err == nil && a.Status.OperationState.SyncResult.Revision == revision && refused["ClusterRole"] && refused["Namespace"],
			fmt.Sprintf("%s\n%+v %v", a, a.Status.OperationState, err)
	})
	for _, left := range []string{"clusterrole/e2e-outside", "namespace/e2e-outside"} {
		if out := kubectl(t, p, target.Plane, "get", left, "--ignore-not-found", "-o", "name"); out != "" {
			t.Errorf("%s is there", out)
		}
	}
	if now := workload(t, p, target); now.Metadata.Generation != before.Metadata.Generation {
		t.Error("a part of the commit is applied")
	}
	if !t.Failed() {
		report(t, 0, "a ClusterRole and a Namespace in dev's overlay: both are refused by name, nothing of the commit is applied")
	}
}

// TestT18Window: a window that denies parks a rollout of prod, first in the canary. A person gets it through there with
// what argocd/README.md says, and it is parked in the main ring; without the window it goes on.
func TestT18Window(t *testing.T) {
	p, canary, main := ringsAtRest(t)
	annotation := func(target platform.Target) string {
		return kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "service", "core-pipeline", "-o", "jsonpath={.metadata.annotations.e2e/window}")
	}
	descriptions := func() (string, error) {
		return p.Kubectl(t.Context(), platform.Hub, "", "-n", "argocd", "get", "appprojects.argoproj.io", "core-pipeline-prod", "-o", "jsonpath={.spec.syncWindows[*].description}")
	}
	project := filepath.Join("argocd", "projects", "prod.yaml")
	edit(t, p, project, `(?m)^  syncWindows:$`,
		"  syncWindows:\n    - {kind: deny, schedule: '* * * * *', duration: 1h, clusters: ['prod-*'], manualSync: true, description: e2e}")
	publish(t, p, "Freeze prod")
	eventually(t, healTime, "the window", func() (bool, string) {
		out, err := descriptions()
		return err == nil && strings.Contains(out, "e2e"), fmt.Sprint(out, err)
	})
	edit(t, p, filepath.Join("charts", "core-pipeline", "values-prod.yaml"), `(?m)^replicaCount: 3$`, "service:\n  annotations: {e2e/window: open}\n\nreplicaCount: 3")
	revision := publish(t, p, "Annotate the Service of prod")
	parked := eventually(t, rolloutTime, "a sync that is parked", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[canary.Application()]
		o := a.Status.OperationState
		return err == nil && o.Phase == "Running" && strings.Contains(o.Message, "sync window"), fmt.Sprintf("%s\n%+v %v", a, steps(t, p), err)
	})
	// The progressive sync may begin it again before the person does: then both commands are typed again.
	eventually(t, healTime, "the sync that a person starts", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[canary.Application()]
		if o := a.Status.OperationState; err == nil && o.Phase == "Running" && strings.Contains(o.Message, "sync window") {
			err = errors.Join(p.Terminate(t.Context(), canary.Application()), p.Sync(t.Context(), canary.Application()))
		}
		return err == nil && annotation(canary) == "open", fmt.Sprint(a, err)
	})
	// The canary is healthy with it, so main is next, and parked.
	eventually(t, rolloutTime, "main's sync parked as well", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[main.Application()]
		o := a.Status.OperationState
		return err == nil && o.SyncResult.Revision == revision && o.Phase == "Running" && strings.Contains(o.Message, "sync window"), fmt.Sprintf("%s\n%+v %v", a, steps(t, p), err)
	})
	if got := annotation(main); got != "" {
		t.Errorf("main has the annotation %q while the window is closed", got)
	}
	edit(t, p, project, `(?m)^    - \{kind: deny, schedule: '\* .*\n`, "")
	thaw := publish(t, p, "Thaw prod")
	eventually(t, healTime, "the end of the window", func() (bool, string) {
		out, err := descriptions()
		return err == nil && !strings.Contains(out, "e2e"), fmt.Sprint(out, err)
	})
	// Argo CD looks at what is parked when it compares.
	if err := p.Refresh(t.Context(), main.Application(), "normal"); err != nil {
		t.Fatal(err)
	}
	through := arrived(t, p, main, thaw)
	if got := annotation(main); got != "open" {
		t.Errorf("main has the annotation %q without the window", got)
	}
	report(t, 0, "a window that denies: the canary's sync is parked %s after the commit, goes through when a person syncs, and then main's is parked; %s after the window is gone it is synced, too", parked, through)
}
