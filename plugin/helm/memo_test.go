package helm

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
)

func TestMemoIsBounded(t *testing.T) {
	const size = 10
	for name, bounds := range map[string]struct{ count, bytes int }{
		"by number": {3, 1000 * size},
		"by size":   {1000, 4*size - 1},
	} {
		m := newMemo[int](bounds.count, bounds.bytes)
		key := func(i int) digest { return sha256.Sum256(fmt.Append(nil, i)) }
		for i := range 10 {
			m.put(key(i), size, i)
			m.put(key(i), size, i)
		}
		m.put(key(10), bounds.bytes+1, 10)
		if len(m.values) != 3 || len(m.order) != 3 || m.held != 3*size {
			t.Errorf("%s: %d values, %d in order, %d bytes", name, len(m.values), len(m.order), m.held)
		}
		for i, want := range map[int]bool{6: false, 7: true, 9: true, 10: false} {
			if value, ok := m.get(key(i)); ok != want || ok && value != i {
				t.Errorf("%s: %d: %v, %v", name, i, value, ok)
			}
		}
	}
}

// TestRememberedDefaults: a chart whose values.yaml is known is the same chart,
// and what a render does to it is not seen by the next one.
func TestRememberedDefaults(t *testing.T) {
	files := func(values string) []*loader.BufferedFile {
		return []*loader.BufferedFile{
			{Name: "Chart.yaml", Data: []byte("apiVersion: v2\nname: shop\nversion: 1.0.0\n")},
			{Name: "a.txt"},
			{Name: "values.yaml", Data: []byte(values)},
			{Name: "z.txt"},
			{Name: "charts/cache/Chart.yaml", Data: []byte("apiVersion: v2\nname: cache\nversion: 1.0.0\n")},
			{Name: "charts/cache/values.yaml", Data: []byte("size: 2\n")},
		}
	}
	for _, values := range []string{"a: {b: [1, {c: 1.5}], d: ~}\n", "a: {b: [2]}\n", "", "null\n", "# nothing\n", "a: {b: [1, {c: 1.5}], d: ~}\n"} {
		for range 3 {
			want, err := loader.LoadFiles(files(values))
			if err != nil {
				t.Fatal(err)
			}
			got, err := loadFiles(files(values))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Values, got.Values); diff != "" {
				t.Errorf("%q (-Helm +ours):\n%s", values, diff)
			}
			if diff := cmp.Diff(want.Raw, got.Raw); diff != "" {
				t.Errorf("%q: files (-Helm +ours):\n%s", values, diff)
			}
			if size := got.Dependencies()[0].Values["size"]; size != 2.0 {
				t.Errorf("%q: the dependency has %v", values, size)
			}
			if a, ok := got.Values["a"].(map[string]any); ok {
				a["b"].([]any)[0] = "spoilt"
				a["e"] = "spoilt"
			}
		}
	}
	for _, values := range []string{"a: [", "a\n"} {
		for range 2 {
			if _, err := loadFiles(files(values)); err == nil {
				t.Errorf("%q was loaded", values)
			}
		}
	}
}
