package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/v3/cmpserver/apiclient"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	repoclient "github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/cmp"
	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

const kubeVersion = "1.37.2"

// apiVersions is a short form of what a cluster with the operators the chart knows about reports. Argo CD sends
// groups and kinds in one sorted list.
var apiVersions = []string{
	"apps/v1", "apps/v1/Deployment", "autoscaling/v2", "autoscaling/v2/HorizontalPodAutoscaler",
	"batch/v1", "batch/v1/Job", "external-secrets.io/v1", "external-secrets.io/v1/ExternalSecret",
	"monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor",
	"networking.k8s.io/v1", "networking.k8s.io/v1/Ingress", "networking.k8s.io/v1/NetworkPolicy",
	"policy/v1", "policy/v1/PodDisruptionBudget", "v1", "v1/ConfigMap", "v1/Secret", "v1/Service", "v1/ServiceAccount",
}

// app is an Application as far as a plugin gets to know it.
type app struct {
	name, namespace string
	path            string // spec.source.path
	params          v1alpha1.ApplicationSourcePluginParameters
	tarRoot         string // what repo-server sends, relative to the repository; empty: all of it
	noCluster       bool   // the controller does not send the cluster's versions (the hydrator does not)
}

// environ is what repo-server sends with GenerateManifest (newEnv and getPluginEnvs of reposerver/repository).
func (a app) environ(t *testing.T) []string {
	t.Helper()
	const revision = "0123456789abcdef0123456789abcdef01234567"
	kube, apis := kubeVersion, strings.Join(apiVersions, ",")
	if a.noCluster {
		kube, apis = "", "" // present and empty
	}
	env := []string{
		"ARGOCD_APP_NAME=" + a.name,
		"ARGOCD_APP_NAMESPACE=" + a.namespace,
		"ARGOCD_APP_PROJECT_NAME=core-pipeline",
		"ARGOCD_APP_REVISION=" + revision,
		"ARGOCD_APP_REVISION_SHORT=" + revision[:7],
		"ARGOCD_APP_REVISION_SHORT_8=" + revision[:8],
		"ARGOCD_APP_SOURCE_REPO_URL=" + repoURL,
		"ARGOCD_APP_SOURCE_PATH=" + a.path,
		"ARGOCD_APP_SOURCE_TARGET_REVISION=main",
		"KUBE_VERSION=" + kube,
		"KUBE_API_VERSIONS=" + apis,
		"ARGOCD_ENV_UNRELATED=x",
	}
	// Argo CD's own code: ARGOCD_APP_PARAMETERS, and the lossy PARAM_ variables that we must not read.
	params, err := a.params.Environ()
	if err != nil {
		t.Fatal(err)
	}
	return append(env, params...)
}

const repoURL = "https://git.example.com/core-pipeline.git"

func stringParam(name, value string) v1alpha1.ApplicationSourcePluginParameter {
	return v1alpha1.ApplicationSourcePluginParameter{Name: name, String_: &value}
}

func arrayParam(name string, values ...string) v1alpha1.ApplicationSourcePluginParameter {
	return v1alpha1.ApplicationSourcePluginParameter{Name: name, OptionalArray: &v1alpha1.OptionalArray{Array: values}}
}

func mapParam(name string, values map[string]string) v1alpha1.ApplicationSourcePluginParameter {
	return v1alpha1.ApplicationSourcePluginParameter{Name: name, OptionalMap: &v1alpha1.OptionalMap{Map: values}}
}

// client opens a connection as repo-server does: a new one for every operation.
func (s *server) client(t *testing.T) (context.Context, apiclient.ConfigManagementPluginServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the controller's default
	t.Cleanup(cancel)
	conn, client, err := apiclient.NewConfigManagementPluginClientSet(s.socket()).NewConfigManagementPluginClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return ctx, client
}

// send streams the repository with Argo CD's own code.
func (a app) send(ctx context.Context, repo string, stream cmp.StreamSender, env []string) error {
	root := filepath.Join(repo, filepath.FromSlash(a.tarRoot))
	return cmp.SendRepoStream(ctx, filepath.Join(repo, filepath.FromSlash(a.path)), root, stream, env, nil)
}

