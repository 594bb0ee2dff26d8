package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// healTime is how long Argo CD may take to repair what somebody has changed: it watches, so it is seconds.
const healTime = 6 * time.Minute

// TestCriterion8NoDifference: comparing everything again, with everything rendered again, finds no difference and
// changes nothing.
func TestCriterion8NoDifference(t *testing.T) {
	t.Parallel()
	criterion(t, 8)
	p := deployed(t)
	claim(t, keeps(devObjects, stagingObjects, canaryObjects, mainObjects))
	before := map[string]string{}
	for _, target := range platform.Targets {
		before[target.Name] = form(t, p, target)
		if err := p.Refresh(t.Context(), target.Application(), "hard"); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range platform.Targets {
		good(t, p, target.Application())
		if now := form(t, p, target); now != before[target.Name] {
			t.Errorf("%s has changed from\n%s\nto\n%s", target.Name, before[target.Name], now)
		}
	}
	// A sync that somebody starts has nothing to do, either.
	started := time.Now()
	for _, target := range platform.Targets {
		if err := p.Sync(t.Context(), target.Application()); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range platform.Targets {
		eventually(t, healTime, "the sync of "+target.Application(), func() (bool, string) {
			all, err := p.Applications(t.Context())
			a := all[target.Application()]
			o := a.Status.OperationState
			return err == nil && o.Phase == "Succeeded" && !o.StartedAt.Before(started.Truncate(time.Second)), a.String()
		})
		good(t, p, target.Application())
		if now := form(t, p, target); now != before[target.Name] {
			t.Errorf("a second sync has changed %s from\n%s\nto\n%s", target.Name, before[target.Name], now)
		}
	}
	report(t, 8, "all %d Applications rendered again and synced again: no difference, and no Deployment has changed", len(platform.Targets))
}

// TestCriterion8SelfHeal: drift in dev and staging is repaired, in prod it is seen and left, as the ApplicationSets say.
func TestCriterion8SelfHeal(t *testing.T) {
	t.Parallel()
	criterion(t, 8)
	p := deployed(t)
	for _, target := range platform.Targets {
		t.Run(target.Name, func(t *testing.T) {
			t.Parallel()
			claim(t, changes(ofTarget[target.Name]...))
			good(t, p, target.Application())
			service := func() (string, error) {
				var s struct {
					Spec struct{ Selector map[string]string }
				}
				err := p.Get(t.Context(), target.Plane, "/api/v1/namespaces/"+target.Namespace()+"/services/core-pipeline", &s)
				return s.Spec.Selector["drift"], err
			}
			kubectl(t, p, target.Plane, "-n", target.Namespace(), "patch", "service", "core-pipeline", "--type=merge", "-p", `{"spec": {"selector": {"drift": "yes"}}}`)
			if target.Environment != "prod" {
				healed := eventually(t, healTime, "the repair", func() (bool, string) {
					value, err := service()
					return err == nil && value == "", fmt.Sprint("the selector has drift=", value, " ", err)
				})
				good(t, p, target.Application())
				report(t, 8, "%s: a changed selector is repaired in %s", target.Environment, healed)
				return
			}
			seen := eventually(t, healTime, "that the drift is seen", func() (bool, string) {
				all, err := p.Applications(t.Context())
				a := all[target.Application()]
				return err == nil && a.Status.Sync.Status == "OutOfSync", a.String()
			})
			// Compared once more since it was seen, it is still there: nothing heals it.
			if err := p.Refresh(t.Context(), target.Application(), "normal"); err != nil {
				t.Fatal(err)
			}
			all, err := p.Applications(t.Context())
			if a := all[target.Application()]; err != nil || a.Status.Sync.Status != "OutOfSync" {
				t.Errorf("compared again: %s, %v", a, err)
			}
			if value, err := service(); err != nil || value != "yes" {
				t.Errorf("the drift is gone: %q, %v", value, err)
			}
			if err := p.Sync(t.Context(), target.Application()); err != nil {
				t.Fatal(err)
			}
			eventually(t, healTime, "the sync that a person starts", func() (bool, string) {
				value, err := service()
				return err == nil && value == "", fmt.Sprint("the selector has drift=", value, " ", err)
			})
			good(t, p, target.Application())
			report(t, 8, "%s: a changed selector is seen in %s, left alone, and gone when a person syncs", target.Name, seen)
		})
	}
}
