package gitops

import (
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/util/notification/expression"
	"github.com/argoproj/notifications-engine/pkg/api"
	"github.com/argoproj/notifications-engine/pkg/templates"
	"github.com/argoproj/notifications-engine/pkg/triggers"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// states are of an Application, and the triggers that have to fire for it.
var states = []struct {
	name, status, fires string
}{
	{"new", `{}`, ""},
	{"synced", `{sync: {status: Synced, revision: a}, health: {status: Healthy}, operationState: {phase: Succeeded, syncResult: {revision: a}}}`, ""},
	{"drifted", `{sync: {status: OutOfSync, revision: a}, health: {status: Healthy}, operationState: {phase: Succeeded, syncResult: {revision: a}}}`, "on-drift"},
	{"waiting for its ring", `{sync: {status: OutOfSync, revision: b}, health: {status: Healthy}, operationState: {phase: Succeeded, syncResult: {revision: a}}}`, ""},
	{"waiting for a window", `{sync: {status: OutOfSync, revision: b}, health: {status: Healthy}, operationState: {phase: Running, syncResult: {revision: b}}}`, ""},
	{"never synced", `{sync: {status: OutOfSync, revision: b}, health: {status: Missing}}`, ""},
	{"not rendered", `{sync: {status: Unknown}, health: {status: Healthy}, conditions: [{type: SharedResourceWarning}, {type: ComparisonError, message: m}]}`, "on-render-error"},
	{"failed", `{sync: {status: OutOfSync, revision: b}, health: {status: Healthy}, operationState: {phase: Failed, message: m, finishedAt: t, syncResult: {revision: b}}}`, "on-sync-failed"},
	{"failed before it synced", `{operationState: {phase: Error, message: m}}`, "on-sync-failed"},
	{"degraded", `{sync: {status: Synced, revision: a}, health: {status: Degraded}, operationState: {phase: Succeeded, syncResult: {revision: a}}}`, "on-health-degraded"},
	{"progressing", `{sync: {status: Synced, revision: a}, health: {status: Progressing, lastTransitionTime: "10m"}}`, ""},
	{"stuck", `{sync: {status: Synced, revision: a}, health: {status: Progressing, lastTransitionTime: "20m"}}`, "on-rollout-stuck"},
	{"progressing for an unknown time", `{health: {status: Progressing}}`, ""},
}

// application has that status; a time is written as how long ago it was.
func application(t *testing.T, status string) *unstructured.Unstructured {
	t.Helper()
	for _, ago := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
		short := strings.TrimSuffix(ago.String(), "0s")
		status = strings.ReplaceAll(status, `"`+short+`"`, `"`+time.Now().Add(-ago).UTC().Format(time.RFC3339)+`"`)
	}
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(status), &fields); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "core-pipeline-a"}, "status": fields}}
}

// TestT10Notifications runs every trigger on every state, with Argo CD's
// expressions, and writes the message of those that fire. Under RollingSync
// nothing heals drift, so that on-drift is what tells of it.
func TestT10Notifications(t *testing.T) {
	install := withoutDefinitions(original(t, "install.yaml"))
	cm := object[corev1.ConfigMap](t, build(t, install, "notifications"), "ConfigMap", "argocd-notifications-cm")
	config, err := api.ParseConfig(cm, &corev1.Secret{Data: map[string][]byte{"slack-token": []byte("none")}})
	if err != nil {
		t.Fatal(err)
	}
	run, err := triggers.NewService(config.Triggers)
	if err != nil {
		t.Fatal(err)
	}
	write, err := templates.NewService(config.Templates)
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Triggers) != 5 || len(config.Templates) != 5 || len(config.Services) != 1 {
		t.Errorf("%d triggers, %d templates, %d services", len(config.Triggers), len(config.Templates), len(config.Services))
	}
	for _, s := range states {
		app := application(t, s.status)
		vars := expression.Spawn(app, nil, map[string]any{"app": app.Object, "context": map[string]string{"argocdUrl": "https://argocd.invalid"}})
		for name := range config.Triggers {
			results, err := run.Run(name, vars)
			if err != nil || len(results) != 1 {
				t.Fatalf("%s: %v, %v", name, results, err)
			}
			if got := results[0].Triggered; got != (name == s.fires) {
				t.Errorf("%s, %s: %v", s.name, name, got)
			} else if got {
				message, err := write.FormatNotification(vars, results[0].Templates...)
				if err != nil || !strings.Contains(message.Message, "core-pipeline-a") || strings.Contains(message.Message, "<no value>") {
					t.Errorf("%s, %s: %+v, %v", s.name, name, message, err)
				}
			}
		}
	}
}
