// Package argocd holds tests of the manifests in argocd/ that need no Argo CD:
// their shape, that they fit each other, the chart and the plugin, and what
// kustomize makes of the components. Those with Argo CD's own code are in
// test/e2e/gitops. Tests of what is known to go wrong are named after it.
package argocd
