package live

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// hooks are values that give hooks of the chart an image whose program ends as the test wants it to.
type hooks struct{ image string }

func hookImage(t *testing.T, p *platform.Platform) hooks {
	t.Helper()
	made, err := images.Job(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := p.Push(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	name, digest := images.JobName, pushed[images.JobName]
	return hooks{name + "@" + digest}
}

// values turn one hook on.
func (h hooks) values(hook string, args ...string) string {
	return "hooks:\n" + h.hook(hook, args...)
}

func (h hooks) hook(hook string, args ...string) string {
	quoted, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("  %s: {enabled: true, image: %q, command: [/job], args: %s, backoffLimit: 0}\n", hook, h.image, quoted)
}

// hookPhase is how a hook has ended in the last sync of an Application.
func hookPhase(a platform.Application, name string) string {
	for _, r := range a.Status.OperationState.SyncResult.Resources {
		if r.Name == name {
			return r.HookPhase
		}
	}
	return ""
}

// ran is when a Job of an Application began and ended.
func ran(t *testing.T, p *platform.Platform, target platform.Target, component string) (began, ended time.Time) {
	t.Helper()
	var job struct {
		Status struct {
			Succeeded                 int
			StartTime, CompletionTime time.Time
		}
	}
	object(t, p, target.Plane, &job, "/apis/batch/v1/namespaces/"+target.Namespace()+"/jobs/core-pipeline-"+component)
	if job.Status.Succeeded != 1 {
		t.Errorf("the %s has not succeeded: %+v", component, job.Status)
	}
	return job.Status.StartTime, job.Status.CompletionTime
}

// inOrder holds a sync of an Application to the order of the chart's hooks.
func inOrder(t *testing.T, p *platform.Platform, target platform.Target) {
	t.Helper()
	newest := podsBegan(t, p, target)
	_, backedUp := ran(t, p, target, "backup")
	migrating, migrated := ran(t, p, target, "migration")
	smoke, _ := ran(t, p, target, "smoke-test")
	ordered(t, "the backup ends before the migration begins", backedUp, migrating)
	ordered(t, "the migration ends before the new pods begin", migrated, newest)
	ordered(t, "the new pods begin before the smoke test", newest, smoke)
}

// TestT23Hooks: hooks run in their order; a migration that fails leaves the pods before it, which serve on, and says
// why; the next commit repairs that; and the first sync of all finds the Secret that the migration reads.
func TestT23Hooks(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	restored(t, p)
	target := named(t, "dev-eu-1")
	good(t, p, target.Application())
	job := hookImage(t, p)
	own := filepath.Join("argocd", "envs", "dev", "clusters", target.Name+".yaml")
	// As in staging: the Secret is made by External Secrets, after its object is applied.
	var smoke []string
	write := func(level string, migration ...string) {
		t.Helper()
		text := "secret:\n  create: false\n  externalSecret:\n    enabled: true\n    secretStoreRef: {name: core-pipeline-staging}\n    remoteKey: core-pipeline/staging\n" +
			"env: {LOG_LEVEL: " + level + "}\nhooks:\n" + job.hook("backup", "BACKUP_DESTINATION", "POSTGRES_PASSWORD") + job.hook("migration", migration...) + job.hook("smokeTest", smoke...)
		text = strings.Replace(text, "backup: {", "backup: {destination: \"s3://e2e/dev\", ", 1)
		if err := p.Repository.Values(own, text); err != nil {
			t.Fatal(err)
		}
	}
	write("info", "POSTGRES_PASSWORD")
	took := arrived(t, p, target, publish(t, p, "Migrate in dev"))
	inOrder(t, p, target)
	report(t, 0, "dev with backup, migration and smoke test: they run in this order around the new pods, pushed to healthy %s", took)

	before := podIDs(t, p, target)
	load := startTraffic(t, p, target)
	message := ""
	n := load.during(t, "a migration that fails", func() {
		write("warn", "-exit=3", "POSTGRES_PASSWORD")
		failing := publish(t, p, "Migrate what cannot be migrated in dev")
		eventually(t, rolloutTime, "a sync that fails", func() (bool, string) {
			all, err := p.Applications(t.Context())
			a := all[target.Application()]
			o := a.Status.OperationState
			for _, r := range o.SyncResult.Resources {
				// The message of the sync counts its retries; this one is beside the Job in the result.
				if r.Name == "core-pipeline-migration" && r.HookPhase == "Failed" && r.Message != "" {
					message = fmt.Sprintf("%s/%s: %s", r.Kind, r.Name, r.Message)
				}
			}
			return err == nil && o.SyncResult.Revision == failing && o.RetryCount > 0 && message != "", fmt.Sprint(a, err)
		})
		if after := podIDs(t, p, target); after != before {
			t.Errorf("pods before the migration that failed: %s; after it: %s", before, after)
		}
	})
	write("info", "POSTGRES_PASSWORD")
	took = arrived(t, p, target, publish(t, p, "Repair the migration in dev"))
	report(t, 0, "a migration that fails (%s): the pods before it stay and answer %d requests, 0 failed; the next commit is healthy after %s", message, n, took)

	// With a setting as well: Argo CD compares no hooks, and does not sync for one alone.
	smoke = []string{"-exit=4"}
	write("warn", "POSTGRES_PASSWORD")
	unfit := publish(t, p, "Release what fails its smoke test in dev")
	eventually(t, rolloutTime, "a sync that fails after its pods are ready", func() (bool, string) {
		all, err := p.Applications(t.Context())
		a := all[target.Application()]
		o := a.Status.OperationState
		return err == nil && o.SyncResult.Revision == unfit && o.RetryCount > 0 && hookPhase(a, "core-pipeline-smoke-test") == "Failed" &&
			hookPhase(a, "core-pipeline-migration") == "Succeeded", fmt.Sprint(a, err)
	})
	smoke = nil
	write("info", "POSTGRES_PASSWORD")
	took = arrived(t, p, target, publish(t, p, "Repair the smoke test in dev"))
	report(t, 0, "a smoke test that fails lets the sync fail; the next commit is healthy after %s", took)

	t.Run("first sync", func(t *testing.T) {
		uid := workload(t, p, target).Metadata.UID
		start := time.Now()
		deleteSet(t, p, "core-pipeline-dev")
		eventually(t, rolloutTime, "another Deployment", func() (bool, string) {
			var d deployment
			err := p.Get(t.Context(), target.Plane, "/apis/apps/v1/namespaces/"+target.Namespace()+"/deployments/core-pipeline", &d)
			return err == nil && d.Metadata.UID != uid, fmt.Sprint(d.Metadata.UID, " ", err)
		})
		eventually(t, rolloutTime, "the Application", func() (bool, string) {
			all, err := p.Applications(t.Context())
			if a := all[target.Application()]; err != nil || !a.Good() || a.Status.OperationState.Phase != "Succeeded" {
				return false, fmt.Sprint(a, err)
			}
			return settled(t, p, target)
		})
		inOrder(t, p, target)
		report(t, 0, "the ApplicationSet of dev is deleted: its workload goes, the root brings both back, and a first sync with an ExternalSecret and hooks ends well, in %s", time.Since(start).Round(time.Second))
	})
}

// podIDs are the pods of an application, by their UIDs.
func podIDs(t *testing.T, p *platform.Platform, target platform.Target) string {
	t.Helper()
	return kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "pods", "-l", "app.kubernetes.io/component=api", "--sort-by=.metadata.uid", "-o", "jsonpath={.items[*].metadata.uid}")
}
