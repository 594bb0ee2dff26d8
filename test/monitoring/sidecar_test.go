package monitoring

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
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
	"google.golang.org/grpc/credentials/insecure"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
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

const (
	chart   = "apiVersion: v2\nname: a\nversion: 1.0.0\n"
	object  = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
	endless = "{{ $l := until 100000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}"
)

// series are the metrics that a sidecar exposes.
type series struct {
	// text is the answer to GET /metrics.
	text string
	// labels are the values that each label of each metric has.
	labels map[string]map[string]map[string]bool
}

// exposed asks a server for its metrics after requests that ended in every
// way that a test can cause.
var exposed = sync.OnceValues(func() (series, error) {
	s, err := serve()
	if err != nil {
		return series{}, err
	}
	defer s.close()
	good := call{archive: pack(map[string]string{
		"Chart.yaml": chart, "templates/a.yaml": object, "values-dev.yaml": "a: 1\n",
		"overlays/dev/kustomization.yaml": "commonAnnotations: {a: b}\n",
	}), parameters: `[{"name":"environment","string":"dev"}]`}
	slow := call{archive: pack(map[string]string{"Chart.yaml": chart, "templates/a.yaml": endless})}
	for name, c := range map[string]call{
		"invalid": {archive: pack(map[string]string{"Chart.yaml": chart, "templates/a.yaml": "{{"})},
		"outside": {archive: pack(map[string]string{"../Chart.yaml": chart})},
		"another": {archive: slow.archive, checksum: strings.Repeat("0", 2*sha256.Size)},
	} {
		if err := s.generate(c); err == nil {
			return series{}, errors.New(name + " is not refused")
		}
	}
	// The second time is a hit, the third one of the other methods.
	if err := errors.Join(s.generate(good), s.generate(good), s.announce(good)); err != nil {
		return series{}, err
	}
	// Two equal requests share a render, which is ended at --timeout.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { _ = s.generate(slow) })
	}
	both.Wait()
	return s.scrape(), nil
})

// call is a request; the checksum is the archive's unless set.
type call struct {
	archive              []byte
	checksum, parameters string
}

type sidecar struct {
	metrics *telemetry.Metrics
	pool    *worker.Pool
	server  *grpc.Server
	client  cmppb.ConfigManagementPluginServiceClient
	dir     string
}

func serve() (*sidecar, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sidecar{metrics: telemetry.NewMetrics()}
	s.pool, err = worker.NewPool(worker.Options{
		Command: []string{executable}, Env: []string{workerVariable + "=1"},
		Workers: 2, Timeout: 3 * time.Second, Metrics: s.metrics,
	})
	if err != nil {
		return nil, err
	}
	results := cache.New(s.pool, cache.Options{Bytes: cache.DefaultBytes, Metrics: s.metrics})
	s.server, _ = cmpserver.New(results, cmpserver.Options{Limits: source.Limits{}, KeepArchives: true, Metrics: s.metrics})
	if s.dir, err = os.MkdirTemp("", "monitoring"); err != nil {
		return nil, err
	}
	socket := filepath.Join(s.dir, "s.sock")
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, err
	}
	go func() { _ = s.server.Serve(listener) }()
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	s.client = cmppb.NewConfigManagementPluginServiceClient(connection)
	return s, nil
}

func (s *sidecar) close() {
	s.server.Stop()
	s.pool.Close()
	_ = os.RemoveAll(s.dir)
}

func (s *sidecar) generate(c call) error {
	stream, err := s.client.GenerateManifest(context.Background())
	if err != nil {
		return err
	}
	c.send(stream.Send)
	_, err = stream.CloseAndRecv()
	return err
}

func (s *sidecar) announce(c call) error {
	stream, err := s.client.GetParametersAnnouncement(context.Background())
	if err != nil {
		return err
	}
	c.send(stream.Send)
	_, err = stream.CloseAndRecv()
	return err
}

// send leaves errors to the answer: what goes wrong here is the stream's end.
func (c call) send(send func(*cmppb.AppStreamRequest) error) {
	if c.checksum == "" {
		sum := sha256.Sum256(c.archive)
		c.checksum = hex.EncodeToString(sum[:])
	}
	metadata := &cmppb.ManifestRequestMetadata{AppRelPath: ".", Checksum: c.checksum, Env: []*cmppb.EnvEntry{
		{Name: "ARGOCD_APP_NAME", Value: "shop"}, {Name: "ARGOCD_APP_NAMESPACE", Value: "team"},
		{Name: "ARGOCD_APP_PARAMETERS", Value: c.parameters},
	}}
	_ = send(&cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_Metadata{Metadata: metadata}})
	_ = send(&cmppb.AppStreamRequest{Request: &cmppb.AppStreamRequest_File{File: &cmppb.File{Chunk: c.archive}}})
}

func pack(files map[string]string) []byte {
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for name, text := range files {
		_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
		_, _ = io.WriteString(tw, text)
	}
	_ = tw.Close()
	_ = gz.Close()
	return out.Bytes()
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

func mustExpose(t *testing.T) series {
	t.Helper()
	s, err := exposed()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
