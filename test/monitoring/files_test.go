package monitoring

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const directory = "../../argocd/monitoring"

// build is what kubectl apply -k would apply.
func build(t *testing.T) resmap.ResMap {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// decode reads the only object of the kind.
func decode(t *testing.T, kind string, into any) {
	t.Helper()
	for _, r := range build(t).Resources() {
		if r.GetKind() != kind {
			continue
		}
		data, err := r.MarshalJSON()
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("there is no %s", kind)
}

func TestObjects(t *testing.T) {
	var got []string
	for _, r := range build(t).Resources() {
		got = append(got, r.GetKind()+" "+r.GetNamespace()+"/"+r.GetName())
	}
	slices.Sort(got)
	want := []string{"ConfigMap argocd/core-pipeline-cmp-dashboard", "PodMonitor argocd/core-pipeline-cmp", "PrometheusRule argocd/core-pipeline-cmp"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var dashboard struct {
		Metadata struct{ Labels map[string]string }
	}
	if decode(t, "ConfigMap", &dashboard); dashboard.Metadata.Labels["grafana_dashboard"] != "1" {
		t.Error("Grafana's sidecar does not find the dashboard")
	}
}

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

type rules struct {
	Spec struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var r rules
	decode(t, "PrometheusRule", &r)
	var out []rule
	for _, g := range r.Spec.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) == 0 {
		t.Fatal("there are no alerts")
	}
	return out
}

func TestAlerts(t *testing.T) {
	for _, r := range alerts(t) {
		if r.Alert == "" || r.For == "" {
			t.Errorf("%s: the name or the duration is missing", r.Alert)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, name := range []string{"summary", "description", "runbook_url"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
		checkExpression(t, r.Alert, r.Expr)
		checkTemplates(t, r)
	}
}

var templateLabel = regexp.MustCompile(`\$labels\.([a-z_]+)`)

// checkTemplates holds that an alert has the labels that it writes about.
func checkTemplates(t *testing.T, r rule) {
	t.Helper()
	for _, text := range r.Annotations {
		for _, m := range templateLabel.FindAllStringSubmatch(text, -1) {
			grouped := grouping.FindStringSubmatch(r.Expr)
			if grouped != nil && !slices.Contains(names(grouped[1]), m[1]) || grouped == nil && !slices.Contains(targetLabels, m[1]) {
				t.Errorf("%s: the alert has no label %s", r.Alert, m[1])
			}
		}
	}
}

type panel struct {
	ID                       int
	Title, Description, Type string
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr, LegendFormat string
		Datasource         struct{ Type, UID string }
	}
}

func panels(t *testing.T) []panel {
	t.Helper()
	var config struct{ Data map[string]string }
	decode(t, "ConfigMap", &config)
	var dashboard struct {
		UID    string `json:"uid"`
		Panels []panel
	}
	if err := json.Unmarshal([]byte(config.Data["core-pipeline-cmp.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || len(dashboard.UID) > 40 {
		t.Errorf("the uid is %q", dashboard.UID)
	}
	if len(dashboard.Panels) == 0 {
		t.Fatal("there are no panels")
	}
	return dashboard.Panels
}

func TestDashboard(t *testing.T) {
	all := panels(t)
	ids := map[int]string{}
	for i, p := range all {
		if ids[p.ID] != "" {
			t.Errorf("%s and %s have the id %d", ids[p.ID], p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		for _, other := range all[:i] {
			if overlap(p, other) {
				t.Errorf("%s covers %s", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, lacks a title, a description, a unit or an expression", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.Type != "prometheus" || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: the datasource is no variable", p.Title)
			}
			checkExpression(t, p.Title, target.Expr)
			checkLegend(t, p.Title, target.LegendFormat, target.Expr)
		}
	}
}

func overlap(a, b panel) bool {
	p, q := a.GridPos, b.GridPos
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

var legendLabel = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)

// checkLegend holds that a legend names labels that are left.
func checkLegend(t *testing.T, where, legend, expression string) {
	t.Helper()
	for _, m := range legendLabel.FindAllStringSubmatch(legend, -1) {
		grouped := grouping.FindStringSubmatch(expression)
		if grouped == nil || !slices.Contains(names(grouped[1]), m[1]) {
			t.Errorf("%s: nothing keeps the label %s", where, m[1])
		}
	}
}

// TestDashboardShowsEverything holds that no metric of the sidecar's own is
// without a panel.
func TestDashboardShowsEverything(t *testing.T) {
	var text strings.Builder
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			text.WriteString(target.Expr + "\n")
		}
	}
	for name := range mustExpose(t).labels {
		base := histogramSuffix.ReplaceAllString(name, "")
		if strings.HasPrefix(name, "core_pipeline_cmp_") && !strings.Contains(text.String(), base) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

var histogramSuffix = regexp.MustCompile(`_(bucket|sum|count)$`)
