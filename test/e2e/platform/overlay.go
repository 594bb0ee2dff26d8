package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// overlay is argocd/install for a place that has no way to the internet:
//   - the Git server that answers for github.com here has a certificate of its own, which Argo CD is told as it is told
//     of any private Git server's;
//   - Dex is not there: nobody signs in, and its program cannot be built from the module proxy.
//
// The manifests of Argo CD are those in its module: the address in the kustomization has the same.
func (p *Platform) overlay(checkout, dir string) error {
	ca, err := os.ReadFile(p.GitCA())
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: argocd
resources: [../install]
components: [../install/components/ingress-health]
patches:
  - target: {version: v1, kind: ConfigMap, name: argocd-tls-certs-cm}
    patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: argocd-tls-certs-cm}
      data:
        github.com: |
%s
  - target: {group: apps, version: v1, kind: Deployment, name: argocd-dex-server}
    patch: |-
      - {op: add, path: /spec/replicas, value: 0}
`, indent(string(ca), 10))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	manifests, err := os.ReadFile(filepath.Join(checkout, "manifests", "install.yaml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(dir), "install", "install.yaml"), manifests, 0o644)
}

func indent(text string, by int) string {
	prefix := strings.Repeat(" ", by)
	return prefix + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+prefix)
}
