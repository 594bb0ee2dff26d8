package platform

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// TestOpenWindow: whenever a run begins, prod may be delivered to for a day and more.
func TestOpenWindow(t *testing.T) {
	root, err := programs.Root()
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(filepath.Join(root, "argocd", "projects", "prod.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for hour := range 7 * 24 {
		now := time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)
		r := Repository{t.TempDir()}
		if err := r.Write("argocd/projects/prod.yaml", string(original)); err != nil {
			t.Fatal(err)
		}
		if err := r.openWindow(now); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(r.Dir, "argocd", "projects", "prod.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var project struct {
			Spec struct {
				SyncWindows []struct{ Kind, Schedule, Duration, TimeZone string }
			}
		}
		if err := yaml.Unmarshal(data, &project); err != nil {
			t.Fatal(err)
		}
		denied := 0
		for _, w := range project.Spec.SyncWindows {
			if w.Kind != "deny" {
				continue
			}
			denied++
			schedule, err := cron.ParseStandard("TZ=" + w.TimeZone + " " + w.Schedule)
			if err != nil {
				t.Fatal(err)
			}
			duration, err := time.ParseDuration(w.Duration)
			if err != nil {
				t.Fatal(err)
			}
			// The first that has not ended.
			if begins := schedule.Next(now.Add(-duration)); begins.Before(now.Add(24 * time.Hour)) {
				t.Errorf("at %s a window begins %s and lasts %s", now, begins, duration)
			}
		}
		if denied != 1 {
			t.Fatalf("%d windows deny", denied)
		}
	}
}

// TestValues: what is laid over values takes nothing else away.
func TestValues(t *testing.T) {
	r := Repository{t.TempDir()}
	if err := r.Write("values.yaml", "# a comment\nenv: {A: one, B: two}\nhooks: {migration: {enabled: true, args: [a, b]}}\n"); err != nil {
		t.Fatal(err)
	}
	if err := r.Values("values.yaml", "env: {B: three}\nhooks: {migration: {args: [c]}, backup: {enabled: true}}\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.Dir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "env:\n  A: one\n  B: three\nhooks:\n  backup:\n    enabled: true\n  migration:\n    args:\n    - c\n    enabled: true\n"
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	if err := r.Values("other.yaml", "env: {}"); err == nil {
		t.Error("a file that is not there is no error")
	}
}
