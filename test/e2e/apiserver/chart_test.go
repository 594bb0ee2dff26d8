package apiserver

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/kubernetes"
)

// server is a running server and what is done with it here.
type server struct{ *kubernetes.Server }

const chart = "../../../charts/core-pipeline"

// definitions are the custom resources that the chart makes.
var definitions = []struct{ module, file string }{
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
	{"github.com/external-secrets/external-secrets@v1.3.2", "config/crds/bases/external-secrets.io_externalsecrets.yaml"},
	{"sigs.k8s.io/gateway-api@v1.7.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	{"github.com/traefik/traefik/v3@v3.7.13", "docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml"},
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"},
}

func helm(t *testing.T, variable string) string {
	t.Helper()
	at := os.Getenv(variable)
	if at == "" {
		skip(t, "%s does not name the program", variable)
	}
	return at
}

func runHelm(t *testing.T, program, kubeconfig string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	// NOTES.txt has warnings of its own on standard output.
	if text := strings.ToLower(stderr.String()); strings.Contains(text, "warn") || strings.Contains(text, "w1") {
		t.Errorf("helm %s:\n%s", strings.Join(args, " "), &stderr)
	}
	return stdout.String()
}

// documents decodes a stream of YAML.
func documents(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

// create makes an object, or lets the server say what would happen.
func (s server) create(t *testing.T, mapper meta.RESTMapper, o *unstructured.Unstructured, dryRun bool) error {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	gvk := o.GroupVersionKind()
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	opts := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	resource := client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		_, err = resource.Namespace(o.GetNamespace()).Create(t.Context(), o, opts)
	} else {
		_, err = resource.Create(t.Context(), o, opts)
	}
	return err
}

func (s server) mapper(t *testing.T) meta.RESTMapper {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		t.Fatal(err)
	}
	return restmapper.NewDiscoveryRESTMapper(groups)
}

// start starts a server with the custom resource definitions that the chart uses.
func start(t *testing.T) server {
	t.Helper()
	var names []string
	for _, d := range definitions {
		group, plural, _ := strings.Cut(strings.TrimSuffix(path.Base(d.file), ".yaml"), "_")
		names = append(names, plural+"."+group)
	}
	s := server{kubernetes.Start(t, names...)}
	s.recent(t)
	s.installDefinitions(t)
	return s
}

var oldest = regexp.MustCompile(`(?m)^kubeVersion: ">=([0-9.]+)-0"$`)

// recent wants the version that the chart asks for, which a cluster that is there already may not have.
func (s server) recent(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := oldest.FindSubmatch(data)
	if m == nil {
		t.Fatal("Chart.yaml names no oldest version")
	}
	client, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.MustParseGeneric(got.GitVersion).LessThan(version.MustParseGeneric(string(m[1]))) {
		skip(t, "the cluster has Kubernetes %s, and the chart asks for %s", got.GitVersion, m[1])
	}
}

// skip says what a test needs that is not there.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("E2E_REQUIRED") != "" {
		t.Fatalf("E2E_REQUIRED is set, and "+format, args...)
	}
	t.Skipf(format, args...)
}

// installDefinitions creates the custom resource definitions and waits until
// the server serves them.
func (s server) installDefinitions(t *testing.T) {
	t.Helper()
	mapper := s.mapper(t)
	var kinds []schema.GroupKind
	for _, d := range definitions {
		data, err := os.ReadFile(filepath.Join(kubernetes.Module(t, d.module), filepath.FromSlash(d.file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range documents(t, string(data)) {
			if err := s.create(t, mapper, o, false); err != nil {
				t.Fatalf("%s: %v", d.file, err)
			}
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
		}
	}
	deadline := time.Now().Add(time.Minute)
	for _, kind := range kinds {
		for {
			if _, err := s.mapper(t).RESTMapping(kind); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the server does not serve %s", kind)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	s.Warnings() // what the definitions themselves are warned about
}

func (s server) namespace(t *testing.T, name string) {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{
		"name": name, "labels": map[string]any{
			"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/audit": "restricted",
		},
	}}}
	if err := s.create(t, s.mapper(t), o, false); err != nil {
		t.Fatal(err)
	}
}

func valuesFiles(t *testing.T) []string {
	t.Helper()
	files := []string{filepath.Join(chart, "values.yaml")}
	for _, pattern := range []string{"values-*.yaml", "ci/*-values.yaml"} {
		found, err := filepath.Glob(filepath.Join(chart, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 10 {
		t.Fatalf("found %v", files)
	}
	return files
}

func TestChart(t *testing.T) {
	helm3, helm4 := helm(t, "HELM3"), helm(t, "HELM4")
	s := start(t)

	t.Run("dry run", func(t *testing.T) {
		const namespace = "core-pipeline-dry-run"
		s.namespace(t, namespace)
		mapper := s.mapper(t)
		bad := documents(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, namespace: "+namespace+"}\nspec: {containers: [{name: a, image: b}]}\n")[0]
		if err := s.create(t, mapper, bad, true); err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
			t.Fatalf("the server lets any pod in: %v", err)
		}
		s.Warnings()
		count := 0
		for _, file := range valuesFiles(t) {
			for _, o := range documents(t, runHelm(t, helm4, s.Kubeconfig, "template", "core-pipeline", chart, "--namespace", namespace, "-f", file)) {
				count++
				if err := s.create(t, mapper, o, true); err != nil {
					t.Errorf("%s: %s/%s: %v", file, o.GetKind(), o.GetName(), err)
				}
				for _, warning := range s.Warnings() {
					t.Errorf("%s: %s/%s: warning: %s", file, o.GetKind(), o.GetName(), warning)
				}
			}
		}
		if count < 80 {
			t.Errorf("the values files give %d objects", count)
		}
	})

	for name, program := range map[string]string{"helm 3": helm3, "helm 4": helm4} {
		t.Run(name, func(t *testing.T) {
			namespace := "core-pipeline-" + strings.ReplaceAll(name, " ", "")
			s.namespace(t, namespace)
			// No controller runs here, so a hook would never end.
			run := func(args ...string) {
				t.Helper()
				runHelm(t, program, s.Kubeconfig, append(args, "--namespace", namespace, "--no-hooks")...)
			}
			run("install", "core-pipeline", "testdata/core-pipeline-0.1.0.tgz", "-f", "testdata/values-prod-0.1.0.yaml")
			run("upgrade", "core-pipeline", chart, "-f", filepath.Join(chart, "values-prod.yaml"))
			run("upgrade", "core-pipeline", chart, "-f", filepath.Join(chart, "values-test.yaml"))
			run("rollback", "core-pipeline", "1")
			run("upgrade", "core-pipeline", chart, "-f", filepath.Join(chart, "values-prod.yaml"))
			run("uninstall", "core-pipeline")
		})
	}
}
