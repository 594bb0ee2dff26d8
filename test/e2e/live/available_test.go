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

// TestCriterion10NoFailedRequest changes staging in every way that happens to it, under load, and wants every request
// answered. Meanwhile a node of the canary of prod is drained, under load as well.
func TestCriterion10NoFailedRequest(t *testing.T) {
	criterion(t, 10)
	p := deployed(t)
	restored(t, p)
	t.Run("staging", func(t *testing.T) {
		t.Parallel()
		changeUnderLoad(t, p, named(t, "staging-eu-1"))
	})
	t.Run("prod", func(t *testing.T) {
		t.Parallel()
		canary := named(t, "prod-eu-1")
		load := startTraffic(t, p, canary)
		n := load.during(t, "the drain of a node of prod", func() { drain(t, p, canary) })
		load.finish(t)
		if !t.Failed() {
			report(t, 10, "the drain of a node of prod: %d requests, 0 failed", n)
		}
	})
}

// changeUnderLoad brings everything by commit, as it comes, and drains a node.
func changeUnderLoad(t *testing.T, p *platform.Platform, target platform.Target) {
	t.Helper()
	first, err := p.Repository.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good(t, p, target.Application())
	values := filepath.Join("charts", "core-pipeline", "values-staging.yaml")
	load := startTraffic(t, p, target)
	phase := func(what string, change func()) {
		t.Helper()
		start := time.Now()
		n := load.during(t, what, change)
		if !t.Failed() {
			report(t, 10, "%s: %d requests, 0 failed, in %s", what, n, time.Since(start).Round(time.Second))
		}
	}
	replicas := func(n int) {
		t.Helper()
		eventually(t, healTime, fmt.Sprint(n, " pods"), func() (bool, string) {
			done, seen := settled(t, p, target)
			return done && workload(t, p, target).Spec.Replicas == n, seen
		})
	}
	// Without the five minutes that the autoscaler waits before it takes a pod away.
	more := func() {
		t.Helper()
		edit(t, p, values, `minReplicas: 2`, "minReplicas: 3\n  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}")
	}
	phase("a new image by commit", func() {
		release(t, p, "staging", "1.1.0")
		arrived(t, p, target, publish(t, p, "Release 1.1.0 in staging"))
	})
	phase("a changed setting and a third pod by commit", func() {
		edit(t, p, values, `LOG_LEVEL: info`, `LOG_LEVEL: warn`)
		more()
		arrived(t, p, target, publish(t, p, "Log less in staging"))
		replicas(3)
	})
	phase("the drain of a node", func() { drain(t, p, target) })
	least := fewest(t, p, target)
	phase("a rollback by commit", func() {
		if _, err := p.Repository.Restore(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		more()
		arrived(t, p, target, publish(t, p, "Go back to 1.0.0 and its settings in staging"))
		if got := workload(t, p, target).Spec.Template.Spec.Containers[0].Image; !strings.Contains(got, ":1.0.0@") {
			t.Errorf("staging runs %s", got)
		}
	})
	// The trap T17: the third is the autoscaler's, and no sync takes it away.
	if n := least(); n != 3 {
		t.Errorf("a commit has left %d replicas of the autoscaler's 3", n)
	}
	phase("one pod less", func() {
		edit(t, p, values, `minReplicas: 3`, `minReplicas: 2`)
		arrived(t, p, target, publish(t, p, "Two pods are enough in staging"))
		replicas(2)
	})
	load.finish(t)
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
		for name := range strings.FieldsSeq(kubectl(t, p, target.Plane, "get", kind, "-A", "-o", `jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{" "}{end}`)) {
			namespace, name, _ := strings.Cut(name, "/")
			kubectl(t, p, target.Plane, "-n", namespace, "rollout", "status", kind+"/"+name, "--timeout=240s")
		}
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
			if err := p.Get(ctx, target.Plane, "/apis/apps/v1/namespaces/"+target.Namespace()+"/deployments/core-pipeline", &d); err == nil {
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
