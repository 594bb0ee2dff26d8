package platform

import (
	"context"
	"strings"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
)

// Bare gives the planes of a cluster what a managed one has: DNS. The images of Argo CD and of the sidecar, under the
// name that is given, are in the registry afterwards, and nothing of them is installed.
func Bare(ctx context.Context, c *cluster.Config, sidecarName string) error {
	if _, err := push(ctx, c, images.Cluster, sidecar(sidecarName), images.ArgoCD); err != nil {
		return err
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
