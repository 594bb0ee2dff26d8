package helm

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// TestCoalesce lays made-up values over made-up defaults, with and without a
// dependency, as Helm does.
func TestCoalesce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var value func(depth int) any
	table := func(depth int) map[string]any {
		out := map[string]any{}
		for _, key := range []string{"a", "b", "c", "global", "sub"} {
			if random.IntN(3) > 0 {
				out[key] = value(depth)
			}
		}
		return out
	}
	value = func(depth int) any {
		switch n := random.IntN(7); {
		case n == 0:
			return nil
		case n == 1:
			return []any{random.IntN(2), table(0)}
		case n > 3 && depth > 0:
			return table(depth - 1)
		case n == 2:
			return map[string]any{}
		}
		return random.IntN(3)
	}
	const depth = 3
	for round := range 1000 {
		values, defaults := table(depth), table(depth)
		if round%100 == 0 {
			values = nil
		}
		if round%100 == 1 {
			defaults = nil
		}
		made := func() *chart.Chart {
			c := &chart.Chart{Metadata: &chart.Metadata{Name: "top"}, Values: defaults}
			if round%4 == 0 {
				c.AddDependency(&chart.Chart{Metadata: &chart.Metadata{Name: "sub"}, Values: map[string]any{"a": 1, "b": map[string]any{"c": 2}}})
			}
			return c
		}
		before := encoded(t, values, defaults)
		got, gotErr := coalesce(made(), values)
		if after := encoded(t, values, defaults); after != before {
			t.Fatalf("the values or the defaults were changed:\n%s", cmp.Diff(before, after))
		}
		want, err := chartutil.CoalesceValues(made(), values)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (gotErr == nil) {
			t.Fatalf("%s: %v, %v (-Helm +here):\n%s", before, err, gotErr, diff)
		}
	}
}

func encoded(t *testing.T, values ...any) string {
	t.Helper()
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
