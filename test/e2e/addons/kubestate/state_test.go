package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

func testState(t *testing.T) *state {
	t.Helper()
	three := int32(3)
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "app"}
	client := fake.NewClientset(
		&corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "core-pipeline", Resources: corev1.ResourceRequirements{
			Limits:   corev1.ResourceList{"memory": resource.MustParse("1Gi")},
			Requests: corev1.ResourceList{"cpu": resource.MustParse("250m"), "ephemeral-storage": resource.MustParse("1Mi")},
		}}}}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "core-pipeline", RestartCount: 2,
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}}}}}},
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &three}, Status: appsv1.DeploymentStatus{AvailableReplicas: 1}},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 10}, Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 4}},
	)
	factory := informers.NewSharedInformerFactory(client, 0)
	s := newState(factory)
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	return s
}

func TestState(t *testing.T) {
	const help = " As in kube-state-metrics.\n"
	var want strings.Builder
	for _, line := range []string{
		`kube_deployment_spec_replicas gauge {deployment="app",namespace="shop"} 3`,
		`kube_deployment_status_replicas_available gauge {deployment="app",namespace="shop"} 1`,
		`kube_horizontalpodautoscaler_spec_max_replicas gauge {horizontalpodautoscaler="app",namespace="shop"} 10`,
		`kube_horizontalpodautoscaler_status_current_replicas gauge {horizontalpodautoscaler="app",namespace="shop"} 4`,
		`kube_pod_container_resource_limits gauge {container="core-pipeline",namespace="shop",node="n1",pod="app",resource="memory",unit="byte"} 1.073741824e+09`,
		`kube_pod_container_resource_requests gauge {container="core-pipeline",namespace="shop",node="n1",pod="app",resource="cpu",unit="core"} 0.25`,
		`kube_pod_container_status_last_terminated_exitcode gauge {container="core-pipeline",namespace="shop",pod="app"} 137`,
		`kube_pod_container_status_last_terminated_reason gauge {container="core-pipeline",namespace="shop",pod="app",reason="OOMKilled"} 1`,
		`kube_pod_container_status_restarts_total counter {container="core-pipeline",namespace="shop",pod="app"} 2`,
	} {
		name, rest, _ := strings.Cut(line, " ")
		kind, sample, _ := strings.Cut(rest, " ")
		want.WriteString("# HELP " + name + help + "# TYPE " + name + " " + kind + "\n" + name + sample + "\n")
	}
	if err := testutil.CollectAndCompare(testState(t), strings.NewReader(want.String())); err != nil {
		t.Error(err)
	}
}

// Every metric that the chart takes from kube-state-metrics is here.
func TestNamesOfTheChart(t *testing.T) {
	s := testState(t)
	found := 0
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		data, err := os.ReadFile("../../../../charts/core-pipeline/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bkube_[a-z_]+\b`).FindAllString(string(data), -1) {
			found++
			if testutil.CollectAndCount(s, name) == 0 {
				t.Errorf("%s: %s is not exported", file, name)
			}
		}
	}
	if found == 0 {
		t.Error("the chart reads no metric of kube-state-metrics")
	}
}
