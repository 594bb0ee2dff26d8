package helm

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/engine"
)

// plainChart has these templates, by their names below templates/.
func plainChart(templates map[string]string) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "plain", Version: "1.0.0"}}
	for name, text := range templates {
		c.Templates = append(c.Templates, &chart.File{Name: "templates/" + name, Data: []byte(text)})
	}
	return c
}

func topOf(values map[string]any) chartutil.Values {
	values, _ = copyOf(values).(map[string]any)
	return chartutil.Values{
		"Values":       chartutil.Values(values),
		"Release":      map[string]any{"Name": "web"},
		"Capabilities": chartutil.DefaultCapabilities,
	}
}

// differs says how the engines do, and whether the chart fails in Helm's.
func differs(c *chart.Chart, values map[string]any) (difference string, failed bool) {
	theirs, theirErr := helmengine.Engine{}.Render(c, topOf(values))
	for range 2 {
		ours, ourErr := execute(c, topOf(values))
		if text(theirErr) != text(ourErr) {
			return fmt.Sprintf("Helm: %v\nours: %v", theirErr, ourErr), true
		}
		for name := range theirs {
			a, b := address.ReplaceAllString(theirs[name], ""), address.ReplaceAllString(ours[name], "")
			if a != b {
				return fmt.Sprintf("%s\nHelm: %q\nours: %q", name, a, b), false
			}
		}
		if theirErr == nil && len(theirs) != len(ours) {
			return fmt.Sprintf("Helm: %d files, ours: %d", len(theirs), len(ours)), false
		}
	}
	return "", theirErr != nil
}

// unsteady are parts of the names of functions whose results are random, a
// time or in no order.
var unsteady = []string{"rand", "gen", "uuid", "now", "ago", "date", "Date", "derive", "encrypt", "bcrypt", "htpasswd", "shuffle", "keys", "values"}

// TestEveryFunction calls all functions with arguments that suit and with some
// that do not.
func TestEveryFunction(t *testing.T) {
	functions := []string{
		"include", "tpl", "required", "fail", "lookup", "toToml", "fromToml", "toYaml", "toYamlPretty", "fromYaml", "fromYamlArray", "toJson", "fromJson", "fromJsonArray",
		"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "eq", "ne", "lt", "le", "gt", "ge", "call", "nosuch",
	}
	for name := range sprig.TxtFuncMap() {
		if !slices.Contains(functions, name) {
			functions = append(functions, name)
		}
	}
	slices.Sort(functions)
	arguments := []string{
		``, `.Values.n`, `.Values.nope`, `""`, `"a,b: c"`, `.Values.l`, `.Values.m`, `.Values.lines`, `3`, `-1`, `1.5`, `true`, `.`,
		`"a" .Values.m`, `.Values.m "a"`, `3 "word"`, `.Values.l "x"`, `"a" "b"`, `1 2`, `"," .Values.l`, `"named" .`, `"{{ .Values.s }}" .`, `"%v" .Values.n`,
		`"a" "b" "cab"`, `1 2 "abcd"`, `"([a-z]+):?" "ab:cd" 2`, `"([a-z]+)(:?)" "ab:cd" "${2}$1-"`, `"(" "a" "b"`, `"a{2}" "baab" "c"`, `"[b" "a"`, `"(?i)B" "abc"`, `.Values.m "a" 1`, `1 3 1`, `.Values.l 1 2`, `"v1" "Pod" "a" "b"`,
	}
	calls, failures := 0, 0
	for _, name := range functions {
		if slices.ContainsFunc(unsteady, func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		for _, argument := range arguments {
			call := "{{ " + name + " " + argument + " }}"
			difference, failed := differs(plainChart(map[string]string{"a.yaml": call, "_b.tpl": `{{ define "named" }}{{ .Values.s }}{{ end }}`}), oddValues)
			if calls++; failed {
				failures++
			}
			if difference != "" {
				t.Errorf("%s\n%s", call, difference)
			}
		}
	}
	if calls < 4000 || failures < calls/4 || failures > calls*4/5 {
		t.Errorf("%d of %d calls fail: too few or too many to tell much", failures, calls)
	}
}

// generator writes templates at random. What is defined as nameOrder[i] calls
// names before it only: Helm's engine has no limit for a tpl that calls itself,
// and the process ends.
type generator struct {
	*rand.Rand
	level int
}

var nameOrder = []string{"zero", "one", "two", "three", "gotpl", "plain/templates/_c.tpl", "plain/templates/b.yaml", "plain/templates/a.yaml"}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) name() string {
	if g.IntN(40) == 0 {
		return "nosuch"
	}
	return nameOrder[g.IntN(g.level)]
}

func (g generator) value() string {
	if g.IntN(20) == 0 {
		return g.pick(".Values.nope", "nil", ".Values.m.nope.deeper", "(index . 1)")
	}
	return g.pick(".", "$", "$x", "$.Values.s", "$.Values.nope", "$.Values.l", "$.Values.m", "$.Values.tpl", `"text"`, "3", `(dict "Values" $.Values)`, "(list 1 2)",
		`(include "`+g.name()+`" $)`, "$.Template.Name", "(toYaml $.Values.m)", `(fromYaml "a: 1")`, "(set $.Values `s` `set`)", "(default 1 $.Values.nope)")
}

// data is what a template is called with: most can do with $ only.
func (g generator) data() string {
	if g.IntN(20) == 0 {
		return g.value()
	}
	return "$"
}

