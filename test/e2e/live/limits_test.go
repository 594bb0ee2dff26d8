package live

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// steadyTime is how long the load lasts, of some ten requests a second in each environment.
const steadyTime = 2 * time.Minute

// pod is what the tests look at of a pod of the application.
type pod struct {
	Metadata struct{ Name, UID, DeletionTimestamp string }
	Status   struct {
		PodIP             string
		ContainerStatuses []struct {
			Name         string
			Ready        bool
			RestartCount int
			LastState    struct{ Terminated *struct{ Reason string } }
		}
	}
}

func (p pod) restarts() int {
	n := 0
	for _, c := range p.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}

// pods are those of the application in a namespace, by UID. One that is ending is none of them any more, though it runs.
func (r *reach) pods(t *testing.T, namespace string) map[string]pod {
	t.Helper()
	return r.podsOf(t, podsPath(namespace, apiPods))
}

// podsOfAll are all that run in the plane.
func (r *reach) podsOfAll(t *testing.T) map[string]pod {
	t.Helper()
	return r.podsOf(t, "/api/v1/pods?fieldSelector="+url.QueryEscape("status.phase=Running"))
}

func (r *reach) podsOf(t *testing.T, path string) map[string]pod {
	t.Helper()
	var list struct{ Items []pod }
	r.get(t, &list, path)
	all := map[string]pod{}
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == "" {
			all[p.Metadata.UID] = p
		}
	}
	return all
}

// Criterion 9: minutes of load take no pod to its memory limit, in any environment's size.
func TestCriterion9SteadyLoad(t *testing.T) {
	t.Parallel()
	criterion(t, 9)
	for _, name := range []string{"dev-eu-1", "staging-eu-1", "prod-eu-1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(t, keeps(ofTarget[name]...))
			steadyLoad(t, named(t, name))
		})
	}
}

func steadyLoad(t *testing.T, target platform.Target) {
	t.Helper()
	r := reachPlane(t, target.Plane)
	before := r.pods(t, target.Namespace())
	app := r.client(r.service(t, target.Namespace(), "core-pipeline", "http"))
	stop := pacedLoad(t.Context(), app, "http://app/items", 2, 100*time.Millisecond)
	defer stop()
	most := 0.0
	for start := time.Now(); time.Since(start) < steadyTime; {
		used, err := r.memory(t.Context(), target.Namespace())
		if err != nil {
			t.Log(err) // what was measured is looked at below
		}
		most = max(most, used)
		select {
		case <-time.After(5 * time.Second):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	seen := stop()
	if bad := total(seen) - seen[http.StatusOK]; bad > 0 || total(seen) == 0 {
		t.Errorf("%d of %d requests failed: %v", bad, total(seen), seen)
	}
	for uid, p := range r.pods(t, target.Namespace()) {
		if b, there := before[uid]; there && p.restarts() != b.restarts() {
			t.Errorf("%s was restarted: %+v", p.Metadata.Name, p.Status.ContainerStatuses)
		}
	}
	if most <= 0 || most > 0.9 {
		t.Errorf("the memory is %.2f of its limit", most)
	}
	if !t.Failed() {
		report(t, 9, "%s: %d requests in %s, 0 failed, 0 restarts; at most %.0f %% of the memory limit", target.Environment, total(seen), steadyTime, most*100)
	}
}

// memory is the most that a container of the application uses in a namespace now, as a part of its limit, by the kubelets.
func (r *reach) memory(ctx context.Context, namespace string) (float64, error) {
	var d deployment
	if err := r.Get(ctx, r.plane, deploymentPath(namespace), &d); err != nil {
		return 0, err
	}
	limit, err := resource.ParseQuantity(d.Spec.Template.Spec.Containers[0].Resources.Limits["memory"])
	if err != nil {
		return 0, err
	}
	var nodes struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := r.Get(ctx, r.plane, "/api/v1/nodes", &nodes); err != nil {
		return 0, err
	}
	var most uint64
	for _, n := range nodes.Items {
		var summary struct {
			Pods []struct {
				PodRef     struct{ Namespace string }
				Containers []struct {
					Name   string
					Memory struct{ WorkingSetBytes uint64 }
				}
			}
		}
		if err := r.Get(ctx, r.plane, "/api/v1/nodes/"+n.Metadata.Name+"/proxy/stats/summary", &summary); err != nil {
			return 0, err
		}
		for _, p := range summary.Pods {
			for _, c := range p.Containers {
				if p.PodRef.Namespace == namespace && c.Name == "core-pipeline" {
					most = max(most, c.Memory.WorkingSetBytes)
				}
			}
		}
	}
	return float64(most) / limit.AsApproximateFloat64(), nil
}

// Criterion 9, too: a pod that leaks is killed and comes back, and the others do not notice.
func TestCriterion9Leak(t *testing.T) {
	t.Parallel()
	criterion(t, 9)
	target := named(t, "prod-eu-2")
	r := reachPlane(t, target.Plane)
	claim(t, changes(mainPods).keeps(mainObjects))
	good(t, r.Platform, target.Application())
	eventually(t, 4*time.Minute, "the end of the scale-down", func() (bool, string) {
		a := r.autoscaler(t, prod)
		return a.idle(), fmt.Sprintf("%+v", a)
	})
	all := r.pods(t, prod)
	var victim pod
	for _, p := range all {
		victim = p
	}
	if len(all) < 2 {
		t.Fatalf("%d pods", len(all))
	}
	neighbours := map[string]int{}
	for uid, p := range r.podsOfAll(t) {
		if uid != victim.Metadata.UID {
			neighbours[uid] = p.restarts()
		}
	}
	leaking := r.client(victim.Status.PodIP + ":3000")
	killed := eventually(t, 5*time.Minute, "the end of the pod that leaks", func() (bool, string) {
		_, _ = status(t.Context(), leaking, http.MethodGet, "http://app"+leakingPath, nil)
		p := r.pods(t, prod)[victim.Metadata.UID]
		return p.restarts() > victim.restarts(), fmt.Sprintf("%+v", p)
	})
	reason := ""
	back := eventually(t, 5*time.Minute, "the pod that was killed", func() (bool, string) {
		p := r.pods(t, prod)[victim.Metadata.UID]
		ready := len(p.Status.ContainerStatuses) > 0
		for _, c := range p.Status.ContainerStatuses {
			ready = ready && c.Ready
			if c.LastState.Terminated != nil {
				reason = c.LastState.Terminated.Reason
			}
		}
		return ready, fmt.Sprintf("%+v", p)
	})
	if reason != "OOMKilled" {
		t.Errorf("it ended for the reason %q", reason)
	}
	same := 0
	for uid, p := range r.podsOfAll(t) {
		was, there := neighbours[uid]
		if !there {
			continue
		}
		same++
		if p.restarts() != was {
			t.Errorf("%s, a neighbour, was restarted", p.Metadata.Name)
		}
	}
	if same != len(neighbours) {
		t.Errorf("of %d neighbours, %d are still there", len(neighbours), same)
	}
	good(t, r.Platform, target.Application())
	if !t.Failed() {
		report(t, 9, "a pod that leaks is killed (%s) after %s, and ready again %s later; none of the %d other pods restarts", strings.TrimSpace(reason), killed, back, same)
	}
}
