package live

import (
	"net/http"
	"testing"
)

const staging = "core-pipeline-staging"

// Paths of the application that only tests have.
const (
	failingPath = "/test/error"
	leakingPath = "/test/leak"
	burningPath = "/test/burn"
)

// staging sends requests to the Service of the application in staging.
func (r *reach) staging(t *testing.T) *http.Client {
	t.Helper()
	return r.client(r.service(t, staging, "core-pipeline", "http"))
}

// readyPods are the names of the application's pods that are ready and stay.
func (r *reach) readyPods(t *testing.T, namespace string) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	r.get(t, &list, podsPath(namespace, apiPods))
	var ready []string
	for _, pod := range list.Items {
		for _, c := range pod.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" && pod.Metadata.DeletionTimestamp == "" {
				ready = append(ready, pod.Metadata.Name)
			}
		}
	}
	return ready
}
