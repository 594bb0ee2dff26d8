package live

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// logLine is what every line of the application's log has.
type logLine struct {
	Time                             time.Time
	Level, Msg, Service, Environment string
	TraceID                          string `json:"trace_id"`
	Path                             string
	Status                           int
}

// Criterion 6: every line is JSON with the fields that one looks for, and a request's line has the request's trace. The
// lines are read from the kubelets, which keep them where a collector of logs finds them.
func TestCriterion6Logs(t *testing.T) {
	t.Parallel()
	criterion(t, 6)
	r := reachHub(t)
	claim(t, keeps(stagingObjects, stagingPods))
	app := r.staging(t)
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	trace := hex.EncodeToString(id)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app/items/none", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if code, err := answer(app, request); err != nil || code != http.StatusBadRequest {
		t.Fatalf("a wrong request was answered %d, %v", code, err)
	}
	var line logLine
	lines := 0
	waited := eventually(t, time.Minute, "the line of the request", func() (bool, string) {
		lines = 0
		found := false
		for _, pod := range r.readyPods(t, staging) {
			for text := range strings.Lines(r.run(t, "logs", "-n", staging, pod, "-c", "core-pipeline")) {
				var l logLine
				if err := json.Unmarshal([]byte(text), &l); err != nil || l.Time.IsZero() || l.Level == "" || l.Msg == "" || l.Service != "core-pipeline" || l.Environment != "staging" {
					t.Errorf("%s says %q: %v", pod, strings.TrimSpace(text), err)
				}
				lines++
				if l.TraceID == trace && l.Path != "" {
					line, found = l, true
				}
			}
		}
		return found, fmt.Sprint(lines, " lines, none of trace ", trace)
	})
	if line.Path != "/items/none" || line.Status != http.StatusBadRequest || line.Level != "info" {
		t.Errorf("the line of the request is %+v", line)
	}
	report(t, 6, "%d lines of staging's pods are JSON with time, level, service and environment; the line of a request has its trace, %s after it", lines, waited)
}
