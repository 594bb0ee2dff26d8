package worker

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func anybody(string) bool { return true }

func TestQueueTakesTurnsBetweenApplications(t *testing.T) {
	var q queue
	for _, application := range []string{"a", "a", "a", "b", "c", "c"} {
		q.push(application)
	}
	var got []string
	for next := q.pop(anybody); next != nil; next = q.pop(anybody) {
		got = append(got, next.application)
	}
	if want := []string{"a", "b", "c", "a", "c", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if q.size != 0 || len(q.waiting) != 0 || len(q.turns) != 0 {
		t.Errorf("something is left: %+v", q)
	}
}

func TestQueuePassesOverThoseThatMayNot(t *testing.T) {
	var q queue
	q.push("a")
	q.push("b")
	if got := q.pop(func(application string) bool { return application != "a" }); got == nil || got.application != "b" {
		t.Errorf("got %+v, want b", got)
	}
	if got := q.pop(func(string) bool { return false }); got != nil {
		t.Errorf("got %+v, want nothing", got)
	}
	if got := q.pop(anybody); got == nil || got.application != "a" {
		t.Errorf("got %+v, want a: it must keep its turn", got)
	}
}

func TestQueueRemove(t *testing.T) {
	var q queue
	first, second := q.push("a"), q.push("a")
	alone := q.push("b")
	if !q.remove(first) || q.remove(first) || !q.remove(alone) {
		t.Error("a ticket is removed once")
	}
	if got := q.pop(anybody); got != second {
		t.Errorf("got %+v, want the second of a", got)
	}
	if q.remove(second) || q.size != 0 || len(q.turns) != 0 {
		t.Errorf("something is left: %+v", q)
	}
}

// testLanes has one place in the fast lane and one in the slow lane.
func testLanes() *lanes {
	return &lanes{slowAfter: time.Second, safe: 10 * time.Second, perApplication: 1, fast: 1, slow: 1}
}

func mustAcquire(t *testing.T, l *lanes, application string, onSlow, end func()) *place {
	t.Helper()
	if onSlow == nil {
		onSlow = func() {}
	}
	if end == nil {
		end = func() { t.Errorf("%s was ended", application) }
	}
	p, err := l.acquire(t.Context(), application, onSlow, end)
	if err != nil {
		t.Fatal(err)
	}
	p.begin()
	return p
}

func TestProcessThatGetsReadyIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLanes()
		var demoted atomic.Bool
		p, err := l.acquire(t.Context(), "a", func() { demoted.Store(true) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		p.begin()
		time.Sleep(999 * time.Millisecond)
		p.begin() // once is enough
		if synctest.Wait(); demoted.Load() {
			t.Error("the time before the beginning counts")
		}
		time.Sleep(time.Millisecond)
		if synctest.Wait(); !demoted.Load() {
			t.Error("not in the slow lane after a second")
		}
		p.release()
	})
}

func TestSlowRenderLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLanes()
		var demoted atomic.Bool
		slow := mustAcquire(t, l, "slow", func() { demoted.Store(true) }, nil)
		begin := time.Now()
		quick := mustAcquire(t, l, "quick", nil, nil) // waits for the slow lane to take the other
		if took := time.Since(begin); took != time.Second || !demoted.Load() {
			t.Errorf("waited %s, demoted %v", took, demoted.Load())
		}
		if quick.release() || !slow.release() {
			t.Error("release tells which lane a place was in")
		}
		if l.fast != 1 || l.slow != 1 || len(l.running) != 0 || len(l.slowLane) != 0 {
			t.Errorf("places are lost: %+v", l)
		}
	})
}

func TestFullSlowLaneMakesRoomOnlyForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLanes()
		ended := make(chan struct{}, 1)
		oldest := mustAcquire(t, l, "oldest", nil, func() {
			select {
			case ended <- struct{}{}:
			default:
			}
		})
		time.Sleep(2 * time.Second) // of the bubble's clock: it is in the slow lane now
		second := mustAcquire(t, l, "second", nil, nil)
		time.Sleep(time.Minute)
		select {
		case <-ended:
			t.Fatal("ended though nobody waits")
		default:
		}
		begin := time.Now()
		go func() {
			<-ended
			oldest.release()
		}()
		third := mustAcquire(t, l, "third", nil, nil)
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("waited %s", took)
		}
		second.release()
		third.release()
		synctest.Wait()
		if l.fast != 1 || l.slow != 1 {
			t.Errorf("places are lost: %+v", l)
		}
	})
}

func TestSlowRenderIsSafeForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLanes()
		ended := make(chan time.Duration, 1)
		begin := time.Now()
		oldest := mustAcquire(t, l, "oldest", nil, func() {
			select {
			case ended <- time.Since(begin):
			default:
			}
		})
		time.Sleep(1100 * time.Millisecond)
		second := mustAcquire(t, l, "second", nil, nil)
		waiting, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if p, err := l.acquire(waiting, "third", func() {}, func() {}); err == nil {
				p.release()
			}
		}()
		if after := <-ended; after < 11*time.Second {
			t.Errorf("ended after %s", after)
		}
		cancel()
		<-done
		oldest.release()
		second.release()
	})
}

func TestOneApplicationCannotTakeEveryPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lanes{slowAfter: time.Hour, perApplication: 2, fast: 3, slow: 1}
		first, second := mustAcquire(t, l, "greedy", nil, nil), mustAcquire(t, l, "greedy", nil, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.acquire(ctx, "greedy", nil, nil); err == nil {
			t.Error("a third place")
		}
		other := mustAcquire(t, l, "other", nil, nil)
		for _, p := range []*place{first, second, other} {
			p.release()
		}
	})
}

func TestLeavingTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLanes()
		l.slow = 0
		held := mustAcquire(t, l, "a", nil, nil)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
			if _, err := l.acquire(ctx, fmt.Sprint(i), nil, nil); err == nil {
				t.Error("there was no place")
			}
			cancel()
		}
		if l.waiting() != 0 {
			t.Errorf("%d still wait", l.waiting())
		}
		held.release()
		if l.fast != 1 || len(l.running) != 0 {
			t.Errorf("places are lost: %+v", l)
		}
	})
}
