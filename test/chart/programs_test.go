package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// program returns the path in the environment variable; without it, the test
// is skipped, or fails where CHART_REQUIRED is set.
func program(t *testing.T, variable string) string {
	t.Helper()
	at := os.Getenv(variable)
	if at == "" {
		if os.Getenv("CHART_REQUIRED") != "" {
			t.Fatalf("CHART_REQUIRED is set and %s is not", variable)
		}
		t.Skipf("%s names the program", variable)
	}
	return at
}

func command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), program, args...)
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := command(t, program, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// TestProgramDocs holds the chart's README to its template and to values.yaml.
func TestProgramDocs(t *testing.T) {
	helmDocs := program(t, "HELM_DOCS")
	want := run(t, filepath.Join("..", ".."), helmDocs, "--chart-search-root", "charts", "--template-files", "README.md.gotmpl", "--sort-values-order", "file", "--dry-run", "--log-level", "error")
	got, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(dir), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(string(got))); diff != "" {
		t.Errorf("`make chart-docs` writes (-written +committed):\n%s", diff)
	}
}

// group is the part of a PrometheusRule that the tests look at.
type group struct {
	Name  string
	Rules []struct {
		Alert, Expr         string
		Labels, Annotations map[string]string
	}
}

// TestProgramAlerts checks the rules as they are rendered, and lets each alert
// fire and not fire.
func TestProgramAlerts(t *testing.T) {
	promtool := program(t, "PROMTOOL")
	var rule struct {
		Spec struct{ Groups []group }
	}
	list := mustRender(t, repository(t), "test", "")
	if !object(t, list, "PrometheusRule", "core-pipeline", &rule) {
		t.Fatal("there is no PrometheusRule")
	}
	var fields map[string]any
	object(t, list, "PrometheusRule", "core-pipeline", &fields)
	work := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.yaml", toText(t, fields["spec"]))
	run(t, work, promtool, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")

	data, err := os.ReadFile(filepath.Join("testdata", "alerts.test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				AlertName string `json:"alertname"`
				ExpAlerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(data, &tests); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests.Tests {
		for _, a := range test.AlertRuleTest {
			if len(a.ExpAlerts) > 0 {
				fires[a.AlertName] = true
			} else {
				silent[a.AlertName] = true
			}
		}
	}
	for _, g := range rule.Spec.Groups {
		for _, r := range g.Rules {
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("%s: a test in which it fires: %t, one in which it does not: %t", r.Alert, fires[r.Alert], silent[r.Alert])
			}
			for _, annotation := range []string{"summary", "description", "runbook_url"} {
				if r.Annotations[annotation] == "" {
					t.Errorf("%s has no %s", r.Alert, annotation)
				}
			}
		}
	}
	// promtool compares annotations too; what they say is the rules' business.
	text := regexp.MustCompile(`(?m)^ *exp_annotations: __ANNOTATIONS__\n`).ReplaceAllString(string(data), "")
	write("rules.yaml", withoutAnnotations(t, fields["spec"]))
	write("alerts.test.yaml", text)
	out := run(t, work, promtool, "test", "rules", "alerts.test.yaml")
	if !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool says:\n%s", out)
	}
}

func withoutAnnotations(t *testing.T, spec any) string {
	t.Helper()
	var copied map[string]any
	data, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(data, &copied)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range asList(copied["groups"]) {
		for _, r := range asList(g.(map[string]any)["rules"]) {
			delete(r.(map[string]any), "annotations")
		}
	}
	return toText(t, copied)
}

// known are the metrics that dashboards and alerts may use: the application's
// own, those of prom-client, of Prometheus, of kube-state-metrics and of the
// kubelet.
var known = regexp.MustCompile(`^(http_request_duration_seconds_(bucket|count|sum)|nodejs_(eventloop_lag_p99_seconds|heap_size_(used|total)_bytes)|up|` +
	`kube_(pod_container_(status_restarts_total|status_last_terminated_reason|resource_(limits|requests))|deployment_(spec_replicas|status_replicas_available)|horizontalpodautoscaler_(status_current_replicas|spec_max_replicas))|` +
	`container_(memory_working_set_bytes|cpu_usage_seconds_total))$`)

var metric = regexp.MustCompile(`([a-z_:][a-z0-9_:]*)\{`)

// TestProgramDashboard parses every expression of the dashboard, and knows
// every metric that it names.
func TestProgramDashboard(t *testing.T) {
	promtool := program(t, "PROMTOOL")
	var config struct{ Data map[string]string }
	list := mustRender(t, repository(t), "test", "")
	if !object(t, list, "ConfigMap", "core-pipeline-dashboard", &config) {
		t.Fatal("there is no dashboard")
	}
	var dashboard struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int
			Title   string
			Targets []struct {
				Expr       string
				Datasource struct{ Type, UID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(config.Data["core-pipeline.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.UID) == 0 || len(dashboard.UID) > 40 {
		t.Errorf("the uid has %d characters", len(dashboard.UID))
	}
	var ids []int
	expressions := 0
	for _, panel := range dashboard.Panels {
		if slices.Contains(ids, panel.ID) {
			t.Errorf("two panels with the id %d", panel.ID)
		}
		ids = append(ids, panel.ID)
		for _, target := range panel.Targets {
			if !strings.HasPrefix(target.Datasource.UID, "${") {
				t.Errorf("%s: the datasource %s is no variable", panel.Title, target.Datasource.UID)
			}
			if target.Datasource.Type != "prometheus" {
				continue
			}
			expressions++
			expression := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h").Replace(target.Expr)
			run(t, ".", promtool, "promql", "--experimental", "format", expression)
			for _, m := range metric.FindAllStringSubmatch(expression, -1) {
				if !known.MatchString(m[1]) {
					t.Errorf("%s: nobody has the metric %s", panel.Title, m[1])
				}
			}
			if !strings.Contains(expression, `namespace="apps"`) {
				t.Errorf("%s: looks at other namespaces: %s", panel.Title, expression)
			}
		}
	}
	if expressions < 10 {
		t.Errorf("the dashboard has %d expressions", expressions)
	}
}

// TestProgramScore lets kube-score look at every environment.
func TestProgramScore(t *testing.T) {
	kubeScore := program(t, "KUBE_SCORE")
	tree := repository(t)
	data, err := os.ReadFile(filepath.Join("testdata", "waivers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	waived := parse(t, data)
	used := map[string]bool{}
	for _, environment := range environments {
		file := filepath.Join(t.TempDir(), "all.yaml")
		if err := os.WriteFile(file, []byte(stream(t, mustRender(t, tree, environment, ""))), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := command(t, kubeScore, "score", "--kubernetes-version", "v1.37", "--output-format", "json", file)
		out, _ := cmd.Output() // findings are its exit code
		var objects []struct {
			ObjectName string `json:"object_name"`
			Checks     []struct {
				Check struct {
					ID string `json:"id"`
				}
				Grade    int
				Skipped  bool
				Comments []struct{ Path, Summary, Description string }
			}
		}
		if err := json.Unmarshal(out, &objects); err != nil || len(objects) < 5 {
			t.Fatalf("%s: %v\n%s", environment, err, out)
		}
		for _, o := range objects {
			for _, c := range o.Checks {
				const ok = 10
				if c.Skipped || c.Grade >= ok {
					continue
				}
				if waived[c.Check.ID] != nil {
					used[c.Check.ID] = true
					continue
				}
				t.Errorf("%s: %s: %s: %v", environment, o.ObjectName, c.Check.ID, c.Comments)
			}
		}
	}
	for id := range waived {
		if !used[id] {
			t.Errorf("the waiver %s is not needed", id)
		}
	}
}
