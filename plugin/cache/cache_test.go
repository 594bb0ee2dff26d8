package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/cache"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

type renderer func(context.Context, worker.Request) (worker.Result, error)

func (r renderer) Do(ctx context.Context, req worker.Request) (worker.Result, error) {
	return r(ctx, req)
}

// counting answers with the content of the file named in the request's Dir.
func counting(renders *atomic.Int64) renderer {
	return func(_ context.Context, req worker.Request) (worker.Result, error) {
		renders.Add(1)
		a := observe.Ask{Op: observe.Read, Name: req.Dir}
		answer := observe.Look(req.Tree, a)
		if answer.Problem.Text != "" {
			return worker.Result{}, errors.New(answer.Problem.Text)
		}
		return worker.Result{Manifests: []string{string(answer.Data)}, Asked: []observe.Ask{a}, APIVersions: plugin.APIVersionUse{Names: []string{"asked/v1"}}}, nil
	}
}

func requestOf(t *testing.T, dir string, files map[string]string) worker.Request {
	t.Helper()
	content := map[string][]byte{}
	for name, text := range files {
		content[name] = []byte(text)
	}
	tree, err := source.NewMemory(content)
	if err != nil {
		t.Fatal(err)
	}
	return worker.Request{Request: plugin.Request{Dir: dir}, Tree: tree}
}

func mustDo(t *testing.T, c *cache.Cache, req worker.Request, want string) {
	t.Helper()
	r, err := c.Do(t.Context(), req, "")
	if err != nil || len(r.Manifests) != 1 || r.Manifests[0] != want {
		t.Errorf("got %v, %v; want %q", r.Manifests, err, want)
	}
}

func TestWhatWasNotObservedCostsNoRender(t *testing.T) {
	var renders atomic.Int64
	c := cache.New(counting(&renders), cache.Options{Bytes: 1 << 20})
	mustDo(t, c, requestOf(t, "a", map[string]string{"a": "1"}), "1")
	other := requestOf(t, "a", map[string]string{"a": "1", "unrelated": "x"})
	mustDo(t, c, other, "1")
	other.APIVersions = []string{"new/v1"}
	mustDo(t, c, other, "1")
	if n := renders.Load(); n != 1 {
		t.Errorf("%d renders for an unrelated file and an unrelated CRD, want 1", n)
	}
	other.APIVersions = []string{"new/v1", "asked/v1"}
	mustDo(t, c, other, "1")
	mustDo(t, c, requestOf(t, "a", map[string]string{"a": "2"}), "2")
	mustDo(t, c, requestOf(t, "b", map[string]string{"b": "3"}), "3")
	if n := renders.Load(); n != 4 {
		t.Errorf("%d renders, want 4: the version, the file and the request were different", n)
	}
	mustDo(t, c, requestOf(t, "a", map[string]string{"a": "1"}), "1") // a commit was reverted
	if n := renders.Load(); n != 4 {
		t.Errorf("%d renders, want 4: the first result was forgotten", n)
	}
}

func TestBytesAreBounded(t *testing.T) {
	var renders atomic.Int64
	const limit = 64 << 10
	c := cache.New(counting(&renders), cache.Options{Bytes: limit})
	for i := range 100 {
		text := strings.Repeat("x", 5000+i)
		mustDo(t, c, requestOf(t, "a", map[string]string{"a": text}), text)
		dir := fmt.Sprint(i)
		mustDo(t, c, requestOf(t, dir, map[string]string{dir: text}), text)
		if c.Size() > limit {
			t.Fatalf("%d bytes are remembered, the limit is %d", c.Size(), limit)
		}
	}
	large := strings.Repeat("x", limit)
	mustDo(t, c, requestOf(t, "large", map[string]string{"large": large}), large)
	if c.Size() < limit/2 || c.Size() > limit {
		t.Errorf("one large result left %d bytes", c.Size())
	}
	renders.Store(0)
	mustDo(t, c, requestOf(t, "99", map[string]string{"99": strings.Repeat("x", 5099)}), strings.Repeat("x", 5099))
	mustDo(t, c, requestOf(t, "0", map[string]string{"0": strings.Repeat("x", 5000)}), strings.Repeat("x", 5000))
	if n := renders.Load(); n != 1 {
		t.Errorf("%d renders, want 1: the last used is kept, the first is forgotten", n)
	}
}

