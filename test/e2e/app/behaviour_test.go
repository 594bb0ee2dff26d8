package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// metric is the value of a series of /metrics.
func (r *service) metric(t *testing.T, series string) float64 {
	t.Helper()
	_, text, err := r.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, series+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("no series %s in\n%s", series, text)
	return 0
}

// TestMetrics holds the application to the metrics that the chart's alerts and dashboard ask for.
func TestMetrics(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", map[string]string{"TEST_ENDPOINTS": "true"})
	for path, want := range map[string]int{"/": http.StatusOK, "/test/error": http.StatusInternalServerError, "/none": http.StatusNotFound} {
		if code, _, err := r.get(path); err != nil || code != want {
			t.Fatalf("%s answers %d, %v", path, code, err)
		}
	}
	_, metrics, err := r.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile(`\b(?:http|nodejs|process|kafka|dependency)_[a-z0-9_]+`)
	asked := map[string]bool{}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		data, err := os.ReadFile(chart + "/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range own.FindAllString(string(data), -1) {
			asked[name] = true
		}
	}
	if len(asked) < 4 {
		t.Fatalf("the chart asks for %v only", asked)
	}
	for name := range asked {
		if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") && !strings.Contains(metrics, "# TYPE "+name+" ") {
			t.Errorf("the chart asks for %s, which /metrics does not have", name)
		}
	}
	for _, series := range []string{
		`http_request_duration_seconds_count{method="GET",route="/test/error",status_code="500"}`,
		`http_request_duration_seconds_count{method="GET",route="/",status_code="200"}`,
		`http_request_duration_seconds_count{method="GET",route="none",status_code="404"}`,
	} {
		if got := r.metric(t, series); got != 1 {
			t.Errorf("%s is %v after one request", series, got)
		}
	}
	// A probe is no request of a user: a pod that is not ready must raise no alert about failing requests.
	if strings.Contains(metrics, `route="/ok"`) || strings.Contains(metrics, `route="/health"`) {
		t.Error("probes are among the requests")
	}
}

// TestLogs holds every line of the output to one JSON object that a collector takes whole: no name in it twice, no
// credential, not longer than what containerd writes in one piece.
func TestLogs(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", map[string]string{"LOG_LEVEL": "debug", "TEST_ENDPOINTS": "true"})
	for _, path := range []string{"/", "/items/x", "/test/error"} {
		if _, _, err := r.get(path); err != nil {
			t.Fatal(err)
		}
	}
	again := s.kafka.without(t)
	// The consumer's loss is the largest error there is.
	eventually(t, 30*time.Second, "the consumer says that it starts over", func() error { return r.said("consumer starts over") })
	again()
	if _, code := r.terminate(30 * time.Second); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	levels := map[string]bool{"fatal": true, "error": true, "warn": true, "info": true, "debug": true, "trace": true}
	requests := 0
	for _, line := range r.out.all() {
		if len(line) > 16<<10 {
			t.Errorf("a line has %d bytes: %.200s", len(line), line)
		}
		if strings.Contains(line, password) {
			t.Errorf("a line has the password: %.200s", line)
		}
		entry, err := object(line)
		if err != nil {
			t.Errorf("%v: %.300s", err, line)
			continue
		}
		if level, _ := entry["level"].(string); !levels[level] || entry["service"] != "core-pipeline" || entry["environment"] != "staging" || entry["msg"] == nil {
			t.Errorf("a line lacks what every line has: %.300s", line)
		}
		if at, _ := entry["time"].(string); !parses(at) {
			t.Errorf("a line has no time: %.300s", line)
		}
		if entry["msg"] == "request" && entry["path"] == "/test/error" {
			requests++
			if entry["level"] != "error" || entry["status"] != float64(500) {
				t.Errorf("a failed request is logged as %.300s", line)
			}
		}
	}
	if requests != 1 {
		t.Errorf("one request is logged %d times", requests)
	}
	for _, text := range []string{"listening", "stopping", "stopped"} {
		if err := r.said(text); err != nil {
			t.Error(err)
		}
	}
}

func parses(at string) bool {
	_, err := time.Parse(time.RFC3339Nano, at)
	return err == nil
}

// said says whether a line has that message.
func (r *service) said(message string) error {
	for _, line := range r.out.all() {
		if entry, err := object(line); err == nil && entry["msg"] == message {
			return nil
		}
	}
	return fmt.Errorf("no line says %q", message)
}

// object reads a JSON object and refuses a name that is in it twice.
func object(line string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(line))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("not an object: %v, %w", token, err)
	}
	entry := map[string]any{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := entry[name.(string)]; twice {
			return nil, fmt.Errorf("name %v is there twice", name)
		}
		entry[name.(string)] = value
	}
	return entry, nil
}

