package monitoring

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const guide = "docs/operating.md"

func readGuide(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../" + guide)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestRunbooks holds that every alert leads to its own heading of the guide,
// and that every heading of an alert has one.
func TestRunbooks(t *testing.T) {
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### (CorePipelineCmp[A-Za-z]+)$`).FindAllStringSubmatch(readGuide(t), -1) {
		headings[m[1]] = true
	}
	for _, r := range alerts(t) {
		if !headings[r.Alert] {
			t.Errorf("%s has no heading %s", guide, r.Alert)
		}
		if want := "/" + guide + "#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"], want) {
			t.Errorf("%s leads to %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		delete(headings, r.Alert)
	}
	for name := range headings {
		t.Errorf("there is no alert %s", name)
	}
}

// TestGuideNamesPanels holds that the panels that the guide sends people to
// exist.
func TestGuideNamesPanels(t *testing.T) {
	titles := map[string]bool{}
	for _, p := range panels(t) {
		titles[p.Title] = true
	}
	_, text, _ := strings.Cut(readGuide(t), "## When an alert fires")
	for _, m := range regexp.MustCompile(`"([A-Z][^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !titles[m[1]] {
			t.Errorf("there is no panel %q", m[1])
		}
	}
}

// TestMetricsAreDocumented holds the guide's table to what the sidecar has.
func TestMetricsAreDocumented(t *testing.T) {
	_, rest, _ := strings.Cut(readGuide(t), "<!-- metrics -->")
	table, _, _ := strings.Cut(rest, "<!-- /metrics -->")
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\|").FindAllStringSubmatch(table, -1) {
		got = append(got, fmt.Sprintf("%s %s %s", m[1], m[2], strings.NewReplacer("`", "", " ", "").Replace(m[3])))
	}
	known := mustExpose(t)
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (core_pipeline_cmp_[a-z_]+) ([a-z]+)$`).FindAllStringSubmatch(known.text, -1) {
		name := m[1]
		if m[2] == "histogram" {
			name += "_count"
		}
		var labels []string
		for label := range known.labels[name] {
			labels = append(labels, label)
		}
		slices.Sort(labels)
		want = append(want, fmt.Sprintf("%s %s %s", m[1], m[2], strings.Join(labels, ",")))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the guide has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPort holds that the PodMonitor asks the port of the guide's container.
func TestPort(t *testing.T) {
	_, rest, _ := strings.Cut(readGuide(t), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	var pod struct {
		Containers []struct {
			Ports []struct {
				Name          string
				ContainerPort int
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &pod); err != nil || len(pod.Containers) != 1 || len(pod.Containers[0].Ports) != 1 {
		t.Fatalf("the guide's first example is no container with a port: %v", err)
	}
	var monitor struct {
		Spec struct {
			PodMetricsEndpoints []struct{ Port string }
		}
	}
	decode(t, "PodMonitor", &monitor)
	if got, want := monitor.Spec.PodMetricsEndpoints[0].Port, pod.Containers[0].Ports[0].Name; got != want {
		t.Errorf("the PodMonitor asks the port %s, the container has %s", got, want)
	}
}
