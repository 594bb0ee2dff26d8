package live

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// TestCriterion10NoFailedRequest changes the application in every way that happens to it, under load, and wants every
// request answered: staging gets a new image, goes back, and has fewer pods then; meanwhile the canary of prod gets
// another setting, a node of it is drained, and the setting goes.
func TestCriterion10NoFailedRequest(t *testing.T) {
	t.Parallel()
	criterion(t, 10)
	p := deployed(t)
	t.Run("staging", func(t *testing.T) {
		t.Parallel()
		changeStaging(t, p)
	})
	t.Run("prod", func(t *testing.T) {
		t.Parallel()
		changeCanary(t, p)
	})
}

// underLoad begins a load on an application that ends with the test, and returns how to make a change under it, and the
// end.
func underLoad(t *testing.T, p *platform.Platform, target platform.Target) (phase func(what string, change func()), end func()) {
	t.Helper()
	good(t, p, target.Application())
	load := startTraffic(t, p, target)
	phase = func(what string, change func()) {
		t.Helper()
		start := time.Now()
		n := load.during(t, what, change)
		if !t.Failed() {
			report(t, 10, "%s in %s: %d requests, 0 failed, in %s", what, target.Environment, n, time.Since(start).Round(time.Second))
		}
	}
	return phase, func() {
		t.Helper()
		load.finish(t)
	}
}

func changeStaging(t *testing.T, p *platform.Platform) {
	t.Helper()
	target := named(t, "staging-eu-1")
	claim(t, changes(ofTarget[target.Name]...))
	values := filepath.Join("charts", "core-pipeline", "values-staging.yaml")
	restoredFiles(t, p, target, values, filepath.Join("argocd", "envs", "staging", "release.yaml"))
	phase, end := underLoad(t, p, target)
	replicas := func(n int) {
		t.Helper()
		eventually(t, healTime, fmt.Sprint(n, " pods"), func() (bool, string) {
			done, seen := settled(t, p, target)
			return done && workload(t, p, target).Spec.Replicas == n, seen
		})
	}
	phase("a new image and a third pod by commit", func() {
		arrived(t, p, target, commit(t, p, "Release 1.1.0 in staging, with a pod more", func() {
			release(t, p, "staging", "1.1.0")
			edit(t, p, values, `minReplicas: 2`, `minReplicas: 3`)
		}))
		replicas(3)
	})
	least := fewest(t, p, target)
	phase("a rollback by commit", func() {
		arrived(t, p, target, commit(t, p, "Go back to 1.0.0 in staging", func() { release(t, p, "staging", "1.0.0") }))
		if got := workload(t, p, target).Spec.Template.Spec.Containers[0].Image; !strings.Contains(got, ":1.0.0@") {
			t.Errorf("staging runs %s", got)
		}
	})
	// The trap T17: the third is the autoscaler's, and no sync takes it away.
	if n := least(); n != 3 {
		t.Errorf("a commit has left %d replicas of the autoscaler's 3", n)
	}
	phase("one pod less", func() {
		arrived(t, p, target, commit(t, p, "Two pods are enough in staging", func() { edit(t, p, values, `minReplicas: 3`, `minReplicas: 2`) }))
		replicas(2)
	})
	end()
}

func changeCanary(t *testing.T, p *platform.Platform) {
	t.Helper()
	target := named(t, "prod-eu-1")
	claim(t, changes(ofTarget[target.Name]...))
	values := filepath.Join("argocd", "envs", "prod", "clusters", target.Name+".yaml")
	back := restoredFiles(t, p, target, values)
	phase, end := underLoad(t, p, target)
	before := form(t, p, target)
	phase("a changed setting by commit", func() {
		arrived(t, p, target, commit(t, p, "Log errors only in the canary of prod", func() {
			if err := p.Repository.Values(values, "env: {LOG_LEVEL: error}"); err != nil {
				t.Fatal(err)
			}
		}))
	})
	if form(t, p, target) == before {
		t.Error("the Deployment has not changed")
	}
	phase("the drain of a node", func() { drain(t, p, target) })
	phase("the setting as it was", func() {
		arrived(t, p, target, commit(t, p, "Log as before in the canary of prod", back))
	})
	end()
	if form(t, p, target) != before {
		t.Error("the Deployment is not what it was")
	}
}

