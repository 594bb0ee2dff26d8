// Package appsets shows what one wrong cluster does to all others, with Argo
// CD's real ApplicationSet controller on a real kube-apiserver.
//
// Every test writes files as a user would, lets `core-pipeline cluster lint`
// judge them, and then applies them all the same. What lint refuses has to do
// harm, or nobody would have to refuse it; what the ApplicationSets of argocd/
// promise has to hold beside it.
//
// No application controller runs here: an Application is what is compared. The
// ApplicationSet controller runs on this machine, also when E2E_KUBECONFIG
// names the cluster that it works on.
package appsets
