package addons

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
)

//go:embed manifests
var manifests embed.FS

// ClusterValues are the values file of a cluster that has the addons, for argocd/envs/<env>/clusters/<cluster>.yaml.
//
//go:embed values.yaml
var ClusterValues string

// Addon is what is installed in a cluster in one go.
type Addon struct {
	// Name is that of the file with its manifests.
	Name string
	// upstream are manifests that its project publishes, as files and folders of modules: definitions and roles. Of the
	// definitions only what its programs ask for here: every one costs each API server, and Argo CD, which watches it.
	upstream []published
	// charts are the definitions among them of what the chart makes: a cluster without the addon has these.
	charts []published
	// programs are the images, each with one program.
	programs []packed
	// ready are the objects to wait for and the condition: an argument of kubectl wait.
	ready []readiness
}

type published struct {
	path, version string
	files         []string
}

// packed is an image with one program and nothing else.
type packed struct {
	image   string
	program func(ctx context.Context) (string, error)
}

type readiness struct{ namespace, object, condition string }

const (
	operatorDefinitions = "example/prometheus-operator-crd/monitoring.coreos.com_"
	traefikDefinitions  = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
)

// All is every addon, in the order in which they are installed.
func All() []Addon {
	return []Addon{
		{
			Name:     "metrics-server",
			upstream: []published{{MetricsServer.path, MetricsServer.version, []string{"manifests/base/rbac.yaml", "manifests/base/apiservice.yaml"}}},
			programs: []packed{{"registry.k8s.io/metrics-server/metrics-server:v0.9.0", MetricsServer.program("metrics-server")}},
			ready:    []readiness{{"kube-system", "deployment/metrics-server", "Available"}, {"", "apiservice/v1beta1.metrics.k8s.io", "Available"}},
		},
		{
			Name: "external-secrets",
			upstream: []published{{ExternalSecrets.path, ExternalSecrets.version, []string{
				"config/crds/bases/external-secrets.io_clustersecretstores.yaml", "config/crds/bases/external-secrets.io_externalsecrets.yaml",
				"config/crds/bases/external-secrets.io_secretstores.yaml",
				"config/crds/bases/generators.external-secrets.io_generatorstates.yaml", // it ends after two minutes without
			}}},
			programs: []packed{{"core-pipeline.test/external-secrets:v0.16.2", ExternalSecrets.program("external-secrets")}},
			ready: []readiness{
				{"external-secrets", "deployment/external-secrets", "Available"},
				{"", "clustersecretstore/core-pipeline-staging", "Ready"}, {"", "clustersecretstore/core-pipeline-prod", "Ready"},
			},
		},
		{
			Name:     "cert-manager",
			upstream: []published{{"github.com/cert-manager/cert-manager", CertManagerVersion, []string{"deploy/crds"}}},
			programs: []packed{{"core-pipeline.test/certmanager:v1.21.2", CertManager}},
			ready:    []readiness{{"cert-manager", "deployment/cert-manager", "Available"}, {"", "clusterissuer/letsencrypt-prod", "Ready"}},
		},
		{
			Name: "traefik",
			upstream: []published{{Traefik.path, Traefik.version, []string{
				traefikDefinitions, "docs/content/reference/dynamic-configuration/kubernetes-crd-rbac.yml",
			}}},
			charts:   []published{{Traefik.path, Traefik.version, []string{traefikDefinitions}}},
			programs: []packed{{"docker.io/library/traefik:v3.5.3", Traefik.program("traefik")}},
			ready:    []readiness{{"traefik", "deployment/traefik", "Available"}},
		},
		{
			Name:     "otlp",
			programs: []packed{{"core-pipeline.test/otlp:v1", own("otlp")}},
			ready:    []readiness{{"monitoring", "deployment/tempo", "Available"}},
		},
		{
			Name: "prometheus",
			upstream: []published{{PrometheusOperator.path, PrometheusOperator.version, []string{
				operatorDefinitions + "prometheuses.yaml", operatorDefinitions + "prometheusrules.yaml", operatorDefinitions + "servicemonitors.yaml",
				operatorDefinitions + "podmonitors.yaml", operatorDefinitions + "probes.yaml",
				"example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml", "example/rbac/prometheus/prometheus-cluster-role.yaml",
			}}},
			charts: []published{{PrometheusOperator.path, PrometheusOperator.version, []string{
				operatorDefinitions + "prometheusrules.yaml", operatorDefinitions + "servicemonitors.yaml",
			}}},
			programs: []packed{
				{"quay.io/prometheus/prometheus:v3.16.0", Prometheus.program("prometheus")},
				{"quay.io/prometheus-operator/prometheus-operator:v0.85.0", PrometheusOperator.program("operator")},
				{"quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0", PrometheusOperator.program("prometheus-config-reloader")},
				{"core-pipeline.test/kubestate:v1", own("kubestate")},
			},
			ready: []readiness{
				{"monitoring", "deployment/prometheus-operator", "Available"}, {"monitoring", "deployment/kube-state-metrics", "Available"},
				{"monitoring", "prometheus/k8s", "Available"},
			},
		},
	}
}

func (m module) program(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		built, err := m.Programs(ctx)
		return built[name], err
	}
}

// Build builds what is missing of the addon's programs.
func (a Addon) Build(ctx context.Context) error {
	for _, p := range a.programs {
		if _, err := p.program(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Images are the addon's; what is missing of their programs is built.
func (a Addon) Images(ctx context.Context) ([]image.Image, error) {
	var all []image.Image
	for _, p := range a.programs {
		program, err := p.program(ctx)
		if err != nil {
			return nil, err
		}
		target := "/bin/" + filepath.Base(program)
		layer, err := images.Program(program, image.File{Path: target, Source: program, Mode: 0o755}, image.File{Path: "/tmp", Mode: os.ModeSticky | 0o777})
		if err != nil {
			return nil, err
		}
		all = append(all, image.Image{Name: p.image, Entrypoint: []string{target}, User: "65534", Env: images.OneProcessor(), Layers: []v1.Layer{layer}})
	}
	return all, nil
}

// Definitions are the manifests that its project publishes. They have to be in the cluster before the others.
func (a Addon) Definitions(ctx context.Context) (string, error) { return read(ctx, a.upstream) }

// ChartDefinitions are those of what the chart makes, for a cluster without the addon.
func (a Addon) ChartDefinitions(ctx context.Context) (string, error) { return read(ctx, a.charts) }

func read(ctx context.Context, manifests []published) (string, error) {
	var all strings.Builder
	for _, u := range manifests {
		root, err := moduleDir(ctx, u.path, u.version)
		if err != nil {
			return "", err
		}
		for _, name := range u.files {
			if err := collect(&all, filepath.Join(root, name)); err != nil {
				return "", err
			}
		}
	}
	return all.String(), nil
}

// collect appends a file of manifests, or those of a folder. Two kinds of file there are none: notes, and kustomize's.
func collect(all *strings.Builder, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(name)
		fmt.Fprintf(all, "---\n%s\n", data)
		return err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); (ext == ".yaml" || ext == ".yml") && e.Name() != "kustomization.yaml" {
			err = errors.Join(err, collect(all, filepath.Join(name, e.Name())))
		}
	}
	return err
}

// Objects are the manifests that are written here.
func (a Addon) Objects() (string, error) {
	data, err := manifests.ReadFile("manifests/" + a.Name + ".yaml")
	return string(data), err
}
