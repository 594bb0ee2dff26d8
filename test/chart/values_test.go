package chart

import (
	"bytes"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

var (
	usedValue  = regexp.MustCompile(`\.Values((?:\.[A-Za-z][A-Za-z0-9_]*)+)`)
	valueLine  = regexp.MustCompile(`^( *)([A-Za-z0-9_.-]+):(.*)$`)
	documented = regexp.MustCompile(`^ *# -- \S`)
)

// TestValuesDeclared holds that templates read no value that values.yaml does
// not have.
func TestValuesDeclared(t *testing.T) {
	tree := repository(t)
	defaults := parse(t, tree[path.Join(dir, "values.yaml")].Data)
	count := 0
	for name, file := range tree {
		if !strings.HasPrefix(name, dir+"/templates/") {
			continue
		}
		for _, m := range usedValue.FindAllStringSubmatch(string(file.Data), -1) {
			count++
			var node any = defaults
			for key := range strings.SplitSeq(m[1][1:], ".") {
				table, ok := node.(map[string]any)
				if !ok {
					break // below a value that the user gives whole
				}
				child, declared := table[key]
				if !declared && len(table) > 0 {
					t.Errorf("%s reads .Values%s, which values.yaml does not have", name, m[1])
				}
				node = child
			}
		}
	}
	if count < 100 {
		t.Fatalf("the templates read %d values", count)
	}
}

// TestValuesCommented holds that every key of values.yaml that is not only a
// group has a line of documentation.
func TestValuesCommented(t *testing.T) {
	lines := strings.Split(string(repository(t)[path.Join(dir, "values.yaml")].Data), "\n")
	for i, line := range lines {
		m := valueLine.FindStringSubmatch(line)
		if m == nil || i == 0 {
			continue
		}
		above := i - 1
		for above > 0 && strings.HasPrefix(strings.TrimSpace(lines[above]), "#") && !documented.MatchString(lines[above]) {
			above--
		}
		group := strings.TrimSpace(m[3]) == ""
		if !documented.MatchString(lines[above]) && !group && !insideDocumented(lines, i, len(m[1])) {
			t.Errorf("values.yaml:%d: %s has no line of documentation", i+1, m[2])
		}
	}
}

// insideDocumented reports whether a parent of the key is documented.
func insideDocumented(lines []string, i, indent int) bool {
	for at := i - 1; at >= 0; at-- {
		m := valueLine.FindStringSubmatch(lines[at])
		if m == nil || len(m[1]) >= indent || strings.HasPrefix(strings.TrimSpace(lines[at]), "#") {
			continue
		}
		if at > 0 && documented.MatchString(lines[at-1]) {
			return true
		}
		indent = len(m[1])
	}
	return false
}

// others returns values of the same type that a property may accept.
func (n *node) others(old any) []any {
	var out []any
	for _, v := range n.Enum {
		if v != old {
			out = append(out, v)
		}
	}
	switch v := old.(type) {
	case bool:
		out = append(out, !v)
	case float64:
		out = append(out, v+1, v-1)
		if n.Maximum != nil {
			out = append(out, *n.Maximum)
		}
	case string:
		for _, candidate := range []string{v + "a", "a" + v, v + "1", "5Mi", "https://changed.example.com/", "sha256:" + strings.Repeat("a", 64), "9m", "7"} {
			if n.Pattern == "" || regexp.MustCompile(n.Pattern).MatchString(candidate) {
				out = append(out, candidate)
			}
		}
	case []any:
		out = append(out, slices.Concat(v, []any{"CHANGED"}), slices.Concat(v, []any{map[string]any{"name": "changed"}}))
		if len(v) > 0 {
			out = append(out, v[:len(v)-1])
		}
	case map[string]any:
		out = append(out, map[string]any{"changed": "changed"})
	}
	return out
}

// TestValuesUsed changes every single value and looks for a difference in
// what at least one of the values files gives: a value that changes nothing is
// declared and unused.
func TestValuesUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("renders the chart a thousand times")
	}
	tree := repository(t)
	root := schema(t, tree)
	defaults := parse(t, tree[path.Join(dir, "values.yaml")].Data)
	bases := map[string]map[string]any{"": {}}
	for _, file := range valuesFiles(t, tree) {
		bases[file] = parse(t, tree[file].Data)
	}
	before := map[string]string{}
	for file, base := range bases {
		before[file] = stream(t, mustRender(t, tree, "", toText(t, base)))
	}
	unused := map[string]bool{"global": true, "enabled": true, "validation.strict": true} // strict has its own test
	count := 0
	root.visit(root, nil, func(at []string, n *node) {
		name := strings.Join(at, ".")
		old, ok := lookup(defaults, at)
		if !ok || unused[name] || len(n.Properties) > 0 {
			return
		}
		count++
		for _, file := range slices.Sorted(maps.Keys(bases)) {
			base := bases[file]
			current, set := lookup(base, at)
			candidates := append(n.others(current), old)
			if !set {
				candidates = n.others(old)
			}
			for _, value := range candidates {
				list, err := render(t, tree, "", toText(t, with(base, at, value)))
				if err != nil && strings.Contains(err.Error(), "problem(s)") || err == nil && stream(t, list) != before[file] {
					return
				}
			}
		}
		t.Errorf("%s changes nothing in any of the values files", name)
	})
	if count < 120 {
		t.Fatalf("looked at %d values", count)
	}
}

func lookup(values map[string]any, at []string) (any, bool) {
	var v any = values
	for _, key := range at {
		table, _ := v.(map[string]any)
		child, ok := table[key]
		if !ok {
			return nil, false
		}
		v = child
	}
	return v, true
}

func stream(t testing.TB, list manifest.List) string {
	t.Helper()
	var out bytes.Buffer
	if err := manifest.WriteYAML(&out, list); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
