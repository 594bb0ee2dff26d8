package cmpserver_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmppb"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

const workerVariable = "CMPSERVER_TEST_WORKER"

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

type setup struct {
	pool   worker.Options
	cache  int64
	server cmpserver.Options
}

// start serves with real workers, which are this binary.
func start(t testing.TB, s setup) (socket string) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.pool.Command, s.pool.Env = []string{executable}, []string{workerVariable + "=1"}
	pool, err := worker.NewPool(s.pool)
	if err != nil {
		t.Fatal(err)
	}
	socket = serveOn(t, cache.New(pool, cache.Options{Bytes: s.cache}), s.server)
	t.Cleanup(pool.Close)
	return socket
}

func TestGenerate(t *testing.T) {
	for name, s := range map[string]setup{"without a cache": {}, "with a cache": {cache: 1 << 20, server: cmpserver.Options{KeepArchives: true}}} {
		t.Run(name, func(t *testing.T) {
			socket := start(t, s)
			first, err := cmptest.CorePipeline(t, "../..").Generate(within(t, time.Minute), socket)
			if err != nil {
				t.Fatal(err)
			}
			if len(first) < 5 || !strings.Contains(strings.Join(first, ""), `"kind":"Deployment"`) {
				t.Fatalf("got %d manifests", len(first))
			}
			again, err := cmptest.CorePipeline(t, "../..").Generate(within(t, time.Minute), socket)
			if err != nil || strings.Join(again, "\n") != strings.Join(first, "\n") {
				t.Errorf("the second answer differs: %v", err)
			}
		})
	}
}

func TestChunkSizes(t *testing.T) {
	socket := start(t, setup{})
	archive := cmptest.Chart(t, cmptest.ConfigMap)
	for _, size := range []int{1, 7, 1024, 1 << 20} {
		got, err := cmptest.Call{Archive: archive, Env: cmptest.Env("shop", "null"), Chunk: size}.Generate(within(t, time.Minute), socket)
		if err != nil || len(got) != 1 || got[0] != `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"shop"}}` {
			t.Errorf("chunks of %d bytes: %v, %v", size, got, err)
		}
	}
}

// fake answers without a worker.
type fake func(context.Context, worker.Request) (worker.Result, error)

func (f fake) Do(ctx context.Context, r worker.Request, _ string) (worker.Result, error) {
	return f(ctx, r)
}

func TestDeadlineLeavesTimeToAnswer(t *testing.T) {
	left := make(chan time.Duration, 1)
	socket := serveOn(t, fake(func(ctx context.Context, _ worker.Request) (worker.Result, error) {
		deadline, _ := ctx.Deadline()
		left <- time.Until(deadline)
		return worker.Result{}, nil
	}), cmpserver.Options{})
	if _, err := (cmptest.Call{Archive: cmptest.Chart(t, ""), Env: cmptest.Env("a", "null")}).Generate(within(t, time.Hour), socket); err != nil {
		t.Fatal(err)
	}
	if d := <-left; d > time.Hour-100*time.Millisecond || d < time.Hour-time.Minute {
		t.Errorf("%s are left", d)
	}
}

func TestSenderThatStops(t *testing.T) {
	before := runtime.NumGoroutine()
	socket := serveOn(t, fake(func(context.Context, worker.Request) (worker.Result, error) {
		return worker.Result{}, nil
	}), cmpserver.Options{ReceiveTimeout: 50 * time.Millisecond})
	stream := open(t, socket)
	archive := cmptest.Chart(t, cmptest.ConfigMap)
	if err := stream.Send(cmptest.Call{Archive: archive}.Metadata()); err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(cmptest.File(archive[:100])); err != nil {
		t.Fatal(err)
	}
	err := stream.RecvMsg(&cmppb.ManifestResponse{})
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "--receive-timeout") {
		t.Errorf("got %v", err)
	}
	settled(t, before+12) // those of the two ends of the connection
}

// settled waits until there are at most n goroutines.
func settled(t testing.TB, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := runtime.NumGoroutine()
		if got <= n {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d goroutines are left, want at most %d", got, n)
			return
		}
	}
}

// TestIntakeIsBounded sends more at once than there may be in memory: the
// requests wait for each other, none is refused.
func TestIntakeIsBounded(t *testing.T) {
	const clients, size, limit = 12, 1 << 20, 3 << 20
	var mu sync.Mutex
	inside, most := 0, 0
	socket := serveOn(t, fake(func(context.Context, worker.Request) (worker.Result, error) {
		mu.Lock()
		inside++
		most = max(most, inside)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond) // hold the memory for a while
		mu.Lock()
		inside--
		mu.Unlock()
		return worker.Result{}, nil
	}), cmpserver.Options{IntakeBytes: limit})
	archive := cmptest.Chart(t, cmptest.ConfigMap, cmptest.Entry{Name: "big", Data: strings.Repeat("x", size)})
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			if _, err := (cmptest.Call{Archive: archive, Env: cmptest.Env("a", "null")}).Generate(within(t, time.Minute), socket); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most > limit/size+1 {
		t.Errorf("%d repositories were in memory at a time", most)
	}
}

func TestLimitNamesTheFlagAndArgoCDsLevers(t *testing.T) {
	socket := serveOn(t, fake(nil), cmpserver.Options{Limits: source.Limits{MaxTotalBytes: 1000}})
	_, err := cmptest.Call{Archive: cmptest.Chart(t, strings.Repeat("x", 2000)), Env: cmptest.Env("a", "null")}.Generate(within(t, time.Minute), socket)
	for _, want := range []string{"--max-total-bytes", "reposerver.plugin.tar.exclusions", "reposerver.plugin.use.manifest.generate.paths"} {
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
