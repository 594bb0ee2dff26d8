package gitops

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync/common"
	"github.com/argoproj/argo-cd/v3/applicationset/progressivesync"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/pkg/client/clientset/versioned/fake"
	"github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// rollout is the set of prod under the controller's own code for progressive
// syncs. The rest is played: an API server that keeps the status of the set,
// and an application controller that syncs what it is told to. It runs in a
// bubble of synctest, since the controller compares times.
type rollout struct {
	t    *testing.T
	set  *v1alpha1.ApplicationSet
	apps []v1alpha1.Application
	head string
	live map[string]string
	// ready tells whether the Deployment of a cluster becomes healthy.
	ready func(cluster string) bool
	// dead is a cluster that Argo CD does not reach.
	dead string
	// operations are those that the controller asked for.
	operations []v1alpha1.Operation
}

func (r *rollout) SetAppSetApplicationStatus(_ context.Context, _ *logrus.Entry, set *v1alpha1.ApplicationSet, statuses []v1alpha1.ApplicationSetApplicationStatus) error {
	set.Status.ApplicationStatus, r.set.Status.ApplicationStatus = statuses, statuses
	return nil
}

func (r *rollout) SetApplicationSetStatusCondition(_ context.Context, _ *v1alpha1.ApplicationSet, conditions []v1alpha1.ApplicationSetCondition, _ bool) error {
	r.set.Status.Conditions = conditions
	return nil
}

func (r *rollout) RecordProgressiveSyncTriggered(*v1alpha1.ApplicationSet, string) {}
func (r *rollout) IncRefreshTriggeredCount(*v1alpha1.ApplicationSet)               {}

// begin brings the canary, prod-eu-1, and clusters of the main ring up at the
// revision a.
func begin(t *testing.T, main ...string) *rollout {
	t.Helper()
	r := &rollout{t: t, set: set(t, "prod"), live: map[string]string{}, head: "a"}
	r.ready = func(string) bool { return true }
	r.add("prod-eu-1", "canary")
	for _, name := range main {
		r.add(name, "main")
	}
	r.turns(4 * len(r.apps))
	if got := r.at("a"); len(got) != len(r.apps) {
		t.Fatalf("only %v came up", got)
	}
	return r
}

func (r *rollout) add(name, ring string) {
	r.t.Helper()
	list, err := generate(r.t, r.set, cluster(name, "enabled=true", "env=prod", "ring="+ring))
	if err != nil || len(list) != 1 {
		r.t.Fatalf("%s: %d Applications, %v", name, len(list), err)
	}
	list[0].Namespace = "argocd"
	r.apps = append(r.apps, list[0])
}

// at lists the clusters that have a revision.
func (r *rollout) at(revision string) []string {
	var out []string
	for cluster, got := range r.live {
		if got == revision {
			out = append(out, cluster)
		}
	}
	slices.Sort(out)
	return out
}

func (r *rollout) turns(n int) {
	r.t.Helper()
	for range n {
		r.turn()
	}
}

// turn is one pass of both controllers.
func (r *rollout) turn() {
	r.t.Helper()
	time.Sleep(2 * time.Minute)
	for i := range r.apps {
		r.refresh(&r.apps[i])
	}
	logger := logrus.New()
	logger.SetOutput(r.t.Output())
	log := logrus.NewEntry(logger)
	stored := make([]runtime.Object, 0, len(r.apps))
	for i := range r.apps {
		stored = append(stored, r.apps[i].DeepCopy())
	}
	manager := progressivesync.NewManager(nil, nil, fake.NewSimpleClientset(stored...), r)
	before, desired := r.set.DeepCopy(), r.desired()
	toSync, err := manager.PerformProgressiveSyncs(r.t.Context(), log, *r.set.DeepCopy(), r.apps, desired, 30)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, wanted := range manager.SyncDesiredApplications(log, before, toSync, desired) {
		r.apps[i].Spec = wanted.Spec
		if wanted.Operation != nil {
			r.operations = append(r.operations, *wanted.Operation)
			r.sync(&r.apps[i], wanted.Operation)
		}
	}
}

// desired is what the generator makes of the clusters that are left.
func (r *rollout) desired() []v1alpha1.Application {
	var out []v1alpha1.Application
	for _, a := range r.apps {
		d := *a.DeepCopy()
		d.Status, d.Operation = v1alpha1.ApplicationStatus{}, nil
		enabled := true
		d.Spec.SyncPolicy.Automated.Enabled = &enabled
		out = append(out, d)
	}
	return out
}

// refresh compares an Application with the newest commit. Argo CD does not get
// as far as that for a cluster that it does not reach.
func (r *rollout) refresh(a *v1alpha1.Application) {
	name := a.Spec.Destination.Name
	if name == r.dead {
		return
	}
	now := metav1.Now()
	a.Status.ReconciledAt = &now
	a.Status.Sync = v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusCodeOutOfSync, Revision: r.head}
	if r.live[name] == r.head {
		a.Status.Sync.Status = v1alpha1.SyncStatusCodeSynced
	}
	a.Status.Health.Status = health.HealthStatusProgressing
	if r.live[name] == "" {
		a.Status.Health.Status = health.HealthStatusMissing
	} else if r.ready(name) {
		a.Status.Health.Status = health.HealthStatusHealthy
	}
}

func (r *rollout) sync(a *v1alpha1.Application, operation *v1alpha1.Operation) {
	if a.Spec.Destination.Name == r.dead {
		return
	}
	r.live[a.Spec.Destination.Name] = operation.Sync.Revision
	a.Status.OperationState = &v1alpha1.OperationState{Phase: common.OperationSucceeded, StartedAt: metav1.Now()}
}

func (r *rollout) remove(cluster string) {
	r.apps = slices.DeleteFunc(r.apps, func(a v1alpha1.Application) bool { return strings.HasSuffix(a.Name, cluster) })
	delete(r.live, cluster)
}
