package chart

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// TestPodSecurity asks the admission controller's own code whether it would
// let every pod into a namespace with the standard "restricted".
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	refuse := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &metav1.ObjectMeta{}, &corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}))
	if refuse.Allowed {
		t.Fatal("the evaluator lets everything in")
	}
	tree := repository(t)
	count := 0
	for _, file := range valuesFiles(t, tree) {
		for name, fields := range pods(mustRender(t, tree, "", string(tree[file].Data))) {
			var spec corev1.PodSpec
			data, err := json.Marshal(fields)
			if err == nil {
				err = json.Unmarshal(data, &spec)
			}
			if err != nil {
				t.Fatal(err)
			}
			count++
			if result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &metav1.ObjectMeta{}, &spec)); !result.Allowed {
				t.Errorf("%s: %s: %s", file, name, result.ForbiddenDetail())
			}
		}
	}
	if count < 20 {
		t.Fatalf("looked at %d pods", count)
	}
}
