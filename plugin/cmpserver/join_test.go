package cmpserver

import (
	"context"
	"testing"
	"testing/synctest"
)

// joined is the answer that a request gets in the end.
func joined(ctx context.Context, a *archives, checksum string) <-chan *archive {
	answer := make(chan *archive, 1)
	go func() {
		found, received := a.join(ctx, checksum)
		if found == nil {
			received()
		}
		answer <- found
	}()
	return answer
}

func TestTheSameArchiveIsReceivedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(1000, 500)
		found, received := a.join(t.Context(), "sum")
		if found != nil {
			t.Fatal("there is an archive already")
		}
		second, third := joined(t.Context(), a, "sum"), joined(t.Context(), a, "sum")
		if other := <-joined(t.Context(), a, "other"); other != nil {
			t.Error("another archive is taken for the same")
		}
		synctest.Wait()
		if len(second)+len(third) != 0 {
			t.Fatal("the others do not wait")
		}
		first := a.add("sum", emptyTree(t), &account{archives: a})
		received()
		for _, answer := range []<-chan *archive{second, third} {
			if got := <-answer; got != first {
				t.Errorf("got %p, want that of the first request", got)
			}
		}
		if first.users != 3 {
			t.Errorf("%d users", first.users)
		}
	})
}

func TestAnArchiveThatDoesNotArriveIsReceivedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(1000, 500)
		_, received := a.join(t.Context(), "sum")
		second := joined(t.Context(), a, "sum")
		synctest.Wait()
		received()
		if got := <-second; got != nil {
			t.Errorf("got %v", got)
		}
		if len(a.coming) != 0 {
			t.Errorf("%d are still said to come", len(a.coming))
		}
	})
}

func TestNobodyWaitsForASlowSenderForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArchives(1000, 500)
		_, received := a.join(t.Context(), "sum")
		defer received()
		ctx, cancel := context.WithCancel(t.Context())
		gone := joined(ctx, a, "sum")
		cancel()
		for _, answer := range []<-chan *archive{gone, joined(t.Context(), a, "sum")} {
			if got := <-answer; got != nil {
				t.Errorf("got %v", got)
			}
		}
	})
}
