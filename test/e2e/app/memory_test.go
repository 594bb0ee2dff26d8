package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// high is the share of the limit above which the chart's alert CorePipelineMemoryHigh fires.
const high = 0.9

// confined starts the application as the container of an environment, in a group with these limits.
func (s *stack) confined(t *testing.T, environment string, limits corev1.ResourceList) (*service, group) {
	t.Helper()
	g := newGroup(t, limits)
	r := s.ready(t, environment, map[string]string{
		// What is measured is memory. How long an answer takes depends on what else the machine does.
		"TIMEOUT_FACTOR": "30", "TEST_ENDPOINTS": "true", "TRACING_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
	}, g.wrap()...)
	return r, g
}

// TestMemory measures how much the application uses of the memory that each environment gives it, idle and while clients
// keep it as busy as its processors allow. Busy, it must stay below what raises the alert, and, where the autoscaler
// looks at memory, below the share of the request at which it adds pods: it would go on adding them with no load.
func TestMemory(t *testing.T) {
	s := need(t)
	s.migrate(t)
	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) {
			resources := render(t, environment).container.Resources
			// The program's pages are the group's own, as those of the first pod on a node.
			forget(t, s.app.Node)
			r, g := s.confined(t, environment, resources.Limits)
			idle := g.use(t)
			busy, answered, refused := r.load(t, g, 10*time.Second)
			request, limit := resources.Requests.Memory().Value(), resources.Limits.Memory().Value()
			t.Logf("%s: idle %s; busy %s; %d requests answered, %d refused", environment, idle.of(request, limit), busy.of(request, limit), answered, refused)
			if answered < 100 || refused > 0 {
				t.Errorf("%d requests are answered and %d refused", answered, refused)
			}
			if n := g.kills(t); n != 0 {
				t.Errorf("the kernel has killed %d processes", n)
			}
			if share := float64(busy.resident) / float64(limit); share > high {
				t.Errorf("busy it uses %.2f of the limit, and the alert fires at %.2f", share, high)
			}
			if target := memoryTarget(t, environment); target > 0 && busy.resident*100/request >= int64(target) {
				t.Errorf("busy it uses %d %% of the request, and the autoscaler adds pods at %d %%", busy.resident*100/request, target)
			}
		})
	}
}

// TestLeak holds an application that leaks to ending in a way that says what happened. On the heap Node.js ends it, with
// a message, before the kernel would: that is what heapPercent is for. Beside the heap the kernel does. In prod
// there is more room beside the heap, and a leak takes longer.
func TestLeak(t *testing.T) {
	s := need(t)
	for _, c := range []struct {
		environment, where string
		signal             syscall.Signal
		kills              int64
	}{
		{"dev", "heap", syscall.SIGABRT, 0}, {"staging", "heap", syscall.SIGABRT, 0},
		{"dev", "buffers", syscall.SIGKILL, 1},
	} {
		t.Run(c.environment+" "+c.where, func(t *testing.T) {
			memory := render(t, c.environment).container.Resources.Limits[corev1.ResourceMemory]
			if c.kills == 0 {
				// Of a group that is full to the last page, the program's go first: it would take minutes to end.
				forget(t, s.app.Node)
			}
			r, g := s.confined(t, c.environment, corev1.ResourceList{corev1.ResourceMemory: memory})
			most := int64(0)
			for {
				if _, _, err := r.get("/test/leak?mebibytes=8&where=" + c.where); err != nil {
					break
				}
				most = max(most, g.use(t).working)
			}
			r.await(30 * time.Second)
			status := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
			limit := memory.Value()
			t.Logf("%s: a leak of %s ends with %q at %d %% of the limit", c.environment, c.where, status.Signal(), most*100/limit)
			if status.Signal() != c.signal || g.kills(t) != c.kills {
				t.Errorf("it ended with %v and %d kills by the kernel", r.cmd.ProcessState, g.kills(t))
			}
			if says := strings.Contains(strings.Join(r.out.all(), ""), "heap out of memory"); says != (c.signal == syscall.SIGABRT) {
				t.Errorf("that the heap is full is said: %v", says)
			}
		})
	}
}

// use is what a container uses of its memory.
type use struct {
	working  int64 // what the kubelet reports, and the autoscaler looks at
	resident int64 // with the mapped pages of the program: the working set of a container whose pages are all in use
}

func (u use) of(request, limit int64) string {
	share := func(n int64) string {
		return fmt.Sprintf("%d MiB (%d %% of the request, %d %% of the limit)", n>>20, n*100/request, n*100/limit)
	}
	return share(u.working) + ", with all of the program " + share(u.resident)
}

// load keeps the application busy and returns the most that it uses, and how many requests were answered as they should
// be and with a 503.
func (r *service) load(t *testing.T, g group, length time.Duration) (most use, answered, refused int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var good, away atomic.Int64
	var clients sync.WaitGroup
	body := `{"name":"` + strings.Repeat("x", 200) + `"}`
	for i := range 16 {
		clients.Go(func() {
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
				// Not ctx: what is under way when the load ends is answered and counted.
				code, text, err := r.do(context.WithoutCancel(ctx), method, path, content)
				switch {
				case err == nil && code == want:
					good.Add(1)
				case err == nil && code == http.StatusServiceUnavailable:
					away.Add(1)
				default:
					t.Errorf("%s %s is answered %d %.200s, %v", method, path, code, text, err)
					return
				}
			}
		})
	}
	for ctx.Err() == nil {
		now := g.use(t)
		most = use{max(most.working, now.working), max(most.resident, now.resident)}
		time.Sleep(50 * time.Millisecond)
	}
	clients.Wait()
	return most, good.Load(), away.Load()
}

// memoryTarget is at how many percent of the request the environment's autoscaler adds pods; 0 where none does.
func memoryTarget(t *testing.T, environment string) int32 {
	t.Helper()
	for _, o := range render(t, environment).objects {
		if o.GetKind() != "HorizontalPodAutoscaler" {
			continue
		}
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &h); err != nil {
			t.Fatal(err)
		}
		for _, m := range h.Spec.Metrics {
			if m.Resource != nil && m.Resource.Name == corev1.ResourceMemory {
				return *m.Resource.Target.AverageUtilization
			}
		}
	}
	return 0
}
