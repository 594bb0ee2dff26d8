package apiserver

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// application is a render under Argo CD's own engine of syncs. The rest is
// played: nothing runs pods here, so the engine is told that what it waits for
// is ready. On the server the status stays what it is, because a cluster that
// has controllers has them write it, too.
type application struct {
	t         *testing.T
	server    server
	mapper    meta.RESTMapper
	client    dynamic.Interface
	namespace string
	targets   []*unstructured.Unstructured
	// before are, for every object, the objects that were there when it was
	// first seen, and ready if the engine had to wait for them.
	before map[string][]string
}

// rendered is prod with all hooks, and with the tests of Helm.
func rendered(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	bin, err := programs.Project()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "core-pipeline"), "render", "--environment", "prod", "--namespace", namespace, "--include-tests=true", "--output", "json",
		"--set-json", `hooks.migration={"enabled":true,"command":["migrate"]}`, "--set-json", `hooks.backup={"enabled":true,"command":["backup"],"destination":"s3://a"}`,
		"--set-json", "hooks.smokeTest.enabled=true", "--set-json", "hooks.verification.enabled=true", "--set-json", "tests.enabled=true", chart)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var all []*unstructured.Unstructured
	for line := range strings.Lines(string(out)) {
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(line), &o.Object); err != nil {
			t.Fatal(err)
		}
		o.SetNamespace(namespace)
		all = append(all, o)
	}
	return all
}

func newApplication(t *testing.T, s server, namespace string) *application {
	t.Helper()
	s.namespace(t, namespace)
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &application{t: t, server: s, mapper: s.mapper(t), client: client, namespace: namespace, targets: rendered(t, namespace), before: map[string][]string{}}
}

func (a *application) IsNamespaced(kind schema.GroupKind) (bool, error) {
	mapping, err := a.mapper.RESTMapping(kind)
	return err == nil && mapping.Scope.Name() == meta.RESTScopeNameNamespace, err
}

func (a *application) resource(o *unstructured.Unstructured) dynamic.ResourceInterface {
	a.t.Helper()
	mapping, err := a.mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.client.Resource(mapping.Resource).Namespace(a.namespace)
}

func name(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// live are the objects of the render that are on the server, those that were
// seen before with the status that they would have on a cluster that runs pods.
func (a *application) live() map[string]*unstructured.Unstructured {
	a.t.Helper()
	out := map[string]*unstructured.Unstructured{}
	for _, target := range a.targets {
		got, err := a.resource(target).Get(a.t.Context(), target.GetName(), metav1.GetOptions{})
		if err == nil {
			out[name(target)] = a.ready(got)
		} else if !apierrors.IsNotFound(err) {
			a.t.Fatal(err)
		}
	}
	return out
}

// statuses is what the controllers of a cluster that runs pods would write.
var statuses = map[string]string{
	"Job":                     `{"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:01Z","succeeded":1,"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}`,
	"Deployment":              `{"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3,"conditions":[{"type":"Available","status":"True"}]}`,
	"HorizontalPodAutoscaler": `{"currentReplicas":3,"desiredReplicas":3,"conditions":[{"type":"AbleToScale","status":"True","reason":"ReadyForNewScale"},{"type":"ScalingActive","status":"True","reason":"ValidMetricFound"}]}`,
	"Ingress":                 `{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}`,
	"PodDisruptionBudget":     `{"currentHealthy":3,"desiredHealthy":1,"disruptionsAllowed":2,"expectedPods":3,"conditions":[{"type":"DisruptionAllowed","status":"True","reason":"SufficientPods","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}`,
	"ExternalSecret":          `{"conditions":[{"type":"Ready","status":"True","reason":"SecretSynced"}]}`,
}

// ready lets an object be so.
func (a *application) ready(o *unstructured.Unstructured) *unstructured.Unstructured {
	a.t.Helper()
	text, ok := statuses[o.GetKind()]
	if _, seen := a.before[name(o)]; !seen || !ok || o.GetDeletionTimestamp() != nil {
		return o
	}
	var status map[string]any
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		a.t.Fatal(err)
	}
	if kind := o.GetKind(); kind == "Deployment" || kind == "PodDisruptionBudget" {
		status["observedGeneration"] = o.GetGeneration()
	}
	o.Object["status"] = status
	return o
}

// see notes what is new, and lets go of what is deleted.
func (a *application) see(live map[string]*unstructured.Unstructured) {
	a.t.Helper()
	for key, o := range live {
		if _, seen := a.before[key]; !seen {
			a.before[key] = slices.Sorted(maps.Keys(live))
		}
		if o.GetDeletionTimestamp() != nil {
			a.collect(o)
		}
	}
}

// collect lets go of an object that is deleted, as the garbage collector does
// when it has deleted what belongs to it.
func (a *application) collect(o *unstructured.Unstructured) {
	a.t.Helper()
	o = o.DeepCopy()
	o.SetFinalizers(slices.DeleteFunc(o.GetFinalizers(), func(f string) bool { return f == metav1.FinalizerDeleteDependents }))
	if _, err := a.resource(o).Update(a.t.Context(), o, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		a.t.Fatalf("%s: %v", name(o), err)
	}
}

