package live

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// steadyTime is how long the load lasts, of some ten requests a second in each environment.
const steadyTime = 2 * time.Minute

// pod is what the tests look at of a pod of the application.
type pod struct {
	Metadata struct{ Name, UID string }
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

// pods are those of the application in a namespace of the hub, by UID.
func (r *reach) pods(t *testing.T, namespace string) map[string]pod {
	t.Helper()
	var list struct{ Items []pod }
	r.get(t, &list, "pods", "-n", namespace, "-l", "app.kubernetes.io/component=api,app.kubernetes.io/instance=core-pipeline")
	all := map[string]pod{}
	for _, p := range list.Items {
		all[p.Metadata.UID] = p
	}
	return all
}

// Criterion 9: minutes of load take no pod to its memory limit, in any environment's size.
func TestCriterion9SteadyLoad(t *testing.T) {
	criterion(t, 9)
	r := reachHub(t)
	prometheus := r.prometheus(t)
	environments := []string{"dev", "staging", "prod"}
	before := map[string]map[string]pod{}
	var stops []func() map[int]int
	for _, e := range environments {
		namespace := "core-pipeline-" + e
		before[e] = r.pods(t, namespace)
		app := r.client(r.service(t, namespace, "core-pipeline", "http"))
		stop := pacedLoad(t.Context(), app, "http://app/items", 2, 100*time.Millisecond)
		defer stop()
		stops = append(stops, stop)
	}
	timer := time.NewTimer(steadyTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
	for i, e := range environments {
		namespace := "core-pipeline-" + e
		seen := stops[i]()
		if bad := total(seen) - seen[http.StatusOK]; bad > 0 || total(seen) == 0 {
			t.Errorf("%s: %d of %d requests failed: %v", e, bad, total(seen), seen)
		}
		for uid, p := range r.pods(t, namespace) {
			if b, there := before[e][uid]; there && p.restarts() != b.restarts() {
				t.Errorf("%s: %s was restarted: %+v", e, p.Metadata.Name, p.Status.ContainerStatuses)
			}
		}
		var most float64
		eventually(t, time.Minute, "the memory of "+e, func() (bool, string) {
			found, err := prometheus.query(t, fmt.Sprintf(`max(max_over_time(container_memory_working_set_bytes{namespace=%q, container="core-pipeline"}[%ds]))
				/ min(kube_pod_container_resource_limits{namespace=%q, container="core-pipeline", resource="memory"})`, namespace, int(steadyTime.Seconds()), namespace))
			if err != nil || len(found) != 1 {
				return false, fmt.Sprint(found, err)
			}
			most, err = strconv.ParseFloat(fmt.Sprint(found[0].Value[1]), 64)
			return err == nil, fmt.Sprint(found, err)
		})
		if most <= 0 || most > 0.9 {
			t.Errorf("%s: the memory is %.2f of its limit", e, most)
		}
		report(t, 9, "%s: %d requests in %s, 0 failed, 0 restarts; at most %.0f %% of the memory limit", e, total(seen), steadyTime, most*100)
	}
}

// Criterion 9, too: a pod that leaks is killed and comes back, and the others do not notice.
func TestCriterion9Leak(t *testing.T) {
	criterion(t, 9)
	r := reachHub(t)
	good(t, r.Platform, "core-pipeline-staging-eu-1")
	for _, namespace := range []string{staging, prod} {
		eventually(t, 4*time.Minute, "the end of the scale-down", func() (bool, string) {
			a := r.autoscaler(t, namespace)
			return a.idle(), fmt.Sprintf("%+v", a)
		})
	}
	all := r.pods(t, staging)
	var victim pod
	for _, p := range all {
		victim = p
	}
	if len(all) < 2 {
		t.Fatalf("%d pods", len(all))
	}
	neighbours := map[string]int{}
	for _, target := range platform.Targets {
		if target.Plane != platform.Hub {
			continue
		}
		for uid, p := range r.pods(t, target.Namespace()) {
			if uid != victim.Metadata.UID {
				neighbours[uid] = p.restarts()
			}
		}
	}
	leaking := r.client(victim.Status.PodIP + ":3000")
	killed := eventually(t, 5*time.Minute, "the end of the pod that leaks", func() (bool, string) {
		_, _ = status(t.Context(), leaking, http.MethodGet, "http://app"+leakingPath, nil)
		p := r.pods(t, staging)[victim.Metadata.UID]
		return p.restarts() > victim.restarts(), fmt.Sprintf("%+v", p)
	})
	reason := ""
	back := eventually(t, 5*time.Minute, "the pod that was killed", func() (bool, string) {
		p := r.pods(t, staging)[victim.Metadata.UID]
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
	for _, target := range platform.Targets {
		if target.Plane != platform.Hub {
			continue
		}
		for uid, p := range r.pods(t, target.Namespace()) {
			was, there := neighbours[uid]
			if !there {
				continue
			}
			same++
			if p.restarts() != was {
				t.Errorf("%s, a neighbour, was restarted", p.Metadata.Name)
			}
		}
	}
	if same != len(neighbours) {
		t.Errorf("of %d neighbours, %d are still there", len(neighbours), same)
	}
	good(t, r.Platform, "core-pipeline-staging-eu-1")
	report(t, 9, "a pod that leaks is killed (%s) after %s, and ready again %s later; none of the %d other pods restarts", strings.TrimSpace(reason), killed, back, same)
}
