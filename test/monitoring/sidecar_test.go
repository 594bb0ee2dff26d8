package monitoring

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

const workerVariable = "MONITORING_TEST_WORKER"

// TestMain lets the test binary be its own worker.
func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		if err := worker.Run(context.Background(), os.Stdin, os.Stdout, os.Stderr, 128<<20); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const endless = "{{ $l := until 100000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}"

// series are the metrics that a sidecar exposes.
type series struct {
	// text is the answer to GET /metrics.
	text string
	// labels are the values that each label of each metric has.
	labels map[string]map[string]map[string]bool
}

// expose asks a server for its metrics after requests that ended in every way
// that a test can cause.
func expose(t *testing.T) series {
	t.Helper()
	s := serve(t)
	defer s.close()
	call := func(archive []byte, parameters string) cmptest.Call {
		return cmptest.Call{Archive: archive, Env: cmptest.Env("shop", parameters)}
	}
	good := call(cmptest.Chart(t, cmptest.ConfigMap, cmptest.Entry{Name: "values-dev.yaml", Data: "a: 1\n"},
		cmptest.Entry{Name: "overlays/dev/kustomization.yaml", Data: "commonAnnotations: {a: b}\n"}), `[{"name":"environment","string":"dev"}]`)
	slow := call(cmptest.Chart(t, endless), "null")
	another := slow
	another.Checksum = strings.Repeat("0", 2*sha256.Size)
	for name, c := range map[string]cmptest.Call{
		"invalid": call(cmptest.Chart(t, "{{"), "null"),
		"outside": call(cmptest.Pack(t, cmptest.Entry{Name: "../Chart.yaml", Data: "a"}), "null"),
		"another": another,
	} {
		if _, err := c.Generate(t.Context(), s.socket); err == nil {
			t.Fatal(name + " is not refused")
		}
	}
	// The second time is a hit, the third one of the other methods.
	for range 2 {
		if _, err := good.Generate(t.Context(), s.socket); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.announce(t, good); err != nil {
		t.Fatal(err)
	}
	// Two equal requests share a render, which is ended at --timeout.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { _, _ = slow.Generate(t.Context(), s.socket) })
	}
	both.Wait()
	return s.scrape()
}

type sidecar struct {
	metrics *telemetry.Metrics
	pool    *worker.Pool
	server  *grpc.Server
	socket  string
}

func serve(t *testing.T) *sidecar {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &sidecar{metrics: telemetry.NewMetrics()}
	s.pool, err = worker.NewPool(worker.Options{
		Command: []string{executable}, Env: []string{workerVariable + "=1"},
		Workers: 2, Timeout: 3 * time.Second, Metrics: s.metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	results := cache.New(s.pool, cache.Options{Bytes: cache.DefaultBytes, Metrics: s.metrics})
	s.server, _ = cmpserver.New(results, cmpserver.Options{KeepArchives: true, Metrics: s.metrics})
	dir, err := os.MkdirTemp("", "monitoring") //nolint:usetesting // the path of a socket is short, that of t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.socket = filepath.Join(dir, "s.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.server.Serve(listener) }()
	return s
}

func (s *sidecar) close() {
	s.server.Stop()
	s.pool.Close()
}

func (s *sidecar) announce(t *testing.T, c cmptest.Call) error {
	t.Helper()
	client, hangUp, err := cmptest.Dial(s.socket)
	if err != nil {
		return err
	}
	defer hangUp()
	stream, err := client.GetParametersAnnouncement(t.Context())
	if err != nil {
		return err
	}
	for _, m := range c.All() {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

var (
	sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? `)
	pair   = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

func (s *sidecar) scrape() series {
	response := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(response, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil))
	out := series{text: response.Body.String(), labels: map[string]map[string]map[string]bool{}}
	for _, m := range sample.FindAllStringSubmatch(out.text, -1) {
		if out.labels[m[1]] == nil {
			out.labels[m[1]] = map[string]map[string]bool{}
		}
		for _, label := range pair.FindAllStringSubmatch(m[2], -1) {
			if out.labels[m[1]][label[1]] == nil {
				out.labels[m[1]][label[1]] = map[string]bool{}
			}
			out.labels[m[1]][label[1]][label[2]] = true
		}
	}
	return out
}

// exposed is what all tests look at.
var exposed struct {
	once   sync.Once
	series series
}

func mustExpose(t *testing.T) series {
	t.Helper()
	exposed.once.Do(func() { exposed.series = expose(t) })
	return exposed.series
}
