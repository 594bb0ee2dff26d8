// Package live shows on a running cluster what the chart promises: metrics,
// ingress, autoscaling and traces.
//
// In: a cluster with Argo CD, the application and the addons of package
// addons. Out: a test for each criterion, with its figures in the log. The
// tests send bounded load, wait for conditions, and leave the application as
// they found it; without E2E_KUBECONFIG they are skipped.
package live
