package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func request(t *testing.T, service, name string) []byte {
	t.Helper()
	data, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{text("service.name", service)}},
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
			TraceId: []byte{0xab, 0xcd}, Name: name,
			Attributes: []*common.KeyValue{{Key: "code", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 200}}}},
		}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func post(t *testing.T, server *httptest.Server, kind, encoding string, body []byte) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Content-Encoding", encoding)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

func stored(t *testing.T, s *store, query string) []span {
	t.Helper()
	w := httptest.NewRecorder()
	s.answers().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/spans"+query, nil))
	var spans []span
	if err := json.Unmarshal(w.Body.Bytes(), &spans); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return spans
}

func TestSpansArrive(t *testing.T) {
	s := &store{limit: 10}
	server := httptest.NewServer(s.receiver())
	defer server.Close()
	if code := post(t, server, "application/x-protobuf", "", request(t, "one", "GET /ok")); code != http.StatusOK {
		t.Fatalf("plain: %d", code)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(request(t, "two", "GET /health"))
	_ = z.Close()
	if code := post(t, server, "application/x-protobuf", "gzip", packed.Bytes()); code != http.StatusOK {
		t.Fatalf("gzip: %d", code)
	}
	want := []span{{TraceID: "abcd", Name: "GET /health", Resource: map[string]string{"service.name": "two"}, Attributes: map[string]string{"code": "200"}}}
	if diff := cmp.Diff(want, stored(t, s, "?service=two")); diff != "" {
		t.Error(diff)
	}
	if n := len(stored(t, s, "")); n != 2 {
		t.Errorf("%d spans, want 2", n)
	}
}

func TestBadRequests(t *testing.T) {
	s := &store{limit: 10}
	server := httptest.NewServer(s.receiver())
	defer server.Close()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, maxRequest+1))
	_ = z.Close()
	for _, c := range []struct {
		name, kind, encoding string
		body                 []byte
		want                 int
	}{
		{"json", "application/json", "", []byte("{}"), http.StatusUnsupportedMediaType},
		{"no protobuf", "application/x-protobuf", "", []byte("x"), http.StatusBadRequest},
		{"no gzip", "application/x-protobuf", "gzip", []byte("x"), http.StatusBadRequest},
		{"unknown encoding", "application/x-protobuf", "br", nil, http.StatusBadRequest},
		{"too large when unpacked", "application/x-protobuf", "gzip", bomb.Bytes(), http.StatusBadRequest},
	} {
		if code := post(t, server, c.kind, c.encoding, c.body); code != c.want {
			t.Errorf("%s: %d, want %d", c.name, code, c.want)
		}
	}
	if n := len(stored(t, s, "")); n != 0 {
		t.Errorf("%d spans were stored", n)
	}
}

func TestOldSpansGo(t *testing.T) {
	s := &store{limit: 3}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.add([]span{{Name: name}})
	}
	if got := stored(t, s, ""); len(got) != 3 || got[0].Name != "c" || got[2].Name != "e" {
		t.Errorf("kept %v", got)
	}
}
