package live

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Criterion 5: the autoscaler adds pods under load, and takes them away after it.
func TestCriterion5Autoscaling(t *testing.T) {
	criterion(t, 5)
	r := reachCluster(t)
	app := r.staging(t)
	type autoscaler struct {
		Spec   struct{ MinReplicas, MaxReplicas int }
		Status struct {
			CurrentReplicas, DesiredReplicas int
			CurrentMetrics                   []any
		}
	}
	read := func() autoscaler {
		var a autoscaler
		r.get(t, &a, "horizontalpodautoscaler", "core-pipeline", "-n", staging)
		return a
	}
	idle := func() (bool, string) {
		a := read()
		return a.Status.CurrentReplicas == a.Spec.MinReplicas && a.Status.DesiredReplicas == a.Spec.MinReplicas && len(a.Status.CurrentMetrics) > 0, fmt.Sprintf("%+v", a)
	}
	eventually(t, 4*time.Minute, "an idle application that is measured", idle)
	least := read().Spec.MinReplicas

	stop := load(t.Context(), app, "http://app"+burningPath, 8)
	defer stop()
	up := eventually(t, 4*time.Minute, "another pod that is ready", func() (bool, string) {
		return len(r.readyPods(t, staging)) > least, fmt.Sprintf("%+v", read())
	})
	most := read().Status.CurrentReplicas
	seen := stop()
	if bad := total(seen) - seen[http.StatusOK]; bad > 0 {
		t.Errorf("%d of %d requests failed: %v", bad, total(seen), seen)
	}
	down := eventually(t, 6*time.Minute, "the end of the scale-down", idle)
	report(t, 5, "%d pods become %d in %s under load (%d requests, 0 failed), and %d again %s after it", least, most, up, total(seen), least, down)
}

func total(counts map[int]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
