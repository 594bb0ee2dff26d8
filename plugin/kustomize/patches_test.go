package kustomize_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

const objects = `apiVersion: v1
kind: Service
metadata:
  name: api
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: core-pipeline
  labels: {app: core-pipeline}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
`

const jsonPatch = `    patch: '[{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]'`

// TestTargets says which patches count as matching something, and what is
// said about those that do not.
func TestTargets(t *testing.T) {
	component := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
	target := func(selector string) string {
		return "patches:\n  - target: {" + selector + "}\n" + jsonPatch + "\n"
	}
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string // the error; empty for none
	}{
		{"by kind", map[string]string{"env": target("kind: Deployment")}, ""},
		{"by expression", map[string]string{"env": target("name: core-.*")}, ""},
		{"by label", map[string]string{"env": target("labelSelector: app in (core-pipeline)")}, ""},
		{"another name", map[string]string{"env": target("kind: Deployment, name: api")},
			"env/kustomization.yaml: patches[0]: no Deployment/api; found Deployment/core-pipeline"},
		{"another kind", map[string]string{"env": target("kind: StatefulSet, name: core-pipeline")},
			"patches[0]: no StatefulSet/core-pipeline; found Deployment/core-pipeline"},
		{"another group", map[string]string{"env": target("kind: Deployment, group: extensions")},
			"patches[0]: no Deployment/* of extensions; found Deployment/core-pipeline"},
		{"another version", map[string]string{"env": target("kind: Deployment, version: v1beta1")}, "no Deployment/* v1beta1; found"},
		{"another namespace", map[string]string{"env": target("kind: Deployment, namespace: other")}, "no Deployment/* in other; found"},
		{"part of a name", map[string]string{"env": target("name: core")}, "patches[0]: no object/core"},
		{"another label", map[string]string{"env": target("labelSelector: app=api")}, "patches[0]: no object/* with labels app=api"},
		{"another annotation", map[string]string{"env": target("annotationSelector: a=b")}, "no object/* with annotations a=b"},
		{"nothing like it", map[string]string{"env": target("kind: CronJob, name: x")}, "patches[0]: no CronJob/x"},
		{"two of them", map[string]string{"env": "patches:\n  - target: {kind: A}\n" + jsonPatch + "\n  - target: {kind: B}\n" + jsonPatch + "\n"},
			"env/kustomization.yaml: patches[0]: no A/*\nenv/kustomization.yaml: patches[1]: no B/*"},
		{"no target", map[string]string{"env": "patches:\n  - patch: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: api}\n"},
			"env/kustomization.yaml: a patch matches nothing: no Deployment/api of apps v1; found Deployment/core-pipeline"},
		{"older merge patch", map[string]string{"env": "patchesStrategicMerge:\n  - |\n    apiVersion: v1\n    kind: Service\n    metadata: {name: app}\n"},
			"a patch matches nothing: no Service/app v1; found Service/api"},
		{"older JSON patch", map[string]string{"env": "patchesJson6902:\n  - target: {version: v1, kind: Service, name: app}\n" + jsonPatch + "\n"},
			"env/kustomization.yaml: patchesJson6902[0]: no Service/app v1; found Service/api"},
		{"older JSON patch after a prefix", map[string]string{"env": "namePrefix: a-\npatchesJson6902:\n  - target: {version: v1, kind: Service, name: a-api}\n" + jsonPatch + "\n"}, ""},
		{"older JSON patch that matches", map[string]string{"env": "patchesJson6902:\n  - target: {version: v1, kind: Service, name: api}\n" + jsonPatch + "\n"}, ""},
		{"after a prefix", map[string]string{"env": "namePrefix: a-\n" + target("kind: Service, name: api")}, ""},
		{"prefix of a component", map[string]string{
			"env": "components: [../part]\n" + target("kind: Service, name: a-api"), "part": component + "namePrefix: a-\n"}, ""},
		{"in a component", map[string]string{"env": "components: [../part]\n", "part": component + target("kind: Service, name: api")}, ""},
		{"unmatched in a component", map[string]string{"env": "components: [../part]\n", "part": component + target("kind: Service, name: app")},
			"part/kustomization.yaml: patches[0]: no Service/app; found Service/api"},
		{"in a base", map[string]string{
			"env": "resources: [../base]\n", "base": "configMapGenerator: [{name: made, literals: [a=b]}]\n" + target("kind: ConfigMap, name: made")}, ""},
		{"a rendered object in a base", map[string]string{
			"env": "resources: [../base]\n", "base": "configMapGenerator: [{name: made, literals: [a=b]}]\n" + target("kind: Service, name: api")},
			"base/kustomization.yaml: patches[0]: no Service/api; found Service/api"},
		{"a generated object", map[string]string{"env": "configMapGenerator: [{name: made, literals: [a=b]}]\n" + target("kind: ConfigMap, name: made")}, ""},
		{"deleted afterwards", map[string]string{"env": target("kind: Service") + "  - target: {kind: Service}\n    patch: |\n      $patch: delete\n      apiVersion: v1\n      kind: Service\n      metadata: {name: api}\n"}, ""},
		{"label removed afterwards", map[string]string{"env": "patches:\n  - target: {labelSelector: app=core-pipeline}\n    patch: '[{\"op\": \"remove\", \"path\": \"/metadata/labels/app\"}]'\n"}, ""},
		{"label removed before", map[string]string{"env": "patches:\n  - target: {kind: Deployment}\n    patch: '[{\"op\": \"remove\", \"path\": \"/metadata/labels/app\"}]'\n  - target: {labelSelector: app=core-pipeline}\n    patch: '[{\"op\": \"add\", \"path\": \"/spec\", \"value\": {}}]'\n"}, ""},
		{"transformer", map[string]string{"env": "transformers:\n- |\n  {apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, target: {kind: Service}, patch: '[{\"op\": \"add\", \"path\": \"/spec\", \"value\": {}}]'}\n"}, ""},
		{"unmatched transformer", map[string]string{"env": "transformers:\n- |\n  {apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, Target: {kind: Service, name: app}, patch: '[{\"op\": \"add\", \"path\": \"/spec\", \"value\": {}}]'}\n"},
			"env/kustomization.yaml: transformers[0]: no Service/app; found Service/api"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for dir, text := range tc.files {
				tree[dir+"/kustomization.yaml"] = &fstest.MapFile{Data: []byte(text)}
			}
			list, err := build(t.Context(), t, tree, objects)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got  %v\nwant %s", err, tc.want)
			case err == nil && strings.Contains(toYAML(t, list), "core-pipeline-matched"):
				t.Error("the mark of a probe is left")
			}
		})
	}
}
