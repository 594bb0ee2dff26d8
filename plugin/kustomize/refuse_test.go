package kustomize_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/kustomize"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
)

const canary = "canary-5f1e7c"

// TestRefused lists what an overlay must not do, and what its author reads.
// None of it may open a connection or run a program: the address that the
// cases name is listened on, and git is a trap.
func TestRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a connection was opened to %s", r.URL)
	})}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	defer server.Close()      //nolint:errcheck // nothing to flush
	address := listener.Addr().String()
	trap := t.TempDir()
	sprung := filepath.Join(trap, "sprung")
	for _, program := range []string{"git", "helm", "docker"} {
		if err := os.WriteFile(filepath.Join(trap, program), []byte("#!/bin/sh\necho $0 > "+sprung+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", trap)

	const remote = " is remote; copy it into the repository"
	for _, tc := range []struct{ name, file, want string }{
		{"https resource", "resources: [https://ADDR/x.yaml]", "env/kustomization.yaml: resources: https://ADDR/x.yaml" + remote},
		{"http resource", "resources: ['http://ADDR/x.yaml']", "http://ADDR/x.yaml" + remote},
		{"upper case scheme", "resources: ['HTTP://ADDR/x.yaml']", "HTTP://ADDR/x.yaml" + remote},
		{"password", "resources: ['https://me:" + canary + "@ADDR/x.yaml']", "resources: https://ADDR/x.yaml" + remote},
		{"git", "resources: ['git::https://ADDR/a/b']", remote},
		{"git scheme", "resources: ['git://ADDR/a/b']", remote},
		{"ssh", "resources: ['git@example.com:a/b.git?ref=v1']", remote},
		{"ssh scheme", "resources: ['ssh://git@example.com/a/b']", remote},
		{"github", "resources: [github.com/a/b]", "github.com/a/b" + remote},
		{"github in capitals", "resources: ['GitHub.com:a/b']", remote},
		{"file scheme", "resources: ['file:///etc']", remote},
		{"org and repository", "resources: ['a/b//c?ref=main']", "no such file or directory"},
		{"field in capitals", "Resources: ['https://ADDR/x.yaml']", remote},
		{"base", "bases: ['https://ADDR/a/b']", remote},
		{"component", "components: ['https://ADDR/a/b']", "components: https://ADDR/a/b" + remote},
		{"patch", "patches: [{path: 'https://ADDR/p.yaml'}]", "patches: https://ADDR/p.yaml" + remote},
		{"patch in capitals", "Patches: [{Path: 'https://ADDR/p.yaml'}]", "patches: https://ADDR/p.yaml" + remote},
		{"merge patch", "patchesStrategicMerge: ['https://ADDR/p.yaml']", remote},
		{"json patch", "patchesJson6902: [{path: 'https://ADDR/p.yaml', target: {version: v1, kind: Service, name: api}}]", remote},
		{"replacement", "replacements: [{path: 'https://ADDR/p.yaml'}]", remote},
		{"config map", "configMapGenerator: [{name: a, files: ['https://ADDR/f']}]", remote},
		{"config map with a key", "configMapGenerator: [{name: a, files: ['k=https://ADDR/f']}]", remote},
		{"environment file", "configMapGenerator: [{name: a, envs: ['https://ADDR/f']}]", remote},
		{"older environment file", "secretGenerator: [{name: a, env: 'https://ADDR/f'}]", remote},
		{"crds", "crds: ['https://ADDR/f']", remote},
		{"configurations", "configurations: ['https://ADDR/f']", remote},
		{"generator", "generators: ['https://ADDR/f']", remote},
		{"transformer", "transformers: ['https://ADDR/f']", remote},
		{"validator", "validators: ['https://ADDR/f']", remote},
		{"path of a transformer", "transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, path: \"https://ADDR/f\"}']", remote},
		{"path in capitals", "transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, PATH: \"https://ADDR/f\"}']", remote},
		{"target file", "transformers: ['{apiVersion: builtin, kind: ValueAddTransformer, metadata: {name: a}, targetFilePath: \"https://ADDR/f\"}']", remote},
		{"replacement of a transformer", "transformers: ['{apiVersion: builtin, kind: ReplacementTransformer, metadata: {name: a}, replacements: [{Path: \"https://ADDR/f\"}]}']", remote},
		{"address that is a mapping", "transformers: [\"github.com/a/b: 1\\n\"]", "not built into kustomize"},
		{"in a component", "components: [../parts/remote]", "parts/remote/kustomization.yaml: resources: https://ADDR/x.yaml" + remote},

		{"charts", "helmCharts: [{name: a, repo: 'https://ADDR'}]", "env/kustomization.yaml: helmCharts is not supported: the overlay patches a chart that is already rendered"},
		{"charts in capitals", "HELMCHARTS: [{name: a}]", "helmCharts is not supported"},
		{"older charts", "helmChartInflationGenerator: [{chartName: a, chartRepoUrl: 'https://ADDR'}]", "helmCharts is not supported"},
		{"globals", "helmGlobals: {chartHome: /etc}", "helmGlobals is not supported"},
		{"openapi", "openapi: {path: smp.yaml}", "openapi is not supported: it would change how every later overlay is merged"},
		{"openapi in capitals", "OpenApi: {version: v1.20.4}", "openapi is not supported"},
		{"label of the program", "buildMetadata: [managedByLabel]", "buildMetadata: managedByLabel is not supported"},
		{"chart generator", "generators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: a}}']", "HelmChartInflationGenerator of builtin is not built into kustomize; plugins are not executed"},
		{"exec function", "transformers: ['{apiVersion: v1, kind: Fn, metadata: {name: a, annotations: {config.kubernetes.io/function: \"exec: {path: git}\"}}}']", "Fn is a function that would be executed"},
		{"container function", "generators: ['{apiVersion: builtin, kind: PrefixTransformer, metadata: {name: a, annotations: {config.k8s.io/function: \"container: {image: git}\"}}}']", "is a function that would be executed"},
		{"exec plugin", "transformers: ['{apiVersion: someteam.example.com/v1, kind: Sed, metadata: {name: a}}']", "Sed of someteam.example.com/v1 is not built into kustomize"},
		{"plugin in a file", "validators: [plugin.yaml]", "env/kustomization.yaml: validators: Sed of example.com/v1 is not built into kustomize"},
		{"directory of plugins", "transformers: [plugins]", "plugins is a directory; name the files in it"},

		{"outside", "resources: [../../etc/passwd]", "env/kustomization.yaml: resources: ../../etc/passwd leaves the repository"},
		{"absolute", "resources: [/etc/passwd]", "/etc/passwd: paths are relative to the kustomization"},
		{"absolute patch", "patches: [{path: /etc/passwd}]", "paths are relative to the kustomization"},
		{"file beside", "configMapGenerator: [{name: a, files: [../parts/x.txt]}]", "../parts/x.txt is outside of env; kustomize reads files below the kustomization only"},
		{"link that leaves", "configMapGenerator: [{name: a, files: [away]}]", "env/away: leaves the repository"},
		{"absolute link", "configMapGenerator: [{name: a, files: [passwd]}]", "env/passwd: leaves the repository"},
		{"git directory", "configMapGenerator: [{name: a, files: [config]}]", "config: no such file"},
		{"missing resource", "resources: [no.yaml]", "env/kustomization.yaml: resources: no.yaml: no such file or directory"},
		{"missing patch", "patches: [{path: no.yaml}]", "env/kustomization.yaml: patches: no.yaml: no such file"},
		{"reserved", "resources: [.core-pipeline-rendered.yaml]", ".core-pipeline-rendered.yaml"},
		{"circle", "components: [../parts/circle]", "kustomize"},
		{"no kustomization", "components: [../parts]", "parts: no kustomization.yaml"},

		{"not YAML", "a: [\n", "env/kustomization.yaml:1: not valid YAML"},
		{"a list", "- a\n", "not a kustomization: a field has the wrong type"},
		{"wrong type", "resources: {a: b}", "env/kustomization.yaml: not a kustomization: resources cannot be of type object"},
		{"unknown field", "patchs: []", "env/kustomization.yaml: kustomize knows no field \"patchs\""},
		{"secret in a bad patch", "patches: [{patch: '{\"" + canary + "\": [', target: {kind: Service}}]", "env/kustomization.yaml: patches[0]: not valid YAML in line 1 of the patch"},
		{"secret in a patch that is no JSON", "patchesJson6902: [{patch: '[{op: add, path: /a, value: " + canary + "}]', target: {version: v1, kind: Service, name: api}}]",
			"env/kustomization.yaml: patchesJson6902[0]: begins with [ and is no JSON"},
		{"secret in a list of no operations", "patchesJson6902: [{patch: '- " + canary + "', target: {version: v1, kind: Service, name: api}}]", "env/kustomization.yaml: kustomize: "},
		{"other kind", "kind: Overlay", "env/kustomization.yaml: kustomize: kind should be Kustomization or Component"},
		{"secret in a patch that does not fit", "patches: [{patch: '[{\"op\": \"test\", \"path\": \"/a\", \"value\": \"" + canary + "\"}]', target: {kind: Service}}]", "env/kustomization.yaml: kustomize: "},
		{"secret in a resource", "resources: [secret.yaml]", "env/kustomization.yaml: kustomize: "},
		{"two of a kind", "resources: [smp.yaml]", "env/kustomization.yaml: Service/api is a resource of the overlay and was rendered already; use a patch to change it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			files := fstest.MapFS{
				"env/kustomization.yaml":          {Data: []byte(strings.ReplaceAll(tc.file, "ADDR", address))},
				"env/smp.yaml":                    {Data: []byte(service)},
				"env/secret.yaml":                 {Data: []byte("data:\n  password: " + canary + "\n  - broken")},
				"env/plugin.yaml":                 {Data: []byte("apiVersion: example.com/v1\nkind: Sed\nmetadata: {name: a}\n")},
				"env/plugins/one.yaml":            {Data: []byte("a: b\n")},
				".git/config":                     {Data: []byte(canary)},
				"parts/x.txt":                     {Data: []byte("x")},
				"parts/remote/kustomization.yaml": {Data: []byte("kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nresources: ['https://" + address + "/x.yaml']\n")},
				"parts/circle/kustomization.yaml": {Data: []byte("kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ncomponents: [../circle]\n")},
			}
			if err := os.CopyFS(dir, files); err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{"away": "../../x", "passwd": "/etc/passwd", "config": "../.git/config"} {
				if err := os.Symlink(target, filepath.Join(dir, "env", name)); err != nil {
					t.Fatal(err)
				}
			}
			tree, err := source.OpenDir(dir, source.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close() //nolint:errcheck // opened for reading only
			list, err := build(t.Context(), t, tree, service)
			if err == nil {
				t.Fatalf("no error; the result is\n%s", toYAML(t, list))
			}
			want := strings.ReplaceAll(tc.want, "ADDR", address)
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error\n  %s\nlacks\n  %s", err, want)
			}
			for _, unwanted := range []string{canary, dir, "\n", "\t"} {
				if strings.Contains(err.Error(), unwanted) {
					t.Errorf("error shows %q:\n%s", unwanted, err)
				}
			}
		})
	}
	t.Cleanup(func() {
		if data, err := os.ReadFile(sprung); err == nil {
			t.Errorf("a program was run: %s", data)
		}
	})
}

// TestAllAtOnce holds that an author sees every problem in one go.
func TestAllAtOnce(t *testing.T) {
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte("resources: [a.yaml, b.yaml]\npatches: [{path: c.yaml}]\n")}}
	_, err := build(t.Context(), t, tree, service)
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("got %v, want three lines", err)
	}
}

func TestMaxFiles(t *testing.T) {
	tree := fstest.MapFS{"env/kustomization.yaml": {Data: []byte("crds:\n" + strings.Repeat("- crd.json\n", kustomize.MaxFiles+1))}, "env/crd.json": {Data: []byte("{}")}}
	_, err := build(t.Context(), t, tree, service)
	if err == nil || !strings.Contains(err.Error(), "env: the overlay names more than 1000 files") {
		t.Errorf("got %v", err)
	}
}
