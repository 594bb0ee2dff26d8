package live

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// TestCriterion10NoFailedRequest changes staging in every way that happens to it, under load, and wants every request
// answered.
func TestCriterion10NoFailedRequest(t *testing.T) {
	p := deployed(t)
	restored(t, p)
	target := named(t, "staging-eu-1")
	good(t, p, target.Application())
	values := filepath.Join("charts", "core-pipeline", "values-staging.yaml")
	load := startTraffic(t, p, target)

	var image string
	phase := func(what string, change func()) {
		start := time.Now()
		n := load.during(t, what, change)
		if !t.Failed() {
			report(t, 10, "%s: %d requests, 0 failed, in %s", what, n, time.Since(start).Round(time.Second))
		}
	}
	phase("a new image by commit", func() {
		release(t, p, "staging", "1.1.0")
		image = publish(t, p, "Release 1.1.0 in staging")
		arrived(t, p, target, image)
	})
	phase("a changed setting and a third pod by commit", func() {
		edit(t, p, values, `LOG_LEVEL: info`, `LOG_LEVEL: warn`)
		edit(t, p, values, `minReplicas: 2`, `minReplicas: 3`)
		arrived(t, p, target, publish(t, p, "Log less in staging"))
		eventually(t, healTime, "three pods", func() (bool, string) {
			done, seen := settled(t, p, target)
			return done && workload(t, p, target).Spec.Replicas == 3, seen
		})
	})
	phase("a rollback by commit", func() {
		if err := p.Repository.Revert(t.Context(), image); err != nil {
			t.Fatal(err)
		}
		arrived(t, p, target, publish(t, p, "Go back to 1.0.0 in staging"))
		if got := workload(t, p, target).Spec.Template.Spec.Containers[0].Image; !strings.Contains(got, ":1.0.0@") {
			t.Errorf("staging runs %s", got)
		}
		if n := workload(t, p, target).Spec.Replicas; n != 3 {
			t.Errorf("the rollback has left %d replicas of the autoscaler's 3", n)
		}
	})
	phase("the drain of a node", func() { drain(t, p, target) })
	phase("one pod less", func() {
		edit(t, p, values, `minReplicas: 3`, `minReplicas: 2`)
		arrived(t, p, target, publish(t, p, "Two pods are enough in staging"))
		eventually(t, healTime, "two pods", func() (bool, string) {
			done, seen := settled(t, p, target)
			return done && workload(t, p, target).Spec.Replicas == 2, seen
		})
	})
}

// drain empties the node that has most pods of an application, as before its maintenance, and gives it back.
func drain(t *testing.T, p *platform.Platform, target platform.Target) {
	t.Helper()
	pods := map[string]int{}
	most := ""
	for node := range strings.FieldsSeq(kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "pods", "-l", "app.kubernetes.io/component=api", "-o", "jsonpath={.items[*].spec.nodeName}")) {
		if pods[node]++; pods[node] > pods[most] {
			most = node
		}
	}
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), target.Plane, "", "uncordon", most); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, p, target.Plane, "drain", most, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=240s")
	kubectl(t, p, target.Plane, "uncordon", most)
	eventually(t, healTime, "the pods of "+most+" elsewhere", func() (bool, string) { return settled(t, p, target) })
	// What else was on the node is needed by other tests.
	for _, kind := range []string{"deployments", "statefulsets"} {
		for name := range strings.FieldsSeq(kubectl(t, p, target.Plane, "get", kind, "-A", "-o", `jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{" "}{end}`)) {
			namespace, name, _ := strings.Cut(name, "/")
			kubectl(t, p, target.Plane, "-n", namespace, "rollout", "status", fmt.Sprintf("%s/%s", kind, name), "--timeout=240s")
		}
	}
	if pods[most] == 0 {
		t.Error("the node that was drained had no pod of the application")
	}
}
