package cache

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/telemetry"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/worker"
)

// DefaultBytes is the size of a cache in [Options].
const DefaultBytes int64 = 64 << 20

// maxVariants is how many results of one request are kept: those of its last
// commits, and of clusters with different API versions.
const maxVariants = 8

// Renderer renders what is not remembered. It is a *worker.Pool.
type Renderer interface {
	Do(ctx context.Context, req worker.Request) (worker.Result, error)
}

// Options configures a Cache.
type Options struct {
	// Bytes bounds what is remembered; 0 remembers nothing and renders every
	// request on its own. Flag --cache-bytes.
	Bytes int64
	// Version is that of the program.
	Version string
	// Metrics counts; nil for none.
	Metrics *telemetry.Metrics
}

// Cache is a Renderer that remembers. It is safe for concurrent use.
type Cache struct {
	next Renderer
	opts Options

	mu      sync.Mutex
	size    int64
	recent  *list.List // of *entry, the last used first
	results map[key][]*list.Element
	flights map[flightKey]*flight
}

type key [sha256.Size]byte

type entry struct {
	key    key
	asked  []observe.Ask
	digest [sha256.Size]byte
	// tree is one that was seen to have the digest; "" if that has no name. It
	// is guarded by Cache.mu.
	tree   string
	result worker.Result
	// versions are those of the request that the render could see.
	versions []string
	size     int64
}

// New returns an empty cache in front of next.
func New(next Renderer, opts Options) *Cache {
	c := &Cache{next: next, opts: opts, recent: list.New(), results: map[key][]*list.Element{}, flights: map[flightKey]*flight{}}
	opts.Metrics.Gauge("cache_bytes", "Bytes of results that are remembered.", func() float64 { return float64(c.Size()) })
	return c
}

// Size is how many bytes are remembered.
func (c *Cache) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Do returns the result of req. treeID is equal only for equal trees; it is ""
// if that is not known.
func (c *Cache) Do(ctx context.Context, req worker.Request, treeID string) (worker.Result, error) {
	if c.opts.Bytes <= 0 {
		c.opts.Metrics.Cache("uncached")
		return c.next.Do(ctx, req)
	}
	k, err := keyOf(req, c.opts.Version)
	if err != nil {
		return worker.Result{}, err
	}
	if r, ok := c.find(k, req, treeID); ok {
		c.opts.Metrics.Cache("hit")
		return r, nil
	}
	r, shared, err := c.fly(ctx, flightKey{k, treeID, versionsDigest(req)}, func(ctx context.Context) (worker.Result, error) {
		r, err := c.next.Do(ctx, req)
		if err == nil {
			c.remember(k, req, treeID, r)
		}
		return r, err
	})
	if shared {
		c.opts.Metrics.Cache("shared")
	} else {
		c.opts.Metrics.Cache("miss")
	}
	return r, err
}

// keyOf covers all of the request but the API versions, and the program.
func keyOf(req worker.Request, version string) (key, error) {
	parameters := req.Request
	parameters.APIVersions = nil
	data, err := json.Marshal(struct {
		Version  string
		Announce bool
		Request  any
	}{version, req.Announce, parameters})
	if err != nil {
		return key{}, fmt.Errorf("encoding the request: %w", err)
	}
	return sha256.Sum256(data), nil
}

func versionsDigest(req worker.Request) [sha256.Size]byte {
	data, _ := json.Marshal(req.APIVersions) //nolint:errchkjson // strings
	return sha256.Sum256(data)
}

// find returns a result of which everything that its render observed is the
// same in req.
func (c *Cache) find(k key, req worker.Request, treeID string) (worker.Result, bool) {
	c.mu.Lock()
	candidates := slices.Clone(c.results[k])
	c.mu.Unlock()
	for _, element := range candidates {
		e := element.Value.(*entry) //nolint:forcetypeassert // the list holds nothing else
		if slices.Equal(e.versions, seenVersions(e.result, req)) && c.sees(e, req.Tree, treeID) {
			c.mu.Lock()
			c.recent.MoveToFront(element)
			c.mu.Unlock()
			return e.result, true
		}
	}
	return worker.Result{}, false
}

// sees reports whether the render of e would see no difference in tree. The
// tree of the last time is known by its name.
func (c *Cache) sees(e *entry, tree observe.Source, treeID string) bool {
	c.mu.Lock()
	same := treeID != "" && e.tree == treeID
	c.mu.Unlock()
	if same {
		return true
	}
	if observe.DigestAll(tree, e.asked) != e.digest {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.tree = treeID
	return true
}

// seenVersions are the API versions of req that a render with the result r
// could tell from others.
func seenVersions(r worker.Result, req worker.Request) []string {
	if r.APIVersions.All {
		return req.APIVersions
	}
	var seen []string
	for _, name := range r.APIVersions.Names {
		if slices.Contains(req.APIVersions, name) {
			seen = append(seen, name)
		}
	}
	return seen
}

func (c *Cache) remember(k key, req worker.Request, treeID string, r worker.Result) {
	e := &entry{
		key: k, asked: r.Asked, digest: observe.DigestAll(req.Tree, r.Asked),
		tree: treeID, result: r, versions: slices.Clone(seenVersions(r, req)), size: sizeOf(r),
	}
	if e.size > c.opts.Bytes/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, element := range c.results[k] {
		other := element.Value.(*entry) //nolint:forcetypeassert // the list holds nothing else
		if other.digest == e.digest && slices.Equal(other.versions, e.versions) && slices.Equal(other.asked, e.asked) {
			return
		}
	}
	if variants := c.results[k]; len(variants) >= maxVariants {
		c.forget(variants[0])
	}
	c.results[k] = append(c.results[k], c.recent.PushFront(e))
	for c.size += e.size; c.size > c.opts.Bytes; {
		c.forget(c.recent.Back())
	}
}

// forget removes a result. The caller holds mu.
func (c *Cache) forget(element *list.Element) {
	e := c.recent.Remove(element).(*entry) //nolint:forcetypeassert // the list holds nothing else
	c.size -= e.size
	rest := slices.DeleteFunc(slices.Clone(c.results[e.key]), func(other *list.Element) bool { return other == element })
	if len(rest) == 0 {
		delete(c.results, e.key)
		return
	}
	c.results[e.key] = rest
}

// sizeOf is about what a result needs in memory.
func sizeOf(r worker.Result) int64 {
	const perItem = 64
	size := 512
	for _, m := range r.Manifests {
		size += len(m) + perItem
	}
	for _, a := range r.Announcements {
		size += len(a.Name) + len(a.Title) + len(a.Tooltip) + len(a.String) + 4*perItem
	}
	for _, a := range r.Asked {
		size += len(a.Name) + perItem
	}
	return int64(size)
}
