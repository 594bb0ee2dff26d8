package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// promtool is the program that PROMTOOL names; without it, a test is skipped,
// or fails where MONITORING_REQUIRED is set.
func promtool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	program := os.Getenv("PROMTOOL")
	if program == "" {
		if os.Getenv("MONITORING_REQUIRED") != "" {
			t.Fatal("MONITORING_REQUIRED is set and PROMTOOL is not")
		}
		t.Skip("PROMTOOL names the program")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const cases = "testdata/alerts.test.yaml"

// TestAlertCases holds that every alert has a case in which it fires, and one
// in which it does not.
func TestAlertCases(t *testing.T) {
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				AlertName string `json:"alertname"`
				ExpAlerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	data, err := os.ReadFile(cases)
	if err == nil {
		err = yaml.Unmarshal(data, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.AlertRuleTest {
			fires[a.AlertName] = fires[a.AlertName] || len(a.ExpAlerts) > 0
			silent[a.AlertName] = silent[a.AlertName] || len(a.ExpAlerts) == 0
		}
	}
	known := map[string]bool{}
	for _, r := range alerts(t) {
		known[r.Alert] = true
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: a case in which it fires: %t, one in which it does not: %t", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
	for name := range fires {
		if !known[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
}

// TestProgramAlerts runs the cases. What an alert says is not compared.
func TestProgramAlerts(t *testing.T) {
	work := t.TempDir()
	write := func(name string, v any) {
		t.Helper()
		data, err := yaml.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var object struct{ Spec map[string]any }
	decode(t, "PrometheusRule", &object)
	write("rules.yaml", object.Spec)
	promtool(t, work, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")

	for _, g := range object.Spec["groups"].([]any) {
		for _, r := range g.(map[string]any)["rules"].([]any) {
			delete(r.(map[string]any), "annotations")
		}
	}
	write("rules.yaml", object.Spec)
	data, err := os.ReadFile(cases)
	if err == nil {
		err = os.WriteFile(filepath.Join(work, "alerts.test.yaml"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := promtool(t, work, "test", "rules", "alerts.test.yaml"); !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool says:\n%s", out)
	}
}

// TestProgramDashboard lets promtool parse every expression.
func TestProgramDashboard(t *testing.T) {
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			promtool(t, ".", "promql", "--experimental", "format", strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
}
