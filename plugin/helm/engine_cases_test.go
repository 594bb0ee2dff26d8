package helm

import (
	"strings"
	"testing/fstest"
)

var oddValues = map[string]any{
	"s": "text", "empty": "", "i": 3.0, "f": 1.5, "big": 12345678901.0, "huge": 1e30, "b": true, "n": nil, "l": []any{"x", 1.0, nil, map[string]any{"k": "v"}},
	"m":   map[string]any{"a": 1.0, "b10": "x", "b9": "y", "B": map[string]any{"c": []any{}}, "d": map[string]any{}},
	"tpl": "{{ .Values.s | upper }} {{ .Values.nope }}", "define": `{{ define "late" }}late {{ .Values.s }}{{ end }}{{ include "late" . }}`,
	"deep": `{{ tpl .Values.tpl . }} {{ include "shared" . }}`, "loop": `{{ tpl .Values.loop . }}`, "broken": "{{ .Values.s", "unknown": "{{ nosuch }}",
	"long": strings.Repeat("many words ", 20), "lines": "a\nb\n\n c\n", "date": "2001-01-01", "octal": "0o14", "yes": "yes", "colon": "a: b", "hash": "a #b", "html": "<&>\u2028",
}

// oddTemplates are executed with oddValues, each in a chart with two
// dependencies, a library, files and partials: oddChart.
var oddTemplates = strings.Split(strings.TrimSpace(`
{{ .Values.s }} {{ .Values.nope }} {{ .Values.n }} {{ .nope }} {{ .Values.m.nope }}
{{ .Values.nope.deeper }}
{{ .Values.s.deeper }}
{{ .Values.l.x }}
{{ index .Values.l 9 }}
{{ index .Values "s" }} {{ index .Values.m "a" "b" }}
{{ "<no value>" }} {{ .Values.nope | quote }} {{ printf "%v" .Values.nope }}
{{ range .Values.l }}[{{ . }}]{{ end }}{{ range $k, $v := .Values.m }}{{ $k }}={{ $v }};{{ else }}none{{ end }}
{{ range $i, $e := .Values.l }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ if eq $i 3 }}{{ break }}{{ end }}{{ $i }}{{ end }}
{{ break }}
{{ continue }}
{{ range until 3 }}{{ . }}{{ end }}{{ range 3 }}{{ . }}{{ end }}
{{ with .Values.nope }}a{{ else with .Values.s }}{{ . }}{{ else }}b{{ end }}
{{ define "own" }}own {{ . }}{{ end }}{{ include "own" 1 }}{{ template "own" 2 }}
{{ define "shared" }}mine{{ end }}{{ include "shared" . }}
{{ define "nested" }}{{ define "inner" }}x{{ end }}{{ end }}
{{ block "blocked" .Values.s }}<{{ . }}>{{ end }}{{ template "blocked" "again" }}
{{ include "nosuch" . }}
{{ template "nosuch" . }}
{{ include "shared" . }} {{ include "shared" }}
{{ include "shared" . . }}
{{ include .Values.n . }}
{{ include "recursive" . }}
{{ include "throughTpl" . }}
{{ include "counted" 999 }}
{{ include "counted" 1002 }}
{{ template "templated" . }}
{{ include "failing" . }}
{{ include "requiring" (dict "Values" dict) }}
{{ fail "no" }}
{{ fail "HELM_ERR_END: odd HELM_ERR_START" }}
{{ fail "two\nlines: with colons: in them" }}
{{ fail .Values.n }}
{{ required "must be set" .Values.nope }}
{{ required "must be set" .Values.empty }}
{{ required "ok" .Values.m | toJson }} {{ required "ok" false }} {{ required "ok" 0 }}
{{ required "a" }}
{{ tpl .Values.tpl . }} {{ tpl "" . }} {{ tpl "{{/* c */}}" . }}
{{ tpl .Values.define . }}
{{ tpl .Values.define . }}{{ include "late" . }}
{{ tpl "{{ define \"shared\" }}replaced{{ end }}{{ include \"shared\" . }}" . }} {{ include "shared" . }}
{{ tpl .Values.deep . }}
{{ tpl .Values.broken . }}
{{ tpl .Values.unknown . }}
{{ tpl "{{ fail \"inside\" }}" . }}
{{ tpl "{{ required \"inside\" .Values.nope }}" . }}
{{ tpl "{{ .Values.s.deeper }}" . }}
{{ tpl "{{ tpl \"{{ .Values.s.deeper }}\" . }}" . }}
{{ tpl "{{ include \"failing\" . }}" . }}
{{ tpl "{{ tpl .Values.define . }}{{ include \"late\" . }}" . }}
{{ tpl "{{ .Template.Name }} {{ .Template.BasePath }}" . }}
{{ tpl (tpl "{{ \"{{ .Values.s }}\" }}" .) . }}
{{ tpl .Values.n . }}
{{ tpl "{{ block \"b\" . }}in tpl{{ end }}" . }}
{{ .Template.Name }} {{ .Template.BasePath }} {{ .Chart.Name }} {{ .Chart.IsRoot }} {{ .Chart.Version }} {{ .Chart.Type }} {{ .Chart.nope }}
{{ toYaml .Chart }} {{ len .Chart.Dependencies }}
{{ .Release | toYaml }} {{ .Release.IsInstall }} {{ .Release.nope }}
{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has "example.com/v1/Widget" }} {{ .Capabilities.HelmVersion.Version }}
{{ .Capabilities.Nope }}
{{ .Subcharts.cache.Values | toYaml }} {{ .Subcharts.cache.Chart.IsRoot }} {{ keys .Subcharts | sortAlpha }}
{{ .Files.Get "files/a.txt" }} {{ .Files.Get "nope" }} {{ .Files.GetBytes "files/a.txt" }}
{{ (.Files.Glob "files/*").AsConfig }} {{ (.Files.Glob "**.bin").AsSecrets }} {{ (.Files.Glob "[").AsConfig | len }}
{{ range .Files.Lines "files/a.txt" }}<{{ . }}>{{ end }}{{ .Files.Lines "nope" }}{{ .Files.Lines "files/empty" | len }}{{ .Files.Lines "files/newline" }}
{{ range $n, $d := .Files.Glob "files/**" }}{{ $n }} {{ len $d }};{{ end }}{{ typeOf .Files }} {{ kindOf .Files }} {{ printf "%T" (.Files.Glob "x") }}
{{ .Files.Get }}
{{ .Files.Get 1 }}
{{ .Files.nope }} {{ index .Files "files/a.txt" | len }} {{ toYaml .Files | sha256sum }}
{{ typeOf . }} {{ typeOf .Values }} {{ typeOf .Chart }} {{ typeOf .Values.m }} {{ typeOf .Template }} {{ typeOf .Subcharts }}
{{ set . "leak" "leaked" | len }}
{{ .leak }} {{ set .Values "s" "changed" | len }}
{{ .Values.s }} {{ merge .Values.m (dict "a" 9 "z" 1) | toYaml }}
{{ toYaml .Values }}
{{ toJson .Values }} {{ toPrettyJson .Values }} {{ toRawJson .Values.html }}
{{ toToml .Values.m }} {{ toToml 1 }} {{ fromToml "a = 1\n[b]\nc = 'd'" | toYaml }} {{ fromToml "a" }}
{{ toYamlPretty .Values.l }} {{ toYaml (list 1 (int64 2) "3" .Values.f (dict) (list)) }} {{ toYaml .Values.n }}
{{ fromYaml "a: [1, {b: 1.5, c: yes}]" | toYaml }} {{ fromYaml "[1]" }} {{ fromYaml "a: b: c" }} {{ fromYaml "" | toJson }} {{ fromYaml "~" | toJson }}
{{ fromYamlArray "[a, 1]" | toJson }} {{ fromYamlArray "a: 1" }} {{ fromYamlArray "" | toJson }} {{ fromYaml "{1: a, true: b, 1.5: c}" | toJson }}
{{ fromJson "{\"a\": 1}" | toJson }} {{ fromJson "[" }} {{ fromJsonArray "[1, 2]" }} {{ fromJsonArray "{}" }}
{{ lookup "v1" "Secret" "a" "b" | toJson }} {{ (lookup "v1" "Secret" "" "").items }} {{ getHostByName "localhost" }}
{{ lookup "v1" }}
{{ env "HOME" }}
{{ expandenv "$HOME" }}
{{ nosuch }}
{{ .Values.s | }}
{{ if }}{{ end }}
{{ if .Values.s }}
{{ end }}
{{ .Values.s
{{ "unterminated }}
{{ $x }}
{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}
{{- /* comment */ -}} x {{- " y " -}} z
{{ add 1 "x" }} {{ divf 1 0 }} {{ div 1 0 }}
{{ mod 1 0 }}
{{ regexMatch "(" "x" }}
{{ mustRegexMatch "(" "x" }}
{{ atoi "x" }} {{ int64 "12" }} {{ float64 "1e3" }} {{ toDecimal "777" }}
{{ first (list) }} {{ last .Values.l }} {{ slice .Values.l 1 2 }}
{{ slice .Values.l 9 12 }}
{{ semverCompare ">=1.2" "1.3.0" }} {{ semver "x" }}
{{ printf "%d" "x" }} {{ printf "%s" .Values.l }} {{ print 1 2 "a" "b" 3 }} {{ println .Values.m }}
{{ call .Values.s }}
{{ len 3 }}
{{ html "<a>" }} {{ js "'" }} {{ urlquery "a b" }} {{ and 1 0 }} {{ or 0 "x" }} {{ not 1 }}
{{ eq .Values.i 3 }}
{{ eq .Values.i 3.0 }} {{ lt 1 2 }} {{ ge "b" "a" }}
{{ eq .Values.l .Values.l }}
{{ dig "a" "b" "default" .Values.m }} {{ pluck "a" .Values.m }} {{ get .Values.m "nope" }} {{ hasKey .Values.m "a" }}
{{ ternary "a" "b" .Values.n }} {{ coalesce .Values.n .Values.empty "c" }} {{ default "d" .Values.empty }}
{{ .Values.big }} {{ .Values.huge }} {{ .Values.f }} {{ .Values.i }} {{ int .Values.big }} {{ .Values.big | toString }}
{{ .Values.lines | indent 2 }} {{ .Values.lines | nindent 4 }} {{ .Values.long | wrap 20 }}
{{ .Values.m.B.c.d }}
{{ .Values.m.a.b }}
{{ (.Values.m).a }} {{ .Values.m.a | quote | squote }} {{ tuple 1 2 }} {{ deepCopy .Values.m | toJson }}
{{ include "library.helper" . }} {{ include "cache.helper" . }} {{ include "overridden" . }}
{{ $.Values.s }} {{ with $y := .Values.m }}{{ $y.a }} {{ $.Values.f }}{{ end }}
{{ try "x" }}
{{ 1.2.3 }}
{{ .Values.l | join "," | trunc 5 | b64enc | b64dec | sha256sum }} {{ cat "a" 1 nil }}
{{ nil }}
{{ template "shared" }} {{ template "shared" nil }} {{ define "" }}{{ end }}
{{ define "shop/templates/odd.yaml" }}itself{{ end }}rest
{{ define "shop/templates/other.yaml" }}taken over{{ end }}
{{ include "shop/templates/other.yaml" . }} {{ include "shop/charts/cache/templates/c.yaml" .Subcharts.cache }}
{{ include "shop/templates/odd.yaml" . }}
{{ include "gotpl" . }}
{{ define "gotpl" }}defined{{ end }}{{ include "gotpl" . }}
{{ define "gotpl" }}defined{{ end }}{{ template "gotpl" . }}{{ tpl "x{{ include \"gotpl\" . }}" . }}
{{ define "gotpl" }}defined{{ end }}{{ tpl "" . }}{{ tpl "{{ include \"gotpl\" . }}" . }}
{{ define "gotpl" }}defined{{ end }}{{ tpl "{{ define \"gotpl\" }}again{{ end }}" . }}{{ include "gotpl" . }}
{{ tpl "{{ define \"gotpl\" }}again{{ end }}x" . }}{{ tpl "{{ tpl \"{{ include \\\"gotpl\\\" . }}\" . }}" . }}
{{ tpl "{{ define \"shop/templates/after.yaml\" }}mine{{ end }}" . }}{{ include "shop/templates/after.yaml" . }}
{{ tpl "{{ block \"shared\" . }}b{{ end }}{{ include \"shared\" . }}" . }}{{ include "shared" . }}
{{ tpl "{{ range .Values.l }}{{ break }}{{ end }}{{ $x := 1 }}{{ $x }}" . }}{{ tpl "{{ $x }}" . }}
{{ tpl "{{- .Values.nope -}}" . }}{{ tpl "<no value>" . }}{{ tpl .Values.tpl (dict "Values" .Values) }}
{{ urlParse "http://a:b@c/d?e" | toJson }} {{ splitList "," "a,b" | toYaml }} {{ split "," "a,b" | toJson }} {{ regexFindAll "[a-z]" "abc" -1 | toYaml }}
{{ until 3 | toYaml }} {{ uniq (list 1 1 2) }} {{ without (list 1 2) 1 }} {{ has 1 (list 1) }} {{ seq 1 3 }} {{ sortAlpha (list "b" "a") | toYaml }}
{{ range $k, $v := .Subcharts.cache.Values }}{{ $k }}{{ $v }}{{ end }} {{ range .Values.s }}{{ end }}
{{ range $a, $b, $c := .Values.l }}{{ end }}
`), "\n")

