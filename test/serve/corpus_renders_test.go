package serve

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// template is an attack by a template.
func template(t testing.TB, name, text string, want ...string) attack {
	t.Helper()
	return raw(name, cmptest.Chart(t, text), want...)
}

// object has an expression in it.
func object(expression string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  v: {{ " + expression + " }}\n"
}

// withFile is an attack by one more file of the chart.
func withFile(t testing.TB, name, file, data string, want ...string) attack {
	t.Helper()
	return entries(t, name, []cmptest.Entry{{Name: file, Data: data}}, want...)
}

// overlay is an attack by a kustomization.
func overlay(t testing.TB, name, kustomization string, want ...string) attack {
	t.Helper()
	a := withFile(t, name, "overlay/kustomization.yaml", kustomization, want...)
	a.call.Env = cmptest.Env("attack", `[{"name":"overlay","string":"overlay"}]`)
	return a
}

// parameters is an attack by what the Application says.
func parameters(t testing.TB, name, text string, want ...string) attack {
	t.Helper()
	a := entries(t, name, nil, want...)
	a.call.Env = cmptest.Env("attack", text)
	return a
}

// variable is an attack by one variable of repo-server.
func variable(t testing.TB, name, variable, value string, want ...string) attack {
	t.Helper()
	a := entries(t, name, nil, want...)
	a.call.Env[variable] = value
	return a
}

// ended is in the error of a render that hit a limit. Which one it hits first
// depends on how busy the machine is.
const ended = "--timeout|--memory-limit"

