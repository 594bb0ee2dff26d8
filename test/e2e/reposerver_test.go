package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	repoclient "github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/git"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestRepoServer goes one step further out than TestContract: repo-server's own GenerateManifests finds the
// socket by the plugin's name, builds the environment, narrows the tar and reads the answer.
func TestRepoServer(t *testing.T) {
	for name, start := range contracts {
		t.Run(name, func(t *testing.T) { testRepoServer(t, start(t)) })
	}
}

func testRepoServer(t *testing.T, s *server) {
	t.Helper()
	t.Setenv("ARGOCD_PLUGINSOCKFILEPATH", s.plugins)
	repo := copyRepository(t, "")
	generate := func(a app, paths string) ([]object, error) {
		q := &repoclient.ManifestRequest{
			Repo: &v1alpha1.Repository{Repo: repoURL}, Revision: "main",
			AppName: a.name, Namespace: a.namespace, ProjectName: "core-pipeline",
			KubeVersion: kubeVersion, ApiVersions: apiVersions,
			AppLabelKey: "app.kubernetes.io/instance", TrackingMethod: string(v1alpha1.TrackingMethodAnnotation),
			AnnotationManifestGeneratePaths: paths,
			ApplicationSource: &v1alpha1.ApplicationSource{
				RepoURL: repoURL, Path: a.path, TargetRevision: "main",
				Plugin: &v1alpha1.ApplicationSourcePlugin{Name: pluginName, Parameters: a.params},
			},
		}
		ctx := t.Context()
		response, err := repository.GenerateManifests(ctx, filepath.Join(repo, filepath.FromSlash(a.path)), repo, "main", q,
			false, git.NoopCredsStore{}, resource.MustParse("10M"), nil, repository.WithCMPUseManifestGeneratePaths(paths != ""))
		if err != nil {
			return nil, err
		}
		objects := parse(t, response.Manifests...)
		for i := range objects {
			untrack(objects[i].Body)
		}
		return objects, nil
	}

	for _, environment := range environments {
		want := render(t, repo, slices.Concat(renderFlags(environment), clusterFlags(), []string{chart})...)
		for name, paths := range map[string]string{"whole": "", "narrowed": "/charts/core-pipeline;/argocd/envs/" + environment} {
			t.Run(environment+"/"+name, func(t *testing.T) {
				got, err := generate(applicationOf(environment), paths)
				if err != nil {
					t.Fatal(err)
				}
				sameObjects(t, want, got)
			})
		}
	}

	t.Run("error", func(t *testing.T) {
		a := applicationOf("dev")
		a.params = v1alpha1.ApplicationSourcePluginParameters{stringParam("environment", "prodd")}
		_, err := generate(a, "")
		if err == nil {
			t.Fatal("no error")
		}
		checkErrorText(t, err.Error(), s, "prodd")
		// What is in front of our text is Argo CD's, and the user interface shows both on one line.
		if front, _, _ := strings.Cut(err.Error(), "failed exit status 1: "); len(front) > 250 {
			t.Errorf("%d characters in front of our text: %s", len(front), front)
		}
	})
}

// untrack removes what Argo CD adds to every object to find it again.
func untrack(body map[string]any) {
	metadata, _ := body["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, "argocd.argoproj.io/tracking-id")
	if len(annotations) == 0 {
		delete(metadata, "annotations") // there was none before
	}
}
