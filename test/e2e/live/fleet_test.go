package live

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// TestAddCluster: one file, and the application runs on another cluster; the others do not notice.
func TestAddCluster(t *testing.T) {
	t.Parallel()
	criterion(t, 0)
	p := deployed(t)
	claim(t, keeps(devObjects, stagingObjects, canaryObjects, mainObjects))
	target := platform.Target{Name: "dev-eu-2", Environment: "dev", Ring: "main", Plane: platform.Canary, Address: 1}
	before := map[string]string{}
	for _, other := range platform.Targets {
		before[other.Name] = form(t, p, other)
	}
	// Not by commit, which would wait: nobody else commits while all is kept.
	if err := p.AddCluster(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	publish(t, p, "Add dev-eu-2")
	var synced time.Duration
	eventually(t, 5*time.Minute, "the Application of the new cluster", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a, there := all[target.Application()]
		if there && a.Status.Sync.Status == "Synced" && synced == 0 {
			synced = time.Since(start)
		}
		return err == nil && there && a.Good(), states(all)
	})
	healthy := time.Since(start)
	if d := workload(t, p, target); d.Status.ReadyReplicas == 0 {
		t.Errorf("no pod is ready: %+v", d.Status)
	}
	for _, other := range platform.Targets {
		if now := form(t, p, other); now != before[other.Name] {
			t.Errorf("%s has changed from\n%s\nto\n%s", other.Name, before[other.Name], now)
		}
	}
	report(t, 0, "a cluster is added: file pushed to Synced %s, to Healthy %s", synced.Round(100*time.Millisecond), healthy.Round(time.Second))

	// It leaves as argocd/README.md says: the Application first, with its workload in dev; then the file.
	commit(t, p, "Disable dev-eu-2", func() {
		edit(t, p, filepath.Join("argocd", "clusters", target.Name+".yaml"), `core-pipeline\.io/enabled: "true"`, `core-pipeline.io/enabled: "false"`)
	})
	gone := eventually(t, 5*time.Minute, "the end of the Application and its workload", func() (bool, string) {
		all, err := p.Applications(t.Context())
		_, there := all[target.Application()]
		left, errLeft := p.Kubectl(t.Context(), target.Plane, "", "-n", target.Namespace(), "get", "deployments", "-o", "name")
		return err == nil && errLeft == nil && !there && left == "", fmt.Sprint(left, "\n", states(all))
	})
	report(t, 0, "a cluster of dev is disabled: Application and workload are gone in %s", gone)
}
