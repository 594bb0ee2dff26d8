package live

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// traffic is a constant load on the application of a cluster, through its Service, from the network of the cluster.
// A third of the requests take a connection of their own, so that kube-proxy chooses a pod for each. A third keep their
// connections, as an Ingress controller does: one that a pod closes while it is idle is replaced, as every client does.
// Staging's Service prefers pods of the zone that a request comes from, so the last third goes to a Service of the test
// that leads to all of them.
type traffic struct {
	stop   context.CancelFunc
	ended  sync.WaitGroup
	mu     sync.Mutex
	counts map[string]int // by what came of the request; "200" is the only good one
}

const (
	everywhereName = "e2e-traffic"
	// requestRate is how many requests a second each third sends: a thousand and more while a change is rolled out, and
	// not so many that the rollout takes much longer for them.
	requestRate = 6
	// requestsInFlight is how many wait for an answer at most; then the load waits, too.
	requestsInFlight = 32
	// requestTime is how long a request may take before it counts as failed.
	requestTime = 10 * time.Second
)

// startTraffic begins a load that ends with the test or with end.
func startTraffic(t *testing.T, p *platform.Platform, target platform.Target) *traffic {
	t.Helper()
	everywhere := fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec:
  selector: {app.kubernetes.io/component: api, app.kubernetes.io/instance: core-pipeline}
  ports: [{port: 80, targetPort: http}]
`, everywhereName, target.Namespace())
	if _, err := p.Kubectl(t.Context(), target.Plane, everywhere, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), target.Plane, "", "-n", target.Namespace(), "delete", "service", everywhereName); err != nil {
			t.Error(err)
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	load := &traffic{stop: stop, counts: map[string]int{}}
	for _, stream := range []struct {
		service string
		kept    bool
	}{{"core-pipeline", false}, {"core-pipeline", true}, {everywhereName, false}} {
		address := kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "service", stream.service, "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
		transport := &http.Transport{DisableKeepAlives: !stream.kept, MaxIdleConnsPerHost: 8, IdleConnTimeout: idleTime, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.Dial(ctx, address)
		}}
		client := &http.Client{Transport: transport, Timeout: requestTime}
		// kube-proxy learns of a new Service a moment after the API server.
		eventually(t, time.Minute, "an answer of Service "+stream.service, func() (bool, string) {
			code, err := status(t.Context(), client, http.MethodGet, "http://core-pipeline/", nil)
			return code == http.StatusOK, fmt.Sprint(code, err)
		})
		load.ended.Go(func() {
			load.run(ctx, client)
			transport.CloseIdleConnections()
		})
	}
	t.Cleanup(load.end)
	return load
}

func (l *traffic) run(ctx context.Context, client *http.Client) {
	tick := time.NewTicker(time.Second / requestRate)
	defer tick.Stop()
	places := make(chan struct{}, requestsInFlight)
	var wait sync.WaitGroup
	defer wait.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			// Not ctx: what is under way when the load ends is answered and counted.
			code, err := status(context.WithoutCancel(ctx), client, http.MethodGet, "http://core-pipeline/", nil)
			result := fmt.Sprint(code)
			if err != nil {
				result = err.Error()
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.counts[result]++
		})
	}
}

func (l *traffic) end() {
	l.stop()
	l.ended.Wait()
}

// finish ends the load and wants every request answered with 200, those too that were under way when the last change ended.
func (l *traffic) finish(t *testing.T) {
	t.Helper()
	l.end()
	seen := l.snapshot()
	if seen["200"] == 0 {
		t.Error("no request was answered")
	}
	delete(seen, "200")
	if len(seen) > 0 {
		t.Errorf("of all requests failed %v", seen)
	}
}

// during sends requests until do has returned, and at least as many as 100, and wants each answered with 200. It returns
// how many there were.
func (l *traffic) during(t *testing.T, what string, do func()) int {
	t.Helper()
	before := l.snapshot()
	do()
	var seen map[string]int
	all := 0
	eventually(t, time.Minute, "traffic", func() (bool, string) {
		seen, all = l.snapshot(), 0
		for result, n := range before {
			seen[result] -= n
		}
		for _, n := range seen {
			all += n
		}
		return all >= 100, fmt.Sprint(seen)
	})
	if failed := all - seen["200"]; failed > 0 {
		delete(seen, "200")
		var lines []string
		for _, result := range slices.Sorted(maps.Keys(seen)) {
			lines = append(lines, fmt.Sprintf("%d: %s", seen[result], result))
		}
		t.Errorf("%d of %d requests failed during %s:\n%s", failed, all, what, strings.Join(lines, "\n"))
	}
	return all
}

func (l *traffic) snapshot() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}
