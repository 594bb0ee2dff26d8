package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// rolloutTime is how long a commit may take to be everywhere, prod's canary before the rest of prod.
const rolloutTime = 6 * time.Minute

// restored puts the repository back to what it is now when the test ends, and waits until it is so everywhere.
func restored(t *testing.T, p *platform.Platform) {
	t.Helper()
	start := head(t, p)
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), rolloutTime)
		defer cancel()
		changed, err := p.Repository.Restore(ctx, start)
		if err != nil {
			t.Fatal(err)
		}
		revision := ""
		if changed {
			if revision, err = p.Publish(ctx, "Put everything back"); err != nil {
				t.Fatal(err)
			}
		}
		for {
			all, err := p.Applications(ctx)
			done := err == nil
			for _, target := range platform.Targets {
				a, there := all[target.Application()]
				done = done && there && a.Good() && (revision == "" || a.Status.Sync.Revision == revision)
				// The next sync would wait for the end of one that cannot succeed: for its tries, or a hook that never starts.
				if o := a.Status.OperationState; o.Phase == "Running" && o.SyncResult.Revision != "" && o.SyncResult.Revision != revision && a.Status.Sync.Revision == revision {
					if err := p.Terminate(ctx, target.Application()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if done {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("putting everything back: %v; seen:\n%s", errorOr(err, ctx.Err()), states(all))
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
}

// restoredFiles puts files that are a target's alone back to what they are now, when the test ends or, without committing
// it, when the function is called that it returns. Tests of other targets may commit meanwhile.
func restoredFiles(t *testing.T, p *platform.Platform, target platform.Target, files ...string) (back func()) {
	t.Helper()
	start := head(t, p)
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), rolloutTime)
		defer cancel()
		revision, err := publishRestored(ctx, p, start, files)
		if err != nil {
			t.Fatal(err)
		}
		for revision != "" {
			all, err := p.Applications(ctx)
			a := all[target.Application()]
			if err == nil && a.Good() && p.Repository.Has(ctx, a.Status.Sync.Revision, revision) {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("putting %s back: %v; seen: %s", target.Name, errorOr(err, ctx.Err()), a)
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	return func() {
		t.Helper()
		if _, err := p.Repository.RestoreFiles(t.Context(), start, files...); err != nil {
			t.Fatal(err)
		}
	}
}

// publishRestored publishes files as they were at a revision. Its own is empty if they are as they were.
func publishRestored(ctx context.Context, p *platform.Platform, start string, files []string) (string, error) {
	committing.Lock()
	defer committing.Unlock()
	changed, err := p.Repository.RestoreFiles(ctx, start, files...)
	if err != nil || !changed {
		return "", err
	}
	return p.Publish(ctx, "Put "+strings.Join(files, " and ")+" back")
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// head is the revision that Argo CD is to follow now.
func head(t *testing.T, p *platform.Platform) string {
	t.Helper()
	revision, err := p.Repository.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// committing is held from the first edit of a commit until Argo CD has seen it by tests that run beside others. All have
// one working tree; and of two webhooks within a second or two Argo CD can lose the second one: the refresh that it asks
// for goes with the annotation that the end of the first one removes, and the next comparison comes after minutes.
var committing sync.Mutex

// commit publishes what edits does.
func commit(t *testing.T, p *platform.Platform, message string, edits func()) string {
	t.Helper()
	committing.Lock()
	defer committing.Unlock()
	edits()
	revision := publish(t, p, message)
	eventually(t, rolloutTime, fmt.Sprintf("%.8s in Argo CD", revision), func() (bool, string) {
		all, err := p.Applications(t.Context())
		return err == nil && seenBy(all, revision), fmt.Sprint(states(all), err)
	})
	return revision
}

// seenBy says whether the Applications of all targets have been compared with a revision.
func seenBy(all map[string]platform.Application, revision string) bool {
	for _, target := range platform.Targets {
		if all[target.Application()].Status.Sync.Revision != revision {
			return false
		}
	}
	return true
}

// publish commits and pushes what is in the working tree.
func publish(t *testing.T, p *platform.Platform, message string) string {
	t.Helper()
	revision, err := p.Publish(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func edit(t *testing.T, p *platform.Platform, file, pattern, replacement string) {
	t.Helper()
	if err := p.Repository.Edit(file, pattern, replacement); err != nil {
		t.Fatal(err)
	}
}

// release writes a version of the application's image as the release of an environment.
func release(t *testing.T, p *platform.Platform, environment, tag string) {
	t.Helper()
	if err := p.Repository.SetRelease(environment, tag, p.Digests[images.ApplicationName+":"+tag]); err != nil {
		t.Fatal(err)
	}
}

// arrived waits until an Application is synced to a revision, or to a later one, and healthy, and its old pods are gone:
// until then they may still answer.
func arrived(t *testing.T, p *platform.Platform, target platform.Target, revision string) time.Duration {
	t.Helper()
	return eventually(t, rolloutTime, fmt.Sprintf("%.8s in %s", revision, target.Name), func() (bool, string) {
		all, err := p.Applications(t.Context())
		if a := all[target.Application()]; err != nil || !a.Good() || !p.Repository.Has(t.Context(), a.Status.Sync.Revision, revision) {
			return false, fmt.Sprintf("%s at %.8s, %v", a, a.Status.Sync.Revision, err)
		}
		return settled(t, p, target)
	})
}

// settled says whether the pods of an application are those that its Deployment wants, all ready, and no other.
func settled(t *testing.T, p *platform.Platform, target platform.Target) (bool, string) {
	t.Helper()
	var d struct {
		Metadata struct{ Generation int64 }
		Spec     struct{ Replicas int }
		Status   struct {
			ObservedGeneration                                          int64
			Replicas, UpdatedReplicas, ReadyReplicas, AvailableReplicas int
		}
	}
	var pods struct{ Items []struct{} }
	err := errors.Join(
		p.Get(t.Context(), target.Plane, deploymentPath(target.Namespace()), &d),
		p.Get(t.Context(), target.Plane, podsPath(target.Namespace(), apiPods), &pods),
	)
	if err != nil {
		return false, err.Error()
	}
	wanted := d.Spec.Replicas
	if s := d.Status; s.ObservedGeneration != d.Metadata.Generation || s.Replicas != wanted || s.UpdatedReplicas != wanted || s.AvailableReplicas != wanted {
		return false, fmt.Sprintf("of %d replicas: %+v", wanted, s)
	}
	return len(pods.Items) == wanted && wanted > 0, fmt.Sprintf("%d pods of %d wanted", len(pods.Items), wanted)
}

// named is one of platform.Targets.
func named(t *testing.T, name string) platform.Target {
	t.Helper()
	for _, target := range platform.Targets {
		if target.Name == name {
			return target
		}
	}
	t.Fatalf("no target is called %s", name)
	return platform.Target{}
}
