package live

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
)

// deployment is what the tests look at of a Deployment.
type deployment struct {
	Metadata struct {
		UID        string
		Generation int
		Labels     map[string]string
	}
	Spec struct {
		Replicas int
		Template struct {
			Spec struct {
				Containers []struct {
					Image     string
					Resources struct{ Limits map[string]string }
				}
			}
		}
	}
	Status struct{ ReadyReplicas, UpdatedReplicas int }
}

func workload(t *testing.T, p *platform.Platform, target platform.Target) deployment {
	t.Helper()
	var d deployment
	object(t, p, target.Plane, &d, deploymentPath(target.Namespace()))
	return d
}

// form is a Deployment as it is written down, but for the number of its replicas: that is the autoscaler's.
func form(t *testing.T, p *platform.Platform, target platform.Target) string {
	t.Helper()
	var d struct {
		Metadata struct{ UID string }
		Spec     map[string]any
	}
	object(t, p, target.Plane, &d, deploymentPath(target.Namespace()))
	delete(d.Spec, "replicas")
	text, err := json.Marshal(d)
	if err != nil || d.Metadata.UID == "" {
		t.Fatalf("the Deployment of %s: %s, %v", target.Name, text, err)
	}
	return string(text)
}

// apiPods selects the pods of the application that answer requests.
const apiPods = "app.kubernetes.io/component=api,app.kubernetes.io/instance=core-pipeline"

// podsPath is where an API server has the pods of a namespace with certain labels.
func podsPath(namespace, labels string) string {
	return "/api/v1/namespaces/" + namespace + "/pods?labelSelector=" + url.QueryEscape(labels)
}

// deploymentPath is where it has the application's Deployment.
func deploymentPath(namespace string) string {
	return "/apis/apps/v1/namespaces/" + namespace + "/deployments/core-pipeline"
}

// object reads an object, or a list, from a path of a plane's API: a condition is looked at often, and a kubectl costs
// more than what it asks for.
func object(t *testing.T, p *platform.Platform, plane string, into any, path string) {
	t.Helper()
	if err := p.Get(t.Context(), plane, path, into); err != nil {
		t.Fatal(err)
	}
}

func kubectl(t *testing.T, p *platform.Platform, plane string, args ...string) string {
	t.Helper()
	out, err := p.Kubectl(t.Context(), plane, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// good waits until an Application is synced and healthy.
func good(t *testing.T, p *platform.Platform, name string) {
	t.Helper()
	eventually(t, 5*time.Minute, name, func() (bool, string) {
		all, err := p.Applications(t.Context())
		if err != nil {
			return false, err.Error()
		}
		a, there := all[name]
		return there && a.Good(), states(all)
	})
}

// TestCriterion2Deployed: from an Argo CD with nothing in it and one apply to the application in every environment, the
// canary of prod before its other cluster.
func TestCriterion2Deployed(t *testing.T) {
	criterion(t, 2)
	p := deployed(t)
	if shared.cluster == nil {
		t.Skip("the run of E2E_RUN was deployed before this test")
	}
	all, err := p.Applications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range platform.Targets {
		a := all[target.Application()]
		if a.Spec.Project != "core-pipeline-"+target.Environment || a.Spec.Destination.Name != target.Name || a.Spec.Destination.Namespace != target.Namespace() {
			t.Errorf("%s is of project %s in %+v", target.Application(), a.Spec.Project, a.Spec.Destination)
		}
		if o := a.Status.OperationState; o.Phase != "Succeeded" {
			t.Errorf("the sync of %s is %s: %s", target.Application(), o.Phase, o.Message)
		}
		d := workload(t, p, target)
		tag := map[bool]string{true: "1.1.0", false: "1.0.0"}[target.Environment == "dev"]
		want := fmt.Sprintf("%s:%s@%s", images.ApplicationName, tag, p.Digests[images.ApplicationName+":"+tag])
		if got := d.Spec.Template.Spec.Containers[0].Image; got != want {
			t.Errorf("%s runs %s, want %s", target.Name, got, want)
		}
		if d.Metadata.Labels["core-pipeline.io/env"] != target.Environment {
			t.Errorf("the overlay of %s left no label: %v", target.Name, d.Metadata.Labels)
		}
		if d.Status.ReadyReplicas == 0 || d.Status.ReadyReplicas != d.Spec.Replicas {
			t.Errorf("%s has %d of %d pods ready", target.Name, d.Status.ReadyReplicas, d.Spec.Replicas)
		}
	}
	canary, main := slices.Index(shared.order, "core-pipeline-prod-eu-1"), slices.Index(shared.order, "core-pipeline-prod-eu-2")
	if canary < 0 || canary > main {
		t.Errorf("healthy in the order %v", shared.order)
	}
	report(t, 2, "%d Applications on %d API servers are synced and healthy %s after the one apply, in the order %s",
		len(all), len(p.Planes), shared.deployed.Round(time.Second), strings.Join(shared.order, ", "))
	report(t, 2, "before that: Kubernetes ready after %s, Argo CD and what it needs after %s more",
		shared.booted.Round(time.Second), shared.installed.Round(time.Second))
}

// TestSidecarInRepoServer: what has rendered is the sidecar of argocd/install, under the restrictions that are written
// there.
func TestSidecarInRepoServer(t *testing.T) {
	criterion(t, 2)
	p := deployed(t)
	var pods struct {
		Items []struct {
			Spec struct {
				Containers []struct {
					Name, Image     string
					Args            []string
					SecurityContext struct {
						RunAsUser              int
						ReadOnlyRootFilesystem bool
					}
				}
			}
			Status struct {
				ContainerStatuses []struct {
					Name, ImageID string
					Ready         bool
					RestartCount  int
				}
			}
		}
	}
	object(t, p, platform.Hub, &pods, podsPath("argocd", "app.kubernetes.io/name=argocd-repo-server"))
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods of repo-server", len(pods.Items))
	}
	found := false
	for _, c := range pods.Items[0].Spec.Containers {
		if c.Name != "core-pipeline" {
			continue
		}
		found = true
		if c.SecurityContext.RunAsUser != 999 || !c.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(c.Args, []string{"serve"}) {
			t.Errorf("the sidecar runs as %+v with %v", c.SecurityContext, c.Args)
		}
		if digest := p.Digests[images.SidecarName+":v1"]; !strings.HasSuffix(c.Image, "@"+digest) {
			t.Errorf("the sidecar is %s, not %s", c.Image, digest)
		}
	}
	if !found {
		t.Fatal("repo-server has no container core-pipeline")
	}
	for _, s := range pods.Items[0].Status.ContainerStatuses {
		if !s.Ready || s.RestartCount > 0 {
			t.Errorf("%s: ready %v, %d restarts", s.Name, s.Ready, s.RestartCount)
		}
	}
	report(t, 2, "rendered by serve in a pod of repo-server, user 999, read-only, image by digest")
}
