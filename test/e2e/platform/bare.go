package platform

import (
	"context"
	"os"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Bare gives the planes of a cluster what a managed one has: DNS. The images of Argo CD and of the sidecar, under the
// name that is given, are in the registry afterwards, and nothing of them is installed.
func Bare(ctx context.Context, c *cluster.Config, sidecar string) error {
	dir, err := os.MkdirTemp(c.Dir, "images-")
	if err != nil {
		return err
	}
	defer programs.RemoveScratch(dir)
	makers := []func() (string, error){
		func() (string, error) { return images.Cluster(ctx, dir) },
		func() (string, error) { return images.Sidecar(ctx, dir, sidecar) },
		func() (string, error) { return images.ArgoCD(ctx) },
	}
	for _, make := range makers {
		archive, err := make()
		if err != nil {
			return err
		}
		if _, err := c.Push(ctx, archive); err != nil {
			return err
		}
	}
	for _, plane := range c.Planes {
		if err := installDNS(ctx, c, plane.Name); err != nil {
			return err
		}
	}
	return nil
}

// installDNS installs CoreDNS, which answers for the Git server, too.
func installDNS(ctx context.Context, c *cluster.Config, plane string) error {
	text, err := manifests.ReadFile("manifests/coredns.yaml")
	if err != nil {
		return err
	}
	dns := strings.NewReplacer("GIT_ADDRESS", cluster.GitAddress, "GIT_HOST", cluster.GitHost,
		"COREDNS_IMAGE", images.CoreDNSImage, "DNS_ADDRESS", c.DNS(plane)).Replace(string(text))
	_, err = c.Kubectl(ctx, plane, dns, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}
