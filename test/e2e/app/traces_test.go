package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// span is what the receiver says of a span.
type span struct {
	TraceID, Name        string
	Resource, Attributes map[string]string
}

// TestTraces holds the application to sending traces where the chart's variables say, with what they say of the pod, of
// requests and of what they ask of the databases, and nothing else.
func TestTraces(t *testing.T) {
	s := need(t)
	s.migrate(t)
	program, err := programs.Own(t.Context(), "addons/otlp")
	if err != nil {
		t.Fatal(err)
	}
	answers := newProcess(t.TempDir(), "otlp-answers")
	receiver := newProcess(t.TempDir(), "otlp", program)
	receiver.args = append(receiver.args, "-receive", "127.0.0.1:"+receiver.port, "-answer", "127.0.0.1:"+answers.port)
	if err := receiver.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer receiver.stop(syscall.SIGTERM)
	var mu sync.Mutex
	asked := map[string]int{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:" + receiver.port})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")]++
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()

	r := s.ready(t, "staging", map[string]string{"TRACING_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": front.URL})
	r.consumed(t)
	if _, code := r.terminate(30 * time.Second); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	// The spans of the last seconds are sent before it ends.
	var spans []span
	answer, err := http.Get("http://127.0.0.1:" + answers.port + "/spans?service=core-pipeline")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	if err := json.NewDecoder(answer.Body).Decode(&spans); err != nil {
		t.Fatal(err)
	}
	byTrace := map[string][]string{}
	for _, sp := range spans {
		byTrace[sp.TraceID] = append(byTrace[sp.TraceID], sp.Name)
		for name, want := range map[string]string{
			"service.name": "core-pipeline", "deployment.environment.name": "staging", "k8s.pod.name": "core-pipeline-0",
			"k8s.namespace.name": "core-pipeline-staging", "k8s.node.name": "node-0",
		} {
			if got := sp.Resource[name]; got != want {
				t.Fatalf("a span has %s %q, not %q: %+v", name, got, want, sp)
			}
		}
		if sp.Resource["service.version"] == "" {
			t.Fatalf("a span has no service.version: %+v", sp)
		}
		for _, path := range []string{"/ok", "/health", "/metrics"} {
			if sp.Attributes["url.path"] == path || sp.Attributes["http.target"] == path {
				t.Errorf("a probe is traced: %+v", sp)
			}
		}
	}
	if !slices.ContainsFunc(values(byTrace), func(names []string) bool { return len(names) >= 4 }) {
		t.Errorf("no trace has a request and what it asked of the databases: %v", byTrace)
	}
	// What the log says of a request is found among the traces.
	found := false
	for _, line := range r.out.all() {
		entry, err := object(line)
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := entry["trace_id"].(string); entry["msg"] == "request" && entry["path"] == "/items" {
			found = found || len(byTrace[id]) > 0
		}
	}
	if !found {
		t.Error("no trace has an id that the log says")
	}
	mu.Lock()
	defer mu.Unlock()
	for what := range asked {
		if what != "POST /v1/traces application/x-protobuf" {
			t.Errorf("the receiver of traces is asked for %s", what)
		}
	}
	t.Logf("%d spans in %d traces", len(spans), len(byTrace))
}

func values(m map[string][]string) (all [][]string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// TestTracesAway holds the application to working without a receiver of traces, and to ending in time.
func TestTracesAway(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", map[string]string{"TRACING_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
	for range 20 {
		if err := r.expect("/", http.StatusOK, nil); err != nil {
			t.Fatal(err)
		}
	}
	if took, code := r.terminate(30 * time.Second); code != 0 || took > 15*time.Second {
		t.Errorf("it ends with %d after %s", code, took)
	}
	for _, line := range r.out.all() {
		if _, err := object(line); err != nil {
			t.Errorf("%v: %.200s", err, line)
		}
	}
}
