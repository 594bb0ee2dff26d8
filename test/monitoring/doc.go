// Package monitoring holds tests of argocd/monitoring: that its alerts and its
// dashboard use metrics and labels that the sidecar has, that kustomize builds
// it, and, where promtool is there, that every alert fires when it should.
//
// The sidecar's metrics are those of a server that has answered requests of
// every kind, with workers of its own.
package monitoring
