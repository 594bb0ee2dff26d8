package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	gocmp "github.com/google/go-cmp/cmp"
)

const chart = "charts/core-pipeline"

var environments = []string{"dev", "staging", "prod"}

// applicationOf is what the ApplicationSet of an environment generates for a cluster.
func applicationOf(environment string) app {
	return app{
		name:      "core-pipeline-" + environment + "-1",
		namespace: "core-pipeline-" + environment,
		path:      chart,
		params: v1alpha1.ApplicationSourcePluginParameters{
			stringParam("environment", environment),
			stringParam("release-name", "core-pipeline"),
			arrayParam("value-files", "/argocd/envs/"+environment+"/release.yaml"),
			stringParam("overlay", "/argocd/envs/"+environment),
		},
	}
}

// renderFlags are applicationOf's parameters on the command line.
func renderFlags(environment string) []string {
	return []string{
		"--environment", environment, "--release-name", "core-pipeline", "--namespace", "core-pipeline-" + environment,
		"--value-files", "/argocd/envs/" + environment + "/release.yaml", "--overlay", "/argocd/envs/" + environment,
	}
}

// TestContract runs the plugin under the real argocd-cmp-server, and in its place.
func TestContract(t *testing.T) {
	for name, start := range contracts {
		t.Run(name, func(t *testing.T) { testContract(t, start(t)) })
	}
}

func testContract(t *testing.T, s *server) {
	t.Helper()
	repo := copyRepository(t, "")

	t.Run("configuration", func(t *testing.T) {
		c := s.configuration(t)
		if c.GetIsDiscoveryConfigured() {
			t.Error("discovery is configured: every Application would send its repository twice")
		}
		if c.GetProvideGitCreds() {
			t.Error("the plugin asks for git credentials and has no use for them")
		}
	})

	t.Run("match", func(t *testing.T) {
		// Neither supported nor discovered: repo-server then takes the plugin for Applications that name it, only.
		m := s.match(t, repo, applicationOf("dev"))
		if m.GetIsSupported() || m.GetIsDiscoveryEnabled() {
			t.Errorf("MatchRepository = %v, want neither supported nor discovery enabled", m)
		}
	})

	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) {
			a := applicationOf(environment)
			want := render(t, repo, slices.Concat(renderFlags(environment), clusterFlags(), []string{chart})...)
			first := mustGenerate(t, s, repo, a)
			sameObjects(t, want, parse(t, first...))
			if len(first) != len(want) {
				t.Errorf("%d manifests for %d objects: something else is on standard output", len(first), len(want))
			}
			if diff := gocmp.Diff(first, mustGenerate(t, s, repo, a)); diff != "" {
				t.Errorf("the same request gives other manifests the second time:\n%s", diff)
			}
		})
	}

	t.Run("application of another namespace", func(t *testing.T) {
		// Argo CD then puts the Application's namespace in front of its name, and "_" is not allowed in a release.
		a := app{
			name: "argocd_core-pipeline", namespace: "team-a", path: chart,
			params: v1alpha1.ApplicationSourcePluginParameters{stringParam("environment", "dev")},
		}
		want := render(t, repo, slices.Concat([]string{"--environment", "dev", "--release-name", "core-pipeline",
			"--namespace", "team-a"}, clusterFlags(), []string{chart})...)
		sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
	})

	t.Run("cluster versions not sent", func(t *testing.T) {
		a := applicationOf("prod")
		a.noCluster = true
		want := render(t, repo, append(renderFlags("prod"), chart)...)
		sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
	})

	t.Run("no parameters", func(t *testing.T) {
		// ARGOCD_APP_PARAMETERS is the word null then.
		a := app{name: "core-pipeline", namespace: "default", path: chart}
		want := render(t, repo, slices.Concat([]string{"--release-name", "core-pipeline", "--namespace", "default"},
			clusterFlags(), []string{chart})...)
		sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
	})

	t.Run("parameters of every type", func(t *testing.T) {
		a := applicationOf("staging")
		a.params = append(a.params,
			stringParam("values", "podAnnotations:\n  example.com/inline: \"yes\"\n"),
			mapParam("set", map[string]string{"podAnnotations.plain": "5", "podAnnotations.other": "true"}),
			mapParam("set-json", map[string]string{"replicaCount": "7"}),
			arrayParam("optional-value-files", "/argocd/envs/staging/absent.yaml"),
		)
		want := render(t, repo, slices.Concat(renderFlags("staging"), clusterFlags(), []string{
			"--values", "podAnnotations:\n  example.com/inline: \"yes\"\n",
			"--set", "podAnnotations.plain=5", "--set", "podAnnotations.other=true", "--set-json", "replicaCount=7",
			"--optional-value-files", "/argocd/envs/staging/absent.yaml", chart,
		})...)
		sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
	})

	if found := s.leftovers(t); len(found) > 0 {
		t.Errorf("left on the disk after the requests: %q", found)
	}
	if log := s.log.String(); strings.Contains(log, "Plugin command returned zero output") {
		t.Error("a command of the plugin printed nothing")
	}
}

