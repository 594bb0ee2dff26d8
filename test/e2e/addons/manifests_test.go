package addons

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// objects are those of an addon's own manifests.
func objects(t *testing.T, a Addon) []unstructured.Unstructured {
	t.Helper()
	text, err := a.Objects()
	if err != nil {
		t.Fatal(err)
	}
	var all []unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		if o.GetKind() == "" || o.GetName() == "" {
			t.Errorf("%s has an object without kind or name", a.Name)
		}
		all = append(all, o)
	}
	return all
}

// What is built and what is started are the same images, with the pinned versions in their tags.
func TestImages(t *testing.T) {
	for _, a := range All() {
		built := map[string]bool{}
		for _, p := range a.programs {
			built[p.image] = true
		}
		text, err := a.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range slices.Sorted(maps.Keys(built)) {
			if !strings.Contains(text, image) {
				t.Errorf("%s: nothing starts %s", a.Name, image)
			}
			_, tag, _ := strings.Cut(image, ":")
			pinned := []string{MetricsServerVersion, "v3.16.0", PrometheusOperatorVersion, TraefikVersion, CertManagerVersion, ExternalSecretsVersion, "v1"}
			if !slices.Contains(pinned, tag) {
				t.Errorf("%s: %s has the tag of no version that is pinned", a.Name, image)
			}
		}
		for _, o := range objects(t, a) {
			for _, c := range podOf(t, o).Containers {
				if !built[c.Image] {
					t.Errorf("%s: %s is not built", a.Name, c.Image)
				}
			}
		}
	}
}

// The addons run under the rules that the application does, so that none of them needs an exception.
func TestPodsAreRestricted(t *testing.T) {
	pods := 0
	for _, a := range All() {
		for _, o := range objects(t, a) {
			pod := podOf(t, o)
			if len(pod.Containers) == 0 {
				continue
			}
			pods++
			if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
				t.Errorf("%s: %s may run as root, or without seccomp", a.Name, o.GetName())
			}
			for _, c := range pod.Containers {
				if s := c.SecurityContext; s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
					s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.Capabilities == nil || len(s.Capabilities.Drop) == 0 {
					t.Errorf("%s: %s is not restricted", a.Name, c.Name)
				}
				if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
					t.Errorf("%s: %s has no memory limit, or asks for no processor", a.Name, c.Name)
				}
			}
		}
	}
	if pods < 6 {
		t.Errorf("only %d pods were looked at", pods)
	}
}

func podOf(t *testing.T, o unstructured.Unstructured) corev1.PodSpec {
	t.Helper()
	var pod corev1.PodSpec
	spec, found, err := unstructured.NestedMap(o.Object, "spec", "template", "spec")
	if err != nil {
		t.Fatal(err)
	}
	if found && o.GetKind() == "Deployment" {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &pod); err != nil {
			t.Fatalf("%s: %v", o.GetName(), err)
		}
	}
	return pod
}
