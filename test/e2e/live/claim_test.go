package live

import (
	"sync"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// thing is what a test changes, or wants left alone while it runs.
type thing string

// Of each Application its objects, that is what is written down; of some what becomes of their pods, too.
const (
	devObjects     thing = "dev"
	stagingObjects thing = "staging"
	stagingPods    thing = "staging's pods"
	canaryObjects  thing = "prod's canary"
	canaryPods     thing = "the pods of prod's canary"
	mainObjects    thing = "the rest of prod"
	mainPods       thing = "the pods of the rest of prod"
)

// ofTarget are the objects and the pods of a target.
var ofTarget = map[string][]thing{
	"dev-eu-1":     {devObjects},
	"staging-eu-1": {stagingObjects, stagingPods},
	"prod-eu-1":    {canaryObjects, canaryPods},
	"prod-eu-2":    {mainObjects, mainPods},
}

// claims are a test's.
type claims map[thing]bool // true: it changes that

func changes(things ...thing) claims { return claims{}.with(true, things) }

func keeps(things ...thing) claims { return claims{}.with(false, things) }

func (c claims) keeps(things ...thing) claims { return c.with(false, things) }

func (c claims) with(change bool, things []thing) claims {
	for _, t := range things {
		c[t] = change
	}
	return c
}

// claimed is what the tests that run have claimed: how many keep a thing, or -1 where one changes it.
type claimed struct {
	mu    sync.Mutex
	freed *sync.Cond
	by    map[thing]int
}

func newClaimed() *claimed {
	c := &claimed{by: map[thing]int{}}
	c.freed = sync.NewCond(&c.mu)
	return c
}

// take waits until nobody changes what is wanted left alone, and nobody has claimed what is to be changed. It takes all
// at once, so that no two wait for each other.
func (c *claimed) take(wanted claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.free(wanted) {
		c.freed.Wait()
	}
	for t, change := range wanted {
		if change {
			c.by[t] = -1
		} else {
			c.by[t]++
		}
	}
}

func (c *claimed) free(wanted claims) bool {
	for t, change := range wanted {
		if c.by[t] < 0 || change && c.by[t] > 0 {
			return false
		}
	}
	return true
}

func (c *claimed) giveBack(taken claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, change := range taken {
		if change {
			c.by[t] = 0
		} else {
			c.by[t]--
		}
	}
	c.freed.Broadcast()
}

var all = newClaimed()

// claim takes what a test needs until it and what puts things back after it have ended. It comes before the latter.
func claim(t *testing.T, c claims) {
	t.Helper()
	all.take(c)
	t.Cleanup(func() { all.giveBack(c) })
}

// TestClaims: two that keep a thing have it together, one that changes it has it alone, and other things do not matter.
func TestClaims(t *testing.T) {
	c := newClaimed()
	c.take(keeps("a"))
	c.take(keeps("a").keeps("b"))
	for _, taken := range []claims{changes("a"), changes("c").keeps("a").with(true, []thing{"b"})} {
		if c.free(taken) {
			t.Errorf("%v is free", taken)
		}
	}
	if !c.free(changes("c").keeps("a", "b")) {
		t.Error("what only others keep is not free to keep")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.take(changes("a", "b"))
	}()
	c.giveBack(keeps("a"))
	c.giveBack(keeps("a", "b"))
	<-ended
	if c.free(keeps("b")) || c.free(changes("a")) || !c.free(changes("d")) {
		t.Errorf("after one has it alone: %v", c.by)
	}
	// A target that is not there would be claimed by nobody.
	for _, target := range platform.Targets {
		if len(ofTarget[target.Name]) == 0 {
			t.Errorf("nothing is known to be of %s", target.Name)
		}
	}
}
