package helm

import (
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// coalesce is chartutil.CoalesceValues: it lays values over the defaults of c,
// and changes neither. Helm copies both by reflection, which takes ten times
// as long; where there are dependencies, it is left to Helm.
func coalesce(c *chart.Chart, values map[string]any) (chartutil.Values, error) {
	if len(c.Dependencies()) > 0 {
		return chartutil.CoalesceValues(c, values)
	}
	final := manifest.CopyFields(values)
	if final == nil {
		final = map[string]any{}
	}
	for key, value := range manifest.CopyFields(c.Values) {
		given, isGiven := final[key]
		table, isTable := given.(map[string]any)
		defaults, hasDefaults := value.(map[string]any)
		switch {
		case !isGiven:
			final[key] = value
		case given == nil:
			delete(final, key)
		case isTable && hasDefaults:
			chartutil.CoalesceTables(table, defaults)
		}
	}
	return final, nil
}
