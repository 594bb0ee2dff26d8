package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// notes are both sides of every condition in NOTES.txt.
var notes = []struct {
	values, text string
	want         bool
}{
	{"", "port-forward service/web-core-pipeline 8080:80", true},
	{"ingress: {enabled: true, hostname: a.example.com}", "http://a.example.com/", true},
	{"ingress: {enabled: true, hostname: a.example.com, tls: true, tlsSecretName: t}", "https://a.example.com/", true},
	{"ingress: {enabled: true, hostname: a.example.com}", "port-forward", false},
	{"serviceMonitor: {enabled: true}", "get servicemonitor web-core-pipeline --show-labels", true},
	{"", "servicemonitor", false},
	{"", "helm test web -n apps", true},
	{"tests: {enabled: false}", "helm test", false},
	{"autoscaling: {enabled: true, maxReplicas: 7}", "up to 7 pods", true},
	{"keda: {enabled: true, maxReplicas: 6, triggers: [{type: kafka}]}", "up to 6 pods", true},
	{"", "Scaling", false},
	{"", "WARNING: no source of credentials", true},
	{"secret: {existingSecret: s}", "WARNING: no source of credentials", false},
	{"secret: {create: true, stringData: {POSTGRES_PASSWORD: hidden}}", "WARNING: the Secret holds the values", true},
	{"secret: {create: true, stringData: {POSTGRES_PASSWORD: hidden}}", "hidden", false},
	{"", "WARNING: the Secret holds the values", false},
	{"", "WARNING: networkPolicy.enabled is false", true},
	{"networkPolicy: {enabled: true}", "WARNING: networkPolicy.enabled is false", false},
	{"ingress: {enabled: true, hostname: a.example.com, policy: {blockMetrics: false}}", "publishes /metrics", true},
	{"ingress: {enabled: true, hostname: a.example.com, controller: other}", "publishes /metrics", true},
	{"ingress: {enabled: true, hostname: a.example.com}", "publishes /metrics", false},
}

// TestProgramUnittest lets helm-unittest, which renders with a Helm of its
// own, look for the message of every rule, and read the notes.
func TestProgramUnittest(t *testing.T) {
	unittest := program(t, "HELM_UNITTEST")
	work := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		at := filepath.Join(work, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if err == nil {
			err = os.WriteFile(at, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, file := range repository(t) {
		write(name, file.Data)
	}
	var cases []any
	for i, tc := range rules {
		file := fmt.Sprintf("%d.yaml", i)
		write(dir+"/tests/"+file, []byte(tc.values))
		assert := map[string]any{"notFailedTemplate": map[string]any{}}
		if tc.want != "" {
			assert = map[string]any{"failedTemplate": map[string]any{"errorPattern": regexp.QuoteMeta("1 problem(s) in the values: " + tc.want)}}
		}
		cases = append(cases, map[string]any{"it": tc.name, "values": []string{file}, "asserts": []any{assert}})
	}
	write(dir+"/tests/rules_test.yaml", []byte(toText(t, map[string]any{
		"suite": "rules", "templates": []string{"templates/deployment.yaml"},
		"capabilities": map[string]any{"majorVersion": 1, "minorVersion": 37}, "tests": cases,
	})))
	var notesCases []any
	for i, tc := range notes {
		file := fmt.Sprintf("notes-%d.yaml", i)
		write(dir+"/tests/"+file, []byte(tc.values))
		assert := "matchRegexRaw"
		if !tc.want {
			assert = "notMatchRegexRaw"
		}
		notesCases = append(notesCases, map[string]any{"it": tc.text, "values": []string{file}, "asserts": []any{
			map[string]any{assert: map[string]any{"pattern": regexp.QuoteMeta(tc.text)}},
		}})
	}
	write(dir+"/tests/notes_test.yaml", []byte(toText(t, map[string]any{
		"suite": "notes", "templates": []string{"templates/NOTES.txt"}, "release": map[string]any{"name": "web", "namespace": "apps"},
		"capabilities": map[string]any{"majorVersion": 1, "minorVersion": 37}, "tests": notesCases,
	})))
	out := run(t, work, unittest, dir)
	if want := fmt.Sprintf("%d passed, %d total", len(rules)+len(notes), len(rules)+len(notes)); !strings.Contains(out, want) {
		t.Errorf("helm-unittest does not say %q:\n%s", want, out)
	}
}

// TestProgramConform lets kubeconform compare every object of every values
// file with the schemas of all supported versions.
func TestProgramConform(t *testing.T) {
	kubeconform := program(t, "KUBECONFORM")
	tree := repository(t)
	for _, version := range []string{"1.35", "1.36", "1.37"} {
		schemas := t.TempDir()
		for _, name := range []string{"kubernetes-" + version, "custom"} {
			a, _ := readAPIs(t, name)
			for kind, definition := range a.Kinds {
				data, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + definition, "definitions": a.Definitions})
				if err == nil {
					err = os.WriteFile(filepath.Join(schemas, conformName(kind)), data, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		conform := func(text string) (valid, others int, out string) {
			t.Helper()
			file := filepath.Join(t.TempDir(), "all.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, kubeconform, "-strict", "-summary", "-output", "json", "-schema-location", filepath.Join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json"), file)
			data, _ := cmd.Output() // findings are its exit code
			var report struct {
				Summary struct{ Valid, Invalid, Errors, Skipped int }
			}
			if err := json.Unmarshal(data, &report); err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			return report.Summary.Valid, report.Summary.Invalid + report.Summary.Errors + report.Summary.Skipped, string(data)
		}
		for _, file := range valuesFiles(t, tree) {
			list := mustRender(t, tree, "", string(tree[file].Data))
			if valid, others, out := conform(stream(t, list)); valid != len(list) || others != 0 {
				t.Errorf("Kubernetes %s: %s: %d of %d objects are valid:\n%s", version, file, valid, len(list), out)
			}
		}
		if _, others, _ := conform("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspce: {}\n"); others != 1 {
			t.Errorf("Kubernetes %s: an unknown field passes", version)
		}
	}
}

// conformName is the name under which kubeconform looks for the schema of
// apiVersion/Kind.
func conformName(kind string) string {
	parts := strings.Split(strings.ToLower(kind), "/")
	group, _, _ := strings.Cut(parts[0], ".")
	return strings.Join(append([]string{parts[len(parts)-1], group}, parts[1:len(parts)-1]...), "-") + ".json"
}
