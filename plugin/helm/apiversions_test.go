package helm

import (
	"slices"
	"strings"
	"testing"
)

func TestAPIVersionUse(t *testing.T) {
	const object = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata:\n  a: "
	for _, tc := range []struct {
		name, template, value string
		all                   bool
		names                 string
	}{
		{name: "none", template: `{{ .Release.Name }}`},
		{name: "kube version", template: `{{ .Capabilities.KubeVersion.Version }}`},
		{name: "by name", template: `{{ .Capabilities.APIVersions.Has "b/v1" }}{{ $.Capabilities.APIVersions.Has "a/v1/K" | quote }}`, names: "a/v1/K b/v1"},
		{name: "raw string", template: "{{ .Capabilities.APIVersions.Has `a/v1` }}", names: "a/v1"},
		{name: "a branch not taken", template: `{{ if false }}{{ .Capabilities.APIVersions.Has "a/v1" }}{{ end }}x`, names: "a/v1"},
		{name: "computed", template: `{{ .Capabilities.APIVersions.Has (print "a" "/v1") }}`, all: true},
		{name: "kept in a variable", template: `{{ $v := .Capabilities.APIVersions }}{{ $v.Has "a/v1" }}`, all: true},
		{name: "range", template: `{{ range .Capabilities.APIVersions }}{{ . }}{{ end }}`, all: true},
		{name: "len beside a name", template: `{{ .Capabilities.APIVersions.Has "a/v1" }}{{ len .Capabilities.APIVersions }}`, all: true},
		{name: "has of sprig", template: `{{ has "a/v1" .Capabilities.APIVersions }}`, all: true},
		{name: "all encoded", template: `{{ toJson .Capabilities | sha256sum }}`, all: true},
		{name: "all as YAML", template: `{{ toYaml (index . "Capabilities") | sha256sum }}`, all: true},
		{name: "all printed", template: `{{ range $k, $v := . }}{{ if eq $k "Capabilities" }}{{ printf "%v" (deepCopy $v) | sha256sum }}{{ end }}{{ end }}`, all: true},
		{name: "everything printed", template: `{{ omit . "Files" "Chart" "Template" "Release" "Subcharts" | toJson | sha256sum }}`, all: true},
		{name: "toml", template: `{{ toToml (dict "a" "b") | sha256sum }}`, all: true},
		{name: "tpl in a value", template: `{{ tpl .Values.text . }}`, value: `{{ .Capabilities.APIVersions.Has "a/v1" }}`, names: "a/v1"},
		{name: "tpl in a value, all", template: `{{ tpl .Values.text . }}`, value: `{{ len .Capabilities.APIVersions }}`, all: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fsys := tree(map[string]string{"templates/a.yaml": object + tc.template + "\n"})
			result, err := renderTree(t, fsys, map[string]any{"text": tc.value}, shop)
			if err != nil {
				t.Fatal(err)
			}
			use := result.APIVersions
			if use.All != tc.all || !slices.Equal(use.Names, strings.Fields(tc.names)) {
				t.Errorf("got %+v", use)
			}
		})
	}
}