// drain empties the node that has most pods of an application, as before its maintenance, and gives it back. What the
// application needs stays: there is one pod of each, and while that moves nobody can answer.
func drain(t *testing.T, p *platform.Platform, target platform.Target) {
	t.Helper()
	pods := map[string]int{}
	most := ""
	for node := range strings.FieldsSeq(kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "pods", "-l", "app.kubernetes.io/component=api", "-o", "jsonpath={.items[*].spec.nodeName}")) {
		if pods[node]++; pods[node] > pods[most] {
			most = node
		}
	}
	if most == "" {
		t.Fatal("the application has no pods")
	}
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), target.Plane, "", "uncordon", most); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, p, target.Plane, "drain", most, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=240s",
		"--pod-selector", "app.kubernetes.io/name notin (kafka, postgres, redis)")
	kubectl(t, p, target.Plane, "uncordon", most)
	eventually(t, healTime, "the pods of "+most+" elsewhere", func() (bool, string) { return settled(t, p, target) })
	// What else was on the node is needed by other tests.
	for _, kind := range []string{"deployments", "statefulsets"} {
		eventually(t, healTime, "the "+kind+" of "+target.Plane, func() (bool, string) {
			var list struct {
				Items []struct {
					Metadata struct{ Name string }
					Spec     struct{ Replicas int }
					Status   struct{ ReadyReplicas int }
				}
			}
			object(t, p, target.Plane, &list, "/apis/apps/v1/"+kind)
			missing := ""
			for _, i := range list.Items {
				if i.Status.ReadyReplicas != i.Spec.Replicas {
					missing += fmt.Sprintf("%s: %d of %d ready\n", i.Metadata.Name, i.Status.ReadyReplicas, i.Spec.Replicas)
				}
			}
			return missing == "", missing
		})
	}
}

// fewest watches how many replicas a Deployment is to have, until the function it returns is called, which returns the
// fewest.
func fewest(t *testing.T, p *platform.Platform, target platform.Target) func() int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	least := workload(t, p, target).Spec.Replicas
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			var d deployment
			if err := p.Get(ctx, target.Plane, deploymentPath(target.Namespace()), &d); err == nil {
				least = min(least, d.Spec.Replicas)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return sync.OnceValue(func() int {
		cancel()
		<-ended
		return least
	})
}

// TestT17AutoscalerComesAndGoes: the replicas stay when the autoscaler that owned them is taken away, and when it comes
// to a Deployment that had a number of its own.
func TestT17AutoscalerComesAndGoes(t *testing.T) {
	criterion(t, 5)
	p := deployed(t)
	restored(t, p)
	target := named(t, "staging-eu-1")
	good(t, p, target.Application())
	values := filepath.Join("charts", "core-pipeline", "values-staging.yaml")
	least, pods := fewest(t, p, target), podIDs(t, p, target)
	const on, off = "autoscaling:\n  enabled: true", "autoscaling:\n  enabled: false"
	edit(t, p, values, on, off)
	arrived(t, p, target, publish(t, p, "Take the autoscaler of staging away"))
	if left := kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "horizontalpodautoscalers", "-o", "name"); left != "" {
		t.Errorf("left: %s", left)
	}
	edit(t, p, values, off, on)
	arrived(t, p, target, publish(t, p, "Give staging an autoscaler"))
	eventually(t, healTime, "what the autoscaler says", func() (bool, string) {
		out, err := p.Kubectl(t.Context(), target.Plane, "", "-n", target.Namespace(), "get", "horizontalpodautoscaler", "core-pipeline", "-o", "jsonpath={.status.desiredReplicas}")
		return err == nil && out == "2", fmt.Sprint(out, err)
	})
	if n := least(); n != 2 {
		t.Errorf("there were %d replicas of 2", n)
	}
	if now := podIDs(t, p, target); now != pods {
		t.Errorf("pods before: %s; after: %s", pods, now)
	}
	if !t.Failed() {
		report(t, 5, "an autoscaler taken away and given back by commit: never fewer than its 2 replicas, the same pods")
	}
}