func TestNoBytesIsNoCache(t *testing.T) {
	var renders atomic.Int64
	c := cache.New(counting(&renders), cache.Options{})
	for range 3 {
		mustDo(t, c, requestOf(t, "a", map[string]string{"a": "1"}), "1")
	}
	if renders.Load() != 3 || c.Size() != 0 {
		t.Errorf("%d renders, %d bytes", renders.Load(), c.Size())
	}
}

func TestFailuresAreNotRemembered(t *testing.T) {
	var renders atomic.Int64
	c := cache.New(counting(&renders), cache.Options{Bytes: 1 << 20})
	for range 2 {
		if _, err := c.Do(t.Context(), requestOf(t, "absent", nil), ""); err == nil {
			t.Error("no error")
		}
	}
	if renders.Load() != 2 || c.Size() != 0 {
		t.Errorf("%d renders, %d bytes", renders.Load(), c.Size())
	}
}

// waiting blocks until it is told to go on, or the request ends.
type waiting struct {
	renders atomic.Int64
	goOn    chan struct{}
}

func (w *waiting) Do(ctx context.Context, req worker.Request) (worker.Result, error) {
	w.renders.Add(1)
	select {
	case <-w.goOn:
		return counting(new(atomic.Int64))(ctx, req)
	case <-ctx.Done():
		return worker.Result{}, fmt.Errorf("ended: %w", context.Cause(ctx))
	}
}

func TestSameRequestsAreRenderedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		treeID string
		want   int64
	}{"the same tree": {"t", 1}, "trees that are not known to be the same": {"", 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &waiting{goOn: make(chan struct{})}
				c := cache.New(w, cache.Options{Bytes: 1 << 20})
				var all sync.WaitGroup
				for range 10 {
					all.Go(func() {
						r, err := c.Do(t.Context(), requestOf(t, "a", map[string]string{"a": "1"}), test.treeID)
						if err != nil || len(r.Manifests) != 1 {
							t.Errorf("got %v, %v", r, err)
						}
					})
				}
				synctest.Wait()
				close(w.goOn)
				all.Wait()
				if n := w.renders.Load(); n != test.want {
					t.Errorf("%d renders, want %d", n, test.want)
				}
			})
		})
	}
}

// TestFirstOneMayLeave ends the request that began a render others wait for,
// then the last of those.
func TestFirstOneMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{goOn: make(chan struct{})}
		c := cache.New(w, cache.Options{Bytes: 1 << 20})
		do := func(ctx context.Context) error {
			_, err := c.Do(ctx, requestOf(t, "a", map[string]string{"a": "1"}), "t")
			return err
		}
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := do(first); !errors.Is(err, context.Canceled) {
				t.Errorf("the first one got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := do(t.Context()); err != nil {
				t.Errorf("the second one got %v", err)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(w.goOn)
		all.Wait()
		if n := w.renders.Load(); n != 1 {
			t.Errorf("%d renders, want 1", n)
		}
	})
}

func TestLastOneEndsTheRender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{goOn: make(chan struct{})}
		c := cache.New(w, cache.Options{Bytes: 1 << 20})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := c.Do(ctx, requestOf(t, "a", map[string]string{"a": "1"}), "t"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		close(w.goOn)
		mustDo(t, c, requestOf(t, "a", map[string]string{"a": "1"}), "1")
		if n := w.renders.Load(); n != 2 {
			t.Errorf("%d renders, want 2: what was ended is rendered anew", n)
		}
	})
}
