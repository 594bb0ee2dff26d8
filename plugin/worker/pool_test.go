package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// asWorker makes this binary the program that a pool starts.
const asWorker = "WORKER_TEST_PROCESS"

const memoryLimit = 192 << 20

// lateness is how long a process takes that gets ready late.
const lateness = 5 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv(asWorker) {
	case "":
		os.Exit(m.Run())
	case "late":
		time.Sleep(lateness)
		fallthrough
	case "render":
		if err := worker.Run(context.Background(), os.Stdin, os.Stdout, os.Stderr, memoryLimit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "panic":
		panic("a secret value")
	case "exit":
		os.Exit(3)
	case "babble":
		for range 1000 {
			fmt.Println("this is not what a worker says")
		}
	}
}

func newPool(t *testing.T, opts worker.Options, as string) *worker.Pool {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts.Command, opts.Env = []string{executable}, []string{asWorker + "=" + as}
	pool, err := worker.NewPool(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		until(t, "the end of all processes", func() bool { return pool.Processes() == 0 })
		if zombies := children(t); len(zombies) > 0 {
			t.Errorf("processes are left: %v", zombies)
		}
	})
	return pool
}

// children are the processes that this one has started, zombies included.
func children(t *testing.T) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	// Each thread has those that it has started.
	threads, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(threads) == 0 {
		t.Skip("the kernel does not list children: ", err)
	}
	var all []string
	for _, file := range threads {
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // a thread that has ended
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(data))...)
	}
	return all
}

func request(t testing.TB, application, template string) worker.Request {
	t.Helper()
	tree, err := source.NewMemory(map[string][]byte{
		"Chart.yaml":       []byte("apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
		"templates/a.yaml": []byte(template),
	})
	if err != nil {
		t.Fatal(err)
	}
	return worker.Request{
		Request:     plugin.Request{Parameters: plugin.Parameters{ReleaseName: application, Namespace: "shop"}},
		Application: application, Tree: tree,
	}
}

const (
	good  = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
	loop  = "{{ $l := until 100000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}"
	eater = `{{ range until 1000000 }}{{ $_ := set $ (print .) (repeat 1000000 "x") }}{{ end }}`
)

// mustRender renders something small, which has to work.
func mustRender(t *testing.T, pool *worker.Pool, application string) {
	t.Helper()
	r, err := pool.Do(t.Context(), request(t, application, good))
	if err != nil {
		t.Errorf("%s: %v", application, err)
		return
	}
	want := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + application + `"}}`
	if len(r.Manifests) != 1 || r.Manifests[0] != want {
		t.Errorf("%s: got %v", application, r.Manifests)
	}
}

func wantReason(t *testing.T, err error, reason string, texts ...string) {
	t.Helper()
	var failed *worker.Error
	if !errors.As(err, &failed) || failed.Reason != reason {
		t.Errorf("got %v, want the reason %s", err, reason)
		return
	}
	for _, text := range texts {
		if !strings.Contains(failed.Text, text) {
			t.Errorf("%q does not say %q", failed.Text, text)
		}
	}
}

func TestRenderThatIsKilled(t *testing.T) {
	for name, test := range map[string]struct {
		opts     worker.Options
		template string
		deadline time.Duration
		reason   string
		texts    []string
	}{
		"timeout":  {worker.Options{Timeout: 2 * time.Second}, loop, time.Minute, worker.ReasonTimeout, []string{"rendering templates for ", "--timeout", "2s"}},
		"deadline": {worker.Options{}, loop, 3 * time.Second, worker.ReasonDeadline, []string{"rendering templates for ", "_REPO_SERVER_TIMEOUT_SECONDS"}},
		"memory":   {worker.Options{}, eater, time.Minute, worker.ReasonMemory, []string{"--memory-limit"}},
		"at once":  {worker.Options{}, `{{ repeat 100000000000000 "x" }}`, time.Minute, worker.ReasonMemory, []string{"--memory-limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.opts.Workers, test.opts.SlowAfter = 2, time.Hour
			pool := newPool(t, test.opts, "render")
			ctx, cancel := context.WithTimeout(t.Context(), test.deadline)
			defer cancel()
			mustRender(t, pool, "warm")
			var neighbours sync.WaitGroup
			for i := range 4 {
				neighbours.Go(func() { mustRender(t, pool, fmt.Sprint("neighbour-", i)) })
			}
			_, err := pool.Do(ctx, request(t, "bad", test.template))
			neighbours.Wait()
			wantReason(t, err, test.reason, test.texts...)
			mustRender(t, pool, "bad") // the same Application, mended
			until(t, "two processes", func() bool { return pool.Processes() == 2 })
		})
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestCanceledRequest(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 1}, "render")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := pool.Do(ctx, request(t, "a", loop))
	wantReason(t, err, worker.ReasonCanceled, "gave up")
	mustRender(t, pool, "a")
}

func TestWorkerThatBreaksDown(t *testing.T) {
	for _, as := range []string{"panic", "exit", "babble"} {
		t.Run(as, func(t *testing.T) {
			pool := newPool(t, worker.Options{Workers: 1}, as)
			_, err := pool.Do(t.Context(), request(t, "a", good))
			wantReason(t, err, worker.ReasonCrash)
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells what was in the panic: %v", err)
			}
		})
	}
}

