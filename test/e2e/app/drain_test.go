package app_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestDrain holds the end of a pod to failing no request. Clients go on for a while after the signal, on connections
// that are open and on new ones, as they do until every node knows that the pod is gone; some requests take longer.
func TestDrain(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", map[string]string{"TEST_ENDPOINTS": "true"})
	const workers, after = 16, 2 * time.Second
	var sent, failed, slow atomic.Int64
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range workers {
		group.Go(func() {
			path := "/items"
			if i%4 == 0 {
				path = "/test/slow?millis=1500"
			}
			for ctx.Err() == nil {
				code, body, err := r.do(context.WithoutCancel(ctx), http.MethodGet, path, "")
				sent.Add(1)
				if err != nil || code != http.StatusOK {
					failed.Add(1)
					t.Errorf("a request is answered %d %.100s, %v", code, body, err)
				}
				if i%4 == 0 {
					slow.Add(1)
				}
			}
		})
	}
	eventually(t, 20*time.Second, "requests are in flight", func() error {
		if slow.Load() < 2 {
			return errTooLate
		}
		return nil
	})
	before := sent.Load()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Second, "it says that it is stopping", func() error { return r.expect("/ok", http.StatusServiceUnavailable, nil) })
	if err := r.expect("/health", http.StatusOK, nil); err != nil {
		t.Error(err)
	}
	time.AfterFunc(after, cancel)
	group.Wait()
	r.await(15 * time.Second)
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	if sent.Load()-before < workers {
		t.Errorf("%d requests after the signal", sent.Load()-before)
	}
	if err := r.said("requests cut off"); err == nil {
		t.Error("it says that it cut requests off")
	}
	t.Logf("%d requests, %d of them after the signal, %d failed", sent.Load(), sent.Load()-before, failed.Load())
}

// TestDrainBound holds the end to its time where a request does not end, which is less than what the chart gives it.
func TestDrainBound(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", map[string]string{"TEST_ENDPOINTS": "true", "DRAIN_MILLIS": "2000"})
	go func() { _, _, _ = r.get("/test/slow?millis=60000") }()
	eventually(t, 5*time.Second, "a request is in flight", func() error {
		if r.metric(t, `nodejs_active_resources{type="TCPSocketWrap"}`) < 2 {
			return errTooLate
		}
		return nil
	})
	if took, code := r.terminate(15 * time.Second); code != 0 || took < 2*time.Second || took > 8*time.Second {
		t.Errorf("it ends with %d after %s", code, took)
	}
	if err := r.said("requests cut off"); err != nil {
		t.Error(err)
	}
}
