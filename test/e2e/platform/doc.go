// Package platform installs in clusters under test what a platform team has: DNS, Argo CD by argocd/install, External
// Secrets and metrics-server, and a repository on github.com with this checkout's argocd/ and charts/.
//
// In: a run of package cluster, and this checkout. Out: Argo CD that follows that repository after the one apply of
// argocd/bootstrap/root.yaml. It changes in the checkout's manifests what argocd/README.md says that a user replaces:
// OWNER, the digests, and the files of the clusters; and it moves prod's deny window away from the time of the run. What
// it changes beyond that is in overlay.go and nowhere else.
package platform
