package live

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// step is what the controller of ApplicationSets says of an Application in a progressive sync.
type step struct {
	Application, Status, Message string
	TargetRevisions              []string
}

// steps are those of prod's Applications, by name.
func steps(t *testing.T, p *platform.Platform) map[string]step {
	t.Helper()
	var set struct {
		Status struct{ ApplicationStatus []step }
	}
	object(t, p, platform.Hub, &set, "applicationsets.argoproj.io", "core-pipeline-prod", "-n", "argocd")
	all := map[string]step{}
	for _, s := range set.Status.ApplicationStatus {
		all[s.Application] = s
	}
	return all
}

// history is what an Application has been seen to do.
type history struct {
	begun map[string]time.Time // when a sync began, by revision
	whole map[string]time.Time // when it was first seen synced and healthy, by revision
}

// follow watches Applications until the function it returns is called.
func follow(t *testing.T, p *platform.Platform) func() map[string]history {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	seen := map[string]history{}
	ended := make(chan struct{})
	look := func() {
		all, err := p.Applications(ctx)
		if err != nil {
			return // the next look tells
		}
		for name, a := range all {
			h, there := seen[name]
			if !there {
				h = history{map[string]time.Time{}, map[string]time.Time{}}
				seen[name] = h
			}
			o := a.Status.OperationState
			if revision := o.SyncResult.Revision; revision != "" {
				if _, there := h.begun[revision]; !there {
					h.begun[revision] = o.StartedAt
				}
			}
			if a.Good() && o.Phase == "Succeeded" {
				if _, there := h.whole[a.Status.Sync.Revision]; !there {
					h.whole[a.Status.Sync.Revision] = time.Now()
				}
			}
		}
	}
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			look()
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return sync.OnceValue(func() map[string]history {
		cancel()
		<-ended
		ctx = context.WithoutCancel(ctx)
		look()
		return seen
	})
}

// TestT09MainWaitsForTheCanary: a release that never gets ready stays in the canary of prod, and so does a commit that
// comes while it is there. What the canary comes to health with goes on to the main ring, and nothing else.
func TestT09MainWaitsForTheCanary(t *testing.T) {
	p := deployed(t)
	restored(t, p)
	canary, main := named(t, "prod-eu-1"), named(t, "prod-eu-2")
	good(t, p, canary.Application())
	good(t, p, main.Application())
	start, before := time.Now(), workload(t, p, main)
	stop := follow(t, p)
	defer stop()
	load := startTraffic(t, p, canary)

	values := filepath.Join("charts", "core-pipeline", "values-prod.yaml")
	held := func(revision string) {
		t.Helper()
		eventually(t, rolloutTime, fmt.Sprintf("%.8s in the canary alone", revision), func() (bool, string) {
			all, err := p.Applications(t.Context())
			a := all[canary.Application()]
			o := a.Status.OperationState
			states := steps(t, p)
			waiting := states[main.Application()]
			return err == nil && o.Phase == "Succeeded" && o.SyncResult.Revision == revision && a.Status.Health.Status == "Progressing" &&
				waiting.Status == "Waiting" && strings.Contains(fmt.Sprint(waiting.TargetRevisions), revision), fmt.Sprintf("%s\n%+v %v", a, states, err)
		})
		// Compared once more, main still waits.
		if err := p.Refresh(t.Context(), main.Application(), "normal"); err != nil {
			t.Fatal(err)
		}
		if got := workload(t, p, main); got.Metadata.Generation != before.Metadata.Generation {
			t.Errorf("main has changed while the canary is not ready: generation %d, then %d", before.Metadata.Generation, got.Metadata.Generation)
		}
	}
	var bad, second string
	n := load.during(t, "a release that is never ready", func() {
		if err := p.Repository.SetRelease("prod", "9.9.9", "sha256:"+strings.Repeat("e", 64)); err != nil {
			t.Fatal(err)
		}
		bad = publish(t, p, "Release 9.9.9 in prod, which is in no registry")
		held(bad)
		edit(t, p, values, `LOG_LEVEL: warn`, `LOG_LEVEL: error`)
		second = publish(t, p, "Log less in prod")
		held(second)
	})
	release(t, p, "prod", "1.0.0")
	edit(t, p, values, `LOG_LEVEL: error`, `LOG_LEVEL: warn`)
	// The pods of before, so that it takes seconds, and a change that the main ring has to be synced for.
	edit(t, p, values, `(?m)^replicaCount: 3$`, "service:\n  annotations: {e2e/release: good}\n\nreplicaCount: 3")
	repaired := publish(t, p, "Go back to 1.0.0 in prod")
	recovered := arrived(t, p, canary, repaired)
	arrived(t, p, main, repaired)

	seen := stop()
	of := func(target platform.Target) history { return seen[target.Application()] }
	for revision, begun := range of(main).begun {
		if begun.Before(start.Truncate(time.Second)) {
			continue
		}
		// Times of Argo CD are whole seconds.
		whole, there := of(canary).whole[revision]
		if !there || begun.Before(whole.Truncate(time.Second).Add(-time.Second)) {
			t.Errorf("main began with %.8s at %s; the canary was healthy with it at %s", revision, begun, whole)
		}
	}
	for _, revision := range []string{bad, second} {
		if _, there := of(main).begun[revision]; there {
			t.Errorf("main got %.8s, which the canary was never healthy with", revision)
		}
		if _, there := of(canary).begun[revision]; !there {
			t.Errorf("the canary never began with %.8s", revision)
		}
	}
	if _, there := of(main).begun[repaired]; !there {
		t.Errorf("main never began with %.8s", repaired)
	}
	for _, target := range []platform.Target{canary, main} {
		if got := kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "service", "core-pipeline", "-o", `jsonpath={.metadata.annotations.e2e/release}`); got != "good" {
			t.Errorf("%s has the annotation %q", target.Name, got)
		}
	}
	report(t, 10, "prod's canary with a release that is never ready, and another commit meanwhile: %d requests, 0 failed", n)
	report(t, 0, "two commits that the canary is not healthy with: the main ring is synced to neither; to the next, %s after it is pushed in the canary, then in main", recovered)
}

