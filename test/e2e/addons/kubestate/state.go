package main

import (
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	appslisters "k8s.io/client-go/listers/apps/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// The metrics, as documented in https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics.
var (
	restarts = desc("kube_pod_container_status_restarts_total", "namespace", "pod", "container")
	reason   = desc("kube_pod_container_status_last_terminated_reason", "namespace", "pod", "container", "reason")
	exitCode = desc("kube_pod_container_status_last_terminated_exitcode", "namespace", "pod", "container")
	limits   = desc("kube_pod_container_resource_limits", "namespace", "pod", "container", "node", "resource", "unit")
	requests = desc("kube_pod_container_resource_requests", "namespace", "pod", "container", "node", "resource", "unit")

	available = desc("kube_deployment_status_replicas_available", "namespace", "deployment")
	wanted    = desc("kube_deployment_spec_replicas", "namespace", "deployment")

	current = desc("kube_horizontalpodautoscaler_status_current_replicas", "namespace", "horizontalpodautoscaler")
	most    = desc("kube_horizontalpodautoscaler_spec_max_replicas", "namespace", "horizontalpodautoscaler")
)

func desc(name string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, "As in kube-state-metrics.", labels, nil)
}

// state reads the caches of the informers whenever it is scraped.
type state struct {
	pods        corelisters.PodLister
	deployments appslisters.DeploymentLister
	autoscalers autoscalinglisters.HorizontalPodAutoscalerLister
}

func newState(f informers.SharedInformerFactory) *state {
	return &state{f.Core().V1().Pods().Lister(), f.Apps().V1().Deployments().Lister(), f.Autoscaling().V2().HorizontalPodAutoscalers().Lister()}
}

// Describe sends nothing: the series depend on what is in the cluster.
func (s *state) Describe(chan<- *prometheus.Desc) {}

// Collect sends one sample for each object, and for each container and resource of a pod.
func (s *state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	pods, _ := s.pods.List(labels.Everything())
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			out <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, float64(c.RestartCount), p.Namespace, p.Name, c.Name)
			if t := c.LastTerminationState.Terminated; t != nil {
				gauge(reason, 1, p.Namespace, p.Name, c.Name, t.Reason)
				gauge(exitCode, float64(t.ExitCode), p.Namespace, p.Name, c.Name)
			}
		}
		for _, c := range p.Spec.Containers {
			for d, list := range map[*prometheus.Desc]corev1.ResourceList{limits: c.Resources.Limits, requests: c.Resources.Requests} {
				for name, unit := range map[corev1.ResourceName]string{corev1.ResourceCPU: "core", corev1.ResourceMemory: "byte"} {
					if q, ok := list[name]; ok {
						gauge(d, q.AsApproximateFloat64(), p.Namespace, p.Name, c.Name, p.Spec.NodeName, string(name), unit)
					}
				}
			}
		}
	}
	deployments, _ := s.deployments.List(labels.Everything())
	for _, d := range deployments {
		gauge(available, float64(d.Status.AvailableReplicas), d.Namespace, d.Name)
		if d.Spec.Replicas != nil {
			gauge(wanted, float64(*d.Spec.Replicas), d.Namespace, d.Name)
		}
	}
	autoscalers, _ := s.autoscalers.List(labels.Everything())
	for _, a := range autoscalers {
		gauge(current, float64(a.Status.CurrentReplicas), a.Namespace, a.Name)
		gauge(most, float64(a.Spec.MaxReplicas), a.Namespace, a.Name)
	}
}
