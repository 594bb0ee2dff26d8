package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

const chart = "../../../charts/core-pipeline"

// environments are those that the application is deployed to.
var environments = []string{"dev", "staging", "prod"}

// rendered is what the chart makes of an environment.
type rendered struct {
	container corev1.Container
	config    map[string]string
	objects   []unstructured.Unstructured
}

func render(t *testing.T, environment string) rendered {
	t.Helper()
	if r, done := renders[environment]; done {
		return r
	}
	helm, err := programs.Helm4(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := programs.Run(t.Context(), ".", append(os.Environ(), "HOME="+t.TempDir()), helm, "template", "core-pipeline", chart,
		"--kube-version", "1.37.0", "--values", filepath.Join(chart, "values-"+environment+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var r rendered
	for document := range strings.SplitSeq(out, "\n---") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(strings.TrimPrefix(document, "---")), &o.Object); err != nil {
			t.Fatal(err)
		}
		if len(o.Object) == 0 {
			continue
		}
		r.objects = append(r.objects, o)
		switch {
		case o.GetKind() == "Deployment":
			var d appsv1.Deployment
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &d); err != nil {
				t.Fatal(err)
			}
			r.container = d.Spec.Template.Spec.Containers[0]
		case o.GetKind() == "ConfigMap" && o.GetName() == "core-pipeline":
			if r.config, _, err = unstructured.NestedStringMap(o.Object, "data"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r.config["NODE_OPTIONS"] == "" || r.container.Resources.Limits.Memory().IsZero() {
		t.Fatalf("the chart makes no heap size or no memory limit of %s", environment)
	}
	renders[environment] = r
	return r
}

// renders are those that are done.
var renders = map[string]rendered{}

// podEnviron is the environment of the container, with what the kubelet puts in.
func podEnviron(t *testing.T, environment string) map[string]string {
	t.Helper()
	r := render(t, environment)
	env := maps.Clone(r.config)
	known := strings.NewReplacer("$(POD_NAME)", "core-pipeline-0", "$(POD_NAMESPACE)", "core-pipeline-"+environment, "$(NODE_NAME)", "node-0")
	for _, v := range r.container.Env {
		if v.Value != "" {
			env[v.Name] = known.Replace(v.Value)
		}
	}
	return env
}
