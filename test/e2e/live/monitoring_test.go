package live

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Criterion 3: the ServiceMonitor makes targets of all ready pods, the dashboard's queries return data, and an alert of
// the chart fires and clears.
func TestCriterion3Metrics(t *testing.T) {
	t.Parallel()
	criterion(t, 3)
	r := reachHub(t)
	claim(t, keeps(stagingObjects, stagingPods))
	prometheus, app := r.prometheus(t), r.staging(t)

	var pods []string
	waited := eventually(t, 3*time.Minute, "a target for each pod", func() (bool, string) {
		pods = r.readyPods(t, staging)
		up, err := prometheus.query(t, fmt.Sprintf(`up{namespace=%q, service="core-pipeline"} == 1`, staging))
		return err == nil && len(up) == len(pods) && len(up) > 0 && up[0].Metric["job"] == "core-pipeline", fmt.Sprint(up, err)
	})
	report(t, 3, "%d of %d pods are targets that are up, after %s", len(pods), len(pods), waited)

	stop := load(t.Context(), app, "http://app/", 2)
	defer stop()
	if code, err := status(t.Context(), app, http.MethodGet, "http://app"+failingPath, nil); code != http.StatusInternalServerError {
		t.Fatalf("the path that fails answered %d, %v", code, err)
	}
	queries := r.dashboard(t, staging)
	if len(queries) < 10 {
		t.Fatalf("the dashboard has %d queries for Prometheus", len(queries))
	}
	for _, q := range queries {
		eventually(t, 2*time.Minute, q, func() (bool, string) {
			if strings.Contains(q, `"5..`) {
				_, _ = status(t.Context(), app, http.MethodGet, "http://app"+failingPath, nil)
			}
			found, err := prometheus.query(t, q)
			return err == nil && len(found) > 0, fmt.Sprint(len(found), " series ", err)
		})
	}
	report(t, 3, "all %d queries of the dashboard return data", len(queries))
}

// alertTime is how long an alert may take to fire, and to clear: on a busy machine a leak is slow.
const alertTime = 5 * time.Minute

// Criterion 3, too. It lets a pod leak until it is killed. The alert has no time to wait for, so it is the shipped
// rule, unchanged, that fires; when the pod that was killed is replaced it clears.
func TestCriterion3Alert(t *testing.T) {
	t.Parallel()
	criterion(t, 3)
	r := reachHub(t)
	claim(t, changes(stagingPods).keeps(stagingObjects))
	prometheus := r.prometheus(t)
	const alert = "CorePipelineOutOfMemory"
	eventually(t, 2*time.Minute, "the rule in Prometheus", func() (bool, string) {
		var answer struct {
			Data struct {
				Groups []struct{ Name string }
			}
		}
		err := fetch(t.Context(), prometheus.client, "http://prometheus/api/v1/rules?type=alert&rule_name[]="+alert, &answer)
		return err == nil && len(answer.Data.Groups) > 0, fmt.Sprint(answer, err)
	})
	// replaced deletes the pods that it fires for, and says whether there are none.
	replaced := func() (bool, string) {
		found, err := prometheus.firing(t, alert, staging)
		for _, f := range found {
			_, _ = r.try(t.Context(), "delete", "pod", "-n", staging, f.Metric["pod"], "--wait=false", "--ignore-not-found")
		}
		return err == nil && len(found) == 0, fmt.Sprint(found, err)
	}
	// A test before this one may have let a pod leak.
	eventually(t, alertTime, "a time without the alert", replaced)
	// One pod only: what another one has leaked without being killed would keep the autoscaler from scaling down.
	var victim pod
	for _, p := range r.pods(t, staging) {
		victim = p
	}
	leaking := r.client(victim.Status.PodIP + ":3000")
	fired := eventually(t, alertTime, "the alert", func() (bool, string) {
		_, _ = status(t.Context(), leaking, http.MethodGet, "http://app"+leakingPath, nil)
		found, err := prometheus.firing(t, alert, staging)
		return len(found) > 0, fmt.Sprint(found, err)
	})
	cleared := eventually(t, alertTime, "the end of the alert", replaced)
	report(t, 3, "%s fires %s after a leak begins, and clears %s after the pod is replaced", alert, fired, cleared)
}

// dashboard are the expressions of the chart's dashboard for Prometheus, with Grafana's variables filled in. The one
// for Loki is left out.
func (r *reach) dashboard(t *testing.T, namespace string) []string {
	t.Helper()
	var object struct{ Data map[string]string }
	r.get(t, &object, "/api/v1/namespaces/"+namespace+"/configmaps/core-pipeline-dashboard")
	var board struct {
		Panels []struct {
			Type    string
			Targets []struct{ Expr string }
		}
	}
	for _, text := range object.Data {
		if err := json.Unmarshal([]byte(text), &board); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for _, p := range board.Panels {
		if p.Type == "logs" {
			continue
		}
		for _, target := range p.Targets {
			all = append(all, strings.NewReplacer("$__rate_interval", "1m", "$__range", "10m").Replace(target.Expr))
		}
	}
	return all
}