// TestNarrowedTar covers reposerver.plugin.use.manifest.generate.paths: repo-server then sends the deepest common
// ancestor of the paths in the Application's annotation. The plugin sees another root, and parameters that were
// right before the setting was switched on must stay right.
func TestNarrowedTar(t *testing.T) {
	for name, start := range contracts {
		t.Run(name, func(t *testing.T) { testNarrowedTar(t, start(t)) })
	}
}

func testNarrowedTar(t *testing.T, s *server) {
	t.Helper()

	t.Run("part of a monorepo", func(t *testing.T) {
		repo := copyRepository(t, "deploy")
		flags := []string{
			"--environment", "prod", "--release-name", "core-pipeline", "--namespace", "core-pipeline-prod",
			"--value-files", "/deploy/argocd/envs/prod/release.yaml", "--overlay", "/deploy/argocd/envs/prod",
		}
		want := render(t, repo, slices.Concat(flags, clusterFlags(), []string{"deploy/" + chart})...)
		a := applicationOf("prod")
		a.path = "deploy/" + chart
		a.params = v1alpha1.ApplicationSourcePluginParameters{
			stringParam("environment", "prod"),
			stringParam("release-name", "core-pipeline"),
			arrayParam("value-files", "/deploy/argocd/envs/prod/release.yaml"),
			stringParam("overlay", "/deploy/argocd/envs/prod"),
		}
		for _, root := range []string{"", "deploy"} {
			t.Run("root="+root, func(t *testing.T) {
				a := a
				a.tarRoot = root
				sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
			})
		}
	})

	t.Run("the application directory alone", func(t *testing.T) {
		// The chart is then the root of the tar, in a directory with a random name.
		repo := copyRepository(t, "")
		a := app{
			name: "core-pipeline", namespace: "core-pipeline-dev", path: chart, tarRoot: chart,
			params: v1alpha1.ApplicationSourcePluginParameters{stringParam("environment", "dev")},
		}
		want := render(t, repo, slices.Concat([]string{"--environment", "dev", "--release-name", "core-pipeline",
			"--namespace", "core-pipeline-dev"}, clusterFlags(), []string{chart})...)
		sameObjects(t, want, parse(t, mustGenerate(t, s, repo, a)...))
	})
}

// TestErrors checks what a person reads in Argo CD when a render fails.
func TestErrors(t *testing.T) {
	for name, start := range contracts {
		t.Run(name, func(t *testing.T) { testErrors(t, start(t)) })
	}
}

func testErrors(t *testing.T, s *server) {
	t.Helper()
	repo := copyRepository(t, "")
	dev := func(params ...v1alpha1.ApplicationSourcePluginParameter) app {
		return app{name: "core-pipeline-dev-1", namespace: "core-pipeline-dev", path: chart, params: params}
	}
	for _, tc := range []struct {
		name string
		app  app
		want []string
	}{
		{"unknown environment", dev(stringParam("environment", "prodd")), []string{"prodd", "dev", "staging", "prod"}},
		{"unknown parameter", dev(arrayParam("valueFiles", "x.yaml")), []string{"valueFiles", "value-files"}},
		{"parameter of the wrong type", dev(arrayParam("environment", "dev")), []string{"environment"}},
		{"missing values file", dev(arrayParam("value-files", "/argocd/envs/dev/releas.yaml")), []string{"argocd/envs/dev/releas.yaml"}},
		{"missing overlay", dev(stringParam("overlay", "/argocd/envs/prodd")), []string{"argocd/envs/prodd"}},
		{"path out of the repository", dev(arrayParam("value-files", "../../../../../../etc/passwd")), []string{"etc/passwd"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			manifests, err := s.generate(t, repo, tc.app)
			if err == nil {
				t.Fatalf("no error, but %d manifests", len(manifests))
			}
			checkErrorText(t, err.Error(), s, tc.want...)
		})
	}
	if found := s.leftovers(t); len(found) > 0 {
		t.Errorf("left on the disk after the requests: %q", found)
	}
}

// checkErrorText checks the part of an error that is ours: argocd-cmp-server puts the command and its exit status
// in front of what the command wrote to standard error.
func checkErrorText(t *testing.T, text string, s *server, want ...string) {
	t.Helper()
	before := "failed exit status 1: "
	if s.native {
		before = "desc = "
	}
	_, ours, found := strings.Cut(text, before)
	if !found {
		t.Fatalf("the error does not say %q:\n%s", before, text)
	}
	lines := strings.Split(strings.TrimRight(ours, "\n"), "\n")
	if len(lines[0]) > 300 {
		t.Errorf("the first line has %d characters, want at most 300", len(lines[0]))
	}
	if len(lines) > 3 {
		t.Errorf("%d lines, want one that says what is wrong and a hint", len(lines))
	}
	for _, w := range want {
		if !strings.Contains(ours, w) {
			t.Errorf("%q is not in the text", w)
		}
	}
	if !strings.Contains(lines[0], want[0]) {
		t.Errorf("the first line does not name %q", want[0])
	}
	for _, noise := range []string{"goroutine ", "panic:", ".go:", s.work, s.tmp, "_cmp_server"} {
		if strings.Contains(ours, noise) {
			t.Errorf("%q is in the text", noise)
		}
	}
	if t.Failed() {
		t.Logf("the text:\n%s", ours)
	}
}

func mustGenerate(t *testing.T, s *server, repo string, a app) []string {
	t.Helper()
	manifests, err := s.generate(t, repo, a)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}
