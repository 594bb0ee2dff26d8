package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

// TestConformance drives argocd-cmp-server, which runs our exec contract, and `core-pipeline-cmp serve` with the same
// messages. Every answer has to be the same, in content and order, but for the differences that are on purpose.
func TestConformance(t *testing.T) {
	p := pair{exec: startServer(t, nil), native: startNative(t)}
	repo := copyRepository(t, "")
	for _, x := range slices.Concat(renders(t, repo), mistakes(t, repo)) {
		t.Run("generate/"+x.name, func(t *testing.T) { ask(t, p, x, callGenerate) })
	}
	for _, x := range slices.Concat(archives(t), protocol(t)) {
		t.Run("archive/"+x.name, func(t *testing.T) { ask(t, p, x, callGenerate) })
	}
	for _, x := range announcements(t, repo) {
		t.Run("parameters/"+x.name, func(t *testing.T) { ask(t, p, x, callParameters) })
	}
	for _, size := range []string{"7", "65536", "4194304"} {
		t.Run("chunks of "+size, func(t *testing.T) {
			t.Setenv("ARGOCD_CMP_CHUNK_SIZE", size)
			ask(t, p, exchange{app: applicationOf("prod"), repo: repo}, callGenerate)
		})
	}
	t.Run("configuration", func(t *testing.T) {
		if want, got := p.exec.configuration(t).String(), p.native.configuration(t).String(); want != got {
			t.Errorf("argocd-cmp-server: %s, serve: %s", want, got)
		}
	})
	t.Run("match", func(t *testing.T) {
		ask(t, p, exchange{app: applicationOf("dev"), repo: repo}, callMatch)
	})
	for _, s := range []*server{p.exec, p.native} {
		if found := s.leftovers(t); len(found) > 0 {
			t.Errorf("left on the disk after the requests: %q", found)
		}
	}
}

// TestConformanceDiscovery is the same with the discovery that plugin.yaml describes, switched on in both.
func TestConformanceDiscovery(t *testing.T) {
	p := pair{
		exec: startServer(t, func(plugin string) string {
			return plugin + "\n  discover: {find: {command: [core-pipeline-cmp, discover]}}\n"
		}),
		native: startNative(t, "--discovery"),
	}
	repo := copyRepository(t, "")
	if want, got := p.exec.configuration(t).String(), p.native.configuration(t).String(); want != got {
		t.Errorf("argocd-cmp-server: %s, serve: %s", want, got)
	}
	for name, x := range map[string]exchange{
		"made for this plugin": {app: applicationOf("dev"), repo: repo},
		"no chart":             {app: app{path: "argocd/envs"}, repo: repo},
		"a plain chart":        {app: app{path: "app"}, repo: writeSmallChart(t)},
		// Some of Argo CD's own questions come without a single variable.
		"no environment": {app: applicationOf("dev"), repo: repo, env: func([]string) []string { return nil }},
		"wrong checksum": {app: applicationOf("dev"), repo: repo, change: wrongChecksum, refused: "*"},
	} {
		t.Run(name, func(t *testing.T) { ask(t, p, x, callMatch) })
	}
}

