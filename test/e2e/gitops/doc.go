// Package gitops runs the manifests in argocd/ through Argo CD's own code: its
// types, the generator and templates of the ApplicationSet controller, the
// projects, the roles, the sync windows, the notifications, and its install
// manifests under every component.
//
// Nothing is started, so all of it takes seconds. Tests of what is known to go
// wrong are named after it.
package gitops
