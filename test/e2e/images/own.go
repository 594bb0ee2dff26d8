package images

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// OneProcessor is the environment of a Go program that is one of many: what the supervisor of the clusters says of its
// own holds for it, too.
func OneProcessor() []string { return []string{debianPath, "GOMAXPROCS=1"} }

const debianPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// CoreDNSImage is the name of CoreDNS's image.
const CoreDNSImage = "registry.k8s.io/coredns/coredns:v1.14.7"

// Cluster is what every cluster needs: the program of the pods' namespaces, which is the image of the
// chart in docs/getting-started.md, too, and CoreDNS.
func Cluster(ctx context.Context) ([]image.Image, error) {
	pause, err := programs.Own(ctx, "images/pause")
	if err != nil {
		return nil, err
	}
	dns, err := programs.CoreDNS(ctx)
	if err != nil {
		return nil, err
	}
	var made []image.Image
	for name, program := range map[string]string{cluster.PauseImage: pause, "registry.k8s.io/pause:3.10": pause, CoreDNSImage: dns} {
		at := "/" + filepath.Base(program)
		layer, err := Program(program, image.File{Path: at, Source: program, Mode: 0o755})
		if err != nil {
			return nil, err
		}
		made = append(made, image.Image{Name: name, Entrypoint: []string{at}, User: "65532", Env: OneProcessor(), Layers: []v1.Layer{layer}})
	}
	return made, nil
}

func trim(s string) string { return strings.TrimSpace(s) }

// SidecarName is the name of the sidecar's image without tag or digest, as argocd/install has it with an owner in place of OWNER.
const SidecarName = "ghcr.io/" + Owner + "/core-pipeline-cmp"

// Owner is what the tests put in place of OWNER.
const Owner = "example"

// Sidecar is the image of this checkout's sidecar under a name: what the Dockerfile lays out, as
// test/image holds it to.
func Sidecar(name string) (image.Image, error) {
	built, err := programs.Project()
	if err != nil {
		return image.Image{}, err
	}
	return sidecar(name, filepath.Join(built, "core-pipeline-cmp"))
}

// NextSidecar is the same with a renderer whose manifests differ, programs.NextRenderer.
func NextSidecar(name string) (image.Image, error) {
	program, err := programs.NextRenderer()
	if err != nil {
		return image.Image{}, err
	}
	return sidecar(name, program)
}

func sidecar(name, program string) (image.Image, error) {
	root, err := programs.Root()
	if err != nil {
		return image.Image{}, err
	}
	layer, err := image.Files(
		image.File{Path: "/usr/local/bin/core-pipeline-cmp", Source: program, Mode: 0o755},
		image.File{Path: "/home/argocd/cmp-server/config/plugin.yaml", Source: filepath.Join(root, "plugin", "plugin.yaml"), Mode: 0o644},
		image.File{Path: "/tmp", Mode: os.ModeSticky | 0o777},
	)
	if err != nil {
		return image.Image{}, err
	}
	_, tag, _ := strings.Cut(name, ":")
	return image.Image{
		Name: name, Entrypoint: []string{"/usr/local/bin/core-pipeline-cmp"}, User: "999",
		Env: []string{"PATH=/usr/local/bin"}, Labels: map[string]string{"org.opencontainers.image.version": tag}, Layers: []v1.Layer{layer},
	}, nil
}

// ApplicationName is the application's image without tag or digest, as the chart's values have it with an owner.
const ApplicationName = "ghcr.io/" + Owner + "/core-pipeline"

// JobName is the image of program job, which a test gives to hooks of the chart.
const JobName = "ghcr.io/" + Owner + "/e2e-job:v1"

// Job is that image.
func Job(ctx context.Context) (image.Image, error) {
	program, err := programs.Own(ctx, "images/job")
	if err != nil {
		return image.Image{}, err
	}
	layer, err := image.Files(image.File{Path: "/job", Source: program, Mode: 0o755})
	return image.Image{Name: JobName, Entrypoint: []string{"/job"}, User: "1000", Layers: []v1.Layer{layer}}, err
}
