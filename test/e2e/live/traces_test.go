package live

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Criterion 7: traces arrive where the values say, and say which service, environment and pod they are of.
func TestCriterion7Traces(t *testing.T) {
	t.Parallel()
	criterion(t, 7)
	r := reachHub(t)
	claim(t, keeps(stagingObjects, stagingPods))
	app, tempo := r.staging(t), r.client(r.service(t, "monitoring", "tempo", "http"))
	type span struct {
		TraceID  string
		Name     string
		Resource map[string]string
	}
	var found []span
	waited := eventually(t, 2*time.Minute, "a trace of staging", func() (bool, string) {
		if code, err := status(t.Context(), app, http.MethodGet, "http://app/", nil); err != nil || code != http.StatusOK {
			return false, fmt.Sprint("a request was answered ", code, err)
		}
		var spans []span
		err := fetch(t.Context(), tempo, "http://tempo/spans?service=core-pipeline", &spans)
		pods := r.readyPods(t, staging)
		found = slices.DeleteFunc(spans, func(s span) bool {
			return s.Resource["deployment.environment.name"] != "staging" || !slices.Contains(pods, s.Resource["k8s.pod.name"])
		})
		return len(found) > 0, fmt.Sprint(len(spans), " spans, none of staging's pods ", err)
	})
	got := found[len(found)-1]
	for _, name := range []string{"service.version", "k8s.namespace.name", "k8s.node.name"} {
		if got.Resource[name] == "" {
			t.Errorf("a span has no %s: %v", name, got.Resource)
		}
	}
	if got.Resource["k8s.namespace.name"] != staging || got.TraceID == "" {
		t.Errorf("a span says %v", got)
	}
	report(t, 7, "%d spans of service core-pipeline in environment staging after %s", len(found), waited)
}
