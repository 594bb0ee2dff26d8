package gitops

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

// mains are eight clusters, of which a quarter may change at a time.
func mains() (out []string) {
	for i := range 8 {
		out = append(out, fmt.Sprintf("prod-eu-%d", i+2))
	}
	return out
}

// TestT09CanaryFirst: no cluster of the main ring gets a revision that the
// canary has not come to health with, also if a commit comes in between.
func TestT09CanaryFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, mains()...)
		healthy := false
		r.ready = func(cluster string) bool { return healthy || cluster != "prod-eu-1" }
		r.head = "b"
		r.turns(6)
		if got := r.at("b"); !slices.Equal(got, []string{"prod-eu-1"}) {
			t.Fatalf("with a canary that does not come up, %v have the commit", got)
		}
		r.head = "c"
		r.turns(6)
		if got := r.at("a"); len(got) != 8 {
			t.Errorf("of the main ring, only %v are left alone", got)
		}
		healthy = true
		for range 40 {
			before := len(r.at("c"))
			r.turn()
			if got := len(r.at("c")); got > before+2 {
				t.Errorf("%d clusters at a time", got-before)
			}
			if got := r.at("b"); len(got) > 0 && !slices.Equal(got, []string{"prod-eu-1"}) {
				t.Errorf("%v got the commit that the canary failed with", got)
			}
		}
		if got := r.at("c"); len(got) != 9 {
			t.Errorf("the rollout ends with %v", got)
		}
	})
}

// TestT10DriftIsNotHealed in prod: this is why the trigger on-drift exists.
func TestT10DriftIsNotHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, mains()...)
		before := len(r.operations)
		r.live["prod-eu-2"] = "by hand"
		r.turns(10)
		if len(r.operations) != before {
			t.Error("Argo CD heals drift under RollingSync now: the documentation can change")
		}
	})
}

// TestT11LostCluster: while the Application of a cluster that is gone is
// there, nobody gets a commit. So it must go with its Secret, which it does
// with the policy that the sets have.
func TestT11LostCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, mains()...)
		r.dead = "prod-eu-5"
		r.head = "b"
		r.turns(40)
		if got := r.at("b"); len(got) > 0 {
			t.Errorf("%v get the commit now: create-update has become possible", got)
		}
		r.remove("prod-eu-5")
		r.turns(40)
		if got := r.at("b"); len(got) != 8 {
			t.Errorf("without the Application, %v get the commit", got)
		}
	})
	for _, e := range environments {
		policy := utils.DefaultPolicy(set(t, e).Spec.SyncPolicy, v1alpha1.ApplicationsSyncPolicySync, true)
		if !policy.AllowDelete() || !policy.AllowUpdate() {
			t.Errorf("%s: %s", e, policy)
		}
	}
}

// TestT09RetriesKeepTheCommit: a sync of the rollout is of the commit whose turn
// it is. With refresh, its retries would drop that for the newest one
// (controller/appcontroller.go, processRequestedAppOperation).
func TestT09RetriesKeepTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t)
		if len(r.operations) == 0 {
			t.Fatal("nothing was synced")
		}
		for _, o := range r.operations {
			if o.Sync.Revision != "a" || o.Retry.Limit == 0 || o.Retry.Refresh {
				t.Errorf("revision %q, retries %+v", o.Sync.Revision, o.Retry)
			}
		}
	})
}

// TestT12NoGuardUnderRollingSync: allowEmpty is looked at where Argo CD syncs
// by itself. A progressive sync prunes all the same, so that it takes a
// renderer that refuses an empty result.
func TestT12NoGuardUnderRollingSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t)
		if len(r.operations) == 0 {
			t.Fatal("nothing was synced")
		}
		for _, o := range r.operations {
			if !o.Sync.Prune || !o.InitiatedBy.Automated || o.Retry.Limit != 5 || !slices.Contains(o.Sync.SyncOptions, "RespectIgnoreDifferences=true") {
				t.Errorf("%+v", o)
			}
		}
	})
}

// TestT08RolloutIsValid: the controller finds nothing wrong with the steps. It
// says so only in a condition.
func TestT08RolloutIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := begin(t, mains()...)
		if len(r.set.Status.Conditions) == 0 {
			t.Fatal("there are no conditions")
		}
		for _, c := range r.set.Status.Conditions {
			if c.Type == v1alpha1.ApplicationSetConditionInvalidRolloutConfig && c.Status == v1alpha1.ApplicationSetConditionStatusTrue {
				t.Errorf("%s", c.Message)
			}
		}
	})
}

// TestT14PolicyOverride: a policy of the controller replaces the one of the
// sets, unless the component guardrails lets them have theirs.
func TestT14PolicyOverride(t *testing.T) {
	for _, e := range environments {
		own := set(t, e).Spec.SyncPolicy
		if got := utils.DefaultPolicy(own, v1alpha1.ApplicationsSyncPolicyCreateOnly, false); got != v1alpha1.ApplicationsSyncPolicyCreateOnly {
			t.Errorf("%s: Argo CD takes %s now: the component can go", e, got)
		}
		if got := utils.DefaultPolicy(own, v1alpha1.ApplicationsSyncPolicyCreateOnly, true); got != v1alpha1.ApplicationsSyncPolicySync {
			t.Errorf("%s: %s with guardrails", e, got)
		}
	}
}
