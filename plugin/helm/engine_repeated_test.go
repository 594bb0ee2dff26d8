package helm

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestRepeatedIncludes includes the same templates again and again, with
// everything between that could make another text of them.
func TestRepeatedIncludes(t *testing.T) {
	const helpers = `
{{- define "name" }}{{ default .Chart.Name .Values.s | trunc 9 }}{{ .Values.m.a }}{{ end }}
{{- define "full" }}{{ include "name" . }}-{{ .Release.Name | quote }}{{ with .Values.m }}{{ .b9 }}{{ include "name" $ }}{{ end }}{{ end }}
{{- define "where" }}{{ .Template.Name }}{{ include "name" . }}{{ end }}
{{- define "strict" }}{{ trunc 3 .Values.i.deeper }}{{ end }}
{{- define "deep" }}{{ include "full" . }}{{ if lt (len .Values.grow) 3 }}{{ $_ := set .Values "grow" (append .Values.grow 1) }}{{ include "deep" . }}{{ end }}{{ end }}
`
	steps := []string{
		`{{ include "name" . }}`, `{{ include "full" . }}`, `{{ include "full" $ }}`, `{{ include "where" . }}`, `{{ include "name" (dict "Values" .Values "Chart" .Chart) }}`,
		`{{ $_ := set .Values "s" "set" }}`, `{{ $_ := set .Values.m "a" "other" }}`, `{{ $_ := unset .Values.m "b9" }}`, `{{ $_ := set $ "Release" (dict "Name" "x") }}`,
		`{{ $_ := merge .Values.m (dict "b9" "merged") }}`, `{{ $_ := mergeOverwrite .Values (dict "s" "over") }}`, `{{ $_ := mustMergeOverwrite .Values.m (dict "a" "must") }}`,
		`{{ $_ := mustMerge .Values.m (dict "b9" "again") }}`, `{{ tpl "{{ define \"name\" }}other{{ end }}{{ include \"full\" . }}" . }}`, `{{ tpl "{{ $_ := set .Values \"s\" \"tpl\" }}{{ include \"name\" . }}" . }}`,
		`{{ range $k, $v := .Values.m }}{{ include "name" $ }}{{ end }}`, `{{ include "deep" . }}`, `{{ $_ := set .Values "s" nil }}`, `{{ define "name" }}late{{ end }}`, `{{ include "name" .Values }}`,
		`{{ include "strict" . }}`, `{{ $_ := set .Values "grow" list }}`, `{{ $_ := set . "Template" (dict "Name" "mine") }}`, `{{ template "name" . }}`, `{{ set .Values.s "a" "b" }}`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	failures := 0
	const rounds = 1500
	for range rounds {
		text := func() string {
			var out strings.Builder
			out.WriteString("{{ $_ := set .Values \"grow\" list }}")
			for range 2 + random.IntN(12) {
				// The last ones mostly fail, or hide the others.
				n := random.IntN(len(steps) + 30)
				if n >= len(steps) {
					n %= 17
				}
				out.WriteString(steps[n])
			}
			return out.String()
		}
		templates := map[string]string{"_helpers.tpl": helpers, "a.yaml": text(), "b.yaml": text()}
		difference, failed := differs(plainChart(templates), oddValues)
		if failed {
			failures++
		}
		if difference != "" {
			t.Fatalf("%s\n%s\n%s", templates["b.yaml"], templates["a.yaml"], difference)
		}
	}
	if failures > rounds*2/3 {
		t.Errorf("%d of %d charts fail", failures, rounds)
	}
}

// TestRepeatedOfOther: what is not data can change without a function that is
// known for it.
func TestRepeatedOfOther(t *testing.T) {
	const helpers = `{{ define "x" }}{{ .Values.m.x }}{{ end }}{{ define "name" }}{{ with .Values.m.x }}{{ .Template.Name }}{{ end }}{{ end }}`
	for name, text := range map[string]string{
		"a list of texts":           `{{ $_ := set .Values.m "x" (splitList "," "b,a") }}{{ include "x" . }}{{ sortAlpha .Values.m.x }}{{ include "x" . }}`,
		"deeper":                    `{{ $_ := set .Values.m "x" (dict "y" (list (splitList "," "b,a"))) }}{{ include "x" . }}{{ sortAlpha (first .Values.m.x.y) }}{{ include "x" . }}`,
		"merged":                    `{{ $_ := mergeOverwrite .Values (dict "m" (dict "x" (splitList "," "b,a"))) }}{{ include "x" . }}{{ sortAlpha .Values.m.x }}{{ include "x" . }}`,
		"data of its own":           `{{ $d := dict "Values" (dict "m" (dict "x" (splitList "," "b,a"))) }}{{ include "x" $d }}{{ sortAlpha $d.Values.m.x }}{{ include "x" $d }}`,
		"a list that comes later":   `{{ $d := dict }}{{ $_ := set .Values.m "x" $d }}{{ $_ := set $d "y" (splitList "," "b,a") }}{{ include "x" . }}{{ sortAlpha .Values.m.x.y }}{{ include "x" . }}`,
		"a version":                 `{{ $_ := set .Values.m "x" (semver "1.2.3") }}{{ include "x" . }}{{ .Values.m.x.Scan "2.0.0" }}{{ include "x" . }}`,
		"the root in the next file": `{{ if not (kindIs "map" .Values.m.x) }}{{ $_ := set .Values.m "x" $ }}{{ end }}{{ include "name" . }}`,
	} {
		t.Run(name, func(t *testing.T) {
			difference, failed := differs(plainChart(map[string]string{"_helpers.tpl": helpers, "a.yaml": text, "b.yaml": text}), oddValues)
			if failed || difference != "" {
				t.Errorf("failed: %v\n%s", failed, difference)
			}
		})
	}
}
