package platform

import (
	"context"
	"path/filepath"
)

// SecondRenderer puts the sidecar core-pipeline-v2 beside the first, as argocd/README.md says, and waits for it. It
// returns what takes it away again.
func (p *Platform) SecondRenderer(ctx context.Context, digest string) (remove func(context.Context) error, err error) {
	list := filepath.Join(p.Dir, "install", "kustomization.yaml")
	component := filepath.Join(p.Dir, "install", "components", "repo-server-plugin-v2", "kustomization.yaml")
	if err := replace(component, `sha256:[0-9a-f]{64}`, digest); err != nil {
		return nil, err
	}
	if err := replace(list, `# - components/repo-server-plugin-v2 `, `- components/repo-server-plugin-v2 `); err != nil {
		return nil, err
	}
	remove = func(ctx context.Context) error {
		if err := replace(list, `- components/repo-server-plugin-v2 `, `# - components/repo-server-plugin-v2 `); err != nil {
			return err
		}
		if err := p.applyArgoCD(ctx); err != nil {
			return err
		}
		if _, err := p.Kubectl(ctx, Hub, "", "-n", "argocd", "delete", "networkpolicy", "core-pipeline-cmp-metrics-v2"); err != nil {
			return err
		}
		return p.argocdReady(ctx)
	}
	if err := p.applyArgoCD(ctx); err != nil {
		return remove, err
	}
	return remove, p.argocdReady(ctx)
}

func (p *Platform) applyArgoCD(ctx context.Context) error {
	_, err := p.Kubectl(ctx, Hub, "", "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(p.Dir, "overlay"))
	return err
}
