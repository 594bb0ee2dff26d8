package live

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestT09Retry: while the main ring tries again what has failed there, a commit comes that the canary does not come to
// health with. The main ring goes on with the commit that it had begun with, and never gets that one.
func TestT09Retry(t *testing.T) {
	p, canary, main := ringsAtRest(t)
	job := hookImage(t, p)
	own := filepath.Join("argocd", "envs", "prod", "clusters", main.Name+".yaml")
	if err := p.Repository.Values(own, job.values("migration", "-exit=1")+"service: {annotations: {e2e/retry: main}}\n"); err != nil {
		t.Fatal(err)
	}
	failing := publish(t, p, "A migration that fails in the main ring of prod")
	eventually(t, rolloutTime, "a sync that fails in main", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[main.Application()]
		o := a.Status.OperationState
		return err == nil && o.SyncResult.Revision == failing && o.RetryCount > 0 && hookPhase(a, "core-pipeline-migration") == "Failed", fmt.Sprint(a, err)
	})
	stop := follow(t, p)
	defer stop()
	if err := p.Repository.Values(own, "hooks: {migration: {enabled: false}}"); err != nil {
		t.Fatal(err)
	}
	if err := p.Repository.SetRelease("prod", "9.9.9", "sha256:"+strings.Repeat("e", 64)); err != nil {
		t.Fatal(err)
	}
	bad := publish(t, p, "Release 9.9.9 in prod, which is in no registry")
	before := 0
	eventually(t, rolloutTime, "that commit in the canary", func() (bool, string) {
		all, err := p.Applications(t.Context())
		before = all[main.Application()].Status.OperationState.RetryCount
		return err == nil && all[canary.Application()].Status.OperationState.SyncResult.Revision == bad, fmt.Sprintf("%+v %v", steps(t, p), err)
	})
	// The second try that ends from here on has begun after that.
	eventually(t, rolloutTime, "main's next tries", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[main.Application()]
		o := a.Status.OperationState
		return err == nil && (o.RetryCount >= before+2 || o.Phase != "Running" || o.SyncResult.Revision == bad), fmt.Sprintf("%s, %d tries of which %d are from before\n%+v %v", a, o.RetryCount, before, steps(t, p), err)
	})
	if image := workload(t, p, main).Spec.Template.Spec.Containers[0].Image; strings.Contains(image, ":9.9.9@") {
		t.Errorf("main has %s, which the canary is not healthy with", image)
	}
	var begun []string
	for revision, when := range stop()[main.Application()].begun {
		begun = append(begun, fmt.Sprintf("%.8s at %s", revision, when.Format(time.TimeOnly)))
		if revision == bad {
			t.Errorf("main began with %.8s", bad)
		}
	}
	slices.Sort(begun)
	t.Logf("main began with %v; %.8s fails there, %.8s is not ready in the canary", begun, failing, bad)
	if !t.Failed() {
		report(t, 0, "a sync of prod's main ring that is tried again keeps its commit, while the canary waits for the pods of the next one")
	}
}
