package live

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// deleteSet deletes an ApplicationSet, and waits until its Applications are gone or others of the same names are there:
// the root makes it again as soon as it is gone.
func deleteSet(t *testing.T, p *platform.Platform, name string) {
	t.Helper()
	before, err := p.Applications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, p, platform.Hub, "-n", "argocd", "delete", "applicationsets.argoproj.io", name, "--wait=false")
	environment := name[len("core-pipeline-"):]
	eventually(t, rolloutTime, "the end of the Applications of "+name, func() (bool, string) {
		now, err := p.Applications(t.Context())
		for _, target := range platform.Targets {
			if a := target.Application(); target.Environment == environment && now[a].Metadata.UID == before[a].Metadata.UID {
				return false, states(now)
			}
		}
		return err == nil, fmt.Sprint(err)
	})
}

// TestT13Deletion: whatever deletes an Application of prod leaves its workload, and the Application finds it again.
func TestT13Deletion(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	restored(t, p)
	canary, main := named(t, "prod-eu-1"), named(t, "prod-eu-2")
	pods := map[string]string{}
	uids := map[string]string{}
	for _, target := range []platform.Target{canary, main} {
		good(t, p, target.Application())
		pods[target.Name], uids[target.Name] = podIDs(t, p, target), workload(t, p, target).Metadata.UID
	}
	same := func(t *testing.T, target platform.Target) {
		t.Helper()
		if d := workload(t, p, target); d.Metadata.UID != uids[target.Name] {
			t.Errorf("%s has another Deployment: %s, then %s", target.Name, uids[target.Name], d.Metadata.UID)
		}
		if now := podIDs(t, p, target); now != pods[target.Name] {
			t.Errorf("%s has other pods: %s, then %s", target.Name, pods[target.Name], now)
		}
	}
	load := startTraffic(t, p, canary)
	n := load.during(t, "the deletion of Applications", func() {
		t.Run("a label is changed", func(t *testing.T) {
			file := filepath.Join("argocd", "clusters", main.Name+".yaml")
			edit(t, p, file, `core-pipeline\.io/enabled: "true"`, `core-pipeline.io/enabled: "false"`)
			publish(t, p, "Disable "+main.Name)
			eventually(t, healTime, "the end of the Application", func() (bool, string) {
				all, err := p.Applications(t.Context())
				_, there := all[main.Application()]
				return err == nil && !there, states(all)
			})
			same(t, main)
			edit(t, p, file, `core-pipeline\.io/enabled: "false"`, `core-pipeline.io/enabled: "true"`)
			publish(t, p, "Enable "+main.Name)
			good(t, p, main.Application())
			same(t, main)
		})
		t.Run("the Secret of a cluster is deleted", func(t *testing.T) {
			all, err := p.Applications(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			before := all[canary.Application()].Metadata.UID
			kubectl(t, p, platform.Hub, "-n", "argocd", "delete", "secret", "cluster-"+canary.Name)
			eventually(t, healTime, "another Application", func() (bool, string) {
				all, err := p.Applications(t.Context())
				a, there := all[canary.Application()]
				return err == nil && there && a.Metadata.UID != before, states(all)
			})
			good(t, p, canary.Application())
			same(t, canary)
		})
		t.Run("the ApplicationSet is deleted", func(t *testing.T) {
			start := time.Now()
			deleteSet(t, p, "core-pipeline-prod")
			for _, target := range []platform.Target{canary, main} {
				good(t, p, target.Application())
				same(t, target)
			}
			report(t, 0, "the ApplicationSet of prod is deleted: its Applications are back after %s", time.Since(start).Round(time.Second))
		})
	})
	if !t.Failed() {
		report(t, 0, "prod: a cluster's label changed, its Secret deleted, the ApplicationSet deleted: the same Deployments and pods, %d requests, 0 failed", n)
	}
}
