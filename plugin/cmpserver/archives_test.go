package cmpserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

func emptyTree(t *testing.T) *source.Memory {
	t.Helper()
	tree, err := source.NewMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func mustReserve(t *testing.T, p *account, n int64) {
	t.Helper()
	if err := p.reserve(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestReserveWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(100, 0)
		rendered := &account{archives: a}
		mustReserve(t, rendered, 80)
		complete := a.add("x", emptyTree(t), rendered)
		done := make(chan struct{})
		p := &account{archives: a}
		go func() {
			defer close(done)
			mustReserve(t, p, 30)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("110 of 100 bytes, and most of them in use by what needs no more")
		default:
		}
		a.release(complete)
		<-done
		p.close()
		if a.bytes() != 0 {
			t.Errorf("%d bytes are lost", a.bytes())
		}
	})
}

// TestReceiversDoNotBlockEachOther fills the memory with repositories none of
// which is complete: one of them must come to its end.
func TestReceiversDoNotBlockEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(100, 0)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				p := &account{archives: a}
				for range 6 {
					mustReserve(t, p, 10)
					time.Sleep(time.Millisecond)
				}
				r := a.add("", emptyTree(t), p)
				p.close()
				time.Sleep(time.Millisecond)
				a.release(r)
			})
		}
		all.Wait()
		if a.bytes() != 0 || a.beyond != nil || len(a.waiting) != 0 || a.rendered != 0 {
			t.Errorf("something is left: %+v", a)
		}
	})
}

func TestReserveEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(100, 0)
		held := &account{archives: a}
		mustReserve(t, held, 100)
		r := a.add("x", emptyTree(t), held)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := &account{archives: a}
		if err := p.reserve(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		p.close()
		a.release(r)
		if a.bytes() != 0 || len(a.waiting) != 0 {
			t.Errorf("something is left: %+v", a)
		}
	})
}

func TestArchivesAreKeptWithinABound(t *testing.T) {
	a := newArchives(100, 25)
	for i := range 10 {
		p := &account{archives: a}
		mustReserve(t, p, 10)
		a.release(a.add(fmt.Sprint(i), emptyTree(t), p))
	}
	if a.bytes() != 20 || a.find("9") == nil || a.find("8") == nil || a.find("7") != nil {
		t.Errorf("kept %d bytes: %v", a.bytes(), a.trees)
	}
	// Those in use now are not idle any more: room for others comes from idle ones only.
	p := &account{archives: a}
	mustReserve(t, p, 80)
	if a.bytes() != 100 || len(a.trees) != 2 {
		t.Errorf("%d bytes, %v", a.bytes(), a.trees)
	}
	p.close()
}

// TestNoByteIsLost lets many requests come and go in every way there is.
func TestNoByteIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(1000, 250)
		tree := emptyTree(t)
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
					checksum := fmt.Sprint(random.IntN(10))
					if found := a.find(checksum); found != nil {
						time.Sleep(time.Millisecond)
						a.release(found)
						cancel()
						continue
					}
					p := &account{archives: a}
					var err error
					for range random.IntN(5) {
						if err = p.reserve(ctx, int64(random.IntN(200))); err != nil {
							break
						}
						time.Sleep(time.Millisecond)
					}
					if err == nil {
						r := a.add(checksum, tree, p)
						time.Sleep(time.Millisecond)
						a.release(r)
					}
					p.close()
					cancel()
				}
			})
		}
		all.Wait()
		idle := int64(0)
		for _, r := range a.idle {
			idle += r.bytes
		}
		if a.bytes() != idle || idle > 250 || a.beyond != nil || len(a.waiting) != 0 || a.rendered != 0 {
			t.Errorf("%d bytes in use, %d of them idle: %+v", a.bytes(), idle, a)
		}
	})
}

// TestLatest: the trees that were received last are known as long as somebody
// holds them, and no longer.
func TestLatest(t *testing.T) {
	a := newArchives(100, 0)
	var held []*archive
	for n := range mostLatest + 2 {
		p := &account{archives: a}
		held = append(held, a.add(fmt.Sprint(n), emptyTree(t), p))
	}
	like := a.like()
	if len(like) != mostLatest || like[0] != held[len(held)-1].tree || like[mostLatest-1] != held[2].tree {
		t.Errorf("got %d trees, and not the last %d", len(like), mostLatest)
	}
	runtime.KeepAlive(held)
	for _, done := range held {
		a.release(done)
	}
	held, like = nil, nil //nolint:ineffassign,wastedassign // so that nobody holds them
	for deadline := time.Now().Add(10 * time.Second); len(a.like()) > 0; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("trees are held that nobody needs")
		}
	}
}
