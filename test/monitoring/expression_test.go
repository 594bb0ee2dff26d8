package monitoring

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver"
)

// targetLabels are those that Prometheus gives every series of a PodMonitor.
var targetLabels = []string{"job", "namespace", "pod", "container", "endpoint", "instance"}

// foreign are the metrics of others, with the labels that they have:
// Prometheus itself, the kubelet, and kube-state-metrics.
var foreign = map[string][]string{
	"up":                                 targetLabels,
	"container_memory_working_set_bytes": {"namespace", "pod", "container"},
	"kube_pod_container_resource_limits": {"namespace", "pod", "container", "resource"},
}

var (
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}`)
	bare     = regexp.MustCompile(`\b(?:core_pipeline_cmp|process|go)_[a-z_]+\b[^{a-z_]`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	joining  = regexp.MustCompile(`\bon \(([^)]*)\)`)
)

func names(list string) []string {
	return strings.Split(strings.ReplaceAll(list, " ", ""), ",")
}

// problems lists the metrics, labels and values of an expression that the
// sidecar does not have.
func (s series) problems(expression string) (out []string) {
	found := selector.FindAllStringSubmatch(expression, -1)
	if len(found) == 0 || bare.MatchString(expression) {
		out = append(out, "a metric without a selector takes those of all jobs")
	}
	labels := slices.Clone(targetLabels)
	for _, m := range found {
		of, wrong := s.selector(m[1], m[2])
		labels, out = append(labels, of...), append(out, wrong...)
	}
	for _, clause := range append(grouping.FindAllStringSubmatch(expression, -1), joining.FindAllStringSubmatch(expression, -1)...) {
		for _, name := range names(clause[1]) {
			if !slices.Contains(labels, name) {
				out = append(out, "nothing has the label "+name)
			}
		}
	}
	return out
}

func (s series) selector(metric, matchers string) (labels, problems []string) {
	known, labels := s.labels[metric], slices.Clone(targetLabels)
	if others, ok := foreign[metric]; ok {
		labels = others
	} else if known == nil {
		return nil, []string{"nobody has the metric " + metric}
	}
	labels = slices.AppendSeq(slices.Clone(labels), maps.Keys(known))
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		if !slices.Contains(labels, m[1]) {
			problems = append(problems, metric+" has no label "+m[1])
		}
		if known[m[1]] == nil {
			continue // a label of the target
		}
		for value := range strings.SplitSeq(m[3], "|") {
			if !known[m[1]][value] {
				problems = append(problems, fmt.Sprintf("the label %s of %s is never %q", m[1], metric, value))
			}
		}
	}
	return labels, problems
}

func checkExpression(t *testing.T, where, expression string) {
	t.Helper()
	for _, problem := range mustExpose(t).problems(expression) {
		t.Errorf("%s: %s: %s", where, problem, expression)
	}
}

// TestSeries holds that reasons are there before they happen, and that the
// server of this test did what it was meant to.
func TestSeries(t *testing.T) {
	known := mustExpose(t).labels
	for _, reason := range cmpserver.Reasons() {
		if !known["core_pipeline_cmp_refusals_total"]["reason"][reason] {
			t.Errorf("the reason %s has no series from the start", reason)
		}
	}
	for _, phase := range []string{"receive", "queue", "rendering_templates", "applying_the_overlay", "reading_the_schema"} {
		if !known["core_pipeline_cmp_phase_seconds_bucket"]["phase"][phase] {
			t.Errorf("no request was in the phase %s", phase)
		}
	}
	if known["core_pipeline_cmp_phase_seconds_bucket"]["phase"]["other"] {
		t.Error("a phase has no name")
	}
}

// TestProblems shows that the check of expressions finds something.
func TestProblems(t *testing.T) {
	for expression, want := range map[string]string{
		`sum(core_pipeline_cmp_nothing{job="a"})`:                    "nobody has the metric",
		`core_pipeline_cmp_requests_total{verb="generate"}`:          "has no label verb",
		`core_pipeline_cmp_requests_total{method="render"}`:          `is never "render"`,
		`sum by (phase) (core_pipeline_cmp_requests_total{job="a"})`: "nothing has the label phase",
		`up{job="a"} / core_pipeline_cmp_workers > 3`:                "without a selector",
		`up{job="a"} and on (application) up{job="b"}`:               "nothing has the label application",
	} {
		if got := strings.Join(mustExpose(t).problems(expression), ", "); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}