// text writes an element. deep is how much may be in it.
func (g generator) text(deep int) string {
	if deep == 0 {
		return g.pick("x", "\n", "{{ "+g.value()+" }}", "{{- "+g.value()+" -}} ", "{{/* c */}}", "{{ $x = "+g.value()+" }}", "<no value>")
	}
	some := func() string { return g.text(g.IntN(deep)) + g.text(g.IntN(deep)) }
	switch g.IntN(14) {
	case 0:
		return "{{ if " + g.value() + " }}" + some() + "{{ else }}" + some() + "{{ end }}"
	case 1:
		return "{{ with " + g.value() + " }}" + some() + "{{ end }}"
	case 2, 3:
		return "{{ range $y := " + g.pick("$.Values.l", "$.Values.m", "3", "(list 1 2)", "$.Values.nope", g.value()) + " }}" + some() + g.pick("", "{{ break }}", "{{ continue }}") + some() + "{{ end }}"
	case 4, 5:
		inner := generator{g.Rand, 1 + g.IntN(g.level)}
		begin, end := `{{ define "`, "\" }}{{ $x := . }}"
		if inner.level < g.level && g.IntN(2) == 0 {
			begin, end = `{{ block "`, "\" "+g.data()+" }}{{ $x := . }}"
		}
		return begin + nameOrder[inner.level] + end + inner.text(deep-1) + "{{ end }}"
	case 6:
		return `{{ template "` + g.name() + `" ` + g.data() + " }}"
	case 7, 8:
		return `{{ include "` + g.name() + `" ` + g.data() + " | " + g.pick("upper", "quote", "fromYaml", "nindent 2", "trim") + " }}"
	case 9, 10, 11:
		return fmt.Sprintf("{{ tpl %q %s }}", "{{ $x := . }}"+some(), g.data())
	case 12:
		if g.IntN(4) > 0 {
			break
		}
		return "{{ " + g.pick("required", "fail") + ` "say: so" ` + g.pick("", g.value()) + " }}"
	}
	return some() + some()
}

// TestGeneratedTemplates: charts of random templates, of which many call each
// other, redefine each other and fail.
func TestGeneratedTemplates(t *testing.T) {
	// The next one takes half a minute in both engines: its templates call each other exponentially.
	const charts = 78
	failures := 0
	for seed := range uint64(charts) {
		random := rand.New(rand.NewPCG(seed, 1))
		templates := map[string]string{}
		for i, name := range []string{"_c.tpl", "b.yaml", "a.yaml"} {
			g := generator{random, len(nameOrder) - 3 + i}
			templates[name] = "{{ $x := 0 }}" + g.text(g.IntN(4)) + g.text(g.IntN(3))
		}
		templates["_d.tpl"] = `{{ define "zero" }}0{{ end }}{{ define "one" }}1{{ end }}{{ define "two" }}{{ .Values.s }}{{ end }}{{ define "three" }}{{ include "one" . }}{{ end }}`
		difference, failed := differs(plainChart(templates), oddValues)
		if failed {
			failures++
		}
		if difference != "" {
			t.Errorf("%q\n%s", templates, difference)
		}
	}
	if failures < charts/4 || failures > charts*3/4 {
		t.Errorf("%d of %d charts fail: too few or too many to tell much", failures, charts)
	}
}

// TestNothingStaysOfARender: what tpl defines, what include counts and what
// templates set are gone in the next render of the same templates.
func TestNothingStaysOfARender(t *testing.T) {
	c := plainChart(map[string]string{
		"a.yaml": `{{ if .Values.text }}{{ tpl .Values.text . }}{{ else }}{{ include "late" . }}{{ end }}{{ .Values.left }}`,
		"b.tpl":  `{{ define "deep" }}{{ if gt (int .) 0 }}{{ include "deep" (sub . 1) }}{{ end }}{{ end }}`,
	})
	texts := []string{
		`{{ define "late" }}late{{ end }}{{ include "late" . }}`, "", `{{ set .Values "left" "left" | len }}`, `{{ fail "on purpose" }}`, "x",
		`{{ define "plain/templates/a.yaml" }}another{{ end }}`, "x", `{{ include "deep" 990 }}`, `{{ include "deep" 1002 }}`, `{{ include "deep" 990 }}`,
		`{{ .Values.text.deeper }}`, `{{ define "deep" }}shallow{{ end }}{{ include "deep" 1 }}`, `{{ include "deep" 990 }}`, "",
	}
	for range 3 {
		for _, text := range texts {
			if difference, _ := differs(c, map[string]any{"text": text}); difference != "" {
				t.Errorf("%s\n%s", text, difference)
			}
		}
	}
}

// TestParsedSize holds the estimate that bounds the memory of parsed templates.
func TestParsedSize(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // a pool survives the first
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	if _, err := engine.Parse(nil); err != nil { // the functions
		t.Fatal(err)
	}
	var defines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&defines, `{{define "%x"}}1{{end}}`, i)
	}
	const size = 256 << 10
	for _, part := range []string{
		"{{.}}", "{{1}}", "{{$}}", "{{.a}}", "{{print 1 1 1 1 1 1 1 1 1 1 1 1}}", "{{((((((((((((1))))))))))))}}", "{{1|print|print}}", "{{if 1}}1{{end}}",
		`{{"}}" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}}`, `{{print "}}{{" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}}`, "text {{.}} and more text\n", defines.String(),
	} {
		text := strings.Repeat(part, max(size/len(part), 1))
		before := heap()
		set, err := engine.Parse([]engine.Template{{Name: "a", Text: text}})
		if err != nil {
			t.Errorf("%.40s: %v", part, err)
			continue
		}
		run, err := set.NewRun()
		if err != nil {
			t.Fatal(err)
		}
		took := heap() - before
		runtime.KeepAlive(set)
		runtime.KeepAlive(run)
		if most := uint64(parsedSize(text)) + 64<<10; took > most {
			t.Errorf("%.40s: %d bytes, more than the estimate, %d", part, took, most)
		}
	}
}
