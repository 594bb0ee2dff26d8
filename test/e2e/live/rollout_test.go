package live

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
	object(t, p, platform.Hub, &set, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/core-pipeline-prod")
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
			// What lets the rollout go on, also while a hook runs after that.
			if a.Status.Sync.Status == "Synced" && a.Status.Health.Status == "Healthy" {
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

// ringsAtRest are a cluster of each ring of prod, synced and healthy. What the test changes is put back when it ends.
func ringsAtRest(t *testing.T) (p *platform.Platform, canary, main platform.Target) {
	t.Helper()
	criterion(t, 0)
	p = deployed(t)
	restored(t, p)
	canary, main = named(t, "prod-eu-1"), named(t, "prod-eu-2")
	good(t, p, canary.Application())
	good(t, p, main.Application())
	return p, canary, main
}

// TestT09ProgressiveSync brings four commits to prod. Neither one whose migration fails nor one that comes meanwhile,
// whose pods never get ready, leaves the canary ring; what the canary comes to health with goes on, and a cluster
// of the main ring that is lost holds it up until its Secret is deleted.
func TestT09ProgressiveSync(t *testing.T) {
	p, canary, main := ringsAtRest(t)
	job := hookImage(t, p)
	first := head(t, p)
	start, before := time.Now(), workload(t, p, main)
	stop := follow(t, p)
	defer stop()
	load := startTraffic(t, p, canary)

	// held waits until the canary is as far as it gets, and wants main to wait for it.
	held := func(revision string, stuck func(platform.Application) bool) {
		t.Helper()
		eventually(t, rolloutTime, fmt.Sprintf("%.8s in the canary alone", revision), func() (bool, string) {
			all, err := p.Applications(t.Context())
			a, states := all[canary.Application()], steps(t, p)
			waiting := states[main.Application()]
			return err == nil && a.Status.OperationState.SyncResult.Revision == revision && stuck(a) &&
				waiting.Status == "Waiting" && slices.Contains(waiting.TargetRevisions, revision), fmt.Sprintf("%s\n%+v %v", a, states, err)
		})
		// Compared once more, main still waits.
		if err := p.Refresh(t.Context(), main.Application(), "normal"); err != nil {
			t.Fatal(err)
		}
		if got := workload(t, p, main); got.Metadata.Generation != before.Metadata.Generation {
			t.Errorf("main has changed while the canary is not ready: generation %d, then %d", before.Metadata.Generation, got.Metadata.Generation)
		}
	}
	values, own := filepath.Join("charts", "core-pipeline", "values-prod.yaml"), filepath.Join("argocd", "envs", "prod", "clusters", canary.Name+".yaml")
	var failing, bad, repaired string
	n := load.during(t, "a migration that fails and a release that is not ready", func() {
		// Of a canary that is healthy all the time.
		if err := p.Repository.Values(own, job.values("migration", "-exit=1")); err != nil {
			t.Fatal(err)
		}
		edit(t, p, values, `(?m)^replicaCount: 3$`, "service:\n  annotations: {e2e/release: good}\n\nreplicaCount: 3")
		failing = publish(t, p, "Annotate the Service of prod, after a migration that fails")
		held(failing, func(a platform.Application) bool {
			return a.Status.Health.Status == "Healthy" && a.Status.OperationState.RetryCount > 0 && hookPhase(a, "core-pipeline-migration") == "Failed"
		})
		if err := p.Repository.Values(own, "hooks: {migration: {enabled: false}}"); err != nil {
			t.Fatal(err)
		}
		if err := p.Repository.SetRelease("prod", "9.9.9", "sha256:"+strings.Repeat("e", 64)); err != nil {
			t.Fatal(err)
		}
		bad = publish(t, p, "Release 9.9.9 in prod, which is in no registry")
		// Its retries are of the commit before, and the next one waits for their end. What begins before Argo CD knows of
		// that one would be of the commit before, too.
		eventually(t, healTime, "that the canary has seen the release", func() (bool, string) {
			all, err := p.Applications(t.Context())
			a := all[canary.Application()]
			return err == nil && a.Status.Sync.Revision == bad, fmt.Sprintf("%s at %.8s, %v", a, a.Status.Sync.Revision, err)
		})
		if err := p.Terminate(t.Context(), canary.Application()); err != nil {
			t.Fatal(err)
		}
		held(bad, func(a platform.Application) bool {
			return a.Status.OperationState.Phase == "Succeeded" && a.Status.Health.Status == "Progressing"
		})
	})
	report(t, 10, "prod's canary, with a migration that fails and then a release that is never ready: %d requests, 0 failed", n)

	release(t, p, "prod", "1.0.0")
	repaired = publish(t, p, "Go back to 1.0.0 in prod")
	arrived(t, p, main, repaired)
	took := time.Since(start)

	t.Run("T11 a lost cluster", func(t *testing.T) {
		lost := loseCluster(t, p)
		if _, err := p.Repository.Restore(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		back := publish(t, p, "Put prod back")
		arrived(t, p, canary, back)
		// It comes first in its ring, of which one cluster is synced at a time.
		eventually(t, healTime, "main behind the lost cluster", func() (bool, string) {
			s := steps(t, p)
			return s[lost].Status == "Progressing" && s[main.Application()].Status == "Waiting", fmt.Sprintf("%+v", s)
		})
		kubectl(t, p, platform.Hub, "-n", "argocd", "delete", "secret", strings.TrimPrefix(lost, "core-pipeline-"))
		took := arrived(t, p, main, back)
		report(t, 0, "a cluster of the main ring is lost: its Secret deleted to the end of the rollout %s", took)
	})

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
	for _, revision := range []string{failing, bad} {
		if _, there := of(main).begun[revision]; there {
			t.Errorf("main got %.8s, which the canary was never healthy with", revision)
		}
	}
	if _, there := of(main).begun[repaired]; !there {
		t.Errorf("main never began with %.8s", repaired)
	}
	if !t.Failed() {
		report(t, 0, "two commits that prod's canary is not healthy with, then one that it is: the main ring gets the third only, %s after the first was pushed", took.Round(time.Second))
	}
}

// loseCluster adds a cluster that nobody answers for to the main ring of prod, and returns the name of its Application.
func loseCluster(t *testing.T, p *platform.Platform) string {
	t.Helper()
	const lost = "prod-ap-1"
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), platform.Hub, "", "-n", "argocd", "delete", "secret", lost, "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{
			"name": lost, "namespace": "argocd", "annotations": map[string]string{"e2e": "lost"},
			"labels": map[string]string{
				"argocd.argoproj.io/secret-type": "cluster", "core-pipeline.io/enabled": "true",
				"core-pipeline.io/env": "prod", "core-pipeline.io/ring": "main", "core-pipeline.io/region": "ap",
			},
		},
		"stringData": map[string]string{"name": lost, "server": "https://127.0.0.1:9", "config": `{"bearerToken": "none", "tlsClientConfig": {"insecure": true}}`},
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
	return application
}