// sync runs one operation to its end, step by step as Argo CD's application
// controller does. A selective one is what self-healing asks for.
func (a *application) sync(selective bool) {
	a.t.Helper()
	phase, message, started := common.OperationRunning, "", metav1.Now()
	var results []common.ResourceSyncResult
	deadline := time.Now().Add(time.Minute)
	for !phase.Completed() {
		if time.Now().After(deadline) {
			a.t.Fatalf("the sync does not end: %s", message)
		}
		live := map[kube.ResourceKey]*unstructured.Unstructured{}
		for _, o := range a.live() {
			live[kube.GetResourceKey(o)] = o
		}
		reconciled := sync.Reconcile(slices.Clone(a.targets), live, a.namespace, a)
		tool := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
		operation, cleanup, err := sync.NewSyncContext("revision", reconciled, a.server.Config, a.server.Config, tool, a.namespace,
			sync.WithLogr(logr.Discard()), sync.WithHealthOverride(lua.ResourceHealthOverrides(nil)), sync.WithInitialState(phase, message, results, started),
			sync.WithOperationSettings(false, true, false, selective), sync.WithServerSideApply(true), sync.WithServerSideApplyManager("argocd-controller"), sync.WithPruneLast(true))
		if err != nil {
			a.t.Fatal(err)
		}
		operation.Sync(a.t.Context())
		phase, message, results = operation.GetState()
		cleanup()
		a.see(a.live())
	}
	if phase != common.OperationSucceeded {
		a.t.Fatalf("the sync ends %s: %s, %+v", phase, message, results)
	}
}

// jobs are the identities of the hooks that ran.
func (a *application) jobs() map[string]string {
	a.t.Helper()
	out := map[string]string{}
	for key, o := range a.live() {
		if o.GetKind() == "Job" {
			out[key] = string(o.GetUID())
		}
	}
	return out
}

// TestT23HooksOfTheFirstSync: in an empty namespace, the migration finds what
// it reads, the application starts after it, and Helm's tests are not applied.
func TestT23HooksOfTheFirstSync(t *testing.T) {
	s := start(t)
	t.Run("the chart's", func(t *testing.T) {
		a := newApplication(t, s, "core-pipeline-chart")
		a.sync(false)
		order := []string{"Job/core-pipeline-backup", "Job/core-pipeline-migration", "Deployment/core-pipeline", "Job/core-pipeline-smoke-test", "Job/core-pipeline-verification"}
		for i, key := range order {
			there, seen := a.before[key]
			if !seen {
				t.Fatalf("%s was never there", key)
			}
			for _, early := range append([]string{"ConfigMap/core-pipeline", "ExternalSecret/core-pipeline", "NetworkPolicy/core-pipeline-hooks", "ServiceAccount/core-pipeline"}, order[:i]...) {
				if !slices.Contains(there, early) {
					t.Errorf("%s begins without %s", key, early)
				}
			}
			for _, late := range order[i+1:] {
				if slices.Contains(there, late) {
					t.Errorf("%s begins after %s", key, late)
				}
			}
		}
		tests := 0
		for _, target := range a.targets {
			if target.GetAnnotations()["helm.sh/hook"] == "test" {
				tests++
				if _, seen := a.before[name(target)]; seen {
					t.Errorf("%s was applied", name(target))
				}
			} else if _, seen := a.before[name(target)]; !seen {
				t.Errorf("%s was not applied", name(target))
			}
		}
		if tests == 0 {
			t.Error("the render has no test of Helm")
		}
	})
	// This is why the migration is a hook of the phase Sync with a wave.
	t.Run("before the sync", func(t *testing.T) {
		a := newApplication(t, s, "core-pipeline-early")
		for _, o := range a.targets {
			if o.GetName() == "core-pipeline-migration" {
				annotations := o.GetAnnotations()
				annotations["argocd.argoproj.io/hook"] = "PreSync"
				o.SetAnnotations(annotations)
			}
		}
		a.sync(false)
		if there := a.before["Job/core-pipeline-migration"]; slices.Contains(there, "ConfigMap/core-pipeline") || len(there) == 0 {
			t.Errorf("a hook of the phase PreSync finds %v now", there)
		}
	})
}

// TestT19HooksOfEverySync: each sync of everything runs the hooks, a selective
// one does not. That is what Argo CD makes of a commit that a window held back,
// if the Application says which paths it is rendered from.
func TestT19HooksOfEverySync(t *testing.T) {
	s := start(t)
	a := newApplication(t, s, "core-pipeline-chart")
	a.sync(false)
	first := a.jobs()
	a.sync(true)
	if got := a.jobs(); !maps.Equal(got, first) {
		t.Errorf("a selective sync runs hooks now: %v, %v", first, got)
	}
	a.sync(false)
	again := a.jobs()
	for key, uid := range first {
		if again[key] == "" || again[key] == uid {
			t.Errorf("the second sync did not run %s", key)
		}
	}
	if len(first) != 4 {
		t.Errorf("there are the hooks %v", first)
	}
}