// TestT08CanaryBeforeMain: a new image reaches the main ring of prod when every pod of the canary has it and is ready.
func TestT08CanaryBeforeMain(t *testing.T) {
	p := deployed(t)
	restored(t, p)
	canary, main := named(t, "prod-eu-1"), named(t, "prod-eu-2")
	release(t, p, "prod", "1.1.0")
	stop := follow(t, p)
	defer stop()
	start := time.Now()
	revision := publish(t, p, "Release 1.1.0 in prod")
	arrived(t, p, canary, revision)
	arrived(t, p, main, revision)
	took := time.Since(start)
	seen := stop()
	whole, begun := seen[canary.Application()].whole[revision], seen[main.Application()].begun[revision]
	if whole.IsZero() || begun.IsZero() || begun.Before(whole.Truncate(time.Second).Add(-time.Second)) {
		t.Errorf("the canary was healthy at %s, main began at %s", whole, begun)
	}
	for _, target := range []platform.Target{canary, main} {
		want := images.ApplicationName + ":1.1.0@" + p.Digests[images.ApplicationName+":1.1.0"]
		if got := workload(t, p, target).Spec.Template.Spec.Containers[0].Image; got != want {
			t.Errorf("%s runs %s, want %s", target.Name, got, want)
		}
	}
	report(t, 0, "a new image in prod: pushed to healthy in the canary %s, in the main ring after it %s", whole.Sub(start).Round(time.Second), took.Round(time.Second))
}

// TestT11LostCluster: a cluster that is not reached any more holds a rollout of prod up; when its Secret is deleted, the
// rollout goes on.
func TestT11LostCluster(t *testing.T) {
	p := deployed(t)
	restored(t, p)
	canary, main := named(t, "prod-eu-1"), named(t, "prod-eu-2")
	const lost = "prod-eu-9"
	remove := []string{"-n", "argocd", "delete", "secret", lost, "--ignore-not-found"}
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), platform.Hub, "", remove...); err != nil {
			t.Error(err)
		}
	})
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{
			"name": lost, "namespace": "argocd",
			"labels": map[string]string{
				"argocd.argoproj.io/secret-type": "cluster", "core-pipeline.io/enabled": "true", "core-pipeline.io/env": "prod",
				"core-pipeline.io/ring": "main", "core-pipeline.io/region": "eu",
			},
			"annotations": map[string]string{"e2e": "lost"},
		},
		// Nothing listens there.
		"stringData": map[string]string{"name": lost, "server": "https://172.30.0.1:9", "config": `{"bearerToken": "none", "tlsClientConfig": {"insecure": true}}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Kubectl(t.Context(), platform.Hub, string(secret), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	application := "core-pipeline-" + lost
	eventually(t, healTime, "the Application of the lost cluster", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a, there := all[application]
		return err == nil && there && len(a.Status.Conditions) > 0, states(all)
	})
	values := filepath.Join("charts", "core-pipeline", "values-prod.yaml")
	edit(t, p, values, `(?m)^replicaCount: 3$`, "service:\n  annotations: {e2e/release: lost}\n\nreplicaCount: 3")
	revision := publish(t, p, "Annotate the Service of prod")
	arrived(t, p, canary, revision)
	stuck := func() (bool, string) {
		s := steps(t, p)
		return s[application].Status != "Healthy" && s[application].Status != "", fmt.Sprintf("%+v", s)
	}
	eventually(t, healTime, "a rollout that is held up", stuck)
	kubectl(t, p, platform.Hub, remove...)
	took := arrived(t, p, main, revision)
	eventually(t, healTime, "the end of the Application", func() (bool, string) {
		all, err := p.Applications(t.Context())
		_, there := all[application]
		return err == nil && !there, states(all)
	})
	if got := kubectl(t, p, main.Plane, "-n", main.Namespace(), "get", "service", "core-pipeline", "-o", `jsonpath={.metadata.annotations.e2e/release}`); got != "lost" {
		t.Errorf("main has the annotation %q", got)
	}
	report(t, 0, "a cluster that is lost is in the main ring: its Secret deleted to the rollout ended %s", took)
}
