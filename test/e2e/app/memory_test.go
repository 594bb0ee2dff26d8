package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestMemory measures what the application needs of the memory that each environment gives it, in a control group with
// the container's limits: idle, and while clients keep it as busy as its processors allow.
func TestMemory(t *testing.T) {
	s := need(t)
	s.migrate(t)
	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) {
			resources := render(t, environment).container.Resources
			g := newGroup(t, resources.Limits)
			r := s.ready(t, environment, map[string]string{"TRACING_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, g.wrap()...)
			idle := g.workingSet(t)
			peak, answered := r.load(t, g, 20*time.Second)
			request, limit := resources.Requests.Memory().Value(), resources.Limits.Memory().Value()
			share := func(n, of int64) string { return fmt.Sprintf("%d %%", n*100/of) }
			t.Logf("%s: idle %d MiB (%s of the request), at most %d MiB under load (%s of the request, %s of the limit), %d requests",
				environment, idle>>20, share(idle, request), peak>>20, share(peak, request), share(peak, limit), answered)
			if n := g.kills(t); n != 0 {
				t.Errorf("the kernel has killed %d processes", n)
			}
		})
	}
}

// load keeps the application busy and returns its largest working set. Every request has to be answered.
func (r *service) load(t *testing.T, g group, length time.Duration) (peak int64, answered int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var count atomic.Int64
	var group sync.WaitGroup
	body := `{"name":"` + strings.Repeat("x", 200) + `"}`
	for i := range 32 {
		group.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				method, path, content, want := http.MethodGet, "/", "", http.StatusOK
				switch n % 4 {
				case 0:
					method, path, content, want = http.MethodPost, "/items", body, http.StatusCreated
				case 1:
					path = "/items"
				case 2:
					path = "/items/1"
				}
				code, text, err := r.do(t.Context(), method, path, content)
				if err != nil || code != want {
					t.Errorf("%s %s is answered %d %.200s, %v", method, path, code, text, err)
					return
				}
				count.Add(1)
			}
		})
	}
	for ctx.Err() == nil {
		peak = max(peak, g.workingSet(t))
		time.Sleep(50 * time.Millisecond)
	}
	group.Wait()
	return peak, count.Load()
}
