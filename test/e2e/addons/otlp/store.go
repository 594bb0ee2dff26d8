package main

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// maxRequest is the largest request, unpacked.
const maxRequest = 16 << 20

// span is what the answers say of a span.
type span struct {
	TraceID    string            `json:"traceId"`
	Name       string            `json:"name"`
	Resource   map[string]string `json:"resource"`
	Attributes map[string]string `json:"attributes"`
}

// store keeps the newest spans.
type store struct {
	limit int
	mu    sync.Mutex
	spans []span
}

func (s *store) add(spans []span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, spans...)
	if n := len(s.spans) - s.limit; n > 0 {
		s.spans = append([]span(nil), s.spans[n:]...)
	}
}

// receiver takes spans as OTLP/HTTP says: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request.
func (s *store) receiver() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-protobuf" {
			http.Error(w, "only application/x-protobuf", http.StatusUnsupportedMediaType)
			return
		}
		spans, err := decode(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.add(spans)
		// An empty ExportTraceServiceResponse has no bytes.
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	return mux
}

// answers serves the spans, those of one service with ?service=name.
func (s *store) answers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /spans", func(w http.ResponseWriter, r *http.Request) {
		service := r.URL.Query().Get("service")
		found := []span{}
		s.mu.Lock()
		for _, sp := range s.spans {
			if service == "" || sp.Resource["service.name"] == service {
				found = append(found, sp)
			}
		}
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(found)
	})
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func decode(r *http.Request) ([]span, error) {
	body := io.Reader(r.Body)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("unpacking the request: %w", err)
		}
		body = unpacked
	default:
		return nil, fmt.Errorf("content encoding %q is not known", encoding)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxRequest+1))
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if len(data) > maxRequest {
		return nil, fmt.Errorf("the request is larger than %d bytes", maxRequest)
	}
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(data, &request); err != nil {
		return nil, fmt.Errorf("reading the spans: %w", err)
	}
	var spans []span
	for _, resource := range request.ResourceSpans {
		attributes := texts(resource.GetResource().GetAttributes())
		for _, scope := range resource.ScopeSpans {
			for _, sp := range scope.Spans {
				spans = append(spans, span{TraceID: hex.EncodeToString(sp.TraceId), Name: sp.Name, Resource: attributes, Attributes: texts(sp.Attributes)})
			}
		}
	}
	return spans, nil
}

// texts are the attributes with their values as text; lists and maps are left out.
func texts(attributes []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range attributes {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_BoolValue:
			out[kv.Key] = fmt.Sprint(v.BoolValue)
		case *common.AnyValue_IntValue:
			out[kv.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_DoubleValue:
			out[kv.Key] = fmt.Sprint(v.DoubleValue)
		}
	}
	return out
}
