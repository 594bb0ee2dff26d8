package live

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

type autoscaler struct {
	Spec   struct{ MinReplicas, MaxReplicas int }
	Status struct {
		CurrentReplicas, DesiredReplicas int
		CurrentMetrics                   []any
	}
}

// idle says whether it measures, and has as few pods as it may.
func (a autoscaler) idle() bool {
	return a.Status.CurrentReplicas == a.Spec.MinReplicas && a.Status.DesiredReplicas == a.Spec.MinReplicas && len(a.Status.CurrentMetrics) > 0
}

func (r *reach) autoscaler(t *testing.T, namespace string) autoscaler {
	t.Helper()
	var a autoscaler
	r.get(t, &a, "/apis/autoscaling/v2/namespaces/"+namespace+"/horizontalpodautoscalers/core-pipeline")
	return a
}

// Criterion 5: the autoscaler adds pods under load, and takes them away after it. All the while Argo CD sees no
// difference in the number of pods, and puts none back.
func TestCriterion5Autoscaling(t *testing.T) {
	t.Parallel()
	criterion(t, 5)
	target := named(t, "prod-eu-2")
	r := reachPlane(t, target.Plane)
	claim(t, changes(mainPods).keeps(mainObjects))
	read := func() autoscaler { return r.autoscaler(t, prod) }
	synced := func() {
		all, err := r.Applications(t.Context())
		if a := all[target.Application()]; err != nil || a.Status.Sync.Status != "Synced" {
			t.Errorf("while it scales: %s, %v", a, err)
		}
	}
	idle := func() (bool, string) {
		synced()
		a, ready := read(), r.readyPods(t, prod)
		return a.idle() && len(ready) == a.Spec.MinReplicas, fmt.Sprintf("%+v, %v", a, ready)
	}
	eventually(t, 4*time.Minute, "an idle application that is measured", idle)
	least := read().Spec.MinReplicas

	// To each pod by itself, because the autoscaler measures all of them.
	var stops []func() map[int]int
	ready := r.readyPods(t, prod)
	for _, p := range r.pods(t, prod) {
		if !slices.Contains(ready, p.Metadata.Name) {
			continue
		}
		stop := load(t.Context(), r.client(p.Status.PodIP+":3000"), "http://app"+burningPath, 2)
		defer stop()
		stops = append(stops, stop)
	}
	most := 0
	up := eventually(t, 4*time.Minute, "another pod that is ready", func() (bool, string) {
		synced()
		a, ready := read(), r.readyPods(t, prod)
		most = a.Status.CurrentReplicas
		return most > least && len(ready) > least, fmt.Sprintf("%+v, %v", a, ready)
	})
	if err := r.Refresh(t.Context(), target.Application(), "normal"); err != nil {
		t.Fatal(err)
	}
	synced()
	seen := map[int]int{}
	for _, stop := range stops {
		for code, n := range stop() {
			seen[code] += n
		}
	}
	if bad := total(seen) - seen[http.StatusOK]; bad > 0 {
		t.Errorf("%d of %d requests failed: %v", bad, total(seen), seen)
	}
	down := eventually(t, 6*time.Minute, "the end of the scale-down", idle)
	// What it compared last was before: compared now, too, nothing is to do.
	if err := r.Refresh(t.Context(), target.Application(), "hard"); err != nil {
		t.Fatal(err)
	}
	synced()
	report(t, 5, "%d pods become %d in %s under load (%d requests, %d failed), and %d again %s after it; the Application stays Synced",
		least, most, up, total(seen), total(seen)-seen[http.StatusOK], least, down)
}

func total(counts map[int]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
