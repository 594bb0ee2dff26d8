// Package apiserver installs the chart, and Argo CD with what runs it, on a
// real kube-apiserver.
//
// The server has etcd, the custom resource definitions that the chart uses,
// and a namespace in which Pod Security is enforced; nothing runs pods there.
// Every object of every values file goes through admission as a dry run, and
// the programs helm 3 and helm 4 install, upgrade, roll back and uninstall.
// A warning of the server is a failure.
//
// The manifests of argocd/ are applied to it as argocd/README.md says, and a
// second time, when nothing may change. Argo CD's engine of syncs brings the
// chart up in an empty namespace; the test says that what it waits for is ready.
//
// With E2E_KUBECONFIG, all of this runs on the cluster of that file's current
// context, of which package kubernetes takes care, with what its controllers
// add to it. The cluster has to have the version of Kubernetes that the chart
// asks for.
//
// HELM3 and HELM4 name the programs; with E2E_REQUIRED a missing one is an
// error. The servers are built from Go modules once and kept in the user's
// cache directory; they listen on the loopback address only.
package apiserver
