package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// TestT22SecondRenderer: another version of the sidecar beside the first changes nothing. When an ApplicationSet names
// it, its manifests change, and those of the other environments do not.
func TestT22SecondRenderer(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	restored(t, p)
	made, err := images.NextSidecar(images.SidecarName + ":v2")
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := p.Push(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]deployment{}
	for _, target := range platform.Targets {
		good(t, p, target.Application())
		before[target.Name] = workload(t, p, target)
	}
	unchanged := func(what string) {
		t.Helper()
		hardRefresh(t, p, "app.kubernetes.io/part-of=core-pipeline")
		for _, target := range platform.Targets {
			good(t, p, target.Application())
			d := workload(t, p, target)
			if target.Environment == "dev" && what == "dev" {
				if d.Metadata.Labels[programs.NextLabel] != "next" {
					t.Errorf("dev is not rendered by the second renderer: %v", d.Metadata.Labels)
				}
				continue
			}
			if d.Metadata.Labels[programs.NextLabel] != "" || d.Metadata.Generation != before[target.Name].Metadata.Generation {
				t.Errorf("%s has changed with %s: %v", target.Name, what, d.Metadata.Labels)
			}
		}
	}
	start := time.Now()
	remove, err := p.SecondRenderer(t.Context(), pushed[images.SidecarName+":v2"])
	if remove != nil {
		t.Cleanup(func() {
			if err := remove(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	there := time.Since(start)
	unchanged("the second sidecar")

	set := filepath.Join("argocd", "applicationsets", "dev.yaml")
	edit(t, p, set, `name: core-pipeline-v1`, `name: core-pipeline-v2`)
	took := arrived(t, p, named(t, "dev-eu-1"), publish(t, p, "Render dev with the next renderer"))
	eventually(t, healTime, "the label of the second renderer", func() (bool, string) {
		labels := workload(t, p, named(t, "dev-eu-1")).Metadata.Labels
		return labels[programs.NextLabel] == "next", fmt.Sprint(labels)
	})
	unchanged("dev")
	edit(t, p, set, `name: core-pipeline-v2`, `name: core-pipeline-v1`)
	publish(t, p, "Render dev with the renderer of before")
	eventually(t, healTime, "the end of that label", func() (bool, string) {
		labels := workload(t, p, named(t, "dev-eu-1")).Metadata.Labels
		return labels[programs.NextLabel] == "", fmt.Sprint(labels)
	})
	if !t.Failed() {
		report(t, 0, "a second renderer beside the first, there after %s: named by dev's ApplicationSet it renders dev %s after the commit, and nothing else has changed",
			there.Round(time.Second), took)
	}
}

// renderAgain asks Argo CD to render the Applications with certain labels again, one after the other.
func renderAgain(ctx context.Context, p *platform.Platform, labels string) error {
	_, err := p.Kubectl(ctx, platform.Hub, "", "-n", "argocd", "annotate", "applications.argoproj.io", "-l", labels, "argocd.argoproj.io/refresh=hard", "--overwrite")
	return err
}

// hardRefresh lets Argo CD render Applications again and waits until it has compared them all.
func hardRefresh(t *testing.T, p *platform.Platform, labels string) time.Duration {
	t.Helper()
	if err := renderAgain(t.Context(), p, labels); err != nil {
		t.Fatal(err)
	}
	return compared(t, p, labels)
}

func compared(t *testing.T, p *platform.Platform, labels string) time.Duration {
	t.Helper()
	return eventually(t, 5*time.Minute, "the comparison of all", func() (bool, string) {
		left := refreshing(t, p, labels)
		return left == 0, fmt.Sprint(left, " wait")
	})
}

// refreshing is how many Applications wait for a comparison that was asked for.
func refreshing(t *testing.T, p *platform.Platform, labels string) int {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Annotations map[string]string }
		}
	}
	object(t, p, platform.Hub, &list, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications?labelSelector="+url.QueryEscape(labels))
	waiting := 0
	for _, a := range list.Items {
		if _, there := a.Metadata.Annotations["argocd.argoproj.io/refresh"]; there {
			waiting++
		}
	}
	return waiting
}

// many is how many Applications are refreshed at once.
const many = 64

// TestManyApplications: many Applications that are refreshed at once are all rendered and compared; when the sidecar is
// killed in the middle of that, or repo-server is replaced, the next refresh compares all again.
func TestManyApplications(t *testing.T) {
	criterion(t, 0)
	p := deployed(t)
	target := named(t, "dev-eu-1")
	good(t, p, target.Application())
	var like struct {
		Spec struct {
			Source map[string]any
		}
	}
	object(t, p, platform.Hub, &like, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/"+target.Application())
	var list []any
	for i := range many {
		name := fmt.Sprintf("e2e-many-%02d", i)
		parameters := []any{
			map[string]any{"name": "environment", "string": "dev"},
			// A release of its own, so that no render is remembered for another.
			map[string]any{"name": "release-name", "string": name},
			map[string]any{"name": "value-files", "array": []string{"/argocd/envs/dev/release.yaml"}},
		}
		list = append(list, map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
			"metadata": map[string]any{"name": name, "namespace": "argocd", "labels": map[string]string{"e2e": "many"}},
			"spec": map[string]any{
				"project": "core-pipeline-dev", "destination": map[string]string{"name": target.Name, "namespace": target.Namespace()},
				// Nothing syncs them.
				"source": map[string]any{
					"repoURL": like.Spec.Source["repoURL"], "targetRevision": "main", "path": "charts/core-pipeline",
					"plugin": map[string]any{"name": "core-pipeline-v1", "parameters": parameters},
				},
			},
		})
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": list})
	if err != nil {
		t.Fatal(err)
	}
	const labels = "e2e=many"
	t.Cleanup(func() {
		if _, err := p.Kubectl(context.Background(), platform.Hub, "", "-n", "argocd", "delete", "applications.argoproj.io", "-l", labels); err != nil {
			t.Error(err)
		}
	})
	start := time.Now()
	if _, err := p.Kubectl(t.Context(), platform.Hub, string(text), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	// wrong are those that Argo CD could not render or compare, or has not yet.
	wrong := func() map[string]string {
		t.Helper()
		all, err := p.Applications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bad, n := map[string]string{}, 0
		for name, a := range all {
			if !strings.HasPrefix(name, "e2e-many-") {
				continue
			}
			n++
			if a.Status.Sync.Status != "OutOfSync" || len(a.Status.Resources) < 8 {
				bad[name] = a.String()
			}
			for _, c := range a.Status.Conditions {
				if strings.HasSuffix(c.Type, "Error") {
					bad[name] = a.String()
				}
			}
		}
		if n != many {
			t.Fatalf("there are %d Applications of %d", n, many)
		}
		return bad
	}
	eventually(t, 5*time.Minute, "the first comparison", func() (bool, string) {
		bad := wrong()
		return len(bad) == 0, fmt.Sprint(len(bad), " of ", many, " are not: ", bad)
	})
	first := time.Since(start)
	again := hardRefresh(t, p, labels)
	if bad := wrong(); len(bad) > 0 {
		t.Errorf("%d of %d are not compared: %v", len(bad), many, bad)
	}
	report(t, 0, "%d Applications on one repo-server: created and compared in %s; refreshed at once, all compared again in %s, no error", many, first.Round(time.Second), again)

	disturbed := func(what string, disturb func()) {
		t.Helper()
		before := repoServers(t, p)
		if len(before) != 1 {
			t.Fatalf("repo-server runs as %+v", before)
		}
		// Asked until repo-server is another: a render takes milliseconds, so that of one time all may be over.
		asking, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() {
			for asking.Err() == nil {
				if err := renderAgain(context.WithoutCancel(asking), p, labels); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		waiting := 0
		eventually(t, time.Minute, "Applications that are rendered", func() (bool, string) {
			waiting = refreshing(t, p, labels)
			return waiting > 0, ""
		})
		disturb()
		hit := 0
		// That it is gone is seen a moment after it is; only then is there a wait for what comes in its place.
		eventually(t, 5*time.Minute, "another repo-server", func() (bool, string) {
			hit = max(hit, len(wrong()))
			now := repoServers(t, p)
			return len(now) == 1 && now[0].ready && now[0].id != before[0].id, fmt.Sprintf("before: %+v; now: %+v", before, now)
		})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if hit = max(hit, len(wrong())); hit == 0 {
			t.Errorf("%s, and no Application was hit by that", what)
		}
		compared(t, p, labels)
		took := hardRefresh(t, p, labels)
		if bad := wrong(); len(bad) > 0 {
			t.Errorf("%d of %d are not compared after %s: %v", len(bad), many, what, bad)
		}
		for _, target := range platform.Targets {
			good(t, p, target.Application())
		}
		report(t, 0, "%s while %d of %d Applications wait for a render: %d show an error; the next refresh compares all in %s", what, waiting, many, hit, took)
	}
	disturbed("the sidecar killed", func() { killSidecar(t, p) })
	disturbed("the pod of repo-server deleted", func() {
		kubectl(t, p, platform.Hub, "-n", "argocd", "delete", "pod", "-l", "app.kubernetes.io/name=argocd-repo-server", "--wait=false")
	})
}

// repoServer is a pod of repo-server as it is: another pod, or a container that has started again, has another id.
type repoServer struct {
	id    string
	ready bool
}

func repoServers(t *testing.T, p *platform.Platform) []repoServer {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ UID string }
			Status   struct {
				ContainerStatuses []struct {
					ContainerID string
					Ready       bool
				}
			}
		}
	}
	object(t, p, platform.Hub, &list, podsPath("argocd", "app.kubernetes.io/name=argocd-repo-server"))
	var all []repoServer
	for _, pod := range list.Items {
		s := repoServer{id: pod.Metadata.UID, ready: len(pod.Status.ContainerStatuses) > 0}
		for _, c := range pod.Status.ContainerStatuses {
			s.id += " " + c.ContainerID
			s.ready = s.ready && c.Ready
		}
		all = append(all, s)
	}
	return all
}

// killSidecar kills the sidecar's process as the kernel does when memory runs out. The run's processes can be seen from
// this one; which one it is, its command and its control group say.
func killSidecar(t *testing.T, p *platform.Platform) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(line), "/usr/local/bin/core-pipeline-cmp\x00serve\x00") {
			continue
		}
		groups, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if err != nil || !strings.Contains(string(groups), "/"+p.Name+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed++
	}
	if killed != 1 {
		t.Fatalf("%d processes were killed, not one", killed)
	}
}