func (s *server) generate(t *testing.T, repo string, a app) ([]string, error) {
	t.Helper()
	ctx, client := s.client(t)
	stream, err := client.GenerateManifest(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.send(ctx, repo, stream, a.environ(t)); err != nil {
		t.Fatal(err)
	}
	response, err := stream.CloseAndRecv()
	return response.GetManifests(), err
}

func (s *server) match(t *testing.T, repo string, a app) *apiclient.RepositoryResponse {
	t.Helper()
	ctx, client := s.client(t)
	stream, err := client.MatchRepository(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.send(ctx, repo, stream, a.environ(t)); err != nil {
		t.Fatal(err)
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func (s *server) parameters(t *testing.T, repo string, a app) []*repoclient.ParameterAnnouncement {
	t.Helper()
	// Far fewer variables than for a render (populatePluginAppDetails of reposerver/repository).
	env := []string{
		"ARGOCD_APP_NAME=" + a.name,
		"ARGOCD_APP_SOURCE_REPO_URL=" + repoURL,
		"ARGOCD_APP_SOURCE_PATH=" + a.path,
		"ARGOCD_APP_SOURCE_TARGET_REVISION=main",
	}
	params, err := a.params.Environ()
	if err != nil {
		t.Fatal(err)
	}
	ctx, client := s.client(t)
	stream, err := client.GetParametersAnnouncement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.send(ctx, repo, stream, append(env, params...)); err != nil {
		t.Fatal(err)
	}
	response, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	return response.GetParameterAnnouncements()
}

func (s *server) configuration(t *testing.T) *apiclient.CheckPluginConfigurationResponse {
	t.Helper()
	ctx, client := s.client(t)
	response, err := client.CheckPluginConfiguration(ctx, &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// render runs `core-pipeline render` in the repository, as a developer would.
func render(t *testing.T, repo string, args ...string) []object {
	t.Helper()
	bin, err := programs.Project()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + bin, "HOME=" + repo, "TMPDIR=" + t.TempDir()}
	out, err := programs.Run(t.Context(), repo, env, filepath.Join(bin, "core-pipeline"), append([]string{"render"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	objects := parse(t, out)
	if len(objects) == 0 {
		t.Fatal("core-pipeline render printed no object")
	}
	return objects
}

// clusterFlags tells `render` what Argo CD tells the plugin about the cluster.
func clusterFlags() []string {
	args := []string{"--kube-version", kubeVersion}
	for _, v := range apiVersions {
		args = append(args, "--api-versions", v)
	}
	return args
}

type object struct {
	ID   string
	Body map[string]any
}

// parse reads manifests with the splitter Argo CD uses, and insists that everything it finds is an object.
func parse(t *testing.T, manifests ...string) []object {
	t.Helper()
	var objects []object
	for _, m := range manifests {
		found, err := kube.SplitYAML([]byte(m))
		if err != nil {
			t.Fatalf("not a manifest: %v\n%.400s", err, m)
		}
		for _, o := range found {
			if o.GetKind() == "" || o.GetAPIVersion() == "" || o.GetName() == "" {
				t.Fatalf("something that is no object among the manifests:\n%.400s", m)
			}
			id := fmt.Sprintf("%s/%s %s/%s", o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName())
			objects = append(objects, object{ID: id, Body: o.Object})
		}
	}
	return objects
}

// sameObjects compares content and order.
func sameObjects(t *testing.T, want, got []object) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Argo CD gets other objects than `core-pipeline render` shows (-render +argocd):\n%s", diff)
	}
}

// copyRepository copies what a deployment repository holds below prefix, and something unrelated beside it.
func copyRepository(t *testing.T, prefix string) string {
	t.Helper()
	repo := t.TempDir()
	for _, dir := range []string{"charts", "argocd/envs"} {
		from := filepath.Join(moduleRoot, filepath.FromSlash(dir))
		if err := os.CopyFS(filepath.Join(repo, filepath.FromSlash(prefix), filepath.FromSlash(dir)), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(repo, "unrelated", "README.md"), "Something else of the same repository.\n")
	// Argo CD sends .git too. It also marks the root of the repository for the command line.
	writeFile(t, filepath.Join(repo, ".git", "HEAD"), "ref: refs/heads/main\n")
	return repo
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.TrimLeft([]byte(content), "\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