// TestLogLevel holds the application to the levels of the environments: prod says nothing of a request that went well.
func TestLogLevel(t *testing.T) {
	s := need(t)
	r := s.ready(t, "prod", map[string]string{"TEST_ENDPOINTS": "true"})
	for _, path := range []string{"/", "/test/error"} {
		if _, _, err := r.get(path); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 5*time.Second, "the failed request is logged", func() error { return r.said("request") })
	for _, line := range r.out.all() {
		if entry, err := object(line); err != nil || entry["level"] == "info" || entry["level"] == "debug" {
			t.Errorf("prod logs %.200s", line)
		}
	}
}

// TestInputs holds the application to a clear answer for what clients send.
func TestInputs(t *testing.T) {
	s := need(t)
	s.migrate(t)
	r := s.ready(t, "staging", nil)
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{http.MethodPost, "/items", `{"name":"fine"}`, http.StatusCreated},
		{http.MethodPost, "/items", `{}`, http.StatusBadRequest},
		{http.MethodPost, "/items", `{"name":7}`, http.StatusBadRequest},
		{http.MethodPost, "/items", `{"name":"` + strings.Repeat("x", 201) + `"}`, http.StatusBadRequest},
		{http.MethodPost, "/items", `{"name":`, http.StatusBadRequest},
		{http.MethodPost, "/items", `{"name":"` + strings.Repeat("x", 3<<20) + `"}`, http.StatusRequestEntityTooLarge},
		{http.MethodPost, "/items", `{"name":"'; DROP TABLE items; --"}`, http.StatusCreated},
		{http.MethodGet, "/items", "", http.StatusOK},
		{http.MethodGet, "/items/0", "", http.StatusNotFound},
		{http.MethodGet, "/items/none", "", http.StatusBadRequest},
		{http.MethodGet, "/items/99999999999999999999", "", http.StatusBadRequest},
		// Not part of the application unless it is told so.
		{http.MethodGet, "/test/leak", "", http.StatusNotFound},
		{http.MethodGet, "/test/error", "", http.StatusNotFound},
	} {
		code, body, err := r.do(t.Context(), c.method, c.path, c.body)
		if err != nil || code != c.code {
			t.Errorf("%s %s %.40s: %d %.200s, %v; want %d", c.method, c.path, c.body, code, body, err, c.code)
		}
		if !json.Valid([]byte(body)) || strings.Contains(body, "node_modules") {
			t.Errorf("%s %s %.40s: answered with %.200s", c.method, c.path, c.body, body)
		}
	}
	var about struct{ Service, Environment, Version, Host string }
	if err := r.expect("/", http.StatusOK, &about); err != nil || about.Version != "1.2.3" || about.Environment != "staging" || about.Host == "" {
		t.Errorf("it says of itself %+v, %v", about, err)
	}
}

// TestKeepAlive: the application keeps a connection that nobody uses for longer than Traefik and the load of the criteria,
// 90 seconds: where it closes first, a request may be on its way. Node.js says for how long with every answer.
func TestKeepAlive(t *testing.T) {
	s := need(t)
	r := s.ready(t, "staging", nil)
	response, err := r.client.Get(r.url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	var seconds int
	if _, err := fmt.Sscanf(response.Header.Get("Keep-Alive"), "timeout=%d", &seconds); err != nil || seconds <= 90 {
		t.Errorf("Keep-Alive: %s", response.Header.Get("Keep-Alive"))
	}
}

// TestConfiguration holds a pod that is configured wrongly to ending at once, with every problem in one line and no
// value of a variable.
func TestConfiguration(t *testing.T) {
	s := need(t)
	env := s.environ(t, "staging", map[string]string{"POSTGRES_HOST": "", "REDIS_HOST": "", "POSTGRES_PORT": "secret", "LOG_LEVEL": "loud"})
	for _, args := range [][]string{{"--import", "./dist/tracing.js", "dist/main.js"}, {"dist/migrate.js"}} {
		cmd := s.command(t.Context(), env, nil, args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err == nil {
			t.Errorf("%v ends well: %s", args, &out)
		}
		for _, name := range []string{"POSTGRES_HOST", "REDIS_HOST", "POSTGRES_PORT", "LOG_LEVEL"} {
			if !strings.Contains(out.String(), name) {
				t.Errorf("%v says nothing of %s: %s", args, name, &out)
			}
		}
		if strings.Count(strings.TrimSpace(out.String()), "\n") != 0 || strings.Contains(out.String(), "secret") || strings.Contains(out.String(), password) {
			t.Errorf("%v says %s", args, &out)
		}
	}
}
