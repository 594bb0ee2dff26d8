package platform

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/addons"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

//go:embed manifests
var manifests embed.FS

// The control planes. Argo CD is on the hub, where staging is as well; dev and both clusters of prod have one each.
const (
	Hub    = "hub"
	Dev    = "dev-eu-1"
	Canary = "prod-eu-1"
	Main   = "prod-eu-2"
)

// Planes are what Install needs. What runs on a node of the hub or of the canary finds a place on their other one.
func Planes() []cluster.Plane {
	return []cluster.Plane{
		{Name: Hub, Zones: []string{"e2e-a", "e2e-b"}},
		{Name: Dev, Zones: []string{"e2e-a"}},
		{Name: Canary, Zones: []string{"e2e-a", "e2e-b"}},
		{Name: Main, Zones: []string{"e2e-a"}},
	}
}

// Target is a cluster as Argo CD knows it.
type Target struct {
	Name, Environment, Ring, Plane string
	// Address is which of the addresses of the plane Argo CD knows it under.
	Address int
}

// Namespace is where the application is.
func (t Target) Namespace() string { return "core-pipeline-" + t.Environment }

// Application is the name of its Application.
func (t Target) Application() string { return "core-pipeline-" + t.Name }

// Targets are the clusters that the repository has files of.
var Targets = []Target{
	{"dev-eu-1", "dev", "main", Dev, 0},
	{"staging-eu-1", "staging", "main", Hub, 1},
	{"prod-eu-1", "prod", "canary", Canary, 0},
	{"prod-eu-2", "prod", "main", Main, 0},
}

// Platform is what Install made.
type Platform struct {
	*cluster.Config
	Repository Repository
	// Digests are those of the images in the registry, by name and tag.
	Digests map[string]string

	project string // the folder with core-pipeline

	mu      sync.Mutex
	clients map[string]*http.Client // of the administrator, by plane
}

// Install installs everything up to the one apply of the bootstrap. It takes minutes, most of them waiting for pods.
func Install(ctx context.Context, c *cluster.Config) (*Platform, error) {
	p := &Platform{Config: c}
	var err error
	if p.project, err = programs.Project(); err != nil {
		return nil, err
	}
	err = inTurn(ctx,
		step{"pushing images", p.pushImages},
		step{"writing the repository", p.checkOut},
		// The definitions of both at once are more than an API server works through in time on two processors.
		step{"installing addons", p.installAddons},
		step{"installing Argo CD and adding clusters", func(ctx context.Context) error {
			return together(
				func() error {
					return inTurn(ctx, step{"installing Argo CD", p.installArgoCD}, step{"waiting for Argo CD", p.argocdReady})
				},
				func() error { return inTurn(ctx, step{"adding clusters", p.addClusters}) },
			)
		}},
	)
	if err != nil {
		return p, err
	}
	return p, p.write()
}

type step struct {
	what string
	do   func(context.Context) error
}

func inTurn(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		slog.InfoContext(ctx, s.what, "seconds", int(time.Since(start).Seconds()))
	}
	return nil
}

// together does all at once and says all that went wrong.
func together(all ...func() error) error {
	var wait sync.WaitGroup
	problems := make([]error, len(all))
	for i, do := range all {
		wait.Go(func() { problems[i] = do() })
	}
	wait.Wait()
	return errors.Join(problems...)
}

func (p *Platform) pushImages(ctx context.Context) error {
	application := func(ctx context.Context) ([]image.Image, error) { return images.Application(ctx, "1.0.0", "1.1.0") }
	makers := []maker{images.Cluster, sidecar(images.SidecarName + ":v1"), application, images.Data, images.ArgoCD}
	for _, a := range addons.All() {
		makers = append(makers, a.Images)
	}
	var err error
	p.Digests, err = push(ctx, p.Config, makers...)
	return err
}

// maker makes images.
type maker func(context.Context) ([]image.Image, error)

func sidecar(name string) maker {
	return func(context.Context) ([]image.Image, error) {
		made, err := images.Sidecar(name)
		return []image.Image{made}, err
	}
}

// push makes images and pushes them, and returns their digests by their names.
func push(ctx context.Context, c *cluster.Config, makers ...maker) (map[string]string, error) {
	digests := map[string]string{}
	for _, make := range makers {
		made, err := make(ctx)
		if err != nil {
			return nil, err
		}
		pushed, err := c.Push(ctx, made...)
		if err != nil {
			return nil, err
		}
		maps.Copy(digests, pushed)
	}
	return digests, nil
}

// elsewhere are the addons that only some planes have: what watches the application is beside staging, what lets
// requests in from outside beside the canary. All have what an Application needs to be healthy.
var elsewhere = map[string]string{"prometheus": Hub, "otlp": Hub, "traefik": Canary, "cert-manager": Canary}

