package serve

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// received collects spans as a collector does.
type received struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*spans.Span
}

func (r *received) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// TestTraces continues a trace of Argo CD, and leaves one alone that is not
// sampled. The log has the trace's ID.
func TestTraces(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, server := &received{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }() // until it is stopped
	t.Cleanup(server.Stop)

	s := start(t, nil, "--otlp-address", listener.Addr().String(), "--otlp-insecure")
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for application, sampled := range map[string]string{"sampled": "01", "unsampled": "00"} {
		ctx := metadata.AppendToOutgoingContext(within(t, time.Minute), "traceparent", "00-"+trace+"-"+parent+"-"+sampled)
		if _, err := good(t, application).Generate(ctx, s.socket); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended // everything has been sent then

	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, span := range r.spans {
		if hex.EncodeToString(span.GetTraceId()) != trace {
			t.Errorf("%s belongs to another trace", span.GetName())
		}
		if span.GetName() == "core-pipeline-cmp generate" {
			if hex.EncodeToString(span.GetParentSpanId()) != parent {
				t.Error("the request's span is not a child of Argo CD's")
			}
			if !strings.Contains(span.String(), `"sampled"`) {
				t.Errorf("the span does not name the application: %v", span)
			}
		}
		names = append(names, span.GetName())
	}
	slices.Sort(names)
	for _, want := range []string{"core-pipeline-cmp generate", "receive", "queue", "rendering templates"} {
		if n := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name != want })); n != 1 {
			t.Errorf("%d spans of %s in %v, want 1", n, want, names)
		}
	}
	logged := 0
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["trace_id"] == trace {
			logged++
		}
	}
	if logged != 2 {
		t.Errorf("%d lines of the log have the trace's ID, want 2", logged)
	}
}

// TestAbsentCollector shows that nobody waits for one.
func TestAbsentCollector(t *testing.T) {
	s := start(t, nil, "--otlp-address", "127.0.0.1:1", "--otlp-insecure")
	mustAnswer(t, s.socket, "a")
}
