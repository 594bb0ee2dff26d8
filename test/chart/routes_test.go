package chart

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMetricsBlock holds that the metrics are refused where everything else is
// served: on the same entry points, and on every route.
func TestMetricsBlock(t *testing.T) {
	const prefix = "traefik.ingress.kubernetes.io/router."
	list := mustRender(t, repository(t), "", "ingress: {enabled: true, controller: traefik, hostname: a.example.com, tls: true, tlsSecretName: t, annotations: {"+prefix+"entrypoints: edge}}")
	var main, block map[string]any
	if !object(t, list, "Ingress", "core-pipeline", &main) || !object(t, list, "Ingress", "core-pipeline-metrics-block", &block) {
		t.Fatal("there are no two Ingresses")
	}
	for key, want := range map[string]any{"entrypoints": "edge", "tls": "true"} {
		for _, o := range []map[string]any{main, block} {
			annotations, _ := at(o, "metadata.annotations").(map[string]any)
			if got := annotations[prefix+key]; got != want {
				t.Errorf("%s of %v is %v, want %v", key, at(o, "metadata.name"), got, want)
			}
		}
	}
	annotations, _ := at(block, "metadata.annotations").(map[string]any)
	if got, want := annotations[prefix+"middlewares"], "apps-core-pipeline-metrics-block@kubernetescrd"; got != want {
		t.Errorf("the block has the middlewares %v, want %s", got, want)
	}
	if kind := at(block, "spec.rules.0.http.paths.0.pathType"); kind != "Prefix" {
		t.Errorf("the block is for the path type %v: /metrics/ leads to the metrics too", kind)
	}
}

// TestRoutes holds that each host has its own paths and no others.
func TestRoutes(t *testing.T) {
	list := mustRender(t, repository(t), "", `
httpRoute: {enabled: true, parentRefs: [{name: g}]}
ingress:
  hostname: a.example.com
  extraHosts: [{host: b.example.com}, {host: c.example.com, paths: [{path: /v1, pathType: Exact}, {path: /v2}]}]
`)
	got := map[string][]string{}
	for _, o := range list {
		if o.Kind() != "HTTPRoute" {
			continue
		}
		var paths []string
		for _, rule := range asList(at(o.Fields, "spec.rules")) {
			for _, match := range asList(rule.(map[string]any)["matches"]) {
				path := at(match.(map[string]any), "path").(map[string]any)
				paths = append(paths, fmt.Sprintf("%v %v %t", path["type"], path["value"], rule.(map[string]any)["backendRefs"] != nil))
			}
		}
		for _, host := range asList(at(o.Fields, "spec.hostnames")) {
			got[host.(string)] = slices.Concat(got[host.(string)], paths)
		}
	}
	everything := []string{"PathPrefix /metrics false", "PathPrefix / true"}
	want := map[string][]string{
		"a.example.com": everything, "b.example.com": everything,
		"c.example.com": {"PathPrefix /metrics false", "Exact /v1 true", "PathPrefix /v2 true"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
