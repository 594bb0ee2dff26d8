package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reach is how the tests of the addons come to the cluster.
type reach struct {
	kubeconfig, kubectl string
	// netns is the network namespace whose routes lead to the cluster's Services; empty: those of this process do.
	netns string
}

// reachCluster uses the cluster that E2E_KUBECONFIG names. E2E_NETNS is the network namespace it is in, if it is in one,
// and E2E_KUBECTL the program.
func reachCluster(t *testing.T) *reach {
	t.Helper()
	r := &reach{kubeconfig: os.Getenv("E2E_KUBECONFIG"), kubectl: os.Getenv("E2E_KUBECTL"), netns: os.Getenv("E2E_NETNS")}
	if r.kubeconfig == "" {
		t.Skip("E2E_KUBECONFIG names no cluster")
	}
	if r.kubectl == "" {
		r.kubectl = "kubectl"
	}
	return r
}

// try runs kubectl and returns its standard output.
func (r *reach) try(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"--kubeconfig=" + r.kubeconfig}, args...)
	name := r.kubectl
	if r.netns != "" {
		name, args = "ip", append([]string{"netns", "exec", r.netns, r.kubectl}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}

func (r *reach) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.try(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// get reads one object, or a list, into a value.
func (r *reach) get(t *testing.T, into any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.run(t, append([]string{"get", "-o", "json"}, args...)...)), into); err != nil {
		t.Fatal(err)
	}
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
	r.get(t, &s, "service", name, "-n", namespace)
	for _, p := range s.Spec.Ports {
		if p.Name == port {
			return fmt.Sprintf("%s:%d", s.Spec.ClusterIP, p.Port)
		}
	}
	t.Fatalf("service %s/%s has no port %s", namespace, name, port)
	return ""
}

// client sends every request to one address, whatever its URL names.
func (r *reach) client(addr string) *http.Client {
	return &http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return r.dial(ctx, addr)
		}},
	}
}

// dial opens a connection in the cluster's network namespace. A socket stays in the namespace it was made in, and a
// thread that has entered one is not used for anything else: it ends with its goroutine.
func (r *reach) dial(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	if r.netns == "" {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open("/run/netns/" + r.netns)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if err != nil {
			done <- result{nil, fmt.Errorf("entering the network namespace: %w", err)}
			return
		}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		done <- result{conn, err}
	}()
	got := <-done
	return got.conn, got.err
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