func templateAttacks(t testing.TB) []attack {
	t.Helper()
	doubling := `{{ $x := "{{ tpl . . }}" }}`
	exponential := `{{ define "e" }}{{ if . }}{{ include "e" (rest .) }}{{ include "e" (rest .) }}{{ end }}{{ end }}{{ include "e" (until 60) }}`
	return []attack{
		template(t, "loop", loop, ended),
		template(t, "range until 1e9", `{{ range until 1000000000 }}{{ end }}`, ended),
		template(t, "calls without end", `{{ define "e" }}{{ include "e" . }}{{ end }}{{ include "e" . }}`, "templates/a.yaml|"+ended),
		template(t, "template without end", `{{ define "e" }}{{ template "e" . }}{{ end }}{{ template "e" . }}`, "templates/a.yaml|"+ended),
		template(t, "exponential include", exponential, ended),
		template(t, "tpl in tpl", `{{ $_ := set .Values "t" "{{ tpl .Values.t . }}{{ tpl .Values.t . }}" }}{{ tpl .Values.t . }}`, ended),
		template(t, "tpl without end of growth", `{{ $x := "a" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}{{ tpl $x . }}`, ended),
		template(t, "repeat", object(`repeat 100000000000 "x"`), ended),
		template(t, "memory eater", `{{ $d := dict }}{{ range until 1000000 }}{{ $_ := set $d (print .) (repeat 1000000 "x") }}{{ end }}`, ended),
		template(t, "list that grows", `{{ $l := list }}{{ range until 100000 }}{{ $l = concat $l $l (list 1) }}{{ end }}`, ended),
		template(t, "regex burner", `{{ range until 100000 }}{{ $_ := regexReplaceAll "(a*)*(a*)*(a*)*b" (repeat 100000 "a") "" }}{{ end }}`, ended),
		template(t, "regex that is large", object(`mustRegexMatch (repeat 1000 "(a{1000}){1000}") "a"`), "templates/a.yaml"),
		template(t, "keys without end", `{{ range until 100000 }}{{ $_ := genPrivateKey "rsa" }}{{ end }}`, ended),
		template(t, "certificates without end", `{{ range until 100000 }}{{ $_ := genCA "x" 1 }}{{ end }}`, ended),
		template(t, "bcrypt without end", `{{ range until 100000 }}{{ $_ := htpasswd "a" "b" }}{{ end }}`, ended),
		template(t, "scrypt without end", `{{ range until 100000 }}{{ $_ := derivePassword 1 "long" "a" "b" "c" }}{{ end }}`, ended),
		template(t, "many objects", `{{ range until 100000 }}---
apiVersion: v1
kind: ConfigMap
metadata: {name: a{{ . }}}
{{ end }}`, ended),
		template(t, "long message", `{{ fail (repeat 10000000 "x") }}`, "templates/a.yaml|"+ended),
		template(t, "aliases in an object", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"+aliases("data"), "templates/a.yaml"),
		template(t, "deep object", object(`repeat 200000 "["`), "templates/a.yaml"),
		template(t, "object that is a number", "42\n", "templates/a.yaml"),
		template(t, "object of another namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}\n", "kube-system"),
		template(t, "lookup", object(`lookup "v1" "Secret" "kube-system" "" | toJson | quote`)),
		template(t, "environment", object(`env "SECRET" | quote`), "templates/a.yaml"),
		template(t, "expandenv", object(`expandenv "$SECRET" | quote`), "templates/a.yaml"),
		template(t, "name of a host", object(`getHostByName "metadata.google.internal" | quote`)),
		template(t, "file that leaves", object(`.Files.Get "../../../etc/passwd" | quote`)),
		template(t, "doubling", doubling+cmptest.ConfigMap),
	}
}

// aliases is a document of a hundred lines that unfolds to a billion.
func aliases(key string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", key)
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&out, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return out.String()
}

func chartAttacks(t testing.TB) []attack {
	t.Helper()
	return []attack{
		withFile(t, "aliases in values", "values.yaml", aliases("a"), "values.yaml"),
		withFile(t, "deep values", "values.yaml", "a: "+strings.Repeat("[", 200_000), "exceeded max depth|"+ended),
		withFile(t, "deep values by indentation", "values.yaml", steps(1000)),
		withFile(t, "values that are a list", "values.yaml", "- a\n", "values.yaml"),
		withFile(t, "values of bytes", "values.yaml", "\x00\xff\xfe", "values.yaml"),
		withFile(t, "schema of a file", "values.schema.json", `{"$ref":"file:///etc/passwd"}`, "values.schema.json", "file:///etc/passwd"),
		withFile(t, "schema of the network", "values.schema.json", `{"$ref":"http://169.254.169.254/latest"}`, "values.schema.json", "169.254.169.254"),
		withFile(t, "schema in a circle", "values.schema.json", `{"$ref":"#"}`, "refers to itself"),
		withFile(t, "schema that burns", "values.schema.json", `{"properties":{"a":{"pattern":"(a{1000}){1000}"}}}`, "values.schema.json"),
		withFile(t, "dependency of the network", "Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{name: dep, version: 1.0.0, repository: 'http://127.0.0.1:1'}]\n", "dep"),
		overlay(t, "resource of the network", "resources: [https://example.com/x.yaml]\n", "https://example.com/x.yaml"),
		overlay(t, "resource of git", "resources: ['github.com/example/repo//dir?ref=main']\n", "github.com/example/repo"),
		overlay(t, "component of ssh", "components: ['git@github.com:example/repo']\n", "git@github.com:example/repo"),
		overlay(t, "patch of the network", "patches: [{path: 'https://example.com/p.yaml', target: {kind: ConfigMap}}]\n", "https://example.com/p.yaml"),
		overlay(t, "exec function", "transformers:\n- |\n  apiVersion: v1\n  kind: X\n  metadata:\n    name: x\n    annotations:\n      config.kubernetes.io/function: |\n        exec: {path: /bin/sh}\n", "is a function that would be executed"),
		overlay(t, "container function", "generators:\n- |\n  apiVersion: v1\n  kind: X\n  metadata:\n    name: x\n    annotations:\n      config.kubernetes.io/function: |\n        container: {image: evil}\n", "is a function that would be executed"),
		overlay(t, "helm chart of kustomize", "helmCharts: [{name: x, repo: 'https://example.com'}]\n", "helmCharts"),
		overlay(t, "openapi", "openapi: {path: schema.json}\n", "openapi"),
		overlay(t, "kustomization that leaves", "resources: [../../etc]\n", "leaves the repository"),
		overlay(t, "kustomization of itself", "resources: [.]\n", "overlay"),
		overlay(t, "file that leaves", "configMapGenerator: [{name: a, files: [../../../etc/passwd]}]\n", "etc/passwd"),
		overlay(t, "aliases in a kustomization", "resources: []\n"+aliases("commonLabels"), "kustomization.yaml"),
		overlay(t, "patch that burns", "patches: [{patch: '[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]', target: {kind: '(a*)*b', name: '((a{100}){100}){100}'}}]\n", "overlay"),
	}
}

// steps is a mapping in a mapping, n deep.
func steps(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return out.String()
}

func parameterAttacks(t testing.TB) []attack {
	t.Helper()
	one := func(name, kind string, value any) string {
		text, err := json.Marshal([]map[string]any{{"name": name, kind: value}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return []attack{
		parameters(t, "parameters that are no JSON", `[{"name":`, "ARGOCD_APP_PARAMETERS"),
		parameters(t, "parameters that are an object", `{"environment":"prod"}`, "ARGOCD_APP_PARAMETERS"),
		parameters(t, "parameters that are deep", strings.Repeat("[", 100_000), "ARGOCD_APP_PARAMETERS"),
		parameters(t, "unknown parameter", one("enviroment", "string", "prod"), "enviroment", "environment"),
		parameters(t, "list for a string", one("environment", "array", []string{"prod"}), "environment"),
		parameters(t, "string for a map", one("set", "string", "a=b"), "set"),
		parameters(t, "parameter twice", `[{"name":"environment","string":"a"},{"name":"environment","string":"b"}]`, "environment"),
		parameters(t, "environment that is a path", one("environment", "string", "../../../etc/passwd"), "environment"),
		parameters(t, "values file that leaves", one("value-files", "array", []string{"../../etc/passwd"}), "leaves the repository"),
		parameters(t, "values file of the network", one("value-files", "array", []string{"http://169.254.169.254/"}), "is a URL"),
		parameters(t, "optional values file that leaves", one("optional-value-files", "array", []string{"/../etc/passwd"}), "leaves the repository"),
		parameters(t, "overlay that leaves", one("overlay", "string", "../../.."), "leaves the repository"),
		parameters(t, "inline aliases", one("values", "string", aliases("a")), "values"),
		parameters(t, "set of a huge index", one("set", "map", map[string]string{"a[1000000000]": "x"}), "a[1000000000]"),
		parameters(t, "set of deep keys", one("set", "map", map[string]string{strings.Repeat("a.", 10_000) + "a": "x"}), "set"),
		parameters(t, "release name that is an object", one("release-name", "string", "a\nkind: Secret"), "release"),
		parameters(t, "release name that is long", one("release-name", "string", strings.Repeat("a", 54)), "53"),
		parameters(t, "namespace that is an object", one("namespace", "string", "a\n---\nkind: Secret"), "namespace"),
		variable(t, "version that is none", "KUBE_VERSION", strings.Repeat("9", 1000), "version"),
		variable(t, "giant list of versions", "KUBE_API_VERSIONS", strings.Repeat("example.com/v1/Kind,", 100_000)),
		variable(t, "giant path of the source", "ARGOCD_APP_SOURCE_PATH", strings.Repeat("a/", 1<<20), "longer than 4096 bytes"),
		variable(t, "giant name", "ARGOCD_APP_NAME", strings.Repeat("a", 1<<20), "release-name"),
		parameters(t, "giant environment", one("environment", "string", strings.Repeat("a", 1<<20)), "environment"),
		variable(t, "path of the source that leaves", "ARGOCD_APP_SOURCE_PATH", "../../../../etc"),
	}
}
