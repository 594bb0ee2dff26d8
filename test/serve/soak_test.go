package serve

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// budget is what the whole sidecar may need while it serves the soak's clients.
const budget = 256 << 20

// hostile are attacks that are cheap to make and bad to take.
func hostile(t testing.TB) []cmptest.Call {
	t.Helper()
	bad := func(application, template string) cmptest.Call {
		return cmptest.Call{Archive: cmptest.Chart(t, template), Env: cmptest.Env(application, "null")}
	}
	cut := good(t, "hostile")
	cut.Archive = cut.Archive[:len(cut.Archive)/2]
	return []cmptest.Call{
		bad("hostile-1", `{{ fail "no" }}`),
		bad("hostile-2", `{{ repeat 1000000000 "x" }}`),
		bad("hostile-3", `{{ $d := dict }}{{ range until 1000000 }}{{ $_ := set $d (print .) (repeat 1000000 "x") }}{{ end }}`),
		bad("hostile-4", loop),
		bad("hostile-5", `{{ range until 300 }}{{ $_ := htpasswd "a" "b" }}{{ end }}`),
		{Archive: cmptest.Chart(t, cmptest.ConfigMap), Env: cmptest.Env("hostile-6", "null"), Checksum: strings.Repeat("0", 64)},
		cut,
	}
}

// TestSoak sends thousands of requests from 50 clients, 5 % of them hostile:
// every answer is right, nothing is left, and the memory stays in its bound.
func TestSoak(t *testing.T) {
	requests := 1000
	if n, err := strconv.Atoi(os.Getenv("SOAK_REQUESTS")); err == nil {
		requests = n
	}
	const clients, applications, oneInHostile = 50, 20, 20
	s := start(t, nil, "--workers", "2", "--slow-workers", "1", "--timeout", "2s", "--memory-limit", "96Mi", "--slow-after", "200ms")
	mustAnswer(t, s.socket, "warm")
	before := s.steady(t, 2)

	prod := cmptest.CorePipeline(t, repository)
	want, err := prod.Generate(within(t, time.Minute), s.socket)
	if err != nil {
		t.Fatal(err)
	}
	bad := hostile(t)
	var next, wrong atomic.Int64
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	one := func(i int) {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
		defer cancel()
		switch {
		case i%oneInHostile == 0:
			if got, err := bad[i/oneInHostile%len(bad)].Generate(ctx, s.socket); err == nil {
				wrong.Add(1)
				t.Errorf("a hostile request has a result: %s", clip(strings.Join(got, "")))
			}
		case i%2 == 0:
			got, err := prod.Generate(ctx, s.socket)
			if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
				wrong.Add(1)
				t.Errorf("another answer for core-pipeline: %v", err)
			}
		default:
			application := "app-" + strconv.Itoa(i%applications)
			c := good(t, application)
			c.Env["ARGOCD_APP_PARAMETERS"] = `[{"name":"set","map":{"n":"` + strconv.Itoa(i) + `"}}]` // never seen before
			got, err := c.Generate(ctx, s.socket)
			if err != nil || len(got) != 1 || got[0] != goodAnswer(application) {
				wrong.Add(1)
				t.Errorf("%s got %v, %v", application, got, err)
			}
		}
	}
	for range clients {
		all.Go(func() {
			for i := next.Add(1); i <= int64(requests) && wrong.Load() < 10; i = next.Add(1) {
				one(int(i))
			}
		})
	}
	peak := peakOf(t, s, &all)
	t.Logf("%d requests, %d wrong answers; most memory of the whole sidecar %d MiB", requests, wrong.Load(), peak>>20)
	if peak > budget {
		t.Errorf("the whole sidecar used %d MiB of memory", peak>>20)
	}
	s.settles(t, before)
}

// peakOf looks at the memory until all are done.
func peakOf(t testing.TB, s *server, all *sync.WaitGroup) (peak int64) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return peak
		case <-tick.C:
			peak = max(peak, s.pss(t))
		}
	}
}
