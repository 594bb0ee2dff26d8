package live

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// reach is how the tests of what runs beside the application come to it.
type reach struct {
	*platform.Platform

	plane string
}

func reachHub(t *testing.T) *reach {
	t.Helper()
	return reachPlane(t, platform.Hub)
}

func reachPlane(t *testing.T, plane string) *reach {
	t.Helper()
	return &reach{deployed(t), plane}
}

// try runs kubectl and returns its standard output.
func (r *reach) try(ctx context.Context, args ...string) (string, error) {
	return r.Kubectl(ctx, r.plane, "", args...)
}

func (r *reach) run(t *testing.T, args ...string) string {
	t.Helper()
	return kubectl(t, r.Platform, r.plane, args...)
}

// get reads an object, or a list, from a path of the API.
func (r *reach) get(t *testing.T, into any, path string) {
	t.Helper()
	object(t, r.Platform, r.plane, into, path)
}

// service is the address of a port of a Service.
func (r *reach) service(t *testing.T, namespace, name, port string) string {
	t.Helper()
	var s struct {
		Spec struct {
			ClusterIP string
			Ports     []struct {
				Name string
				Port int
			}
		}
	}
	r.get(t, &s, "/api/v1/namespaces/"+namespace+"/services/"+name)
	for _, p := range s.Spec.Ports {
		if p.Name == port {
			return fmt.Sprintf("%s:%d", s.Spec.ClusterIP, p.Port)
		}
	}
	t.Fatalf("service %s/%s has no port %s", namespace, name, port)
	return ""
}

// idleTime is how long a client keeps a connection that it does not use: as long as Traefik, and not as long as the
// application, which answers 408 to one on which nothing came, and the answer may meet a request.
const idleTime = 90 * time.Second

// client sends every request to one address, whatever its URL names.
func (r *reach) client(addr string) *http.Client {
	return &http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleTime, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return r.Dial(ctx, addr)
		}},
	}
}

// eventually waits until a condition holds. The condition says what it has seen instead.
func eventually(t *testing.T, limit time.Duration, what string, holds func() (bool, string)) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		ok, seen := holds()
		if ok {
			return time.Since(start).Round(time.Second)
		}
		if time.Since(start) > limit {
			t.Fatalf("%s did not come in %s; seen: %s", what, limit, seen)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, t.Context().Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// load sends requests with some workers until it is stopped, which may be done twice, and counts the answers by status;
// 0 is none.
func load(ctx context.Context, client *http.Client, url string, workers int) func() map[int]int {
	return pacedLoad(ctx, client, url, workers, 0)
}

// pacedLoad is a load whose workers pause after each request.
func pacedLoad(ctx context.Context, client *http.Client, url string, workers int, pause time.Duration) func() map[int]int {
	ctx, cancel := context.WithCancel(ctx)
	counts := make(chan map[int]int, workers)
	for range workers {
		go func() {
			seen := map[int]int{}
			for ctx.Err() == nil {
				code, err := status(ctx, client, http.MethodGet, url, nil)
				if err == nil || ctx.Err() == nil {
					seen[code]++
				}
				if pause > 0 {
					select {
					case <-ctx.Done():
					case <-time.After(pause):
					}
				}
			}
			counts <- seen
		}()
	}
	return sync.OnceValue(func() map[int]int {
		cancel()
		all := map[int]int{}
		for range workers {
			for code, n := range <-counts {
				all[code] += n
			}
		}
		return all
	})
}
