package live

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// byHelm is a release of the chart that no Argo CD knows.
type byHelm struct {
	*platform.Platform

	target     platform.Target
	helm3      string
	helm4      string
	credential string // the name of the Secret that is there before the chart
}

func (r byHelm) command(ctx context.Context, program string, args ...string) (string, error) {
	environment := append(os.Environ(), "KUBECONFIG="+r.Kubeconfig(r.target.Plane))
	return programs.Run(ctx, r.Repository.Dir, environment, program, append(args, "--namespace", r.target.Namespace())...)
}

func (r byHelm) run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := r.command(t.Context(), program, args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// values are the arguments that name dev's values, an image of the application, and the text.
func (r byHelm) values(t *testing.T, tag, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	image := fmt.Sprintf("image: {tag: %q, digest: %q}\n", tag, r.Digests[images.ApplicationName+":"+tag])
	if err := os.WriteFile(file, []byte(image+text), 0o600); err != nil {
		t.Fatal(err)
	}
	chart := filepath.Join("charts", "core-pipeline")
	return []string{"core-pipeline", chart, "--values", filepath.Join(chart, "values-dev.yaml"), "--values", file, "--wait", "--timeout", "5m"}
}

// withHooks are values with the chart's hooks, which want the credentials of a Secret that is there before it.
func (r byHelm) withHooks(job hooks, level string, migration ...string) string {
	return "secret: {create: false, existingSecret: " + r.credential + "}\nenv: {LOG_LEVEL: " + level + "}\n" +
		"hooks:\n  mode: helm\n  smokeTest: {enabled: true}\n  verification: {enabled: true}\n" +
		strings.Replace(job.hook("backup", "BACKUP_DESTINATION", "POSTGRES_PASSWORD"), "backup: {", `backup: {destination: "s3://e2e/helm", `, 1) + job.hook("migration", migration...)
}

// TestHelm: without Argo CD, helm 3 installs the chart and runs its hooks in their order; an upgrade whose migration
// fails leaves the pods before it; helm 4 takes the release over, and what it rolls back and uninstalls is back, and
// gone. The application answers all the while.
func TestHelm(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	r := byHelm{p, platform.Target{Name: "helm", Environment: "helm", Plane: platform.Dev}, os.Getenv("HELM3"), os.Getenv("HELM4"), "before-the-chart"}
	if r.helm3 == "" || r.helm4 == "" {
		t.Fatal("HELM3 and HELM4 name the programs; make e2e sets them")
	}
	job := hookImage(t, p)
	namespace := r.target.Namespace()
	if _, err := p.Kubectl(t.Context(), r.target.Plane, fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata: {name: %[1]s, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Secret
metadata: {name: %[2]s, namespace: %[1]s}
stringData: {POSTGRES_USER: dev-user, POSTGRES_PASSWORD: not-a-real-password, REDIS_PASSWORD: not-a-real-password}
`, namespace, r.credential), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), r.target.Plane, "", "delete", "namespace", namespace); err != nil {
			t.Error(err)
		}
	})

	r.run(t, r.helm3, append([]string{"install"}, r.values(t, "1.0.0", r.withHooks(job, "info", "POSTGRES_HOST", "POSTGRES_PASSWORD"))...)...)
	_, migrated := ran(t, p, r.target, "migration")
	smoke, _ := ran(t, p, r.target, "smoke-test")
	ordered(t, "the migration ends before the pods begin", migrated, podsBegan(t, p, r.target))
	ordered(t, "the pods begin before the smoke test", podsBegan(t, p, r.target), smoke)
	report(t, 0, "helm 3 installs the chart: migration, pods, smoke test, in this order")

	load := startTraffic(t, p, r.target)
	n := load.during(t, "what helm does", func() {
		before := podIDs(t, p, r.target)
		out, err := r.command(t.Context(), r.helm3, append([]string{"upgrade"}, r.values(t, "1.1.0", r.withHooks(job, "warn", "-exit=3", "POSTGRES_PASSWORD"))...)...)
		if err == nil || !strings.Contains(fmt.Sprint(out, err), "core-pipeline-migration") {
			t.Errorf("an upgrade whose migration fails says %v\n%s", err, out)
		}
		if after := podIDs(t, p, r.target); after != before {
			t.Errorf("pods before the migration that failed: %s; after it: %s", before, after)
		}

		r.run(t, r.helm3, append([]string{"upgrade"}, r.values(t, "1.1.0", r.withHooks(job, "warn", "POSTGRES_PASSWORD"))...)...)
		_, backedUp := ran(t, p, r.target, "backup")
		migrating, migrated := ran(t, p, r.target, "migration")
		verifying, _ := ran(t, p, r.target, "verification")
		ordered(t, "the backup ends before the migration begins", backedUp, migrating)
		ordered(t, "the migration ends before the new pods begin", migrated, podsBegan(t, p, r.target))
		ordered(t, "the new pods begin before the verification", podsBegan(t, p, r.target), verifying)

		secret := func(more string) string {
			return "hooks: {mode: helm}\nsecret: {stringData: {" + more + "}}\n"
		}
		takeover := []string{"upgrade", "--server-side=true", "--force-conflicts"}
		r.run(t, r.helm4, append(takeover, r.values(t, "1.1.0", secret("OLD_TOKEN: not-a-real-token"))...)...)
		if keys := secretKeys(t, p, r.target); !slices.Contains(keys, "OLD_TOKEN") {
			t.Errorf("the Secret has the keys %v", keys)
		}
		// As the chart's README says: Kubernetes keeps the key until the Secret is made anew.
		without := append([]string{"upgrade"}, r.values(t, "1.1.0", secret(""))...)
		r.run(t, r.helm4, without...)
		if keys := secretKeys(t, p, r.target); !slices.Contains(keys, "OLD_TOKEN") {
			t.Errorf("a key is taken from the values; the Secret has the keys %v: the README is wrong", keys)
		}
		kubectl(t, p, r.target.Plane, "-n", namespace, "delete", "secret", "core-pipeline")
		r.run(t, r.helm4, without...)
		if keys := secretKeys(t, p, r.target); slices.Contains(keys, "OLD_TOKEN") || !slices.Contains(keys, "POSTGRES_PASSWORD") {
			t.Errorf("the Secret is made anew; it has the keys %v", keys)
		}
		r.run(t, r.helm4, "rollback", "core-pipeline", "1", "--wait", "--timeout", "5m")
		if image := workload(t, p, r.target).Spec.Template.Spec.Containers[0].Image; !strings.Contains(image, ":1.0.0@") {
			t.Errorf("after the rollback it runs %s", image)
		}
		r.run(t, r.helm4, "test", "core-pipeline")
	})
	load.finish(t)
	if !t.Failed() {
		report(t, 10, "helm 3 and 4: a migration that fails, two upgrades, a takeover, a key less in the Secret, a rollback: %d requests, 0 failed", n)
	}
	r.run(t, r.helm4, "uninstall", "core-pipeline", "--wait")
	// Hooks are no part of a release: what they leave shows how they ended.
	eventually(t, time.Minute, "the end of the release", func() (bool, string) {
		left, err := p.Kubectl(t.Context(), r.target.Plane, "", "-n", namespace, "get",
			"deployments,replicasets,services,configmaps,secrets,serviceaccounts,poddisruptionbudgets,ingresses", "-l", "app.kubernetes.io/instance=core-pipeline", "-o", "name")
		return err == nil && left == "", fmt.Sprint(left, err)
	})
}

func ordered(t *testing.T, what string, first, second time.Time) {
	t.Helper()
	if first.IsZero() || first.After(second) {
		t.Errorf("not so: %s (%s, %s)", what, first, second)
	}
}

// podsBegan is when the newest pod of an application was made. A ReplicaSet may be an old one that has come back.
func podsBegan(t *testing.T, p *platform.Platform, target platform.Target) time.Time {
	t.Helper()
	var pods struct {
		Items []struct {
			Metadata struct{ CreationTimestamp time.Time }
		}
	}
	object(t, p, target.Plane, &pods, podsPath(target.Namespace(), apiPods))
	var newest time.Time
	for _, pod := range pods.Items {
		if pod.Metadata.CreationTimestamp.After(newest) {
			newest = pod.Metadata.CreationTimestamp
		}
	}
	return newest
}

func secretKeys(t *testing.T, p *platform.Platform, target platform.Target) []string {
	t.Helper()
	var data map[string]string
	text := kubectl(t, p, target.Plane, "-n", target.Namespace(), "get", "secret", "core-pipeline", "-o", "jsonpath={.data}")
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
