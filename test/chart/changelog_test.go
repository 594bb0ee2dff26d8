package chart

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestChangelog holds the newest section of the chart's CHANGELOG to the
// version of the chart and to the changes in its annotations.
func TestChangelog(t *testing.T) {
	tree := repository(t)
	var chart struct {
		Version     string
		Annotations map[string]string
	}
	if err := yaml.Unmarshal(tree[path.Join(dir, "Chart.yaml")].Data, &chart); err != nil {
		t.Fatal(err)
	}
	type change struct{ Kind, Description string }
	var want, got []change
	if err := yaml.Unmarshal([]byte(chart.Annotations["artifacthub.io/changes"]), &want); err != nil {
		t.Fatal(err)
	}
	version, kind := "", ""
	for line := range strings.Lines(string(tree[path.Join(dir, "CHANGELOG.md")].Data)) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			if version != "" {
				break
			}
			version = heading
		} else if heading, ok := strings.CutPrefix(line, "### "); ok {
			kind = strings.ToLower(heading)
		} else if item, ok := strings.CutPrefix(line, "- "); ok {
			got = append(got, change{kind, item})
		}
	}
	if version != chart.Version {
		t.Errorf("the newest section is of %s, the chart of %s", version, chart.Version)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("(-Chart.yaml +CHANGELOG.md):\n%s", diff)
	}
}