func TestProgramThatCannotBeStarted(t *testing.T) {
	if _, err := worker.NewPool(worker.Options{Command: []string{t.TempDir() + "/absent"}}); err == nil {
		t.Error("no error")
	}
}

// TestLoopsDoNotHoldUpOthers fills both lanes with renders that never end: the
// next one gets its turn, and the newest loops go on.
func TestLoopsDoNotHoldUpOthers(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 2, SlowWorkers: 2, SlowAfter: 50 * time.Millisecond, Timeout: 5 * time.Second}, "render")
	var loops sync.WaitGroup
	for i := range 2 {
		loops.Go(func() {
			_, err := pool.Do(t.Context(), request(t, fmt.Sprint("loop-", i), loop))
			wantReason(t, err, worker.ReasonTimeout)
		})
	}
	until(t, "the loops to be in the slow lane, with successors", func() bool { return pool.Processes() == 4 })
	for range 10 {
		mustRender(t, pool, "good")
	}
	loops.Wait()
	until(t, "two processes", func() bool { return pool.Processes() == 2 })
}

// TestStartIsNoSlowRender: the time that a process takes to get ready is not the render's, which keeps its place in the
// fast lane, and its process.
func TestStartIsNoSlowRender(t *testing.T) {
	const slowAfter = lateness - time.Second // long for the render itself, on a busy machine, too
	pool := newPool(t, worker.Options{Workers: 1, SlowWorkers: 1, SlowAfter: slowAfter}, "late")
	before := children(t)
	start := time.Now()
	mustRender(t, pool, "a")
	if took := time.Since(start); took < slowAfter {
		t.Fatalf("the process was ready after %s", took)
	}
	if after := children(t); runtime.GOOS == "linux" && (len(before) != 1 || !slices.Equal(before, after)) {
		t.Errorf("processes before: %v, after: %v", before, after)
	}
}

func TestQueueTellsAboutTheDeadline(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 1, SlowAfter: time.Hour}, "render")
	busy, stop := context.WithCancel(t.Context())
	var held sync.WaitGroup
	held.Go(func() { _, _ = pool.Do(busy, request(t, "a", loop)) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	<-time.After(50 * time.Millisecond) // whoever comes first, the second one waits
	_, err := pool.Do(ctx, request(t, "a", loop))
	wantReason(t, err, worker.ReasonQueue, "--workers")
	stop()
	held.Wait()
}

// TestFairness sends many requests of one Application and then one of another.
func TestFairness(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 1}, "render")
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	do := func(application string) {
		mustRender(t, pool, application)
		mu.Lock()
		order = append(order, application)
		mu.Unlock()
	}
	for range 50 {
		all.Go(func() { do("greedy") })
	}
	until(t, "the first answer", func() bool { mu.Lock(); defer mu.Unlock(); return len(order) > 0 })
	all.Go(func() { do("modest") })
	all.Wait()
	for i, application := range order {
		if application == "modest" && i > 25 {
			t.Errorf("it was the turn of the other Application only after %d", i)
		}
	}
}

func TestClosedPool(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 1}, "render")
	pool.Close()
	_, err := pool.Do(t.Context(), request(t, "a", good))
	wantReason(t, err, worker.ReasonShutdown)
}

// TestConversationIsAboutTheTree asks for files that were not known beforehand.
func TestConversationIsAboutTheTree(t *testing.T) {
	pool := newPool(t, worker.Options{Workers: 1}, "render")
	req := request(t, "a", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  v: {{ .Values.v | quote }}\n")
	tree, err := source.NewMemory(map[string][]byte{
		"app/Chart.yaml":       []byte("apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
		"app/templates/a.yaml": []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  v: {{ .Values.v | quote }}\n"),
		"shared/values.yaml":   []byte("v: from elsewhere\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	req.Tree, req.Dir, req.ValueFiles = tree, "app", []string{"/shared/values.yaml"}
	r, err := pool.Do(t.Context(), req)
	if err != nil || len(r.Manifests) != 1 || !strings.Contains(r.Manifests[0], "from elsewhere") {
		t.Fatalf("got %v, %v", r.Manifests, err)
	}
	for _, a := range r.Asked {
		if a.Name == "shared/values.yaml" {
			return
		}
	}
	t.Errorf("what was asked does not tell of the file: %v", r.Asked)
}