func oddChart(template string) fstest.MapFS {
	return tree(map[string]string{
		"Chart.yaml":                       chartYAML + "type: application\nappVersion: \"2\"\ndependencies:\n- {name: cache, version: 0.1.0}\n- {name: library, version: 0.1.0}\n- {name: db, version: 0.1.0}\n",
		"values.yaml":                      "cache: {size: 3}\nglobal: {g: 1}\n",
		"files/a.txt":                      "one\ntwo\n",
		"files/empty":                      "",
		"files/newline":                    "\n",
		"files/b/c.bin":                    "\x00\xff",
		"templates/odd.yaml":               template,
		"templates/after.yaml":             `{{ .leak }} {{ .Values.s }} {{ .Template.Name }}`,
		"templates/other.yaml":             "other",
		"templates/sub/deep.yaml":          `{{ .Template.Name }} {{ include "shared" . }}`,
		"templates/NOTES.txt":              "notes {{ .Release.Name }}",
		"templates/_empty.tpl":             "{{/* nothing */}}",
		"templates/_z.tpl":                 `{{ define "shared" }}z {{ .Template }}{{ end }}{{ define "overridden" }}parent{{ end }}`,
		"templates/_a.tpl":                 `{{ define "shared" }}a {{ .Values.s }}{{ end }}{{ define "recursive" }}{{ include "recursive" . }}{{ end }}` + `{{ define "counted" }}{{ if gt (int .) 0 }}{{ include "counted" (sub . 1) }}{{ else }}end{{ end }}{{ end }}` + `{{ define "templated" }}{{ include "failing" . }}{{ end }}` + `{{ define "throughTpl" }}{{ tpl "{{ include \"throughTpl\" . }}" . }}{{ end }}` + "{{ define \"failing\" }}\n{{ .Values.s.deeper }}{{ end }}" + `{{ define "requiring" }}{{ required "needed" .Values.x }}{{ end }}`,
		"charts/cache/Chart.yaml":          "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
		"charts/cache/values.yaml":         "size: 1\nname: c\n",
		"charts/cache/templates/c.yaml":    `{{ .Values.size }} {{ .Values.global.g }} {{ .Chart.IsRoot }} {{ .Template.BasePath }} {{ include "overridden" . }} {{ .Subcharts }}`,
		"charts/cache/templates/_h.tpl":    `{{ define "cache.helper" }}cache {{ .Chart.Name }}{{ end }}{{ define "overridden" }}child{{ end }}{{ define "shared" }}child{{ end }}`,
		"charts/db/Chart.yaml":             "apiVersion: v2\nname: db\nversion: 0.1.0\n",
		"charts/db/templates/c.yaml":       `{{ .Values | toJson }} {{ include "overridden" . }}`,
		"charts/db/templates/_h.tpl":       `{{ define "overridden" }}db{{ end }}`,
		"charts/library/Chart.yaml":        "apiVersion: v2\nname: library\nversion: 0.1.0\ntype: library\n",
		"charts/library/templates/c.yaml":  "{{ this is not even a template",
		"charts/library/templates/_h.yaml": `{{ define "library.helper" }}library {{ .Values.s }}{{ end }}`,
	})
}