// addonsOf is which addons a plane has, and of which it has only what the chart makes objects of.
func addonsOf(plane string) (installed, defined []addons.Addon) {
	for _, a := range addons.All() {
		if only, there := elsewhere[a.Name]; !there || only == plane {
			installed = append(installed, a)
		} else {
			defined = append(defined, a)
		}
	}
	return installed, defined
}

func (p *Platform) kubectl(plane string) addons.Kubectl {
	return func(ctx context.Context, stdin string, args ...string) (string, error) {
		return p.Kubectl(ctx, plane, stdin, args...)
	}
}

func (p *Platform) installAddons(ctx context.Context) error {
	var all []func() error
	for _, plane := range p.Planes {
		all = append(all, func() error { return p.furnish(ctx, plane.Name) })
	}
	return together(all...)
}

// furnish installs DNS, the addons, and what the application needs.
func (p *Platform) furnish(ctx context.Context, plane string) error {
	apply := func(text string) error {
		_, err := p.Kubectl(ctx, plane, text, "apply", "--server-side", "--force-conflicts", "-f", "-")
		return err
	}
	if err := installDNS(ctx, p.Config, plane); err != nil {
		return err
	}
	data, err := manifests.ReadFile("manifests/data.yaml")
	if err != nil {
		return err
	}
	if err := apply(string(data)); err != nil {
		return err
	}
	installed, defined := addonsOf(plane)
	for _, a := range defined {
		definitions, err := a.ChartDefinitions(ctx)
		if err != nil {
			return err
		}
		if definitions != "" {
			if err := apply(definitions); err != nil {
				return err
			}
		}
	}
	if err := addons.Apply(ctx, p.kubectl(plane), installed...); err != nil {
		return err
	}
	if err := addons.Ready(ctx, p.kubectl(plane), installed...); err != nil {
		return err
	}
	if _, err := p.Kubectl(ctx, plane, "", "-n", "data", "wait", "--for=condition=Available", "--timeout=600s", "deployments", "--all"); err != nil {
		return err
	}
	return p.openAPI(ctx, plane)
}

// openAPI asks for what Argo CD begins with, in its encoding: an aggregated server can spoil it for all.
func (p *Platform) openAPI(ctx context.Context, plane string) error {
	client, err := p.Client(plane)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL(plane, 0)+"/openapi/v2", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s to /openapi/v2", plane, response.Status)
	}
	return nil
}

func (p *Platform) installArgoCD(ctx context.Context) error {
	module, err := programs.Run(ctx, ".", os.Environ(), "go", "list", "-m", "-f", "{{.Dir}}", programs.ArgoCDModule)
	if err != nil {
		return err
	}
	// A copy: what the platform team applies by hand is not what Argo CD follows.
	dir := filepath.Join(p.Dir, "install")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(p.Repository.Dir, "argocd", "install"))); err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, "kustomization.yaml"), `https://\S+/install\.yaml`, "install.yaml"); err != nil {
		return err
	}
	sidecar := filepath.Join(dir, "components", "repo-server-plugin", "kustomization.yaml")
	if err := replace(sidecar, `sha256:0{64}`, p.Digests[images.SidecarName+":v1"]); err != nil {
		return err
	}
	overlay := filepath.Join(p.Dir, "overlay")
	if err := p.overlay(strings.TrimSpace(module), overlay); err != nil {
		return err
	}
	if _, err := p.Kubectl(ctx, Hub, "", "create", "namespace", "argocd"); err != nil {
		return err
	}
	return p.applyArgoCD(ctx)
}

// argocdReady waits for every Deployment and StatefulSet of Argo CD.
func (p *Platform) argocdReady(ctx context.Context) error {
	out, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "get", "deployments,statefulsets", "-o", "name")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(out) {
		if _, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "rollout", "status", name, "--timeout=900s"); err != nil {
			return err
		}
	}
	return nil
}

// addClusters gives Argo CD an account in every cluster, whose token is in the store that External Secrets reads, and
// writes the files of the clusters with the command that argocd/README.md names.
func (p *Platform) addClusters(ctx context.Context) error {
	var all []func() error
	for _, t := range Targets {
		all = append(all, func() error { return p.AddCluster(ctx, t) })
	}
	if err := together(all...); err != nil {
		return err
	}
	for _, environment := range []string{"dev", "staging", "prod"} {
		tag := "1.0.0"
		if environment == "dev" {
			tag = "1.1.0"
		}
		if err := p.Repository.SetRelease(environment, tag, p.Digests[images.ApplicationName+":"+tag]); err != nil {
			return err
		}
	}
	_, err := p.Repository.Commit(ctx, "Deploy core-pipeline")
	return err
}

// Bootstrap is the one apply.
func (p *Platform) Bootstrap(ctx context.Context) error {
	_, err := p.Kubectl(ctx, Hub, "", "apply", "-f", filepath.Join(p.Repository.Dir, "argocd", "bootstrap", "root.yaml"))
	return err
}
