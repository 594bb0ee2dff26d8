package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readiness is what /ok answers.
type readiness struct {
	Status       string
	Dependencies map[string]string
}

func (s *stack) dependencies() map[string]*process {
	return map[string]*process{"postgres": s.postgres, "redis": s.redis, "kafka": s.kafka}
}

// TestNotReadyBefore holds a pod that has never reached one of its dependencies out of the Service, and alive.
func TestNotReadyBefore(t *testing.T) {
	s := need(t)
	for name, dependency := range s.dependencies() {
		t.Run(name, func(t *testing.T) {
			again := dependency.without(t)
			r := s.run(t, "staging", nil)
			eventually(t, 20*time.Second, "only "+name+" is down", func() error {
				var got readiness
				if err := r.expect("/ok", http.StatusServiceUnavailable, &got); err != nil {
					t.Fatal(err)
				}
				if got.Status != "starting" || len(got.Dependencies) != 3 {
					t.Fatalf("without %s it answers %+v", name, got)
				}
				for other, state := range got.Dependencies {
					if (state == "down") != (other == name) {
						return fmt.Errorf("it says %+v", got)
					}
				}
				return nil
			})
			if err := r.expect("/health", http.StatusOK, nil); err != nil {
				t.Error(err)
			}
			again()
			eventually(t, 30*time.Second, "ready with "+name, func() error { return r.expect("/ok", http.StatusOK, nil) })
		})
	}
}

// TestDependencyLost holds an outage of a dependency, which is one for all pods, to taking none of them out of the
// Service or down, to being said, and to ending without a restart. /ok answers within the time that the probe has.
func TestDependencyLost(t *testing.T) {
	s := need(t)
	probe := time.Duration(render(t, "staging").container.ReadinessProbe.TimeoutSeconds) * time.Second
	r := s.ready(t, "staging", nil)
	s.migrate(t)
	r.consumed(t)
	for name, dependency := range s.dependencies() {
		t.Run(name, func(t *testing.T) {
			again := dependency.without(t)
			var got readiness
			slowest := time.Duration(0)
			eventually(t, 20*time.Second, "the loss is said", func() error {
				start := time.Now()
				err := r.expect("/ok", http.StatusOK, &got)
				slowest = max(slowest, time.Since(start))
				if err != nil {
					t.Fatal(err)
				}
				if got.Status != "degraded" || got.Dependencies[name] != "down" {
					return fmt.Errorf("it says %+v", got)
				}
				return nil
			})
			if slowest > probe {
				t.Errorf("/ok took %s and the probe waits for %s", slowest, probe)
			}
			if err := r.expect("/health", http.StatusOK, nil); err != nil {
				t.Error(err)
			}
			if up := r.metric(t, fmt.Sprintf("dependency_up{dependency=%q}", name)); up != 0 {
				t.Errorf("dependency_up of %s is %v", name, up)
			}
			if name == "postgres" {
				if code, body, err := r.get("/items"); code != http.StatusServiceUnavailable || strings.Contains(body, password) {
					t.Errorf("/items answers %d %s, %v", code, body, err)
				}
			}
			again()
			eventually(t, 30*time.Second, "back to normal", func() error {
				var got readiness
				if err := r.expect("/ok", http.StatusOK, &got); err != nil || got.Status != "ok" {
					return fmt.Errorf("it says %+v, %w", got, err)
				}
				return nil
			})
			r.consumed(t)
		})
	}
}

// TestHangingDependency holds /ok to its time where a dependency takes connections and answers nothing.
func TestHangingDependency(t *testing.T) {
	s := need(t)
	probe := time.Duration(render(t, "staging").container.ReadinessProbe.TimeoutSeconds) * time.Second
	r := s.ready(t, "staging", nil)
	for name, dependency := range s.dependencies() {
		pid := dependency.running.Process.Pid
		for _, signalled := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			// The server that asks the questions of PostgreSQL is a child.
			for _, p := range append(children(t, pid), pid) {
				if err := syscall.Kill(p, signalled); err != nil {
					t.Fatal(err)
				}
			}
			if signalled == syscall.SIGCONT {
				break
			}
			var got readiness
			eventually(t, 20*time.Second, "the hang is said", func() error {
				start := time.Now()
				if err := r.expect("/ok", http.StatusOK, &got); err != nil {
					return err
				}
				if took := time.Since(start); took > probe {
					t.Errorf("without answers of %s /ok took %s and the probe waits for %s", name, took, probe)
				}
				if got.Dependencies[name] != "down" {
					return fmt.Errorf("it says %+v", got)
				}
				return nil
			})
		}
		eventually(t, 30*time.Second, "back to normal", func() error {
			var got readiness
			if err := r.expect("/ok", http.StatusOK, &got); err != nil || got.Status != "ok" {
				return fmt.Errorf("it says %+v, %w", got, err)
			}
			return nil
		})
	}
}

// consumed sends an item through PostgreSQL, Kafka and Redis, and waits for it.
func (r *service) consumed(t *testing.T) {
	t.Helper()
	eventually(t, 60*time.Second, "an item arrives", func() error {
		before, err := r.seen()
		if err != nil {
			return err
		}
		code, body, err := r.do(t.Context(), http.MethodPost, "/items", `{"name":"one"}`)
		if err != nil || code != http.StatusCreated {
			return fmt.Errorf("an item is answered with %d %s, %w", code, body, err)
		}
		var item struct{ ID, Name string }
		if err := json.Unmarshal([]byte(body), &item); err != nil || item.Name != "one" {
			return fmt.Errorf("an item is answered with %s, %w", body, err)
		}
		if err := r.expect("/items/"+item.ID, http.StatusOK, &item); err != nil {
			return err
		}
		for range 40 {
			after, err := r.seen()
			if err == nil && after > before {
				return nil
			}
			time.Sleep(50 * time.Millisecond)
		}
		return errTooLate
	})
}

func (r *service) seen() (int, error) {
	var got struct{ Seen int }
	err := r.expect("/items/seen", http.StatusOK, &got)
	return got.Seen, err
}
