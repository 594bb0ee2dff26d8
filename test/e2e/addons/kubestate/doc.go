// Command kubestate exports the few metrics of kube-state-metrics that the
// chart's alerts and dashboard read.
//
// In: pods, Deployments and HorizontalPodAutoscalers of the cluster it runs
// in. Out: GET /metrics on port 8080, with the names and labels that
// kube-state-metrics gives them. It stands in for kube-state-metrics, whose
// module is not served: a name that is wrong here and in the chart alike
// would go unseen, so the names are those of its documentation.
package main