// renders are requests that succeed.
func renders(t *testing.T, repo string) []exchange {
	var all []exchange
	for _, environment := range environments {
		all = append(all, exchange{name: environment, app: applicationOf(environment), repo: repo})
	}
	small := app{name: "small", namespace: "default", path: "app"}
	edited := func(edit func(repo string)) string {
		repo := writeSmallChart(t)
		edit(repo)
		return repo
	}
	with := func(name string, params ...v1alpha1.ApplicationSourcePluginParameter) app {
		return app{name: name, namespace: "default", path: "app", params: params}
	}
	prod := applicationOf("prod")
	prod.noCluster = true
	return append(all,
		exchange{name: "cluster unknown", app: prod, repo: repo},
		exchange{name: "root of the repository", app: app{name: "small", namespace: "default", path: "."}, repo: filepath.Join(writeSmallChart(t), "app")},
		exchange{name: "deep", app: app{name: "core-pipeline", namespace: "default", path: "a/b/c/d/" + chart}, repo: copyRepository(t, "a/b/c/d")},
		exchange{name: "narrowed", app: app{
			name: "core-pipeline", namespace: "default", path: "deploy/" + chart, tarRoot: "deploy",
			params: v1alpha1.ApplicationSourcePluginParameters{arrayParam("value-files", "/deploy/argocd/envs/prod/release.yaml")},
		}, repo: copyRepository(t, "deploy")},
		exchange{name: "exclusions", app: applicationOf("dev"), repo: repo, exclude: []string{".git", "unrelated", "**/README.md"}},
		exchange{name: "application of another namespace", app: with("team_small"), repo: writeSmallChart(t)},
		exchange{name: "parameters absent", app: small, repo: writeSmallChart(t), env: func(env []string) []string {
			return without(env, "ARGOCD_APP_PARAMETERS")
		}},
		exchange{name: "parameters null", app: small, repo: writeSmallChart(t), env: set("ARGOCD_APP_PARAMETERS", "null")},
		exchange{name: "parameters empty", app: small, repo: writeSmallChart(t), env: set("ARGOCD_APP_PARAMETERS", "[]")},
		exchange{name: "a variable twice", app: small, repo: writeSmallChart(t), env: func(env []string) []string {
			return append(env, "ARGOCD_APP_NAME=second")
		}},
		exchange{name: "parameters with unusual values", app: with("small",
			mapParam("set", map[string]string{"a": "é \"quoted\" = 日本\nnext"}), stringParam("values", "b: {c: [1, 2.50, null]}\n")), repo: writeSmallChart(t)},
		exchange{name: "executable files", app: small, repo: edited(func(repo string) {
			if err := os.Chmod(filepath.Join(repo, "app/values.yaml"), 0o755); err != nil {
				t.Fatal(err)
			}
		})},
		exchange{name: "empty directories", app: small, repo: edited(func(repo string) {
			if err := os.MkdirAll(filepath.Join(repo, "app/templates/empty/deeper"), 0o755); err != nil {
				t.Fatal(err)
			}
		})},
		exchange{name: "names in other scripts", app: with("small", arrayParam("value-files", "wërte/日本 語.yaml")), repo: edited(func(repo string) {
			writeFile(t, filepath.Join(repo, "app/wërte/日本 語.yaml"), "a: from there\n")
		})},
		exchange{name: "link to a file", app: small, repo: edited(func(repo string) {
			writeFile(t, filepath.Join(repo, "shared/values.yaml"), "a: linked\n")
			if err := os.Remove(filepath.Join(repo, "app/values.yaml")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../shared/values.yaml", filepath.Join(repo, "app/values.yaml"))
		})},
		exchange{name: "link to a directory", app: with("small", stringParam("overlay", "/link")), repo: edited(func(repo string) {
			writeFile(t, filepath.Join(repo, "shared/kustomization.yaml"), "commonAnnotations: {a: b}\n")
			symlink(t, "shared", filepath.Join(repo, "link"))
		})},
		exchange{name: "link to nothing", app: small, repo: edited(func(repo string) {
			symlink(t, "absent", filepath.Join(repo, "dangling"))
		})},
		exchange{name: "long names", app: small, repo: edited(func(repo string) {
			writeFile(t, filepath.Join(repo, strings.Repeat("long-directory/", 15)+"file"), "x")
		})},
	)
}

// mistakes are requests that a person has to correct. Our text is the same whichever way it came.
func mistakes(t *testing.T, repo string) []exchange {
	dev := func(params ...v1alpha1.ApplicationSourcePluginParameter) app {
		return app{name: "core-pipeline", namespace: "core-pipeline-dev", path: chart, params: params}
	}
	small := func(params ...v1alpha1.ApplicationSourcePluginParameter) app {
		return app{name: "small", namespace: "default", path: "app", params: params}
	}
	written := func(name, content string) string {
		repo := writeSmallChart(t)
		writeFile(t, filepath.Join(repo, filepath.FromSlash(name)), content)
		return repo
	}
	return []exchange{
		{name: "absent environment", app: dev(stringParam("environment", "prodd")), repo: repo, refused: "prodd"},
		{name: "unknown parameter", app: dev(arrayParam("valueFiles", "x")), repo: repo, refused: "valueFiles"},
		{name: "parameter of the wrong type", app: dev(arrayParam("environment", "dev")), repo: repo, refused: "environment"},
		{name: "absent values file", app: dev(arrayParam("value-files", "/absent.yaml")), repo: repo, refused: "absent.yaml"},
		{name: "values file outside", app: dev(arrayParam("value-files", "../../../etc/passwd")), repo: repo, refused: "leaves the repository"},
		{name: "values file of another source", app: dev(arrayParam("value-files", "$ref/x.yaml")), repo: repo, refused: "$ref"},
		{name: "absent overlay", app: dev(stringParam("overlay", "/absent")), repo: repo, refused: "absent"},
		{name: "inline values", app: dev(stringParam("values", "a: [")), repo: repo, refused: "values"},
		{name: "schema", app: dev(mapParam("set-json", map[string]string{"replicaCount": `"many"`})), repo: repo, refused: "replicaCount"},
		{name: "several at once", app: dev(arrayParam("valueFiles", "x"), stringParam("enviroment", "dev")), repo: repo, refused: "valueFiles"},
		{name: "malformed parameters", app: dev(), repo: repo, env: set("ARGOCD_APP_PARAMETERS", "{"), refused: "ARGOCD_APP_PARAMETERS"},
		{name: "no chart", app: app{name: "x", namespace: "default", path: "argocd/envs"}, repo: repo, refused: "Chart.yaml"},
		{name: "excluded values file", app: applicationOf("dev"), repo: repo, exclude: []string{"argocd/envs/dev/release.yaml"}, refused: "release.yaml"},
		{name: "no namespace", app: app{name: "small", path: "app"}, repo: writeSmallChart(t), refused: "namespace"},
		{name: "values file", app: small(), repo: written("app/values.yaml", "a: b: c\n"), refused: "values.yaml"},
		{name: "template", app: small(), repo: written("app/templates/b.yaml", "{{ .Values.a.b.c }}\n"), refused: "templates/b.yaml"},
		{name: "required value", app: small(), repo: written("app/templates/b.yaml", `{{ required "say what" .Values.absent }}`), refused: "say what"},
		{name: "not an object", app: small(), repo: written("app/templates/b.yaml", "a: b\n"), refused: "templates/b.yaml"},
		{name: "object twice", app: small(), repo: written("app/templates/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: small}\n"), refused: "small"},
		{name: "nothing rendered", app: small(), repo: written("app/templates/a.yaml", "# nothing\n"), refused: "no objects"},
		{
			name: "patch without a match", app: small(stringParam("overlay", "/overlay")), refused: "smal",
			repo: written("overlay/kustomization.yaml", "patches:\n- target: {kind: ConfigMap, name: smal}\n  patch: |\n    - {op: remove, path: /data}\n"),
		},
		{
			name: "remote resource", app: small(stringParam("overlay", "/overlay")), refused: "https://example.com",
			repo: written("overlay/kustomization.yaml", "resources: [\"https://example.com/x.yaml\"]\n"),
		},
	}
}

// announcements are requests of the user interface.
func announcements(t *testing.T, repo string) []exchange {
	broken := writeSmallChart(t)
	writeFile(t, filepath.Join(broken, "app/values.schema.json"), "{")
	return []exchange{
		{name: "with a schema", app: applicationOf("prod"), repo: repo},
		{name: "without a schema", app: app{path: "app"}, repo: writeSmallChart(t)},
		{name: "no chart", app: app{path: "argocd/envs"}, repo: repo},
		{name: "no environment", app: applicationOf("dev"), repo: repo, env: func([]string) []string { return nil }},
		{name: "narrowed", app: app{path: "deploy/" + chart, tarRoot: "deploy"}, repo: copyRepository(t, "deploy")},
		{name: "broken schema", app: app{path: "app"}, repo: broken, refused: "values.schema.json"},
		{name: "wrong checksum", app: applicationOf("dev"), repo: repo, change: wrongChecksum, refused: "*"},
	}
}

func without(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

func set(name, value string) func([]string) []string {
	return func(env []string) []string { return append(without(env, name), name+"="+value) }
}
