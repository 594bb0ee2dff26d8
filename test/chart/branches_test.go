package chart

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/manifest"
)

// condition is the start of a branch: if, else if, or with.
var condition = regexp.MustCompile(`\{\{-? (if|else if|with) (.+?) \}\}`)

// TestBranches replaces every condition of the templates by true and by false.
// Some values file has to notice both, or one side of the branch is never
// rendered. The rules in _validate.tpl have tests of their own.
func TestBranches(t *testing.T) {
	if testing.Short() {
		t.Skip("renders the chart some thousand times")
	}
	tree := repository(t)
	inputs := maps.Clone(corners)
	for _, file := range valuesFiles(t, tree) {
		inputs[file] = string(tree[file].Data)
	}
	files := slices.Sorted(maps.Keys(inputs))
	before := map[string]string{}
	for _, file := range files {
		list, err := renderAs(t, tree, file, inputs[file])
		if err != nil {
			t.Fatalf("%s: %s", file, plugin.Message(err))
		}
		before[file] = stream(t, list)
	}
	defaults := parse(t, tree[path.Join(dir, "values.yaml")].Data)
	count := 0
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !strings.HasPrefix(name, dir+"/templates/") || strings.HasSuffix(name, "_validate.tpl") || strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		text := string(tree[name].Data)
		for _, at := range condition.FindAllStringSubmatchIndex(text, -1) {
			keyword, expression := text[at[2]:at[3]], text[at[4]:at[5]]
			line := 1 + strings.Count(text[:at[0]], "\n")
			count++
			for side, replacement := range map[string]string{"true": yes(keyword, expression), "false": no(keyword, expression)} {
				if name, ok := strings.CutPrefix(expression, ".Values."); ok && keyword == "with" && side == "true" {
					if table, _ := lookup(defaults, strings.Split(name, ".")); isTable(table) {
						continue // a scope and no condition
					}
				}
				mutant := maps.Clone(tree)
				mutant[name] = &fstest.MapFile{Data: []byte(text[:at[4]] + replacement + text[at[5]:])}
				if !slices.ContainsFunc(files, func(file string) bool {
					list, err := renderAs(t, mutant, file, inputs[file])
					return err != nil || stream(t, list) != before[file]
				}) {
					t.Errorf("%s:%d: no values file sees that `%s %s` is %s", strings.TrimPrefix(name, dir+"/"), line, keyword, expression, opposite(side))
				}
			}
		}
	}
	if count < 80 {
		t.Fatalf("found %d conditions", count)
	}
}

func isTable(v any) bool {
	table, ok := v.(map[string]any)
	return ok && len(table) > 0
}

// renderAs gives the input named "release" a release name that does not have
// the chart's name in it.
func renderAs(t testing.TB, tree fs.FS, name, values string) (manifest.List, error) {
	t.Helper()
	release := "core-pipeline"
	if name == "release" {
		release = "web"
	}
	return plugin.Render(t.Context(), tree, plugin.Request{Dir: dir, Parameters: plugin.Parameters{
		Values: values, ReleaseName: release, Namespace: "apps", IncludeTests: true,
	}}, plugin.Options{})
}

// corners are values that no file has.
var corners = map[string]string{
	"defaults": "", "release": "",
	"off": `
serviceAccount: {create: false}
tests: {enabled: false}
metrics: {enabled: false}
tracing: {enabled: false}
pdb: {enabled: false}
antiAffinity: none
ingress: {className: "", enabled: true, hostname: a.example.com, controller: other, tls: true, tlsSecretName: t}
livenessProbe: null
readinessProbe: null
networkPolicy: {enabled: true, ingress: {allowSameNamespace: false, from: []}, egress: {dns: []}}
replicaCount: 1
heapPercent: 0
`,
	"bare Traefik": "ingress: {enabled: true, controller: traefik, className: '', extraHosts: [{host: a.example.com}], policy: {blockMetrics: false, bodySize: '0'}}",
	"no Traefik":   "renderMode: skipIfMissing\ningress: {enabled: true, controller: traefik, hostname: a.example.com}",
	"bare nginx":   "ingress: {enabled: true, className: '', hostname: a.example.com}",
	"bare route":   "httpRoute: {enabled: true, parentRefs: [{name: g}]}\ningress: {hostname: a.example.com, policy: {blockMetrics: false}}",
	"own routes":   "httpRoute: {enabled: true, parentRefs: [{name: g}]}\ningress: {extraHosts: [{host: a.example.com, paths: [{path: /a}]}]}",
	"other TLS":    "ingress: {enabled: true, hostname: a.example.com, certManager: {clusterIssuer: a}, extraTls: [{secretName: b}]}",
	"numbers":      "resources: {requests: {cpu: 0.1}, limits: {cpu: 1, memory: 1073741824}}\nenv: {MAX: 10000000}",
	"KEDA to one":  "keda: {enabled: true, minReplicas: 1, triggers: [{type: kafka}]}",
	"memory only":  "autoscaling: {enabled: true, targetCPUUtilizationPercentage: null}",
	"no secret":    "hooks: {smokeTest: {enabled: true}}",
}

// yes and no are conditions that always hold and never hold. A with that
// always holds gives its body something that has no field.
func yes(keyword, expression string) string {
	if keyword == "with" {
		return fmt.Sprintf(`(%s) | default (dict "mutant" "true")`, strip(expression))
	}
	return "true"
}

func no(keyword, _ string) string {
	if keyword == "with" {
		return "dict"
	}
	return "false"
}

// strip takes the variable off `with $x := expression`.
func strip(expression string) string {
	if _, value, ok := strings.Cut(expression, ":= "); ok {
		return value
	}
	return expression
}

func opposite(side string) string {
	if side == "true" {
		return "false"
	}
	return "true"
}
